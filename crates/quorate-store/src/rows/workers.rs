use std::collections::BTreeMap;
use std::ops::Bound;

use quorate_core::{Changes, Worker, WorkerView};

/// The workers that hold jobs, as readers see them.
#[derive(Default)]
pub(crate) struct Workers(BTreeMap<Box<str>, Worker>);

impl Workers {
    pub(crate) fn new(workers: BTreeMap<Box<str>, Worker>) -> Workers {
        Workers(workers)
    }

    /// Takes over what a write has changed of them.
    pub(crate) fn update(&mut self, changes: &Changes) {
        for (name, heard) in &changes.workers {
            match heard {
                Some(heard) => self.0.entry(name.clone()).or_default().heard = *heard,
                None => drop(self.0.remove(name)),
            }
        }
        for ((name, job), holds) in &changes.held {
            // One that is gone holds nothing.
            let Some(worker) = self.0.get_mut(name) else { continue };
            match holds {
                true => worker.jobs.insert(*job),
                false => worker.jobs.remove(job),
            };
        }
    }

    /// The worker of that name.
    pub(crate) fn named(&self, name: &str) -> Option<WorkerView> {
        self.0.get_key_value(name).map(|(name, worker)| WorkerView::new(name, worker))
    }

    /// At most `n` by name, from behind `after`.
    pub(crate) fn page(&self, after: Option<&str>, n: usize) -> Vec<WorkerView> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let workers = self.0.range::<str, _>((from, Bound::Unbounded));
        workers.take(n).map(|(name, worker)| WorkerView::new(name, worker)).collect()
    }
}

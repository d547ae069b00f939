use std::collections::{BTreeMap, BTreeSet};

use super::open::Open;
use super::rank::Waiting;
use super::workers::Workers;
use super::{Dispatch, Lane, LaneMark, Untold, Unwritten, WaitBounds, Worker};
use crate::{ImageId, JobId, Priority, Queue, QueueId, QueueName, Timestamp};

/// A key of a priority of a queue.
pub type KeyTurn = (QueueId, Priority, Box<str>);

/// What has changed of that which must outlive a restart. `None`, or 0: it is gone.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "see Kept")]
pub struct Changes {
    pub queues: Vec<(QueueId, Option<Queue>)>,
    pub lanes: Vec<(Lane, Option<LaneMark>)>,
    pub turns: Vec<(KeyTurn, u64)>,
    pub running: Vec<((QueueId, Box<str>), u64)>,
    pub workers: Vec<(Box<str>, Option<Timestamp>)>,
    pub held: Vec<((Box<str>, JobId), bool)>,
}

/// All that must outlive a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Every queue.
    pub queues: BTreeMap<QueueId, Queue>,
    /// Every lane that is not empty.
    pub lanes: BTreeMap<Lane, LaneMark>,
    /// When a key that has waiting jobs had its last turn, in the order of places, if it had one while others waited for theirs.
    pub turns: BTreeMap<KeyTurn, u64>,
    /// How many jobs of a key run, if any.
    pub running: BTreeMap<(QueueId, Box<str>), u64>,
    /// Every worker that said its name and holds a job.
    pub workers: BTreeMap<Box<str>, Worker>,
    /// The number that the next new queue gets.
    pub next_queue: u64,
}

/// What is kept.
impl Dispatch {
    /// As it was at that time.
    pub fn restore(now: Timestamp, kept: Kept) -> Dispatch {
        let mut dispatch = Dispatch {
            now,
            lines: BTreeMap::new(),
            names: BTreeMap::new(),
            next_queue: kept.next_queue.max(QueueId::DEFAULT.0 + 1),
            lanes: 0,
            bounds: WaitBounds::default(),
            workers: Workers::restore(kept.workers),
            open: Open::default(),
            open_by_image: BTreeMap::new(),
            open_crowded: Open::default(),
            refills: BTreeSet::new(),
            untold: Untold::default(),
            unwritten: Unwritten::default(),
        };
        dispatch.add(Queue::new(QueueId::DEFAULT, QueueName::DEFAULT));
        for queue in kept.queues.into_values() {
            dispatch.add(queue);
        }
        for ((queue, key), jobs) in kept.running {
            if let Some(line) = dispatch.lines.get_mut(&queue) {
                line.running.set(&key, jobs);
            }
        }
        for (lane, mark) in kept.lanes {
            let Some(line) = dispatch.lines.get_mut(&lane.queue) else { continue };
            let LaneMark { first, since, jobs, served } = mark;
            let waiting = Waiting { first, since, jobs, served };
            line.set(lane.priority, &lane.key, lane.image, None, Some(waiting));
            dispatch.lanes += 1;
        }
        for ((queue, priority, key), served) in kept.turns {
            if let Some(line) = dispatch.lines.get_mut(&queue) {
                line.serve_key(priority, &key, served);
            }
        }
        for queue in dispatch.lines.keys().copied().collect::<Vec<_>>() {
            let images: Vec<ImageId> = dispatch.line(queue).images().map(|(image, _)| image).collect();
            dispatch.settle(queue, images);
        }
        dispatch.untold = Untold::default();
        dispatch.unwritten = Unwritten::default();
        dispatch
    }

    /// Forgets which keys had their turns. For tests of the tests.
    #[cfg(feature = "testing")]
    pub fn forget_turns(&mut self) {
        for line in self.lines.values_mut() {
            for priority in Priority::SERVED {
                let lanes = line.rank(priority).lanes();
                let lanes: Vec<(Box<str>, ImageId)> =
                    lanes.map(|(key, image, _)| (key.into(), image)).collect();
                for (key, image) in &lanes {
                    line.serve_key(priority, key, 0);
                    line.serve_lane(priority, key, *image, 0);
                }
            }
        }
    }

    /// All that must outlive a restart.
    pub fn kept(&self) -> Kept {
        let workers = self.workers.all().clone();
        let mut kept = Kept { next_queue: self.next_queue, workers, ..Kept::default() };
        for (id, line) in &self.lines {
            kept.queues.insert(*id, line.queue.clone());
            kept.running.extend(line.running.iter().map(|(key, jobs)| ((*id, key.into()), jobs)));
            for priority in Priority::SERVED {
                for (key, image, waiting) in line.rank(priority).lanes() {
                    let lane = Lane { queue: *id, priority, image, key: key.into() };
                    kept.lanes.insert(lane, waiting.mark());
                    let served = line.rank(priority).served(key);
                    if served > 0 {
                        kept.turns.insert((*id, priority, key.into()), served);
                    }
                }
            }
        }
        kept
    }

    /// What has changed of it since this was last called.
    pub fn changes(&mut self) -> Changes {
        let Unwritten { queues, lanes, turns, running, workers, held } = std::mem::take(&mut self.unwritten);
        let worker = |name: &str| self.workers.all().get(name);
        let heard = workers.into_iter().map(|name| {
            let heard = worker(&name).map(|worker| worker.heard);
            (name, heard)
        });
        let held = held.into_iter().map(|(name, job)| {
            let holds = worker(&name).is_some_and(|worker| worker.jobs.contains(&job));
            ((name, job), holds)
        });
        let queue = |id: QueueId| (id, self.queue(id).cloned());
        let running = running.into_iter().map(|(queue, key)| {
            let jobs = self.lines.get(&queue).map_or(0, |line| line.running.of(&key));
            ((queue, key), jobs)
        });
        let turns = turns.into_iter().map(|(queue, priority, key)| {
            let line = self.lines.get(&queue);
            let served = line.map_or(0, |line| line.rank(priority).served(&key));
            ((queue, priority, key), served)
        });
        Changes {
            turns: turns.collect(),
            queues: queues.into_iter().map(queue).collect(),
            running: running.collect(),
            workers: heard.collect(),
            held: held.collect(),
            lanes: lanes
                .into_iter()
                .map(|lane| {
                    let mark = self.mark(&lane);
                    (lane, mark)
                })
                .collect(),
        }
    }
}

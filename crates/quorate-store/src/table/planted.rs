//! What the planted bugs of the table do: see [`crate::planted`].

use std::time::{SystemTime, UNIX_EPOCH};

use quorate_core::{Change, Effect, Job, State, Status, Table, Timestamp};

use super::applier::Applier;
use crate::StoreError;
use crate::rows::codec;
use crate::rows::db::Family;
use crate::rows::keys;

/// For [`crate::planted::Bug::LocalClock`].
pub(super) fn local_clock() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

impl Applier {
    /// For [`crate::planted::Bug::DoubleGrant`].
    pub(super) fn queue_running_jobs_again(&mut self) -> Result<Vec<Effect>, StoreError> {
        let [newest, oldest] = [u64::MAX, 0].map(|number| keys::listed(Status::Running, number));
        let running = self.generation.db.scan(Family::Idx, &newest, &[&oldest[..], &[0]].concat());
        let id = |value: Box<[u8]>| codec::intact(keys::listed_id(&value), "the row of a running job");
        let mut ids = running.map(|row| id(row?.1)).collect::<Result<Vec<_>, StoreError>>()?;
        ids.extend(self.unwritten.jobs.keys());
        ids.sort();
        ids.dedup();
        let mut effects = Vec::new();
        for id in ids {
            let Some(job) = self.find_job(id)?.filter(|job| matches!(job.state, State::Running { .. }))
            else {
                continue;
            };
            let again =
                Job { state: State::Queued { seq: self.next_seq() }, started_at: None, ..job.clone() };
            self.put_job(Some(&job), &again)?;
            let (from, to) = (Some(job.status()), Some(again.status()));
            effects.push(Effect::Job(Change { id, queue: job.queue, from, to, reason: None }));
        }
        Ok(effects)
    }
}

//! What the planted bugs of the table do: see [`crate::planted`].

use std::time::{SystemTime, UNIX_EPOCH};

use quorate_core::{Job, State, Table, Timestamp};

use super::codec;
use super::db::Family;
use super::keys::Prefix;
use super::writer::Writer;
use crate::StoreError;

/// For [`crate::planted::Bug::LocalClock`].
pub(super) fn local_clock() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

impl Writer {
    /// For [`crate::planted::Bug::DoubleGrant`].
    pub(super) fn queue_running_jobs_again(&mut self) -> Result<(), StoreError> {
        let db = &self.generation.db;
        let active = db.scan(Family::Default, &Prefix::ActiveJob.start(), &Prefix::ActiveJob.end());
        let mut ids =
            active.map(|row| Ok(codec::decode_job(&row?.1)?.id)).collect::<Result<Vec<_>, StoreError>>()?;
        ids.extend(self.batch.jobs.keys());
        ids.sort();
        ids.dedup();
        for id in ids {
            let Some(job) = self.find_job(id)?.filter(|job| matches!(job.state, State::Running { .. }))
            else {
                continue;
            };
            let again =
                Job { state: State::Queued { seq: self.next_seq() }, started_at: None, ..job.clone() };
            self.put_job(Some(&job), &again)?;
        }
        Ok(())
    }
}

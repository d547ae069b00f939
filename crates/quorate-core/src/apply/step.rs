use bytes::Bytes;

use crate::{Job, JobId, Position, Refusal, State, Status, Table, Timestamp};

use super::due;

/// One command being carried out: on which table, at what log time, where in the log.
pub(super) struct Step<'a, T> {
    pub(super) table: &'a mut T,
    pub(super) now: Timestamp,
    pub(super) at: Position,
}

/// Why a command ends early.
pub(super) enum Stop<E> {
    /// It is refused, and has done nothing of its own.
    Refused(Refusal),
    /// The storage failed.
    Broken(E),
}

impl<E> From<E> for Stop<E> {
    fn from(error: E) -> Stop<E> {
        Stop::Broken(error)
    }
}

/// Ends a command with a refusal.
pub(super) fn refuse<V, E>(refusal: Refusal) -> Result<V, Stop<E>> {
    Err(Stop::Refused(refusal))
}

/// Refuses a command one of whose fields is outside its limits.
pub(super) fn check<E>(within: bool, field: &'static str) -> Result<(), Stop<E>> {
    if within { Ok(()) } else { refuse(Refusal::Invalid { field }) }
}

impl<T: Table> Step<'_, T> {
    /// The job that a command names. If it ran past its deadline it is timed out first, however far behind the
    /// bounded work of `tick` is.
    pub(super) fn job(&mut self, id: JobId) -> Result<Job, Stop<T::Error>> {
        match self.current(id)? {
            Some(job) => Ok(job),
            None => refuse(Refusal::NoSuchJob),
        }
    }

    /// A job as [`Step::job`] gives it, if there is one.
    pub(super) fn current(&mut self, id: JobId) -> Result<Option<Job>, T::Error> {
        match self.table.job(id)? {
            Some(job) if due::has_timed_out(&job, self.now) => due::time_out(self, job).map(Some),
            other => Ok(other),
        }
    }

    /// Refuses a command that the job's status does not allow. A delayed job that is due but still waits for `tick`
    /// counts as queued; it is not moved here, so that jobs are queued in the order of their due times.
    pub(super) fn wrong_status<V>(&self, job: &Job) -> Result<V, Stop<T::Error>> {
        let is_due = matches!(job.state, State::Delayed { due } if due <= self.now);
        let status = if is_due { Status::Queued } else { job.status() };
        refuse(Refusal::WrongStatus { status })
    }

    /// Writes a job that has just reached a final state, with its log.
    pub(super) fn end(&mut self, before: &Job, mut ended: Job, log: &Bytes) -> Result<Job, T::Error> {
        ended.completed_at = Some(self.now);
        ended.log_bytes = u32::try_from(log.len()).expect("a log within its limit");
        if !log.is_empty() {
            self.table.put_log(ended.id, log.clone())?;
        }
        self.table.put_job(Some(before), &ended)?;
        Ok(ended)
    }
}

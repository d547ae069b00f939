use crate::lifecycle::leads;
use crate::{
    Change, Effect, FeatureLevel, Job, KeyRecord, Lane, Operation, Position, Queue, QueueId, Reason, Refusal,
    Settings, State, Status, Table, Timestamp, unique,
};

/// One command being carried out: on which table, at what log time, where in the log.
pub(super) struct Step<'a, T> {
    pub(super) table: &'a mut T,
    pub(super) now: Timestamp,
    pub(super) at: Position,
    /// What the batch has done so far.
    pub(super) effects: Vec<Effect>,
}

/// The writes that somebody may wait for, count or watch: each tells its effect.
impl<T: Table> Step<'_, T> {
    /// See [`Table::put_job`].
    pub(super) fn put_job(&mut self, before: Option<&Job>, after: &Job) -> Result<(), T::Error> {
        let (from, to) = (before.map(Job::status), Some(after.status()));
        assert!(leads(from, to), "{}: {from:?} does not become {to:?}", after.id);
        self.table.put_job(before, after)?;
        if from != to {
            self.dispatch(before, Some(after))?;
            self.keep_unique(before, after)?;
            let reason = match after.state {
                State::Error { reason, .. } => Some(reason),
                State::Delayed { .. }
                | State::Queued { .. }
                | State::Running { .. }
                | State::Success
                | State::Cancelled { .. } => None,
            };
            self.effects.push(Effect::Job(change(after, from, to, reason)));
        }
        Ok(())
    }

    /// See [`Table::delete_job`].
    pub(super) fn delete_job(&mut self, job: &Job) -> Result<(), T::Error> {
        let from = Some(job.status());
        assert!(leads(from, None), "{}: a job is not removed while it is {from:?}", job.id);
        self.table.delete_job(job)?;
        self.forget_unique(job)?;
        self.dispatch(Some(job), None)?;
        self.effects.push(Effect::Job(change(job, from, None, None)));
        Ok(())
    }

    /// A job has another status: what that means for who gets which job.
    fn dispatch(&mut self, before: Option<&Job>, after: Option<&Job>) -> Result<(), T::Error> {
        let first = match before.and_then(|job| Some((Lane::of(job), job.state.place()?.0))) {
            Some((lane, seq)) if self.table.dispatch().is_first(&lane, seq) => {
                self.table.first_in(&lane)?.and_then(|job| job.state.place())
            }
            Some(_) | None => None,
        };
        self.table.dispatch_mut().moved(before, after, first);
        Ok(())
    }

    /// A unique job keeps others away from its birth on; where it was that of a job which it goes on from, in its place.
    fn keep_unique(&mut self, before: Option<&Job>, after: &Job) -> Result<(), T::Error> {
        let Some(unique) = &after.unique else { return Ok(()) };
        if before.is_none() {
            return self.table.put_unique(after.queue, &unique.key, Some(after.id));
        }
        if unique::holds(after, self.now) { Ok(()) } else { self.forget_unique(after) }
    }

    /// A job keeps nobody away any more, unless another one does so in its place.
    fn forget_unique(&mut self, job: &Job) -> Result<(), T::Error> {
        let Some(unique) = &job.unique else { return Ok(()) };
        if self.table.unique(job.queue, &unique.key)? == Some(job.id) {
            self.table.put_unique(job.queue, &unique.key, None)?;
        }
        Ok(())
    }

    /// The record of a job's queue.
    pub(super) fn queue(&self, id: QueueId) -> &Queue {
        self.table.dispatch().queue(id).expect("a job's queue is there")
    }

    /// See [`Table::put_key`].
    pub(super) fn put_key(&mut self, record: &KeyRecord) -> Result<(), T::Error> {
        self.table.put_key(record)?;
        self.effects.push(Effect::KeySpent(record.key.clone()));
        Ok(())
    }

    /// See [`Table::put_operation`].
    pub(super) fn put_operation(&mut self, operation: Operation) {
        self.effects.push(Effect::Operation(operation.id));
        self.table.put_operation(operation);
    }

    /// See [`Table::put_settings`].
    pub(super) fn put_settings(&mut self, settings: Settings) {
        self.table.put_settings(settings);
        self.effects.push(Effect::Configured(settings));
    }

    /// See [`Table::put_level`].
    pub(super) fn put_level(&mut self, level: FeatureLevel) {
        self.table.put_level(level);
        self.effects.push(Effect::Raised(level));
    }
}

/// By a command, as far as is known here.
fn change(job: &Job, from: Option<Status>, to: Option<Status>, reason: Option<Reason>) -> Change {
    let goes_on = job.retry_of.is_some();
    Change { id: job.id, queue: job.queue, from, to, reason, goes_on, by_time: false }
}

/// Writes a job that becomes what the life cycle does not have, with all that follows. For tests of the tests.
///
/// # Errors
/// The storage failed.
#[cfg(feature = "testing")]
pub fn force<T: Table>(table: &mut T, before: &Job, after: &Job) -> Result<Vec<Effect>, T::Error> {
    let now = table.clock();
    let mut step = Step { table, now, at: Position::default(), effects: Vec::new() };
    step.table.put_job(Some(before), after)?;
    step.dispatch(Some(before), Some(after))?;
    let (from, to) = (Some(before.status()), Some(after.status()));
    step.effects.push(Effect::Job(change(after, from, to, None)));
    let mut effects = step.effects;
    effects.extend(table.dispatch_mut().tell());
    Ok(effects)
}

/// Why a command ends early.
pub(super) enum Abort<E> {
    /// It is refused, and has done nothing of its own.
    Refused(Refusal),
    /// The storage failed.
    Broken(E),
}

impl<E> From<E> for Abort<E> {
    fn from(error: E) -> Abort<E> {
        Abort::Broken(error)
    }
}

/// Ends a command with a refusal.
pub(super) fn refuse<V, E>(refusal: Refusal) -> Result<V, Abort<E>> {
    Err(Abort::Refused(refusal))
}

/// Refuses a command one of whose fields is outside its limits.
pub(super) fn check<E>(within: bool, field: &'static str) -> Result<(), Abort<E>> {
    if within { Ok(()) } else { refuse(Refusal::Invalid { field }) }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::model::Model;
    use crate::{ImageId, JobId, NewJob, Priority, QueueName, apply::birth};

    /// A queued job, and a command that is carried out on its table.
    fn with_queued_job(test: impl FnOnce(&mut Step<'_, Model>, Job)) {
        let mut model = Model::new();
        let (now, at) = (Timestamp(1_000), Position::default());
        let mut step = Step { table: &mut model, now, at, effects: Vec::new() };
        let new = NewJob {
            id: JobId([1; 16]),
            queue: QueueName::DEFAULT,
            priority: Priority::default(),
            key: "".into(),
            tags: [].into(),
            unique: None,
            image: "image".into(),
            image_id: ImageId([2; 16]),
            payload: Bytes::new(),
            delay: 0,
            timeout: None,
            max_retries: None,
            retries_delay: None,
        };
        let Ok(job) = birth::new_job(&mut step, &new);
        test(&mut step, job);
    }

    #[test]
    #[should_panic(expected = "Some(Queued) does not become Some(Success)")]
    fn a_status_becomes_no_other_than_the_life_cycle_has() {
        with_queued_job(|step, job| {
            let done = Job { state: State::Success, completed_at: Some(step.now), ..job.clone() };
            let Ok(()) = step.put_job(Some(&job), &done);
        });
    }

    #[test]
    #[should_panic(expected = "a job is not removed while it is Some(Queued)")]
    fn a_job_that_has_not_ended_is_not_removed() {
        with_queued_job(|step, job| {
            let Ok(()) = step.delete_job(&job);
        });
    }
}

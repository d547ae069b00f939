use crate::{
    Change, Effect, FeatureLevel, Job, KeyRecord, Position, Refusal, Settings, State, Table, Timestamp,
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
        self.table.put_job(before, after)?;
        let from = before.map(Job::status);
        if from != Some(after.status()) {
            let reason = match after.state {
                State::Error { reason, .. } => Some(reason),
                State::Delayed { .. }
                | State::Queued { .. }
                | State::Running { .. }
                | State::Success
                | State::Cancelled { .. } => None,
            };
            let (id, queue, to) = (after.id, after.queue, Some(after.status()));
            self.effects.push(Effect::Job(Change { id, queue, from, to, reason }));
        }
        Ok(())
    }

    /// See [`Table::delete_job`].
    pub(super) fn delete_job(&mut self, job: &Job) -> Result<(), T::Error> {
        self.table.delete_job(job)?;
        let from = Some(job.status());
        self.effects.push(Effect::Job(Change { id: job.id, queue: job.queue, from, to: None, reason: None }));
        Ok(())
    }

    /// See [`Table::put_key`].
    pub(super) fn put_key(&mut self, record: &KeyRecord) -> Result<(), T::Error> {
        self.table.put_key(record)?;
        self.effects.push(Effect::KeySpent(record.key.clone()));
        Ok(())
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

use quorate_core::{Answered, Effect, Timestamp};

/// Learns what the job table has applied. Called on the apply path, hence must be quick and must not block.
pub trait ApplyObserver: Send + Sync + 'static {
    /// An entry has been applied and its write is visible to every reader. Once for each log entry, in order.
    fn applied(&self, entry: AppliedEntry);

    /// A snapshot has replaced the table: what was applied meanwhile was not announced one by one. A request that
    /// is still waited for may have its answer in [`crate::Reader::answer`].
    fn installed(&self);
}

/// One applied log entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedEntry {
    /// Its log index.
    pub index: u64,
    /// Log time after it.
    pub clock: Timestamp,
    /// The answers to its commands; none for an entry that is not a batch.
    pub answered: Vec<Answered>,
    /// What it did to the table, in that order.
    pub effects: Vec<Effect>,
}

/// For a table that nobody follows.
pub(crate) struct Nobody;

impl ApplyObserver for Nobody {
    fn applied(&self, _entry: AppliedEntry) {}

    fn installed(&self) {}
}

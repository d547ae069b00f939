//! What a queue is: its name, its settings, what is counted of it. Which of its jobs is next is `dispatch`'s matter.

mod bucket;
mod counts;
mod name;
mod settings;
mod totals;

pub use bucket::{Bucket, Rate};
pub use counts::{Counts, Recent};
pub use name::QueueName;
pub use settings::{Backoff, QueueSettings, Setting};
pub use totals::Totals;

use crate::{QueueId, Status, Timestamp};

/// A queue's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Given with its first use, never to another one.
    pub id: QueueId,
    /// What it is called.
    pub name: QueueName,
    /// Whether it stays when its last job is gone: one that somebody set, and the default one.
    pub kept: bool,
    /// How its jobs are handed out, and what they are like by default.
    pub settings: QueueSettings,
    /// What its rate has left.
    pub bucket: Bucket,
    /// Of its jobs.
    pub counts: Counts,
}

impl Queue {
    /// A queue that has no jobs yet.
    pub(crate) fn new(id: QueueId, name: QueueName) -> Queue {
        Queue {
            id,
            name,
            kept: id == QueueId::DEFAULT,
            settings: QueueSettings::default(),
            bucket: Bucket::default(),
            counts: Counts::default(),
        }
    }

    /// How many more jobs may be granted at that time, whatever waits; `u64::MAX` where nothing limits it.
    pub fn places(&self, now: Timestamp) -> u64 {
        let by_rate = self.rate_left(now).unwrap_or(u64::MAX);
        self.places_but_for_rate().min(by_rate)
    }

    fn places_but_for_rate(&self) -> u64 {
        match self.settings.max_running {
            _ if self.settings.paused => 0,
            Some(most) => u64::from(most).saturating_sub(self.counts.of(Status::Running)),
            None => u64::MAX,
        }
    }

    /// How many jobs its rate allows to be granted at once at that time; `None` where it has none.
    pub fn rate_left(&self, now: Timestamp) -> Option<u64> {
        self.settings.rate.map(|rate| self.bucket.left(rate, now))
    }

    /// When the next job may be granted, where only its rate is in the way.
    pub(crate) fn refill(&self, now: Timestamp) -> Option<Timestamp> {
        let rate = self.settings.rate?;
        let by_rate_alone = self.bucket.left(rate, now) == 0 && self.places_but_for_rate() > 0;
        self.bucket.next(rate).filter(|_| by_rate_alone)
    }

    /// Whether anything limits how many of its jobs run.
    pub(crate) fn is_limited(&self) -> bool {
        self.settings.paused || self.settings.max_running.is_some() || self.settings.rate.is_some()
    }

    /// Whether it goes: nobody set it, and no job is left.
    pub(crate) fn is_over(&self) -> bool {
        !self.kept && self.counts.all() == 0
    }
}

/// A queue as readers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueView {
    /// Its record.
    pub queue: Queue,
    /// Since when the job waits that has waited longest; `None` when none does.
    pub oldest: Option<Timestamp>,
    /// How full its keys are, where `max_running_per_key` is set.
    pub keys: Option<KeysRunning>,
}

/// Of the keys of a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeysRunning {
    /// How many have jobs that run.
    pub running: u64,
    /// How many are at their limit, or above one that was lowered.
    pub full: u64,
    /// Those with the most jobs that run, and how many those are; at most [`crate::limits::KEYS_SHOWN`], of equal ones the first by name.
    pub fullest: Vec<(Box<str>, u64)>,
}

use serde::{Deserialize, Serialize};

/// The queue of those that name none.
pub const DEFAULT_QUEUE: &str = "default";

/// What limits a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueLimits {
    /// Most jobs that run at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_running: Option<u32>,
    /// Most jobs of one key that run at once, those without a key aside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_running_per_key: Option<u32>,
    /// Most jobs that are granted in a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// Whether none of its jobs is granted.
    #[serde(default, skip_serializing_if = "is_false")]
    pub paused: bool,
}

/// So many jobs in so many seconds; as many may come at once after a quiet time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// At least one.
    pub jobs: u32,
    /// At least one.
    pub seconds: u32,
}

impl QueueLimits {
    /// Whether it may keep back a job of this key.
    pub fn may_keep_back(&self, key: &str) -> bool {
        self.paused || self.max_running.is_some() || self.rate.is_some() || self.per_key(key).is_some()
    }

    /// Most jobs of this key that run at once.
    pub fn per_key(&self, key: &str) -> Option<u32> {
        self.max_running_per_key.filter(|_| !key.is_empty())
    }

    /// What both forbid. (Nothing is known of two rates.)
    pub(crate) fn looser(self, other: QueueLimits) -> QueueLimits {
        let most = |one: Option<u32>, other: Option<u32>| Some(one?.max(other?));
        QueueLimits {
            max_running: most(self.max_running, other.max_running),
            max_running_per_key: most(self.max_running_per_key, other.max_running_per_key),
            rate: self.rate.filter(|rate| Some(*rate) == other.rate),
            paused: self.paused && other.paused,
        }
    }

    /// What either forbids.
    pub(crate) fn tighter(self, other: QueueLimits) -> QueueLimits {
        let most = |one: Option<u32>, other: Option<u32>| one.into_iter().chain(other).min();
        QueueLimits {
            max_running: most(self.max_running, other.max_running),
            max_running_per_key: most(self.max_running_per_key, other.max_running_per_key),
            rate: self.rate.or(other.rate),
            paused: self.paused || other.paused,
        }
    }
}

pub(crate) fn default_queue() -> Box<str> {
    DEFAULT_QUEUE.into()
}

pub(crate) fn is_default_queue(name: &str) -> bool {
    name == DEFAULT_QUEUE
}

fn is_false(flag: &bool) -> bool {
    !flag
}

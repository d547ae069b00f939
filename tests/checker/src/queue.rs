use serde::{Deserialize, Serialize};

/// The queue of those that name none.
pub const DEFAULT_QUEUE: &str = "default";

/// What a queue is set to, for the whole run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueLimits {
    /// Most jobs that run at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_running: Option<u32>,
    /// Most jobs of one key that run at once, those without a key aside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_running_per_key: Option<u32>,
    /// Whether none of its jobs is granted.
    #[serde(default, skip_serializing_if = "is_false")]
    pub paused: bool,
}

impl QueueLimits {
    /// Whether it may keep back a job of this key.
    pub fn may_keep_back(&self, key: &str) -> bool {
        self.paused || self.max_running.is_some() || self.per_key(key).is_some()
    }

    /// Most jobs of this key that run at once.
    pub fn per_key(&self, key: &str) -> Option<u32> {
        self.max_running_per_key.filter(|_| !key.is_empty())
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

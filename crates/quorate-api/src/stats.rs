use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{JobCounts, LastMinute};

/// What all queues come to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Stats {
    /// How many queues there are.
    pub queues: u64,
    /// Jobs by status.
    pub jobs: JobCounts,
    /// Of the queued, those of priority 0, 1 and 2.
    pub queued_by_priority: [u64; 3],
    /// Since when the job waits that has waited longest: RFC 3339, UTC; `null`: none waits.
    pub oldest_queued_at: Option<String>,
    /// What happened in the last whole minute.
    pub last_minute: LastMinute,
}

/// The sums.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatsWrapper {
    /// They.
    pub stats: Stats,
}

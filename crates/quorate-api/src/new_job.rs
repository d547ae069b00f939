use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A job to enqueue. What is absent (or null) takes its default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewJob {
    /// What to run; 1 to 255 bytes.
    #[serde(default)]
    #[schema(required, min_length = 1, max_length = 255)]
    pub image: String,
    /// The job's input, at most 1 MiB. Default: empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1_048_576)]
    pub payload: Option<String>,
    /// Seconds to wait before it is queued, 0 to 31,536,000. Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 31_536_000)]
    pub delay: Option<u32>,
    /// Seconds from its start, or its last touch, to its timeout, 1 to 604,800. Default: 60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 604_800)]
    pub timeout: Option<u32>,
    /// 0, 1 or 2; 2 is served first. Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 2)]
    pub priority: Option<u32>,
    /// Automatic retries, 0 to 25. Default: 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 25)]
    pub max_retries: Option<u32>,
    /// Seconds that each automatic retry waits, 0 to 31,536,000. Default: 60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 31_536_000)]
    pub retries_delay: Option<u32>,
}

impl NewJob {
    /// The names of all its fields.
    pub const FIELDS: [&str; 7] =
        ["image", "payload", "delay", "timeout", "priority", "max_retries", "retries_delay"];
}

/// Jobs to enqueue, all or none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewJobsWrapper {
    /// 1 to 1,000 of them.
    #[schema(min_items = 1, max_items = 1_000)]
    pub jobs: Vec<NewJob>,
}

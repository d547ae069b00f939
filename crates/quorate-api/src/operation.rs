use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::JobFilter;

/// Work on many jobs to begin: either a filter or ids.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OperationRequest {
    /// All jobs that this fits; it must name at least one thing. Without a `status`: of retry `error`, of cancel `delayed`, `queued`
    /// and `running`, of delete `success`, `error` and `cancelled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<JobFilter>,
    /// These jobs, 1 to 1,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 1, max_items = 1_000)]
    pub ids: Option<Vec<String>>,
    /// Of cancel: why, for people; at most 256 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<String>,
    /// Do nothing, and say how many jobs it would be done to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
}

/// What is done to each of many jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Those that nobody has retried are enqueued again, as new jobs; an automatic retry that waits is queued now.
    Retry,
    /// Those that have not finished are called off.
    Cancel,
    /// Those that have finished are removed, for good.
    Delete,
}

impl Action {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Retry => "retry",
            Action::Cancel => "cancel",
            Action::Delete => "delete",
        }
    }
}

/// Where work on many jobs stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OperationStatus {
    /// It goes on.
    Running,
    /// All jobs were looked at.
    Done,
    /// Somebody ended it.
    Stopped,
}

impl OperationStatus {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            OperationStatus::Running => "running",
            OperationStatus::Done => "done",
            OperationStatus::Stopped => "stopped",
        }
    }
}

/// Work on many jobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Operation {
    /// Its id.
    pub id: String,
    /// What is done to each job.
    pub action: Action,
    /// Where it stands.
    pub status: OperationStatus,
    /// Jobs that it was done to.
    pub done: u64,
    /// Jobs that were looked at in vain: they had changed since, or do not allow it.
    pub skipped: u64,
    /// For which jobs, where a filter was given; its `status` is there also where none was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<JobFilter>,
    /// How many ids were named, where that was so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<u64>,
    /// When it began: RFC 3339, UTC.
    pub started_at: String,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
}

/// One.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OperationWrapper {
    /// It.
    pub operation: Operation,
}

/// Some.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OperationsWrapper {
    /// The newest first.
    pub operations: Vec<Operation>,
}

/// How many jobs work in bulk would be for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Matches {
    /// So many were counted.
    pub matches: u64,
    /// There may be more: they were not all counted.
    pub more: bool,
    /// The ids of the first of them, up to 5: of a filter the oldest, of ids in their order.
    #[serde(default)]
    #[schema(max_items = 5)]
    pub first: Vec<String>,
}

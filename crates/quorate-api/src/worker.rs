use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A worker that said its name and holds jobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Worker {
    /// What it calls itself.
    pub name: String,
    /// How many jobs it holds.
    pub holds: u64,
    /// Their ids; the first 100 of them, in ascending order.
    pub jobs: Vec<String>,
    /// When it last took, touched or ended a job, or added to a log: RFC 3339, UTC.
    pub heard_at: String,
}

/// Some workers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorkersWrapper {
    /// By name.
    pub workers: Vec<Worker>,
    /// Where the next page goes on; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

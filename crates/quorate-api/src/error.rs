use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Error {
    /// For people.
    pub message: String,
    /// What in the request is to blame, for example `jobs[1].priority`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<String>,
}

/// What became of a request that got no answer from the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WriteOutcome {
    /// Certainly nothing was done.
    NotApplied,
    /// It may have been done. Repeat it only with the same Idempotency-Key.
    Unknown,
}

/// The body of every answer that is an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorWrapper {
    /// What went wrong.
    pub error: Error,
    /// With 408, 429, 503 and 507: whether the request may have taken effect. The message leaves it to this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<WriteOutcome>,
}

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The answer of a healthy, or ready, node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok`.
    pub status: String,
}

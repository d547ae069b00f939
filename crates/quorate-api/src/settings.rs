use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The settings that hold for the whole cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Settings {
    /// Seconds that a finished job is kept.
    #[schema(minimum = 60, maximum = 315_360_000)]
    pub retention: u64,
}

/// New settings: all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SettingsRequest {
    /// Seconds that a finished job is kept, 60 to 315,360,000.
    #[schema(minimum = 60, maximum = 315_360_000)]
    pub retention: u64,
}

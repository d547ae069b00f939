use crate::limits;

/// What is the same for the whole cluster, and replicated like any other change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Seconds that a finished job is kept.
    pub retention: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { retention: limits::RETENTION_SECONDS_DEFAULT }
    }
}

use crate::limits;

/// How much may wait in which way. Smaller ones are for tests: on all replicas alike, and of each restored one anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitBounds {
    /// See [`limits::LANES`].
    pub lanes: usize,
    /// See [`limits::LANES_OF_KEY`].
    pub lanes_of_key: usize,
    /// See [`limits::IMAGES_LISTED`].
    pub images_listed: usize,
}

impl Default for WaitBounds {
    fn default() -> WaitBounds {
        WaitBounds {
            lanes: limits::LANES,
            lanes_of_key: limits::LANES_OF_KEY,
            images_listed: limits::IMAGES_LISTED,
        }
    }
}

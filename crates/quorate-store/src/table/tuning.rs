use quorate_core::{FEATURE_LEVEL, FeatureLevel, WaitBounds};

/// Sizes that bound memory and pace clean-up. They change no result; tests set them small to meet every edge. And what this
/// program understands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tuning {
    /// Queued jobs in memory, of one lane.
    pub(crate) lane: usize,
    /// Of all lanes.
    pub(crate) lane_jobs: usize,
    /// Lanes of which jobs are in memory.
    pub(crate) lanes: usize,
    /// Timers in memory.
    pub(crate) timers: usize,
    /// Entries in memory of each other index: they are taken at most some hundred a batch.
    pub(crate) index: usize,
    /// Records of running jobs in memory; those beyond are read from the disk.
    pub(crate) running: usize,
    /// Images in memory.
    pub(crate) images: usize,
    /// Ids of the latest jobs in memory: as many as are added within what clocks of nodes differ.
    pub(crate) latest_ids: usize,
    /// How much may wait; less for tests. It does change results: replicas have the same.
    pub(crate) bounds: WaitBounds,
    /// Log entries in one write.
    pub(crate) entries: usize,
    /// Bytes of log entries at which a write is full.
    pub(crate) bytes: usize,
    /// A table of a higher feature level is refused, and so is an entry that raises it above.
    pub(crate) level: FeatureLevel,
}

impl Default for Tuning {
    fn default() -> Tuning {
        Tuning {
            lane: 4_096,
            lane_jobs: 32_768,
            lanes: 1_024,
            timers: 65_536,
            index: 1_024,
            running: 262_144,
            images: 4_096,
            latest_ids: 16_384,
            bounds: WaitBounds::default(),
            entries: 64,
            bytes: 4 << 20,
            level: FEATURE_LEVEL,
        }
    }
}

use arc_swap::ArcSwap;
use parking_lot::RwLock;
use quorate_core::{FeatureLevel, Operations, Settings, Timestamp};

use super::answers::Answers;
use super::db::Db;
use super::queues::Queues;
use super::workers::Workers;
use crate::files::RemovableDir;

/// One generation of the job table: its database and what readers see beside it. An installed snapshot is the next
/// generation; the last one's directory goes once nobody reads it any more.
pub(crate) struct Generation {
    pub(crate) db: Db,
    /// Swapped after each write.
    pub(crate) published: ArcSwap<Published>,
    /// Changed after each write.
    pub(crate) answers: RwLock<Answers>,
    /// Changed after each write.
    pub(crate) queues: RwLock<Queues>,
    /// Changed after each write.
    pub(crate) workers: RwLock<Workers>,
    /// Work on many jobs. Changed after each write.
    pub(crate) operations: RwLock<Operations>,
    /// Last, hence dropped when the database is closed.
    pub(crate) dir: RemovableDir,
}

/// What is known of a table without reading it, as of one write.
#[derive(Clone, Debug, Default)]
pub(crate) struct Published {
    pub(crate) applied: u64,
    pub(crate) clock: Timestamp,
    pub(crate) settings: Settings,
    pub(crate) level: FeatureLevel,
    pub(crate) next: Next,
    /// Lanes that are not empty.
    pub(crate) lanes: usize,
}

/// What time alone will change, as log time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Next {
    /// When a tick has something to do.
    pub(crate) work: Option<Timestamp>,
    /// When the next delay or timeout ends.
    pub(crate) timer: Option<Timestamp>,
}

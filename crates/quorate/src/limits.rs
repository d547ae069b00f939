//! Every maximum of the command line.

use std::time::Duration;

/// Bytes of lines that wait for whoever reads a log; beyond them lines are dropped.
pub(crate) const LINES_WAITING_BYTES: usize = 1 << 20;
/// How long a process that ends waits for its last lines to be written.
pub(crate) const LAST_LINES: Duration = Duration::from_secs(1);
/// Before a writer that is told to come back later does.
pub(crate) const WRITE_AGAIN: Duration = Duration::from_millis(20);
/// Bytes of a file with a local node's log, of which two are kept.
pub(crate) const LOG_FILE_BYTES: u64 = 16 << 20;
/// Before a runner asks again for the id of a cluster that has none yet.
pub(crate) const CLUSTER_ID_AGAIN: Duration = Duration::from_secs(1);

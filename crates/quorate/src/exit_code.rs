//! The exit codes that `quorate --help` lists, beside 0, done. A wrong command line is 2 by clap itself.

/// The input, the request or the output is at fault.
pub(crate) const FAILED: u8 = 1;
/// Wrong usage: what was given cannot be.
pub(crate) const USAGE: u8 = 2;
/// There is no such thing.
pub(crate) const NOT_FOUND: u8 = 3;
/// The job's status does not allow it.
pub(crate) const REFUSED: u8 = 4;
/// No node or no majority answered, or the cluster takes no writes.
pub(crate) const UNAVAILABLE: u8 = 5;
/// It may or may not have been done.
pub(crate) const UNKNOWN: u8 = 6;
/// A job that was waited for ended in `error` or was cancelled.
pub(crate) const JOB_NOT_WELL: u8 = 7;
/// And one that has not ended in the time given.
pub(crate) const TIME_IS_UP: u8 = 8;

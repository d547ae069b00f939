//! Every maximum of the store, in one place.

/// The last entries of the log that are kept in memory, in bytes. What is not written yet is kept above it, too.
pub(crate) const LOG_TAIL_BYTES: usize = 32 << 20;
/// Bytes of entries that wait for the log's writer; an append waits above it. A group that is written with one sync
/// is not larger, but for its last append.
pub(crate) const LOG_QUEUE_BYTES: usize = 32 << 20;
/// Bytes of entries in one answer to a reader that does not ask for all. One entry may be larger alone. A message
/// between nodes holds one answer.
pub(crate) const LOG_READ_BYTES: usize = 2 << 20;

//! Every maximum of the store, in one place.

use std::time::Duration;

use quorate_core::JobId;
use quorate_core::limits::{DETAILS_BYTES, JOBS_PER_REQUEST, OPERATIONS};

/// Highest term of a vote or an entry: an election a nanosecond takes centuries to get there. Whoever has a higher one has it from
/// a peer that made it up, and there is no next one after the last: Raft could only end.
pub const TERM: u64 = 1 << 63;
/// Highest log index: a million entries a second take two thousand years to get there.
pub const INDEX: u64 = 1 << 56;

/// The last entries of the log that are kept in memory, in bytes. What is not written yet is kept above it, too.
pub(crate) const LOG_TAIL_BYTES: usize = 32 << 20;
/// Bytes of entries that wait for the log's writer; an append waits above it. A flush that is written with one sync
/// is not larger, but for its last append.
pub(crate) const LOG_QUEUE_BYTES: usize = 32 << 20;
/// Bytes of entries in one answer to a reader that does not ask for all. One entry may be larger alone. A message
/// between nodes holds one answer.
pub(crate) const LOG_READ_BYTES: usize = 2 << 20;
/// Most files of a snapshot. A file has up to 32 MB.
pub(crate) const SNAPSHOT_FILES: usize = 200_000;
/// Longest name of such a file; RocksDB's are far shorter.
pub(crate) const SNAPSHOT_NAME_BYTES: usize = 64;
/// Rows that one page of a list looks at: an image that is rare among many jobs gives short pages, not long waits.
pub(crate) const LIST_ROWS: usize = 50_000;
/// Records that it reads for that, each at a place of its own: a disk that has to look for each takes some seconds.
pub(crate) const LIST_RECORDS: usize = 2_000;
/// Rows of each way to the jobs of a list that are walked to see which of the ways is the shortest.
pub(crate) const LIST_AHEAD: usize = 1_000;

/// Bytes of rows that are compressed together in a backup.
pub(crate) const BACKUP_CHUNK_BYTES: usize = 256 << 10;
/// Most bytes of one part of a backup, before and after it is compressed: a chunk, or one row that is larger.
pub(crate) const BACKUP_FRAME_BYTES: usize = 64 << 20;
/// Bytes of a backup that are read from a file at once, and that are written to a table in one write.
pub(crate) const BACKUP_READ_BYTES: usize = 1 << 20;
/// Bytes that are read ahead where all rows are read.
pub(crate) const READ_AHEAD_BYTES: usize = 2 << 20;

/// A write of the job table that is not larger, in bytes, is copied in well under a millisecond.
pub(crate) const WRITE_AT_ONCE_BYTES: usize = 256 << 10;
/// The log's high-water mark is synced so long after it was written: what a power cut may take of it.
pub(crate) const MARK_PAUSE: Duration = Duration::from_millis(50);

/// Between two attempts to write to a disk that is full.
pub(crate) const FULL_DISK_PAUSE: Duration = Duration::from_millis(200);
/// So many attempts fail although there is room: then it is not the room. RocksDB may take some seconds to notice.
pub(crate) const FULL_DISK_ATTEMPTS: u32 = 150;
/// Who may have so many files open need not count them.
pub(crate) const MANY_OPEN_FILES: u32 = 8_192;

/// The job table's block cache: one for all families, and for the next generation while the last one is still read.
pub(crate) const CACHE_BYTES: usize = 128 << 20;
/// What is read of the job table's files at once, before it is compressed.
pub(crate) const BLOCK_BYTES: usize = 16 << 10;
/// What the job table keeps in memory of its indexes and of running jobs, at most, by its `Tuning`.
const WINDOWS_BYTES: usize = 128 << 20;
/// Work on many jobs, with its ids and its words: one copy, which readers share.
const OPERATIONS_BYTES: usize = OPERATIONS * (DETAILS_BYTES + JOBS_PER_REQUEST * size_of::<JobId>());
/// Buffers of the table that its write-ahead log bounds, as many being written to files; and the log's.
const BUFFERS_BYTES: usize = 2 * (64 << 20) + 4 * (32 << 20);

/// The sum of what the store holds in memory, at most, in bytes.
pub const MEMORY_BYTES: usize =
    CACHE_BYTES + WINDOWS_BYTES + OPERATIONS_BYTES + BUFFERS_BYTES + LOG_TAIL_BYTES + LOG_QUEUE_BYTES;

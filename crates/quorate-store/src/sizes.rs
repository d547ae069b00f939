use rocksdb::Options;

use crate::Space;
use crate::limits::MANY_OPEN_FILES;

const MIB: u64 = 1 << 20;

/// How large RocksDB's buffers and files get: on a small disk smaller ones, since what is in a buffer is on the disk
/// twice, and a file takes its place before it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// What the log's entries fill in memory before they become a file.
    pub(crate) log_buffer: u64,
    /// What a family of the job table fills; also the size of its files.
    pub(crate) table_buffer: u64,
    /// What a compaction of the job table may write before it removes what it has read; also the size of the highest
    /// level, which is rewritten as a whole.
    pub(crate) compaction: u64,
    /// The write-ahead logs of one database.
    pub(crate) wal: u64,
    /// A list of the files of a database, which is begun anew at this size.
    pub(crate) manifest: u64,
    /// One of [`Sizes::INFO_FILES`] files of notes that RocksDB keeps for people.
    pub(crate) info: u64,
    /// Files that a database keeps open; `None`: all that it has.
    pub(crate) open_files: Option<u32>,
}

impl Sizes {
    /// A list of files takes its place in steps of so many bytes.
    const NOTES_AHEAD: usize = 64 << 10;
    /// See [`Sizes::info`].
    pub(crate) const INFO_FILES: usize = 4;

    /// For a disk of this size, as far as that is known.
    pub(crate) fn of(space: Option<Space>) -> Sizes {
        let total = space.map_or(u64::MAX, |space| space.total);
        let share = |part: u64, least: u64, most: u64| (total / part).clamp(least, most);
        Sizes {
            log_buffer: share(64, MIB, 32 * MIB),
            table_buffer: share(64, MIB, 32 * MIB),
            compaction: share(16, 4 * MIB, 256 * MIB),
            wal: share(16, 4 * MIB, 64 * MIB),
            manifest: share(64, MIB, 64 * MIB),
            info: share(256, MIB, 16 * MIB),
            open_files: None,
        }
    }

    /// With so many open files for both databases, one of which is there twice for a while when a snapshot replaces it.
    pub(crate) fn with_open_files(self, files: usize) -> Sizes {
        // RocksDB wants 20 at least.
        let each = u32::try_from(files / 3).unwrap_or(u32::MAX).max(20);
        Sizes { open_files: Some(each).filter(|files| *files < MANY_OPEN_FILES), ..self }
    }

    /// What RocksDB keeps open.
    pub(crate) fn bound_open_files(&self, options: &mut Options) {
        let all = -1;
        options
            .set_max_open_files(self.open_files.and_then(|files| i32::try_from(files).ok()).unwrap_or(all));
    }

    /// What RocksDB writes beside the data does not grow for ever.
    pub(crate) fn bound_notes(&self, options: &mut Options) {
        options.set_max_manifest_file_size(in_memory(self.manifest));
        options.set_manifest_preallocation_size(Sizes::NOTES_AHEAD);
        options.set_max_log_file_size(in_memory(self.info));
        options.set_keep_log_file_num(Sizes::INFO_FILES);
    }
}

/// A size as RocksDB wants to have it.
pub(crate) fn in_memory(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_open_files_are_shared_and_many_are_not_counted() {
        let files = |files| Sizes::of(None).with_open_files(files).open_files;
        assert_eq!((files(10), files(96), files(3_000)), (Some(20), Some(32), Some(1_000)));
        assert_eq!((files(100_000), Sizes::of(None).open_files), (None, None));
    }

    #[test]
    fn a_small_disk_has_small_buffers_and_a_large_one_no_larger_ones_than_are_good() {
        let on = |mib| Sizes::of(Some(Space { total: mib * MIB, free: 0 }));
        assert_eq!(on(1 << 20), Sizes::of(None));
        assert_eq!(on(8 << 10), Sizes::of(None));
        assert_eq!(Sizes::of(None).table_buffer, 32 * MIB);
        let small = on(640);
        assert_eq!((small.log_buffer, small.table_buffer, small.wal), (10 * MIB, 10 * MIB, 40 * MIB));
        // Both databases, with their logs, buffers, lists and notes, take a quarter of it at most.
        let notes = small.info * Sizes::INFO_FILES as u64;
        assert!(2 * (small.wal + small.table_buffer + small.manifest + notes) < 640 * MIB / 4);
    }
}

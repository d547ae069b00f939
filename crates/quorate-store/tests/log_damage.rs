//! What a damaged log does: it is refused with a reason, and never read as another log.

#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use openraft::{
    EntryPayload, RaftLogReader,
    storage::{RaftLogStorage, RaftLogStorageExt},
    vote::leader_id_std::CommittedLeaderId,
};
use quorate_store::{BatchBytes, DataDir, Entry, LogId, LogStore, Lost, StoreError, TERM, Vote};
use rocksdb::{DB, Options};
use tempfile::TempDir;

const ENTRIES: u64 = 20;
/// What the high-water file's two slots take, each.
const SLOT_BYTES: usize = 4096;

fn log_id(index: u64) -> LogId {
    LogId { leader_id: CommittedLeaderId::new(3), index }
}

fn entry(index: u64) -> Entry {
    Entry { log_id: log_id(index), payload: EntryPayload::Normal(BatchBytes(Bytes::from(vec![7; 100]))) }
}

fn open(path: &Path) -> Result<LogStore, StoreError> {
    let dir = DataDir::open(path)?;
    LogStore::open(&dir, Arc::new(|e| panic!("{e}")))
}

/// A log of 20 entries, each a flush of its own, in the write-ahead log; and a vote before them.
async fn a_log() -> TempDir {
    let temp = TempDir::new().unwrap();
    let mut log = open(temp.path()).unwrap();
    log.save_vote(&Vote::new_committed(3, 1)).await.unwrap();
    for index in 0..ENTRIES {
        log.blocking_append([entry(index)]).await.unwrap();
    }
    log.close().unwrap();
    temp
}

/// A copy of a data directory that may be spoilt.
fn copy(from: &Path) -> TempDir {
    fn copy_dir(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for file in fs::read_dir(from).unwrap() {
            let (source, target) = (file.as_ref().unwrap().path(), to.join(file.unwrap().file_name()));
            if source.is_dir() {
                copy_dir(&source, &target);
            } else {
                fs::copy(source, target).unwrap();
            }
        }
    }
    let temp = TempDir::new().unwrap();
    copy_dir(from, temp.path());
    temp
}

/// The files of the log's database whose names end so, which are not empty.
fn files(dir: &Path, suffix: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(dir.join("raft")).unwrap().map(|file| file.unwrap().path());
    let named = files.filter(|path| path.to_str().unwrap().ends_with(suffix));
    named.filter(|path| fs::metadata(path).unwrap().len() > 0).collect()
}

fn write_ahead_log(dir: &Path) -> PathBuf {
    let files = files(dir, ".log");
    assert_eq!(files.len(), 1, "{files:?}");
    files.into_iter().next().unwrap()
}

fn flip_bit(path: &Path, position: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[position] ^= 1 << (position % 8);
    fs::write(path, bytes).unwrap();
}

fn cut(path: &Path, bytes: u64) {
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len() - bytes).unwrap();
}

/// Spoils one slot of the high-water mark, so that the other one counts.
fn spoil_slot(dir: &Path, slot: usize) {
    flip_bit(&dir.join("high-water"), slot * SLOT_BYTES + 9);
}

async fn last_index(log: &mut LogStore) -> Option<u64> {
    log.get_log_state().await.unwrap().last_log_id.map(|id| id.index)
}

#[tokio::test]
async fn a_bit_flipped_anywhere_in_the_write_ahead_log_is_refused() {
    let good = a_log().await;
    let length = fs::metadata(write_ahead_log(good.path())).unwrap().len() as usize;
    let (mut damaged, mut lost) = (0, 0);
    // An odd stride comes by every field of the records.
    for position in (0..length).step_by(29) {
        let spoilt = copy(good.path());
        flip_bit(&write_ahead_log(spoilt.path()), position);
        match open(spoilt.path()) {
            Err(StoreError::Damaged { what: "the Raft log", .. }) => damaged += 1,
            // A length that now points behind the end looks like a torn tail.
            Err(StoreError::LostEntries { .. }) => lost += 1,
            Err(e) => panic!("byte {position} of {length}: {e}"),
            Ok(_) => panic!("byte {position} of {length}: opened"),
        }
    }
    assert!(damaged > lost, "{damaged} damaged, {lost} lost");
}

#[tokio::test]
async fn a_log_cut_anywhere_is_refused() {
    let good = a_log().await;
    let length = fs::metadata(write_ahead_log(good.path())).unwrap().len();
    for bytes in (1..length).step_by(97).chain([length]) {
        let spoilt = copy(good.path());
        cut(&write_ahead_log(spoilt.path()), bytes);
        assert!(matches!(open(spoilt.path()), Err(StoreError::LostEntries { .. })), "{bytes} of {length}");
    }
}

/// Its node could vote twice in that term, whatever its mark says.
#[tokio::test]
async fn a_vote_from_before_the_last_entry_is_refused() {
    let good = a_log().await;
    for vote in [None, Some(Vote::new(2, 1))] {
        let spoilt = TempDir::new().unwrap();
        let mut log = open(spoilt.path()).unwrap();
        if let Some(vote) = vote {
            log.save_vote(&vote).await.unwrap();
        }
        log.blocking_append([entry(0)]).await.unwrap();
        log.close().unwrap();
        assert!(matches!(open(spoilt.path()), Err(StoreError::LostEntries { .. })), "{vote:?}");
    }
    assert!(open(copy(good.path()).path()).is_ok());
}

/// The last flush had no mark on the disk yet when the machine stopped, and was torn.
#[tokio::test]
async fn a_torn_last_group_without_a_mark_is_forgotten() {
    let good = a_log().await;
    let mut outcomes = Vec::new();
    for slot in 0..2 {
        let spoilt = copy(good.path());
        cut(&write_ahead_log(spoilt.path()), 50);
        spoil_slot(spoilt.path(), slot);
        outcomes.push(match open(spoilt.path()) {
            Ok(mut log) => {
                assert_eq!(last_index(&mut log).await, Some(ENTRIES - 2));
                log.blocking_append([entry(ENTRIES - 1)]).await.unwrap();
                "opened"
            }
            Err(StoreError::LostEntries { marked, found, .. }) => {
                assert!(marked.contains("3.19") && found.contains("3.18"), "{marked}; {found}");
                "lost"
            }
            Err(e) => panic!("{e}"),
        });
    }
    outcomes.sort_unstable();
    assert_eq!(
        outcomes,
        ["lost", "opened"],
        "one slot holds the last mark, the other one that was synced before"
    );
}

/// When the process dies, nothing that it has promised is without a mark.
#[tokio::test]
async fn a_loss_of_the_last_group_alone_is_noticed_after_a_kill() {
    let temp = a_log().await;
    let mut log = open(temp.path()).unwrap();
    log.blocking_append([entry(ENTRIES)]).await.unwrap();
    let killed = copy(temp.path());
    assert_eq!(last_index(&mut open(copy(killed.path()).path()).unwrap()).await, Some(ENTRIES));
    cut(&write_ahead_log(killed.path()), 1);
    assert!(matches!(open(killed.path()), Err(StoreError::LostEntries { .. })));
}

/// When the machine stops, one slot may be of no use; the other one was synced, and not long before.
#[tokio::test]
async fn a_loss_of_what_was_there_for_a_while_is_noticed_by_either_slot() {
    let good = a_log().await;
    let is_noticed = |slot: usize| {
        let spoilt = copy(good.path());
        spoil_slot(spoilt.path(), slot);
        let log = write_ahead_log(spoilt.path());
        cut(&log, fs::metadata(&log).unwrap().len());
        matches!(open(spoilt.path()), Err(StoreError::LostEntries { .. }))
    };
    let mut log = open(good.path()).unwrap();
    for index in ENTRIES.. {
        log.blocking_append([entry(index)]).await.unwrap();
        if (0..2).all(is_noticed) {
            return;
        }
    }
}

#[tokio::test]
async fn a_lost_vote_is_noticed() {
    let temp = a_log().await;
    let mut log = open(temp.path()).unwrap();
    log.save_vote(&Vote::new(4, 2)).await.unwrap();
    log.close().unwrap();
    // Opening began a new write-ahead log: the vote is all that is in it.
    cut(&write_ahead_log(temp.path()), 1);
    let Err(StoreError::LostEntries { lost, marked, found }) = open(temp.path()) else { panic!("opened") };
    assert_eq!(lost, Lost::Vote);
    assert!(marked.contains("T4-N2") && found.contains("T3-N1"), "{marked}; {found}");
}

/// As a peer once could have it.
#[tokio::test]
async fn a_vote_in_a_term_that_no_cluster_reaches_is_refused_by_name() {
    let temp = a_log().await;
    let mut log = open(temp.path()).unwrap();
    log.save_vote(&Vote::new(TERM, 2)).await.unwrap();
    log.close().unwrap();
    let mut log = open(temp.path()).unwrap();
    log.save_vote(&Vote::new(u64::MAX, 2)).await.unwrap();
    log.close().unwrap();
    let Err(error) = open(temp.path()) else { panic!("opened") };
    assert!(matches!(error, StoreError::ImpossibleTerm { term: u64::MAX }), "{error:?}");
    assert!(error.to_string().contains("remove this node's data directory"), "{error}");
}

#[tokio::test]
async fn a_log_that_is_gone_is_noticed() {
    let temp = a_log().await;
    fs::remove_dir_all(temp.path().join("raft")).unwrap();
    assert!(matches!(open(temp.path()), Err(StoreError::LostEntries { .. })));
}

#[tokio::test]
async fn a_log_without_a_good_mark_is_refused() {
    let good = a_log().await;
    let gone = copy(good.path());
    fs::remove_file(gone.path().join("high-water")).unwrap();
    let both = copy(good.path());
    spoil_slot(both.path(), 0);
    spoil_slot(both.path(), 1);
    let empty = copy(good.path());
    fs::write(empty.path().join("high-water"), "").unwrap();
    for spoilt in [gone, both, empty] {
        assert!(matches!(open(spoilt.path()), Err(StoreError::Damaged { what: "high-water mark", .. })));
    }
}

/// Any bit of any table file: an error where it is opened or read, or the entries as they were.
#[tokio::test]
async fn a_bit_flipped_in_a_table_file_is_never_read_as_an_entry() {
    let good = a_log().await;
    // Opening moves what is in the write-ahead log into table files.
    open(good.path()).unwrap().close().unwrap();
    let tables = files(good.path(), ".sst");
    assert!(!tables.is_empty());
    let (mut refused, all) = (0, (0..ENTRIES).map(entry).collect::<Vec<_>>());
    for table in tables {
        for position in (0..fs::metadata(&table).unwrap().len() as usize).step_by(61) {
            let spoilt = copy(good.path());
            flip_bit(&spoilt.path().join("raft").join(table.file_name().unwrap()), position);
            let Ok(mut log) = open(spoilt.path()) else {
                refused += 1;
                continue;
            };
            match log.get_log_reader().await.try_get_log_entries(..).await {
                Ok(entries) => assert_eq!(entries, all),
                Err(_) => refused += 1,
            }
        }
    }
    assert!(refused > 0);
}

/// Takes one entry out of the database.
fn take_out(dir: &Path, index: u64) {
    let db = DB::open_cf(&Options::default(), dir.join("raft"), ["entries", "meta"]).unwrap();
    db.delete_cf(db.cf_handle("entries").unwrap(), index.to_be_bytes()).unwrap();
}

#[tokio::test]
async fn a_hole_is_an_error_and_never_a_shorter_log() {
    let good = a_log().await;
    let mut log = open(good.path()).unwrap();
    log.purge(log_id(4)).await.unwrap();
    log.close().unwrap();

    let beginning = copy(good.path());
    take_out(beginning.path(), 5);
    let Err(StoreError::Damaged { what: "the Raft log", reason }) = open(beginning.path()) else {
        panic!("opened")
    };
    assert!(reason.contains("begins at 6"), "{reason}");

    let end = copy(good.path());
    take_out(end.path(), ENTRIES - 1);
    assert!(matches!(open(end.path()), Err(StoreError::LostEntries { .. })));

    let middle = copy(good.path());
    take_out(middle.path(), 10);
    let mut reader = open(middle.path()).unwrap().get_log_reader().await;
    assert_eq!(reader.try_get_log_entries(5..10).await.unwrap().len(), 5);
    for range in [5..11, 10..11, 10..15, 5..ENTRIES] {
        let error = reader.try_get_log_entries(range.clone()).await.unwrap_err();
        assert!(error.to_string().contains("the entry 10 is missing"), "{range:?}: {error}");
    }
    assert!(reader.limited_get_log_entries(8, 12).await.is_err());
}

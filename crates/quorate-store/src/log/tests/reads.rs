//! What readers see: at once, everywhere, all of it or as much as fits.

use std::os::unix::fs::MetadataExt;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use futures::TryStreamExt;
use openraft::{RaftLogReader, storage::RaftLogStorage, storage::RaftLogStorageExt};
use parking_lot::Mutex;
use rocksdb::statistics::Ticker;
use tempfile::TempDir;

use super::{Opened, entry, log_id, on_flushed};
use crate::{
    Entry, LogId, LogReader, Space, Vote,
    limits::{LOG_READ_BYTES, LOG_TAIL_BYTES},
    log::{
        disk::{self, Disk},
        queue::{Change, Flush},
        tail::entry_bytes,
    },
    sizes::Sizes,
};

#[tokio::test]
async fn an_append_is_readable_by_every_reader_when_it_returns() {
    let dir = TempDir::new().unwrap();
    let Opened { mut store, dir: _dir } = Opened::at(dir.path(), LOG_TAIL_BYTES);
    let mut before = store.get_log_reader().await;
    for index in 0..100 {
        let (flushed, _wait) = on_flushed(|| {});
        store.append([entry(1, index, 100)], flushed).await.unwrap();
        let mut after = store.get_log_reader().await;
        for reader in [&mut before, &mut after] {
            let all = reader.try_get_log_entries(..).await.unwrap();
            assert_eq!(all.len() as u64, index + 1);
            assert_eq!(all.last(), Some(&entry(1, index, 100)));
        }
    }
}

#[tokio::test]
async fn callbacks_come_in_the_order_of_the_appends() {
    let dir = TempDir::new().unwrap();
    let Opened { mut store, dir: _dir } = Opened::at(dir.path(), LOG_TAIL_BYTES);
    let (order, mut waits) = (Arc::new(Mutex::new(Vec::new())), Vec::new());
    for index in 0..200 {
        let seen = order.clone();
        let (flushed, wait) = on_flushed(move || seen.lock().push(index));
        store.append([entry(1, index, 100)], flushed).await.unwrap();
        waits.push(wait);
    }
    futures::future::try_join_all(waits).await.unwrap();
    assert_eq!(*order.lock(), (0..200).collect::<Vec<u64>>());
}

/// Part of the range is on the disk, part in the tail, part in neither.
#[tokio::test]
async fn a_range_is_read_from_disk_and_tail_alike() {
    let dir = TempDir::new().unwrap();
    let all: Vec<Entry> = (0..40).map(|index| entry(1, index, 1000)).collect();
    {
        let Opened { mut store, dir: _dir } = Opened::at(dir.path(), LOG_TAIL_BYTES);
        store.save_vote(&Vote::new(9, 1)).await.unwrap();
        store.blocking_append(all[..20].to_vec()).await.unwrap();
    }
    let Opened { mut store, dir: _dir } = Opened::at(dir.path(), LOG_TAIL_BYTES);
    store.blocking_append(all[20..].to_vec()).await.unwrap();
    let mut reader = store.get_log_reader().await;
    for start in 0..42 {
        for end in 0..42 {
            let read = reader.try_get_log_entries(start..end).await.unwrap();
            let expected = all.get(start as usize..(end as usize).min(40)).unwrap_or_default();
            assert_eq!(read, expected, "{start}..{end}");
        }
    }
    let streamed: Vec<Entry> = reader.entries_stream(3..=38).await.try_collect().await.unwrap();
    assert_eq!(streamed, all[3..=38]);
}

/// What is cut off and replaced while it is read shows as it was before or after, never as a mixture or a hole.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_read_is_of_one_moment() {
    let dir = TempDir::new().unwrap();
    let Opened { mut store, dir: _dir } = Opened::at(dir.path(), 0);
    let stop = Arc::new(AtomicBool::new(false));
    let read = |mut reader: LogReader, stop: Arc<AtomicBool>| async move {
        let mut reads = 0;
        while !stop.load(Ordering::Relaxed) {
            let entries = reader.try_get_log_entries(..).await.unwrap();
            for pair in entries.windows(2) {
                assert_eq!(pair[0].log_id.index + 1, pair[1].log_id.index);
                assert!(pair[0].log_id < pair[1].log_id, "{} then {}", pair[0].log_id, pair[1].log_id);
            }
            reads += 1;
        }
        reads
    };
    let readers: Vec<_> = (0..2).map(|_| tokio::spawn(read(store.reader.clone(), stop.clone()))).collect();
    // Each term keeps ten entries more than the one before, and adds thirty.
    let mut kept = Vec::new();
    for term in 1..100 {
        let next = kept.last().map_or(0, |id: &LogId| id.index + 1);
        let (flushed, wait) = on_flushed(|| {});
        store.append((next..next + 30).map(|index| entry(term, index, 200)), flushed).await.unwrap();
        if term % 3 == 0 {
            wait.await.unwrap();
        }
        kept.extend((next..next + 10).map(|index| log_id(term, index)));
        store.truncate_after(kept.last().copied()).await.unwrap();
        if term % 7 == 0 {
            store.purge(kept[kept.len() / 2]).await.unwrap();
        }
    }
    stop.store(true, Ordering::Relaxed);
    for reader in readers {
        assert!(reader.await.unwrap() > 0);
    }
}

#[tokio::test]
async fn limited_reads_are_capped_in_bytes_and_never_empty() {
    let dir = TempDir::new().unwrap();
    let sizes = [LOG_READ_BYTES * 2, 10, LOG_READ_BYTES / 2, LOG_READ_BYTES / 2, 10, LOG_READ_BYTES * 2];
    let all: Vec<Entry> = sizes.iter().zip(0..).map(|(&bytes, index)| entry(1, index, bytes)).collect();
    {
        let Opened { mut store, dir: _dir } = Opened::at(dir.path(), LOG_TAIL_BYTES);
        store.save_vote(&Vote::new(9, 1)).await.unwrap();
        store.blocking_append(all[..3].to_vec()).await.unwrap();
    }
    // Everything in memory, everything on the disk, and half and half.
    for _ in 0..2 {
        let Opened { mut store, dir: _dir } = Opened::at(dir.path(), LOG_TAIL_BYTES);
        if store.get_log_state().await.unwrap().last_log_id == Some(log_id(1, 2)) {
            store.blocking_append(all[3..].to_vec()).await.unwrap();
        }
        let mut reader = store.get_log_reader().await;
        for start in 0..6_usize {
            let read = reader.limited_get_log_entries(start as u64, 6).await.unwrap();
            assert_eq!(read, all[start..start + read.len()]);
            let bytes: usize = read.iter().map(entry_bytes).sum();
            assert!(read.len() == 1 || bytes <= LOG_READ_BYTES, "{} entries, {bytes} bytes", read.len());
            let next = all.get(start + read.len()).map_or(usize::MAX, entry_bytes);
            assert!(bytes.saturating_add(next) > LOG_READ_BYTES, "more would have fitted from {start}");
        }
        let streamed: Vec<Entry> = reader.entries_stream(..).await.try_collect().await.unwrap();
        assert_eq!(streamed, all);
    }
}

#[tokio::test]
async fn a_hole_is_refused() {
    let dir = TempDir::new().unwrap();
    let Opened { mut store, dir: _dir } = Opened::at(dir.path(), LOG_TAIL_BYTES);
    store.blocking_append([entry(2, 5, 10)]).await.unwrap();
    for wrong in [entry(2, 7, 10), entry(2, 5, 10), entry(1, 6, 10)] {
        assert!(store.blocking_append([wrong]).await.is_err());
    }
    store.blocking_append([entry(2, 6, 10)]).await.unwrap();
    store.purge(log_id(2, 5)).await.unwrap();
    assert!(store.truncate_after(None).await.is_err());
}

#[tokio::test]
async fn a_closed_log_refuses_changes_and_has_written_everything() {
    let dir = TempDir::new().unwrap();
    let Opened { mut store, dir: data_dir } = Opened::at(dir.path(), LOG_TAIL_BYTES);
    store.save_vote(&Vote::new(9, 1)).await.unwrap();
    let mut clone = store.clone();
    let (flushed, wait) = on_flushed(|| {});
    store.append([entry(1, 0, 10)], flushed).await.unwrap();
    store.save_committed(Some(log_id(1, 0))).await.unwrap();
    store.close().unwrap();
    wait.await.unwrap();
    assert!(clone.blocking_append([entry(1, 1, 10)]).await.is_err());
    assert!(clone.save_vote(&Vote::new(1, 1)).await.is_err());
    assert!(clone.save_committed(None).await.is_err());
    drop(clone);
    drop(data_dir);
    let Opened { mut store, dir: _dir } = Opened::at(dir.path(), LOG_TAIL_BYTES);
    assert_eq!(store.read_committed().await.unwrap(), Some(log_id(1, 0)));
    assert_eq!(store.get_log_state().await.unwrap().last_log_id, Some(log_id(1, 0)));
}

/// Purged files go: the directory does not grow with what passes through it.
#[tokio::test]
async fn a_purge_frees_the_disk() {
    let dir = TempDir::new().unwrap();
    let Opened { mut store, dir: data_dir } = Opened::at(dir.path(), 0);
    // 16 write buffers, all but the last few entries purged as it goes.
    let mut index = 0;
    for _ in 0..32 {
        let entries: Vec<Entry> = (index..index + 16).map(|index| entry(1, index, 1 << 20)).collect();
        index += 16;
        store.blocking_append(entries).await.unwrap();
        store.purge(log_id(1, index - 8)).await.unwrap();
    }
    store.close().unwrap();
    let files = std::fs::read_dir(data_dir.raft()).unwrap();
    let bytes: u64 = files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(bytes < 256 << 20, "{} MiB are left of 512 MiB, of which 8 MiB are alive", bytes >> 20);
}

/// A purge drops whole files, which a reader has begun to look at: one that follows from far behind.
#[test]
fn on_a_small_disk_the_write_ahead_log_takes_no_more_than_a_buffer_needs() {
    let dir = TempDir::new().unwrap();
    let sizes = Sizes::of(Some(Space { total: 200 << 20, free: 0 }));
    let disk = Disk::open(dir.path(), sizes).unwrap();
    disk.write(&Flush { committed: Some(log_id(1, 1)), ..Flush::default() }).unwrap();
    let files = std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().metadata().unwrap());
    // What they take, not how long they are.
    let taken: u64 = files.map(|file| file.blocks() * 512).sum();
    assert!(taken < 2 * sizes.log_buffer, "{taken} bytes are taken, and a buffer has {}", sizes.log_buffer);
}

#[test]
fn what_is_purged_while_it_is_read_is_read_to_its_end() {
    let dir = TempDir::new().unwrap();
    let disk = Disk::open(dir.path(), Sizes::of(None)).unwrap();
    let all: Vec<Entry> = (0..100).map(|index| entry(1, index, 1 << 20)).collect();
    for some in all.chunks(10) {
        let mut flush = Flush::default();
        flush.push(Change::Append { entries: some.to_vec(), offset: 0, flushed: on_flushed(|| {}).0 });
        disk.write(&flush).unwrap();
        flush.changes.into_iter().for_each(|change| change.complete(Ok(())));
    }
    disk.settle().unwrap();
    let snapshot = disk.snapshot();
    let mut flush = Flush::default();
    flush.push(Change::Purge { upto: log_id(1, 90) });
    disk.write(&flush).unwrap();
    let gone = disk.snapshot().entries(0..1).next().unwrap();
    assert!(gone.is_err(), "no file was dropped, so this test shows nothing");
    let read: Vec<Entry> = snapshot.entries(0..100).collect::<Result<_, _>>().unwrap();
    assert_eq!(read, all);
}

#[test]
fn a_flush_is_synced_and_a_commit_position_alone_is_not() {
    let dir = TempDir::new().unwrap();
    let sizes = Sizes::of(None);
    let mut options = disk::options(sizes);
    options.enable_statistics();
    let disk = Disk::open_with(&options, dir.path(), sizes).unwrap();
    let synced = || options.get_ticker_count(Ticker::WalFileSynced);
    for count in 1..5 {
        let mut flush = Flush::default();
        flush.push(Change::Purge { upto: log_id(1, count) });
        disk.write(&flush).unwrap();
        assert_eq!(synced(), count);
        disk.write(&Flush { committed: Some(log_id(1, count)), ..Flush::default() }).unwrap();
        assert_eq!(synced(), count);
    }
}

/// What is too little to make a file of, or has not moved down, goes when the room is needed.
#[tokio::test]
async fn purged_entries_give_back_all_that_they_took() {
    let dir = TempDir::new().unwrap();
    let Opened { mut store, dir: data_dir } = Opened::at(dir.path(), 0);
    let bytes = || {
        let files = std::fs::read_dir(data_dir.raft()).unwrap();
        files.map(|file| file.unwrap().metadata().unwrap().len()).sum::<u64>()
    };
    for index in 0..24 {
        store.blocking_append([entry(1, index, 1 << 20)]).await.unwrap();
    }
    assert!(store.unflushed().unwrap() > 20 << 20);
    store.purge(log_id(1, 22)).await.unwrap();
    store.save_vote(&Vote::new(1, 1)).await.unwrap(); // the purge is on the disk
    store.reclaim().unwrap();
    assert!(store.unflushed().unwrap() < 1 << 20);
    for index in 24..26 {
        store.blocking_append([entry(1, index, 1 << 20)]).await.unwrap();
    }
    store.purge(log_id(1, 24)).await.unwrap();
    store.save_vote(&Vote::new(2, 1)).await.unwrap();
    store.reclaim().unwrap();
    assert!(bytes() < 6 << 20, "{} bytes are left, and one entry of 1 MiB", bytes());
    assert_eq!(store.reader().try_get_log_entries(..).await.unwrap(), [entry(1, 25, 1 << 20)]);
}

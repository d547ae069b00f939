use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use prost::Message;
use quorate_core::testing::{Rng, Workload};
use quorate_core::{FeatureLevel, LaneMark};
use quorate_proto::log::v1::{BackupEnd, BackupHeader};
use tempfile::TempDir;

use super::frame::{HEAD, LINE};
use super::row_check::RowCheck;
use super::{BackupCheck, BackupError, BackupSummary, NewCluster, RestoreError, restore};
use crate::rows::codec;
use crate::rows::db::Family;
use crate::rows::keys::Prefix;
use crate::table::tests::harness::{Harness, assert_same, small as small_windows};
use crate::table::tests::jobs::{batch, enqueue, new_job};
use crate::table::tuning::Tuning;
use crate::{DataDir, Identity, LogStore, Node, Recovery, StoreError};

fn back_up(harness: &mut Harness) -> Vec<u8> {
    let mut backup = Vec::new();
    let took = |piece: bytes::Bytes| {
        backup.extend_from_slice(&piece);
        ControlFlow::Continue(())
    };
    harness.table().reader().back_up("the old one", &["the first".to_owned()], 7, took).unwrap();
    backup
}

fn check(backup: &[u8], piece: usize) -> Result<BackupSummary, BackupError> {
    let mut check = BackupCheck::default();
    for piece in backup.chunks(piece) {
        check.push(piece)?;
    }
    check.end()
}

fn rows(harness: &mut Harness) -> Vec<(u8, Vec<u8>, Vec<u8>)> {
    let (mut check, mut rows) = (BackupCheck::default(), Vec::new());
    check
        .push_to::<BackupError>(&back_up(harness), &mut |family, key, value| {
            rows.push((super::rows::number(family), key.to_vec(), value.to_vec()));
            Ok(())
        })
        .unwrap();
    rows
}

fn new_cluster() -> NewCluster {
    let node = Node { name: "n1".into(), peer_addr: "h:1".into(), http_addr: "h:2".into(), replaces: None };
    NewCluster { cluster_id: "the new one".into(), node, understood: FeatureLevel(u32::MAX) }
}

fn in_file(dir: &TempDir, backup: &[u8]) -> PathBuf {
    let path = dir.path().join("backup");
    fs::write(&path, backup).unwrap();
    path
}

/// After this many entries of a history: jobs in every status, queues with settings, keys, logs, work on many jobs.
async fn with_history(seed: u64, entries: usize) -> Harness {
    let mut harness = Harness::new(Tuning::default());
    for entry in Workload::new(seed).take(entries) {
        harness.apply([(entry.index, entry.batch)]).await;
    }
    harness
}

fn names(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_restored_is_what_was_backed_up_and_goes_on() {
    for seed in 0..6 {
        let mut workload = Workload::new(seed);
        let mut old = Harness::new(Tuning::default());
        let history: Vec<_> = workload.by_ref().take(400).collect();
        let last = history.last().unwrap().index;
        old.apply(history.into_iter().map(|entry| (entry.index, entry.batch))).await;
        let backup = back_up(&mut old);
        let summary = check(&backup, 700).unwrap();
        assert_eq!(
            (summary.index, summary.cluster_id.as_str(), summary.made_at_ms),
            (last, "the old one", 7)
        );
        assert_eq!(summary.size, backup.len() as u64);
        assert_eq!(summary.jobs.iter().sum::<u64>(), old.dump().jobs.len() as u64);

        let root = tempfile::tempdir().unwrap();
        let to = TempDir::new_in(root.path()).unwrap();
        let restored = restore(&in_file(&root, &backup), to.path(), new_cluster(), |come, all| {
            assert!(all.is_none_or(|all| come <= all));
        })
        .unwrap();
        assert_eq!(restored.index, last + 1);
        let mut new = Harness::at(to, Tuning::default());
        let Identity { cluster_id, former_cluster_ids, node_id } = new.data_dir.identity();
        assert_eq!(cluster_id.as_deref(), Some("the new one"));
        assert_eq!(
            (former_cluster_ids, node_id),
            (vec!["the first".to_owned(), "the old one".to_owned()], restored.identity.node_id)
        );
        assert_same(&new.dump(), &old.dump(), &format!("seed {seed}"));
        let again = check(&back_up(&mut new), usize::MAX).unwrap();
        assert_eq!(again.state_hash, summary.state_hash, "seed {seed}");
        assert_eq!((again.rows, again.bytes, again.jobs), (summary.rows, summary.bytes, summary.jobs));
        assert_eq!((again.term, again.index), (summary.term + 1, last + 1));

        new.term = summary.term + 1;
        // Requests that were answered before are answered the same, keys are known, and all else goes on as it would have.
        for entry in workload.by_ref().take(100) {
            let next = || [(entry.index + 1, entry.batch.clone())];
            assert_eq!(new.carry_out(next()).await, old.carry_out(next()).await, "seed {seed}");
        }
        assert_same(&new.dump(), &old.dump(), &format!("seed {seed}, later"));
    }
}

/// The log of a restored directory is purged up to the table, says so by its mark, and opens.
#[tokio::test(flavor = "multi_thread")]
async fn a_restored_log_begins_behind_the_table() {
    let mut old = with_history(3, 100).await;
    let root = tempfile::tempdir().unwrap();
    let to = root.path().join("new");
    restore(&in_file(&root, &back_up(&mut old)), &to, new_cluster(), |_, _| ()).unwrap();
    let dir = DataDir::open(&to).unwrap();
    assert!(names(&to).iter().all(|name| name != "restoring"), "{:?}", names(&to));
    let log = LogStore::open(&dir, std::sync::Arc::new(|error| panic!("{error}"))).unwrap();
    assert_eq!(log.end().now().unwrap().0.map(|last| last.index), Some(101));
    log.close().unwrap();
    drop(dir);
    let found = Recovery::of(&to).unwrap();
    let survey = found.survey();
    assert_eq!((survey.last, survey.applied), (survey.marked, survey.last));
    assert_eq!((survey.vote, survey.lost, survey.is_alone()), (survey.marked_vote, None, true));
    let node = survey.membership.get_node(&survey.identity.node_id).unwrap();
    assert_eq!((node.name.as_str(), node.peer_addr.as_str()), ("n1", "h:1"));
}

/// Two replicas that grouped their writes in other ways have the same state.
#[tokio::test(flavor = "multi_thread")]
async fn the_hash_is_that_of_the_state() {
    for seed in 10..16 {
        let mut workload = Workload::new(seed);
        let history: Vec<_> = workload.by_ref().take(300).collect();
        let mut one = Harness::new(small_windows(&mut Rng::new(seed)));
        let mut all = Harness::new(Tuning::default());
        for entry in &history {
            one.apply([(entry.index, entry.batch.clone())]).await;
        }
        all.apply(history.iter().map(|entry| (entry.index, entry.batch.clone()))).await;
        let hash = |harness: &mut Harness| check(&back_up(harness), 1 << 20).unwrap().state_hash;
        assert_eq!(rows(&mut one), rows(&mut all), "seed {seed}");
        assert_eq!(hash(&mut one), hash(&mut all), "seed {seed}");
        let before = hash(&mut all);
        all.apply(workload.take(20).map(|entry| (entry.index, entry.batch))).await;
        assert_ne!(hash(&mut all), before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_of_one_moment_whatever_is_applied_meanwhile() {
    let mut harness = Harness::new(Tuning::default());
    harness
        .apply((1..=40).map(|index| batch(index, (0..50).map(|n| enqueue([new_job(index * 100 + n)])))))
        .await;
    let mut expected = harness.dump();
    expected.answers.clear();
    let reader = harness.table().reader();
    let (go, told) = std::sync::mpsc::channel();
    let (first, came) = std::sync::mpsc::channel();
    let backing_up = std::thread::spawn(move || {
        let mut backup = Vec::new();
        let took = |piece: bytes::Bytes| {
            if backup.is_empty() {
                first.send(()).unwrap();
                told.recv().unwrap();
            }
            backup.extend_from_slice(&piece);
            ControlFlow::Continue(())
        };
        reader.back_up("a", &[], 0, took).unwrap();
        backup
    });
    came.recv().unwrap();
    harness.apply((41..=60).map(|index| batch(index, [enqueue([new_job(index * 100)])]))).await;
    go.send(()).unwrap();
    let backup = backing_up.join().unwrap();
    let root = tempfile::tempdir().unwrap();
    let to = TempDir::new_in(root.path()).unwrap();
    assert_eq!(check(&backup, 1 << 20).unwrap().index, 40);
    restore(&in_file(&root, &backup), to.path(), new_cluster(), |_, _| ()).unwrap();
    let mut found = Harness::at(to, Tuning::default()).dump();
    found.answers.clear();
    assert_same(&found, &expected, "as it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_empty_directory_is_restored_into() {
    let mut old = with_history(4, 50).await;
    let root = tempfile::tempdir().unwrap();
    let file = in_file(&root, &back_up(&mut old));
    let to = root.path().join("new");
    fs::create_dir(&to).unwrap();
    fs::create_dir(to.join("lost+found")).unwrap();
    fs::write(to.join("precious"), "data").unwrap();
    let refused = restore(&file, &to, new_cluster(), |_, _| ()).unwrap_err();
    assert!(matches!(&refused, RestoreError::NotEmpty { found, .. } if found == "precious"), "{refused}");
    assert_eq!(fs::read_to_string(to.join("precious")).unwrap(), "data");
    fs::remove_file(to.join("precious")).unwrap();
    restore(&file, &to, new_cluster(), |_, _| ()).unwrap();
    let refused = restore(&file, &to, new_cluster(), |_, _| ()).unwrap_err();
    assert!(matches!(refused, RestoreError::NotEmpty { .. }), "{refused}");
    DataDir::open(&to).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_higher_level_is_refused_before_anything_is_written() {
    let mut old = with_history(4, 400).await;
    let level = old.table().reader().level();
    assert!(level > FeatureLevel::default());
    let root = tempfile::tempdir().unwrap();
    let (file, to) = (in_file(&root, &back_up(&mut old)), root.path().join("new"));
    let older = NewCluster { understood: FeatureLevel(level.0 - 1), ..new_cluster() };
    let refused = restore(&file, &to, older, |_, _| ()).unwrap_err();
    assert!(
        matches!(refused, RestoreError::Store(StoreError::Newer { what: "the backup", .. })),
        "{refused}"
    );
    assert!(!to.exists());
}

/// What a crash leaves in the middle of it is taken by no node.
#[tokio::test(flavor = "multi_thread")]
async fn half_a_restore_is_refused_by_name() {
    let root = tempfile::tempdir().unwrap();
    let under_way = DataDir::begin_restored(root.path()).unwrap();
    let Err(refused) = DataDir::begin_restored(root.path()) else { panic!("it is restored into twice") };
    assert!(matches!(refused, RestoreError::Store(StoreError::Locked(_))), "{refused}");
    drop(under_way);
    let Err(refused) = DataDir::open(root.path()) else { panic!("a node starts on it") };
    assert!(refused.to_string().contains("empty it, and restore again"), "{refused}");
    let Err(refused) = DataDir::begin_restored(root.path()) else { panic!("it is restored into") };
    assert!(refused.to_string().contains("empty it, and restore again"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changes_between_the_readings_leaves_nothing() {
    let (mut old, mut other) = (with_history(5, 200).await, with_history(6, 200).await);
    let (backup, other) = (back_up(&mut old), back_up(&mut other));
    let root = tempfile::tempdir().unwrap();
    let (file, to) = (in_file(&root, &backup), root.path().join("new"));
    for replaced_by in [&other[..], &backup[..backup.len() - 1], b""] {
        fs::write(&file, &backup).unwrap();
        let mut readings = 0;
        let refused = restore(&file, &to, new_cluster(), |come, all| {
            if Some(come) == all {
                readings += 1;
                fs::write(&file, replaced_by).unwrap();
            }
        });
        assert!(matches!(refused, Err(RestoreError::Backup(_))), "{refused:?}");
        assert!(readings > 0);
        assert!(!to.exists());
    }
}

#[test]
fn what_is_no_backup_is_told_from_one_of_another_format() {
    for (given, says) in [
        (&b""[..], "truncated"),
        (b"quorate ba", "truncated"),
        (LINE.as_bytes(), "truncated"),
        (b"PK\x03\x04 and so on", "no backup"),
        (b"quorate data directory, format 8\n", "no backup"),
        (
            b"quorate backup, format 2\nwhatever",
            "of another format: it begins with \"quorate backup, format 2\"",
        ),
    ] {
        for piece in [1, 1000] {
            let said = check(given, piece).unwrap_err().to_string();
            assert!(said.contains(says), "{given:?}: {said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_another_data_format_are_refused_by_its_number_and_the_version_that_made_it() {
    let backup = back_up(&mut with_history(4, 50).await);
    let mut came = bytes::BytesMut::from(&backup[LINE.len()..]);
    let (_, header) = super::frame::take_frame(&mut came, 0).unwrap().unwrap();
    let mut header = BackupHeader::decode(header).unwrap();
    header.data_format = 5;
    header.version = "0.0.9".into();
    let made =
        [LINE.as_bytes(), &super::frame::frame(super::frame::Kind::Header, &header.encode_to_vec()), &came];
    let refused = check(&made.concat(), 4096).unwrap_err();
    assert!(
        matches!(&refused, BackupError::OtherRows { found: 5, version } if version == "0.0.9"),
        "{refused}"
    );
}

/// A small one, and where its frames begin.
fn small() -> (Vec<u8>, Vec<usize>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    let backup = runtime.block_on(async { back_up(&mut with_history(8, 60).await) });
    let (mut frames, mut at) = (Vec::new(), LINE.len());
    while let Some(head) = backup[at..].first_chunk::<HEAD>() {
        frames.push(at);
        at += HEAD + u32::from_le_bytes(head[1..5].try_into().unwrap()) as usize;
    }
    (backup, frames)
}

#[test]
fn every_flipped_byte_and_every_cut_is_refused() {
    let (backup, frames) = small();
    assert!(frames.len() >= 3, "header, rows, end");
    check(&backup, 1).unwrap();
    for at in 0..backup.len() {
        let cut = check(&backup[..at], 4096).unwrap_err();
        assert!(matches!(cut, BackupError::Truncated(read) if read == at as u64), "cut at {at}: {cut}");
        let mut altered = backup.clone();
        for bit in [1, 0x80] {
            altered[at] = backup[at] ^ bit;
            check(&altered, 4096).expect_err("a flipped bit");
        }
    }
    // Whole frames that are missing, doubled or swapped have good checksums.
    let of = |n: usize| frames[n]..frames.get(n + 1).copied().unwrap_or(backup.len());
    for n in 0..frames.len() {
        let mut without = backup.clone();
        without.drain(of(n));
        check(&without, 4096).expect_err("a missing part");
        let doubled = [&backup[..of(n).end], &backup[of(n).start..]].concat();
        check(&doubled, 4096).expect_err("a doubled part");
    }
    check(&[&backup[..], b"x"].concat(), 4096).expect_err("something behind the end");
    check(&[&backup[..], &backup[..]].concat(), 4096).expect_err("two of them");
}

fn forged(header: impl Fn(&mut BackupHeader), row: Option<(u8, &[u8], &[u8])>) -> Vec<u8> {
    use super::frame::{Kind, frame, take_frame};
    let (backup, frames) = small();
    let mut came = bytes::BytesMut::from(&backup[frames[0]..]);
    let (_, head) = take_frame(&mut came, 0).unwrap().unwrap();
    let mut head = BackupHeader::decode(&head[..]).unwrap();
    header(&mut head);
    let more = row.map(|(family, key, value)| {
        let length = |part: &[u8]| u32::try_from(part.len()).unwrap().to_le_bytes();
        let row = [&[family][..], &length(key), key, &length(value), value].concat();
        frame(Kind::Rows, &[&length(&row)[..], &lz4_flex::block::compress(&row)].concat())
    });
    let end = frames.len() - 1;
    let rows = &backup[frames[1]..frames[end]];
    let head = frame(Kind::Header, &head.encode_to_vec());
    [&backup[..frames[0]], &head, rows, &more.unwrap_or_default(), &backup[frames[end]..]].concat()
}

/// The same with an end that is of this header.
fn forged_with_its_end(header: impl Fn(&mut BackupHeader)) -> Vec<u8> {
    use super::frame::{Kind, frame, take_frame};
    let forged = forged(header, None);
    let mut came = bytes::BytesMut::from(&forged[LINE.len()..]);
    let (_, head) = take_frame(&mut came, 0).unwrap().unwrap();
    let (mut end_at, mut end) = (0, BackupEnd::default());
    while !came.is_empty() {
        end_at = forged.len() - came.len();
        let (kind, body) = take_frame(&mut came, 0).unwrap().unwrap();
        if kind == Kind::End {
            end = BackupEnd::decode(body).unwrap();
        }
    }
    end.header_hash = super::state_hash::header_hash(&head).to_vec();
    [&forged[..end_at], &frame(Kind::End, &end.encode_to_vec())].concat()
}

#[test]
fn a_header_that_is_another_one_is_noticed_by_its_hash() {
    let others: [fn(&mut BackupHeader); 4] = [
        |header| header.cluster_id.push('x'),
        |header| header.made_at_ms += 1,
        |header| header.former_cluster_ids.clear(),
        |header| header.table.as_mut().unwrap().last_applied.as_mut().unwrap().index += 1,
    ];
    for other in others {
        let refused = check(&forged(other, None), 4096).unwrap_err();
        assert!(refused.to_string().contains("its header is another one"), "{refused}");
        check(&forged_with_its_end(other), 4096).unwrap();
    }
}

/// All rows of a backup, and what is wrong with them after `change`.
fn misfit(change: impl Fn(&mut Vec<(Family, Vec<u8>, Vec<u8>)>)) -> Option<String> {
    let (backup, _) = small();
    let (mut check, mut rows) = (BackupCheck::default(), Vec::new());
    check
        .push_to::<BackupError>(&backup, &mut |family, key, value| {
            rows.push((family, key.to_vec(), value.to_vec()));
            Ok(())
        })
        .unwrap();
    let keys = rows.iter().filter(|(_, key, _)| key[0] == Prefix::IdempotencyKey as u8).count() as u64;
    change(&mut rows);
    let mut fit = RowCheck::default();
    for (family, key, value) in rows {
        if let Err(error) = fit.row(family, &key, &value) {
            return Some(error.to_string());
        }
    }
    fit.end(keys).err().map(str::to_owned)
}

#[test]
fn rows_that_do_not_fit_each_other_are_noticed() {
    assert_eq!(misfit(|_| ()), None);
    let without = |prefix: Prefix| {
        misfit(|rows| {
            // Who holds a payload alone may stand there or not.
            let counts =
                |value: &[u8]| !matches!(prefix, Prefix::Holders) || codec::decode_count(value).unwrap() > 1;
            let at = rows.iter().position(|(_, key, value)| key[0] == prefix as u8 && counts(value));
            rows.remove(at.unwrap_or_else(|| panic!("there is one of {:#x}", prefix as u8)));
        })
    };
    let leads = Some("a job's id and its record do not lead to each other".to_owned());
    let indexes = Some("the indexes are not those of the records".to_owned());
    for prefix in [Prefix::Ready, Prefix::FinishedJob] {
        assert_eq!(without(prefix), leads);
    }
    for prefix in [
        Prefix::Image,
        Prefix::IdempotencyKey,
        Prefix::Timer,
        Prefix::Ended,
        Prefix::ImageNamed,
        Prefix::KeyUsed,
        Prefix::Listed,
        Prefix::ListedByImage,
        Prefix::ErrorFor,
    ] {
        assert_eq!(without(prefix), indexes, "{:#x}", prefix as u8);
    }
    assert_eq!(without(Prefix::Queue).as_deref(), Some("the queues count other jobs than there are"));
    // What is there of another job, or counts one more.
    let last_changed = |prefix: Prefix, of_key: bool| {
        misfit(|rows| {
            let row = rows.iter_mut().find(|(_, key, _)| key[0] == prefix as u8);
            let (_, key, value) = row.unwrap_or_else(|| panic!("there is one of {:#x}", prefix as u8));
            *if of_key { key } else { value }.last_mut().unwrap() ^= 4;
        })
    };
    for (prefix, said) in [
        (Prefix::LaneMark, "the lanes are not those of the jobs that wait"),
        (Prefix::RunningOfKey, "other jobs of keys run than are counted"),
        (Prefix::Payload, "the payloads are held by other jobs than there are"),
        (Prefix::Holders, "the payloads are held by other jobs than there are"),
        (Prefix::Worker, "workers hold other jobs than run"),
        (Prefix::Held, "workers hold other jobs than run"),
    ] {
        assert_eq!(without(prefix).as_deref(), Some(said), "{:#x}", prefix as u8);
    }
    for (prefix, of_key, said) in [
        (Prefix::RunningOfKey, false, "other jobs of keys run than are counted"),
        (Prefix::RunningOfKey, true, "other jobs of keys run than are counted"),
        (Prefix::Holders, false, "the payloads are held by other jobs than there are"),
        (Prefix::Held, true, "workers hold other jobs than run"),
        (Prefix::Listed, false, "the indexes are not those of the records"),
    ] {
        assert_eq!(last_changed(prefix, of_key).as_deref(), Some(said), "{:#x}", prefix as u8);
    }
    for (more_first, more_jobs) in [(1, 0), (0, 1)] {
        let other = misfit(|rows| {
            let row = rows.iter_mut().find(|(_, key, _)| key[0] == Prefix::LaneMark as u8).unwrap();
            let mark = codec::decode_mark(&row.2).unwrap();
            let (first, jobs) = (mark.first + more_first, mark.jobs + more_jobs);
            row.2 = codec::encode_mark(LaneMark { first, jobs, ..mark });
        });
        assert_eq!(other.as_deref(), Some("the lanes are not those of the jobs that wait"));
    }
    let none_unique = misfit(|rows| rows.retain(|(_, key, _)| key[0] != Prefix::Unique as u8));
    assert_eq!(none_unique.as_deref(), Some("the unique keys are not those of the jobs"));
    assert_eq!(RowCheck::default().end(1), Err("other Idempotency-Keys are counted than there are"));
    // Two jobs whose rows were taken for each other.
    let swapped = misfit(|rows| {
        let is_finished = |row: &(Family, Vec<u8>, Vec<u8>)| {
            row.1[0] == Prefix::Job as u8 && row.2.get(1) == Some(&(Prefix::FinishedJob as u8))
        };
        let at: Vec<usize> = (0..rows.len()).filter(|at| is_finished(&rows[*at])).take(2).collect();
        let value = std::mem::take(&mut rows[at[0]].2);
        rows[at[0]].2 = std::mem::replace(&mut rows[at[1]].2, value);
    });
    assert_eq!(swapped, leads);
    let moved = misfit(|rows| {
        let row = rows.iter_mut().find(|(_, key, _)| key[0] == Prefix::Ready as u8).unwrap();
        *row.1.last_mut().unwrap() ^= 1;
    });
    assert!(moved.as_ref().is_some_and(|said| said.contains("where it does not belong")), "{moved:?}");
}

/// What could not be restored to what was backed up is not found whole.
#[test]
fn a_backup_with_rows_or_a_header_that_no_table_has_is_refused() {
    check(&forged(|_| (), None), 4096).unwrap();
    for (row, says) in [
        ((2, &[0x40][..], &b""[..]), "a row's key"),
        ((2, &[0x3b, 0xff], b""), "some rows are missing, or too many"),
    ] {
        let refused = check(&forged(|_| (), Some(row)), 4096).unwrap_err();
        assert!(refused.to_string().contains(says), "{refused}");
    }
    let refused = check(&forged_with_its_end(|header| header.jobs += 1), 4096).unwrap_err();
    assert!(refused.to_string().contains("jobs, and says"), "{refused}");
    for index in [u64::MAX, (1 << 56) + 1] {
        let of = |header: &mut BackupHeader| {
            header.table.as_mut().unwrap().last_applied.as_mut().unwrap().index = index;
        };
        let refused = check(&forged(of, None), 4096).unwrap_err();
        assert!(refused.to_string().contains("a log entry that no cluster reaches"), "{refused}");
    }
    let mut fit = RowCheck::default();
    fit.row(Family::Default, &[0x01], b"").unwrap_err();
    fit.row(Family::Idx, &[0x10, 1], b"").unwrap_err();
    fit.row(Family::Default, &[0x16, 1], b"\xff\xff").unwrap_err();
}

#[test]
fn what_is_no_regular_file_is_refused_by_that_reason() {
    let root = tempfile::tempdir().unwrap();
    let refused = restore(root.path(), &root.path().join("new"), new_cluster(), |_, _| ()).unwrap_err();
    assert!(matches!(refused, RestoreError::Backup(BackupError::NoFile)), "{refused}");
}

/// With checksums that fit, in a backup that was made to look whole.
#[test]
fn a_row_that_is_another_one_is_noticed_by_the_hash() {
    let (backup, frames) = small();
    let mut came = bytes::BytesMut::from(&backup[frames[1]..]);
    let (_, body) = super::frame::take_frame(&mut came, 0).unwrap().unwrap();
    let mut rows = super::rows::unpack(&body, 0).unwrap();
    *rows.last_mut().unwrap() ^= 1;
    let length = u32::try_from(rows.len()).unwrap().to_le_bytes();
    let body = [&length[..], &lz4_flex::block::compress(&rows)].concat();
    let forged =
        [&backup[..frames[1]], &super::frame::frame(super::frame::Kind::Rows, &body), &came].concat();
    let refused = check(&forged, 4096).unwrap_err();
    assert!(refused.to_string().contains("the hash of the state does not fit"), "{refused}");
}

proptest! {
    /// Not even with checksums that fit does anything make it panic, or take much memory. `PROPTEST_CASES` says how often.
    #[test]
    fn any_bytes_are_refused(
        kinds in prop::collection::vec((1_u8..=3, prop::collection::vec(any::<u8>(), 0..200)), 0..6),
        rest in prop::collection::vec(any::<u8>(), 0..40),
        piece in 1_usize..300,
    ) {
        let mut bytes = LINE.as_bytes().to_vec();
        for (kind, body) in kinds {
            let head = [&[kind][..], &u32::try_from(body.len()).unwrap().to_le_bytes()].concat();
            bytes.extend(&head);
            bytes.extend(crc32c::crc32c_append(crc32c::crc32c(&head), &body).to_le_bytes());
            bytes.extend(&body);
        }
        bytes.extend(rest);
        prop_assert!(check(&bytes, piece).is_err());
    }
}

/// One that survives goes on alone from all that it has, and says before what it has.
#[tokio::test(flavor = "multi_thread")]
async fn recovery_is_refused_where_nothing_is_to_be_recovered() {
    let root = tempfile::tempdir().unwrap();
    let refused = |path: &Path| match Recovery::of(path) {
        Ok(_) => panic!("something was found in {}", path.display()),
        Err(error) => error,
    };
    assert!(matches!(refused(&root.path().join("nothing")), StoreError::ForeignFormat { .. }));
    assert!(!root.path().join("nothing").exists());
    let dir = DataDir::open(root.path()).unwrap();
    assert!(matches!(refused(root.path()), StoreError::Locked(_)));
    drop(dir);
    // It has never run.
    refused(root.path());
}

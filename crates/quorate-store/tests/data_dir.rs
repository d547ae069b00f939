//! The data directory: whose it is, in which state, and what happens when it is damaged.

#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use quorate_core::Timestamp;
use quorate_store::{DataDir, LogStore, LogTimeFile, LogTimeNote, StoreError};
use tempfile::TempDir;

fn open(path: &Path) -> Result<DataDir, StoreError> {
    DataDir::open(path)
}

fn open_log(dir: &DataDir) -> Result<LogStore, StoreError> {
    LogStore::open(dir, std::sync::Arc::new(|e| panic!("{e}")))
}

fn flip_bit(path: &Path, position: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[position] ^= 1 << (position % 8);
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_new_directory_is_a_new_node_and_stays_it() {
    let temp = TempDir::new().unwrap();
    let path = temp.path().join("deep/er");
    let identity = open(&path).unwrap().identity();
    assert_ne!(identity.node_id, 0);
    assert_eq!(identity.cluster_id, None);
    assert_eq!(open(&path).unwrap().identity(), identity);
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700, "nobody else looks into it");
    let other = open(&temp.path().join("other")).unwrap().identity();
    assert_ne!(other.node_id, identity.node_id);
}

#[test]
fn a_cluster_is_adopted_for_ever() {
    let temp = TempDir::new().unwrap();
    let dir = open(temp.path()).unwrap();
    let node_id = dir.identity().node_id;
    dir.adopt_cluster("one", &[]).unwrap();
    dir.adopt_cluster("one", &[]).unwrap();
    assert!(matches!(dir.adopt_cluster("two", &[]), Err(StoreError::ForeignFormat { .. })));
    drop(dir);
    let identity = open(temp.path()).unwrap().identity();
    assert_eq!(identity.cluster_id.as_deref(), Some("one"));
    assert_eq!(identity.node_id, node_id);
}

#[test]
fn one_process_at_a_time() {
    let temp = TempDir::new().unwrap();
    let first = open(temp.path()).unwrap();
    assert!(matches!(open(temp.path()), Err(StoreError::Locked(path)) if path == temp.path()));
    drop(first);
    open(temp.path()).unwrap();
}

#[test]
fn somebody_elses_directory_is_left_as_it_is() {
    let temp = TempDir::new().unwrap();
    fs::write(temp.path().join("thesis.txt"), "…").unwrap();
    let Err(StoreError::ForeignFormat { found, .. }) = open(temp.path()) else { panic!("opened") };
    assert!(found.contains("thesis.txt"), "{found}");
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 1);
}

#[test]
fn a_file_system_of_its_own_is_an_empty_directory() {
    let temp = TempDir::new().unwrap();
    fs::create_dir(temp.path().join("lost+found")).unwrap();
    open(temp.path()).unwrap();
}

#[test]
fn another_format_is_refused_whatever_the_difference() {
    let temp = TempDir::new().unwrap();
    drop(open(temp.path()).unwrap());
    let format = temp.path().join("FORMAT");
    let good = fs::read(&format).unwrap();
    for position in 0..good.len() {
        flip_bit(&format, position);
        assert!(matches!(open(temp.path()), Err(StoreError::ForeignFormat { .. })), "byte {position}");
        fs::write(&format, &good).unwrap();
    }
    fs::write(&format, "quorate data directory, format 99\n").unwrap();
    let Err(StoreError::ForeignFormat { found, .. }) = open(temp.path()) else { panic!("opened") };
    assert!(found.contains("format 99"), "{found}");
}

#[test]
fn a_damaged_identity_is_refused_whichever_bit() {
    let temp = TempDir::new().unwrap();
    let dir = open(temp.path()).unwrap();
    dir.adopt_cluster("the cluster", &["the one before".to_owned()]).unwrap();
    drop(dir);
    let file = temp.path().join("identity");
    let good = fs::read(&file).unwrap();
    for position in 0..good.len() {
        flip_bit(&file, position);
        assert!(
            matches!(open(temp.path()), Err(StoreError::Damaged { what: "identity", .. })),
            "byte {position}"
        );
        fs::write(&file, &good[..position]).unwrap();
        assert!(
            matches!(open(temp.path()), Err(StoreError::Damaged { what: "identity", .. })),
            "cut {position}"
        );
        fs::write(&file, &good).unwrap();
    }
    open(temp.path()).unwrap();
}

#[test]
fn data_without_an_identity_get_no_new_one() {
    let temp = TempDir::new().unwrap();
    let dir = open(temp.path()).unwrap();
    open_log(&dir).unwrap().close().unwrap();
    drop(dir);
    fs::remove_file(temp.path().join("identity")).unwrap();
    assert!(matches!(open(temp.path()), Err(StoreError::Damaged { what: "identity", .. })));
}

/// A crash in the first start, after any of its steps.
#[test]
fn a_new_node_has_no_note_of_another_clusters_log_time() {
    let temp = TempDir::new().unwrap();
    let dir = open(temp.path()).unwrap();
    let note = LogTimeNote { boot: "a".into(), term: 7, time: Timestamp(1), uptime: Duration::ZERO };
    LogTimeFile::open(&dir).unwrap().write(note).unwrap();
    drop(dir);
    // Somebody wipes what he knows.
    fs::remove_file(temp.path().join("identity")).unwrap();
    let dir = open(temp.path()).unwrap();
    assert_eq!(LogTimeFile::open(&dir).unwrap().read().unwrap(), None);
}

#[test]
fn an_interrupted_first_start_is_taken_up() {
    for missing in [&["identity"][..], &["identity", "high-water"], &["identity", "high-water", "FORMAT"]] {
        let temp = TempDir::new().unwrap();
        drop(open(temp.path()).unwrap());
        for file in missing {
            fs::remove_file(temp.path().join(file)).unwrap();
        }
        fs::write(temp.path().join("FORMAT.new"), "quor").unwrap();
        let dir = open(temp.path()).unwrap();
        open_log(&dir).unwrap();
    }
}

#[test]
fn a_directory_set_aside_is_kept_and_the_node_is_another() {
    let temp = TempDir::new().unwrap();
    let dir = open(temp.path()).unwrap();
    dir.adopt_cluster("one", &[]).unwrap();
    open_log(&dir).unwrap().close().unwrap();
    let old = dir.identity();
    let identity_file = fs::read(temp.path().join("identity")).unwrap();

    let dir = dir.set_aside("the log lost entries").unwrap();
    let new = dir.identity();
    assert_ne!(new.node_id, old.node_id);
    assert_eq!(new.cluster_id, None);
    assert!(!temp.path().join("raft").exists());
    open_log(&dir).unwrap().close().unwrap();

    let aside = temp.path().join("set-aside-1");
    assert_eq!(fs::read_to_string(aside.join("REASON")).unwrap(), "the log lost entries\n");
    assert_eq!(fs::read(aside.join("identity")).unwrap(), identity_file);
    assert!(aside.join("raft/CURRENT").exists() && aside.join("high-water").exists());

    // Still locked, still the new node when opened again, and a second time goes elsewhere.
    assert!(matches!(open(temp.path()), Err(StoreError::Locked(_))));
    drop(dir);
    let dir = open(temp.path()).unwrap();
    assert_eq!(dir.identity(), new);
    dir.set_aside("again").unwrap();
    assert!(temp.path().join("set-aside-2/raft").exists());
    assert_eq!(fs::read(aside.join("identity")).unwrap(), identity_file);
}

/// A crash while a directory is being set aside: some files are moved, some are not.
#[test]
fn an_interrupted_setting_aside_is_taken_up() {
    let temp = TempDir::new().unwrap();
    let dir = open(temp.path()).unwrap();
    open_log(&dir).unwrap().close().unwrap();
    let old = dir.identity();
    drop(dir);
    let aside = temp.path().join("set-aside-1");
    fs::create_dir(&aside).unwrap();
    fs::write(temp.path().join("setting-aside"), "set-aside-1").unwrap();
    fs::rename(temp.path().join("identity"), aside.join("identity")).unwrap();

    let dir = open(temp.path()).unwrap();
    assert_ne!(dir.identity().node_id, old.node_id);
    assert!(aside.join("raft").exists() && aside.join("high-water").exists());
    assert!(!temp.path().join("setting-aside").exists());
    open_log(&dir).unwrap();
}

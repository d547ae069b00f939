use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;

use openraft::vote::leader_id_std::CommittedLeaderId;
use quorate_core::FeatureLevel;
use quorate_proto::log::v1::TableMeta;
use quorate_proto::{Malformed, log::v1};
use rocksdb::WriteBatch;

use super::{BackupCheck, BackupError, BackupSummary, RestoreError};
use crate::files::durable;
use crate::limits::BACKUP_READ_BYTES;
use crate::rows::db::{DbSettings, Family};
use crate::rows::keys;
use crate::rows::meta::Meta;
use crate::table::{Nobody, open_generation};
use crate::{
    DataDir, Identity, JobTable, LogId, Membership, Node, ProtoForm, StoreError, StoredMembership, Vote, log,
};

/// The cluster that a backup becomes.
#[derive(Clone, Debug)]
pub struct NewCluster {
    /// Its id: one that no other cluster has.
    pub cluster_id: String,
    /// Its only member.
    pub node: Node,
    /// The highest feature level that the program understands.
    pub understood: FeatureLevel,
}

/// What was restored.
#[derive(Clone, Debug)]
pub struct Restored {
    /// The backup.
    pub backup: BackupSummary,
    /// The only member of the new cluster.
    pub identity: Identity,
    /// The log index from which it goes on.
    pub index: u64,
}

/// Makes the data directory of the first node of a new cluster from a backup, which is read twice: until all of it was found
/// whole, nothing is written. `told` hears of each part how many jobs of how many have come, in the first and the second reading.
///
/// The identity comes last, so that no node starts on a part of it; a failure leaves the directory empty.
///
/// # Errors
/// See [`RestoreError`].
pub fn restore(
    file: &Path,
    dir: &Path,
    new: NewCluster,
    mut told: impl FnMut(u64, Option<u64>),
) -> Result<Restored, RestoreError> {
    let (backup, table) = read(file, |check, bytes| {
        check.push(bytes)?;
        let (come, all) = check.progress();
        told(come, all);
        Ok::<_, BackupError>(())
    })?;
    StoreError::check_level("the backup", backup.feature_level, new.understood)?;
    let was_there = dir.exists();
    let restored = DataDir::begin_restored(dir).and_then(|made| {
        let restored = fill(file, &made, &new, table, &backup, &mut told);
        if restored.is_err() {
            // What it is for has failed: this is beside the point.
            let _ = made.remove_restored();
        }
        restored
    });
    if restored.is_err() && !was_there {
        // It goes if nothing is in it.
        let _ = std::fs::remove_dir(dir);
    }
    restored
}

fn fill(
    file: &Path,
    dir: &DataDir,
    new: &NewCluster,
    table: TableMeta,
    backup: &BackupSummary,
    told: &mut dyn FnMut(u64, Option<u64>),
) -> Result<Restored, RestoreError> {
    let identity = Identity {
        cluster_id: Some(new.cluster_id.clone()),
        former_cluster_ids: [&backup.former_cluster_ids[..], std::slice::from_ref(&backup.cluster_id)]
            .concat(),
        ..dir.identity()
    };
    // As if this node had led the next term, and its only entry had made it the only member.
    let last = LogId { leader_id: CommittedLeaderId::new(backup.term + 1), index: backup.index + 1 };
    let vote = Vote::new_committed(backup.term + 1, identity.node_id);
    let meta = new_meta(table, last, alone(identity.node_id, new.node.clone()))?;

    let db = open_generation(dir, DbSettings::new(dir.sizes()))?;
    let mut batch = WriteBatch::default();
    let (again, _) = read(file, |check, bytes| {
        check.push_to(bytes, &mut |family, key, value| {
            db.put(&mut batch, family, key, value);
            if batch.size_in_bytes() >= BACKUP_READ_BYTES {
                db.load(std::mem::take(&mut batch))?;
            }
            Ok::<_, RestoreError>(())
        })?;
        let (come, all) = check.progress();
        told(come, all);
        Ok::<_, RestoreError>(())
    })?;
    if again != *backup {
        let reason = "it has changed since it was read first".to_owned();
        return Err(BackupError::Altered { at: 0, reason }.into());
    }
    db.put(&mut batch, Family::Default, &keys::meta(), &meta.to_value());
    db.load(batch)?;
    db.flush()?;
    drop(db);

    log::begin(dir, log::Beginning { purged: Some(last), vote, entry: None })?;
    // It opens, and those who join get it as a snapshot.
    let table = JobTable::open(dir, Arc::new(Nobody), new.understood).map_err(|error| match error {
        // Its rows do not fit together.
        damaged @ StoreError::Damaged { .. } => BackupError::of_store(0, damaged).into(),
        other => RestoreError::Store(other),
    })?;
    table.space().renew_snapshot()?;
    drop(table);
    durable::sync(dir.path()).map_err(StoreError::io("sync", dir.path()))?;
    dir.complete(&identity)?;
    Ok(Restored { backup: again, identity, index: last.index })
}

pub(super) fn new_meta(table: TableMeta, last: LogId, membership: Membership) -> Result<Meta, StoreError> {
    let membership = StoredMembership::new(Some(last), membership);
    Meta::from_message(TableMeta {
        last_applied: Some(last.to_message()),
        membership: Some(membership.to_message()),
        ..table
    })
}

/// The membership of one voter.
pub(crate) fn alone(id: u64, node: Node) -> Membership {
    let Node { name, peer_addr, http_addr, replaces } = node;
    let message = v1::Membership {
        configs: vec![v1::VoterSet { node_ids: vec![id] }],
        members: vec![v1::Member {
            node_id: id,
            name,
            peer_addr,
            http_addr,
            replaces: replaces.unwrap_or(0),
        }],
    };
    Membership::from_message(message)
        .unwrap_or_else(|error: Malformed| panic!("one voter that is a member: {error}"))
}

/// Reads a whole file, and says what it has.
fn read<E: From<BackupError>>(
    path: &Path,
    mut push: impl FnMut(&mut BackupCheck, &[u8]) -> Result<(), E>,
) -> Result<(BackupSummary, TableMeta), E> {
    if !std::fs::metadata(path).map_err(BackupError::Read)?.is_file() {
        return Err(BackupError::NoFile.into());
    }
    let mut file = File::open(path).map_err(BackupError::Read)?;
    let mut check = BackupCheck::default();
    let mut buffer = vec![0; BACKUP_READ_BYTES];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(check.end_with_table()?),
            Ok(read) => push(&mut check, buffer.get(..read).unwrap_or_default())?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(BackupError::Read(error).into()),
        }
    }
}

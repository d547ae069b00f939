use prost::Message;
use quorate_proto::log::v1::TableMeta;
use sha2::{Digest, Sha256};

use super::rows::number;
use crate::rows::db::Family;

/// The hash of all that the log has made of the table, and of nothing else: not of the cluster's id and members, nor of the log
/// index, nor of what follows from how a node grouped its writes. So a backup and what is restored from it have the same.
pub(super) struct StateHash(Sha256);

impl StateHash {
    /// Of a table where this moves with every write.
    pub(super) fn new(table: &TableMeta) -> StateHash {
        let state = TableMeta {
            last_applied: None,
            membership: None,
            lanes: Vec::new(),
            timers_front_ms: 0,
            answers_front: 0,
            finished_front_ms: 0,
            images_front_ms: 0,
            keys_front_ms: 0,
            kept_front_ms: 0,
            ..table.clone()
        };
        let mut hash = StateHash(Sha256::new());
        hash.add(&state.encode_to_vec());
        hash
    }

    /// The next row, in order.
    pub(super) fn row(&mut self, family: Family, key: &[u8], value: &[u8]) {
        self.0.update([number(family)]);
        self.add(key);
        self.add(value);
    }

    fn add(&mut self, part: &[u8]) {
        self.0.update((part.len() as u64).to_le_bytes());
        self.0.update(part);
    }

    pub(super) fn end(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// The hash of a header as it was written: of what the state's hash leaves out, too.
pub(super) fn header_hash(header: &[u8]) -> [u8; 32] {
    Sha256::digest(header).into()
}

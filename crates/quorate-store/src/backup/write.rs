use std::ops::ControlFlow;

use bytes::Bytes;
use prost::Message;
use quorate_proto::log::v1::{BackupEnd, BackupHeader};

use super::frame::{Kind, LINE, frame};
use super::rows::Chunk;
use super::state_hash::{StateHash, header_hash};
use crate::rows::answers;
use crate::rows::codec;
use crate::rows::db::{Db, Family, View};
use crate::rows::keys::{self, Prefix};
use crate::rows::meta::Meta;
use crate::{Reader, StoreError, format};

impl Reader {
    /// Hands a backup to `take`, piece by piece, until it breaks: the table as it is when this begins, whatever is applied
    /// meanwhile. Reads all of it, hence blocks for long.
    ///
    /// `made_at_ms` is the wall clock.
    ///
    /// # Errors
    /// The table cannot be read. What was handed over has no end then, and nobody takes it for a backup.
    pub fn back_up(
        &self,
        cluster_id: &str,
        former_cluster_ids: &[String],
        made_at_ms: u64,
        mut take: impl FnMut(Bytes) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let generation = self.generation();
        match write(&generation.db, cluster_id, former_cluster_ids, made_at_ms, &mut take) {
            Ok(()) | Err(Ended::NobodyTakesIt) => Ok(()),
            Err(Ended::Unreadable(error)) => Err(error),
        }
    }
}

enum Ended {
    NobodyTakesIt,
    Unreadable(StoreError),
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Ended {
        Ended::Unreadable(error)
    }
}

fn write(
    db: &Db,
    cluster_id: &str,
    former_cluster_ids: &[String],
    made_at_ms: u64,
    take: &mut dyn FnMut(Bytes) -> ControlFlow<()>,
) -> Result<(), Ended> {
    let mut take = |piece| match take(piece) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Ended::NobodyTakesIt),
    };
    let view = db.view();
    let meta = Meta::of_value(view.get(Family::Default, &keys::meta())?.as_deref())?;
    let mut table = meta.to_message();
    table.membership = None;
    let mut hash = StateHash::new(&table);
    let header = BackupHeader {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        data_format: format::NUMBER,
        cluster_id: cluster_id.to_owned(),
        table: Some(table),
        jobs: count(&view)?,
        made_at_ms,
        former_cluster_ids: former_cluster_ids.to_vec(),
    };
    let header = header.encode_to_vec();
    take(Bytes::from_static(LINE.as_bytes()))?;
    take(frame(Kind::Header, &header))?;
    let (mut rows, mut bytes) = (0, 0);
    let mut chunk = Chunk::default();
    for family in Family::ALL {
        for row in view.all(family) {
            let (key, value) = row?;
            if is_no_part(&key, &value, &meta)? {
                continue;
            }
            rows += 1;
            bytes += (key.len() + value.len()) as u64;
            hash.row(family, &key, &value);
            chunk.add(family, &key, &value);
            if chunk.is_full() {
                take(frame(Kind::Rows, &chunk.take()))?;
            }
        }
    }
    if !chunk.is_empty() {
        take(frame(Kind::Rows, &chunk.take()))?;
    }
    let (state_hash, header_hash) = (hash.end().to_vec(), header_hash(&header).to_vec());
    let end = BackupEnd { rows, bytes, state_hash, header_hash };
    take(frame(Kind::End, &end.encode_to_vec()))
}

/// What the header has, and answers that are forgotten: when those are erased, depends on how a node groups its writes.
fn is_no_part(key: &[u8], value: &[u8], meta: &Meta) -> Result<bool, StoreError> {
    match key.first() {
        Some(prefix) if *prefix == Prefix::Meta as u8 => Ok(true),
        Some(prefix) if *prefix == Prefix::Answers as u8 => Ok(answers::until(value)? < meta.clock),
        Some(_) | None => Ok(false),
    }
}

/// How many jobs there are, by what is known of queues.
fn count(view: &View<'_>) -> Result<u64, StoreError> {
    let mut jobs = 0;
    for row in view.scan(Family::Default, &Prefix::Queue.start(), &Prefix::Queue.end()) {
        jobs += codec::decode_queue(&row?.1)?.counts.by_status.iter().sum::<u64>();
    }
    Ok(jobs)
}

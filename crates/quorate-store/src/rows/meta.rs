use openraft::alias::SnapshotMetaOf;
use prost::Message;
use quorate_core::{FeatureLevel, Lane, Settings, Timestamp};
use quorate_proto::{Malformed, log::v1};

use super::codec;
use super::db::{Db, Family};
use super::keys;
use crate::{LogId, ProtoForm, StoreError, StoredMembership, TypeConfig};

/// What moves with every write, in the same write.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meta {
    pub(crate) last_applied: Option<LogId>,
    pub(crate) membership: StoredMembership,
    pub(crate) clock: Timestamp,
    pub(crate) settings: Settings,
    pub(crate) level: FeatureLevel,
    pub(crate) next_seq: u64,
    pub(crate) key_count: u64,
    /// The log entry before which no answers are kept.
    pub(crate) answers_front: u64,
    /// Times before which the indexes hold nothing.
    pub(crate) fronts: Fronts,
    /// The number that the next new queue gets.
    pub(crate) next_queue: u64,
    /// The lanes in which lists look for queued jobs, and where they begin.
    pub(crate) lanes: Vec<(Lane, u64)>,
}

/// See [`Meta::fronts`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fronts {
    pub(crate) timers: Timestamp,
    pub(crate) ended: Timestamp,
    pub(crate) kept: Timestamp,
    pub(crate) images: Timestamp,
    pub(crate) keys: Timestamp,
}

impl Meta {
    /// The meta value of a database; that of a table before the first log entry when there is none.
    pub(crate) fn read(db: &Db) -> Result<Meta, StoreError> {
        Meta::of_value(db.get(Family::Default, &keys::meta())?.as_deref())
    }

    /// What that value says.
    pub(crate) fn of_value(value: Option<&[u8]>) -> Result<Meta, StoreError> {
        let Some(value) = value else { return Ok(Meta::default()) };
        let message = quorate_proto::decode(value);
        Meta::from_message(message.map_err(|malformed| StoreError::malformed(codec::WHAT, &malformed))?)
    }

    pub(crate) fn to_value(&self) -> Vec<u8> {
        self.to_message().encode_to_vec()
    }

    pub(crate) fn to_message(&self) -> v1::TableMeta {
        v1::TableMeta {
            last_applied: self.last_applied.as_ref().map(LogId::to_message),
            membership: Some(self.membership.to_message()),
            clock_ms: self.clock.0,
            next_seq: self.next_seq,
            settings: Some(self.settings.into()),
            key_count: self.key_count,
            next_queue: self.next_queue,
            lanes: self.lanes.iter().map(|(lane, first)| (lane, *first).into()).collect(),
            timers_front_ms: self.fronts.timers.0,
            answers_front: self.answers_front,
            finished_front_ms: self.fronts.ended.0,
            kept_front_ms: self.fronts.kept.0,
            images_front_ms: self.fronts.images.0,
            keys_front_ms: self.fronts.keys.0,
            level: self.level.0,
        }
    }

    pub(crate) fn from_message(message: v1::TableMeta) -> Result<Meta, StoreError> {
        let malformed = |malformed: Malformed| StoreError::malformed(codec::WHAT, &malformed);
        let membership = codec::intact(message.membership, "TableMeta.membership")?;
        let settings = codec::intact(message.settings, "TableMeta.settings")?;
        Ok(Meta {
            last_applied: message.last_applied.map(LogId::from_message).transpose().map_err(malformed)?,
            membership: StoredMembership::from_message(membership).map_err(malformed)?,
            clock: Timestamp(message.clock_ms),
            settings: settings.into(),
            level: FeatureLevel(message.level).max(FeatureLevel::default()),
            next_seq: message.next_seq,
            key_count: message.key_count,
            answers_front: message.answers_front,
            fronts: Fronts {
                timers: Timestamp(message.timers_front_ms),
                ended: Timestamp(message.finished_front_ms),
                kept: Timestamp(message.kept_front_ms),
                images: Timestamp(message.images_front_ms),
                keys: Timestamp(message.keys_front_ms),
            },
            next_queue: message.next_queue,
            lanes: message
                .lanes
                .into_iter()
                .map(<(Lane, u64)>::try_from)
                .collect::<Result<_, _>>()
                .map_err(malformed)?,
        })
    }

    /// What openraft wants to know of a snapshot of this table.
    pub(crate) fn snapshot_meta(&self) -> SnapshotMetaOf<TypeConfig> {
        SnapshotMetaOf::<TypeConfig> {
            last_log_id: self.last_applied,
            last_membership: self.membership.clone(),
        }
    }
}

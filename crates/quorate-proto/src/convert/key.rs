use quorate_core::{KeyRecord, Timestamp};

use super::fields;
use crate::Malformed;
use crate::log::v1 as pb;

impl From<&KeyRecord> for pb::KeyRecord {
    fn from(record: &KeyRecord) -> pb::KeyRecord {
        pb::KeyRecord {
            key: record.key.to_string(),
            body_hash: record.body_hash.to_vec(),
            at_ms: record.at.0,
            answer: Some((&record.answer).into()),
        }
    }
}

impl TryFrom<pb::KeyRecord> for KeyRecord {
    type Error = Malformed;

    fn try_from(record: pb::KeyRecord) -> Result<KeyRecord, Malformed> {
        Ok(KeyRecord {
            key: record.key.into(),
            body_hash: fields::hash("KeyRecord", "body_hash", &record.body_hash)?,
            at: Timestamp(record.at_ms),
            answer: record
                .answer
                .ok_or(Malformed::Field { message: "KeyRecord", field: "answer" })?
                .try_into()?,
        })
    }
}

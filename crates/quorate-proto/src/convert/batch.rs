use bytes::Bytes;
use prost::Message;
use quorate_core::{Batch, Envelope, RequestId, Timestamp};

use super::fields;
use crate::log::v1 as pb;
use crate::{Malformed, parts};

/// A batch as it stands in the log. The envelopes' payloads are shared until they are written here, once.
pub fn encode_batch(batch: Batch) -> Bytes {
    let message = pb::Batch {
        stamp_ms: batch.stamp.0,
        envelopes: batch.envelopes.into_iter().map(pb::Envelope::from).collect(),
    };
    message.encode_to_vec().into()
}

/// The batch that these bytes of the log stand for; its payloads share them.
///
/// # Errors
/// They are no batch, or one of a newer version; or nobody makes such a one (it has too many parts for its length).
pub fn decode_batch(bytes: Bytes) -> Result<Batch, Malformed> {
    parts::of_batch(&bytes)?;
    let message: pb::Batch = crate::decode(bytes)?;
    Ok(Batch {
        stamp: Timestamp(message.stamp_ms),
        envelopes: message.envelopes.into_iter().map(Envelope::try_from).collect::<Result<_, _>>()?,
    })
}

/// The command that these bytes stand for, as another node encoded it.
///
/// # Errors
/// As those of [`decode_batch`].
pub fn decode_envelope(bytes: Bytes) -> Result<Envelope, Malformed> {
    parts::of_envelope(&bytes)?;
    crate::decode::<pb::Envelope>(bytes)?.try_into()
}

/// The entry that these bytes stand for, as another node encoded it; its batch shares them.
///
/// # Errors
/// They are no entry, or one of a newer version; or its membership has more members than any.
pub fn decode_entry(bytes: Bytes) -> Result<pb::Entry, Malformed> {
    parts::of_entry(&bytes)?;
    crate::decode(bytes)
}

/// A command as it goes into the log. What another node has encoded goes there encoded anew: of that, every replica
/// understands all, at whatever depth.
pub fn encode_envelope(envelope: Envelope) -> Bytes {
    pb::Envelope::from(envelope).encode_to_vec().into()
}

impl From<Envelope> for pb::Envelope {
    fn from(envelope: Envelope) -> pb::Envelope {
        pb::Envelope {
            request_id: Some(envelope.request_id.0.into()),
            deadline_ms: envelope.deadline.0,
            command: Some(envelope.command.into()),
        }
    }
}

impl TryFrom<pb::Envelope> for Envelope {
    type Error = Malformed;

    fn try_from(envelope: pb::Envelope) -> Result<Envelope, Malformed> {
        let command = envelope.command.ok_or(Malformed::Field { message: "Envelope", field: "command" })?;
        Ok(Envelope {
            request_id: RequestId(fields::id("Envelope", "request_id", envelope.request_id)?),
            deadline: Timestamp(envelope.deadline_ms),
            command: command.try_into()?,
        })
    }
}

//! How many parts a batch has, counted before anything is decoded: a part of two bytes becomes a value of some hundred, so a
//! message that is made of nothing else takes a hundred times its length in memory.

use prost::Message;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use quorate_core::RequestId;
use quorate_core::limits::{COMMANDS_PER_ENTRY, JOBS_PER_REQUEST};

use crate::Malformed;
use crate::log::v1 as pb;

/// The parts of a command (jobs, endings, settings, …) that are a matter of course.
const FREE: usize = JOBS_PER_REQUEST + 24;
/// Beyond them, a part has so many bytes at least: the shortest of which there may be many, an ending, has more than twice as many.
const PART_BYTES: usize = 16;

/// `Batch`: `stamp_ms`, and its envelopes.
const ENVELOPES: u32 = 2;
/// `Envelope.request_id`.
const REQUEST_ID: u32 = 1;
/// `Envelope.command`: its fields from this one on.
const COMMANDS: u32 = 10;

/// Refuses an encoded batch that has more commands than an entry, or a command with too many parts.
pub(crate) fn of_batch(bytes: &[u8]) -> Result<(), Malformed> {
    let mut envelopes = 0;
    for_each_part("Batch", bytes, |field, part| {
        envelopes += usize::from(field == ENVELOPES);
        if envelopes > COMMANDS_PER_ENTRY {
            return Err(Malformed::Field { message: "Batch", field: "envelopes" });
        }
        if field == ENVELOPES { of_envelope(part) } else { Ok(()) }
    })
}

/// Refuses an encoded envelope whose command has too many parts.
pub(crate) fn of_envelope(bytes: &[u8]) -> Result<(), Malformed> {
    let mut left = FREE + bytes.len() / PART_BYTES;
    for_each_part("Envelope", bytes, |field, command| {
        if field < COMMANDS {
            return Ok(());
        }
        for_each_part("Envelope", command, |_, _| {
            left = left.checked_sub(1).ok_or(Malformed::Field { message: "Envelope", field: "command" })?;
            Ok(())
        })
    })
}

/// The request id of a command that is refused: whom to tell, if that much can be read.
pub fn request_id_of(envelope: &[u8]) -> Option<RequestId> {
    let mut found = None;
    // What it breaks off at is behind the id, or there is none.
    let _ = for_each_part("Envelope", envelope, |field, id| {
        if field == REQUEST_ID {
            found = pb::Id::decode(id).ok().map(|id| RequestId(id.into()));
        }
        Ok(())
    });
    found
}

/// Calls `each` with the number and the bytes of every field that has some of its own; the others are skipped.
fn for_each_part<'b>(
    message: &'static str,
    mut rest: &'b [u8],
    mut each: impl FnMut(u32, &'b [u8]) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let bad = |reason: String| Malformed::Undecodable { message, reason };
    while !rest.is_empty() {
        let (field, wire_type) = decode_key(&mut rest).map_err(|error| bad(error.to_string()))?;
        if wire_type == WireType::LengthDelimited {
            let length = decode_varint(&mut rest).map_err(|error| bad(error.to_string()))?;
            let part = usize::try_from(length).ok().and_then(|length| rest.split_at_checked(length));
            let (part, behind) = part.ok_or_else(|| bad("it ends early".to_owned()))?;
            each(field, part)?;
            rest = behind;
        } else {
            skip_field(wire_type, field, &mut rest, DecodeContext::default())
                .map_err(|error| bad(error.to_string()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_jobs(count: usize) -> pb::Envelope {
        let jobs = vec![pb::NewJob::default(); count];
        let command = pb::envelope::Command::Enqueue(pb::Enqueue { jobs, key: None });
        pb::Envelope { request_id: None, deadline_ms: 1, command: Some(command) }
    }

    #[test]
    fn a_command_of_nothing_but_empty_parts_is_refused_before_it_is_decoded() {
        let bytes = |count| with_jobs(count).encode_to_vec();
        assert_eq!(of_envelope(&bytes(JOBS_PER_REQUEST)), Ok(()));
        let refused = Malformed::Field { message: "Envelope", field: "command" };
        assert_eq!(of_envelope(&bytes(100_000)), Err(refused.clone()));
        let batch = pb::Batch { stamp_ms: 1, envelopes: vec![with_jobs(100_000)] };
        assert_eq!(of_batch(&batch.encode_to_vec()), Err(refused));
    }

    #[test]
    fn a_batch_has_as_many_commands_as_an_entry_may_have() {
        let bytes = |count| pb::Batch { stamp_ms: 1, envelopes: vec![with_jobs(1); count] }.encode_to_vec();
        assert_eq!(of_batch(&bytes(COMMANDS_PER_ENTRY)), Ok(()));
        let refused = Malformed::Field { message: "Batch", field: "envelopes" };
        assert_eq!(of_batch(&bytes(COMMANDS_PER_ENTRY + 1)), Err(refused));
    }
}

//! How many parts a message has, counted before anything is decoded: a part of two bytes becomes a value of some hundred, so a
//! message that is made of nothing else takes a hundred times its length in memory.

use prost::Message;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use quorate_core::RequestId;
use quorate_core::limits::{COMMANDS_PER_ENTRY, JOBS_PER_REQUEST, TAGS};

use crate::Malformed;
use crate::limits::{FRAME_ENTRIES, MEMBERSHIP_PARTS};
use crate::log::v1 as pb;

/// The parts of a command (jobs, endings, settings, …) that are a matter of course, and those of its parts (tags, names, …).
const FREE: usize = JOBS_PER_REQUEST + 24;
const FREE_BELOW: usize = JOBS_PER_REQUEST * TAGS;
/// Beyond them, a part has so many bytes at least: the shortest of which there may be many, an ending, has more than twice as many.
const PART_BYTES: usize = 16;

/// `Batch`: `stamp_ms`, and its envelopes.
const ENVELOPES: u32 = 2;
/// `Envelope.request_id`.
const REQUEST_ID: u32 = 1;
/// `Envelope.command`: its fields from this one on.
const COMMANDS: u32 = 10;
/// Where commands have lists in their parts: the command's field of `Envelope`, and the way from there.
const BELOW: [(u32, &[u32]); 8] = [
    (10, &[1, 13]),   // Enqueue.jobs.tags
    (11, &[1, 1, 1]), // Consume.take.in_order.names
    (11, &[1, 2, 1]), // Consume.take.by_weight.names
    (11, &[1, 4]),    // Consume.take.images
    (20, &[3, 1, 1]), // Finish.take…
    (20, &[3, 2, 1]),
    (20, &[3, 4]),
    (26, &[4, 1, 9]), // StartOperation.selection.filter.tags
];

/// Refuses an encoded batch that has more commands than an entry, or a command with too many parts.
pub(crate) fn of_batch(bytes: &[u8]) -> Result<(), Malformed> {
    let mut envelopes = Count { left: COMMANDS_PER_ENTRY, message: "Batch", field: "envelopes" };
    for_each_at("Batch", &[ENVELOPES], bytes, &mut |envelope| {
        envelopes.take(1)?;
        of_envelope(envelope)
    })
}

/// Refuses an encoded envelope whose command has too many parts.
pub(crate) fn of_envelope(bytes: &[u8]) -> Result<(), Malformed> {
    let most = |free| Count { left: free + bytes.len() / PART_BYTES, message: "Envelope", field: "command" };
    let (mut parts, mut below) = (most(FREE), most(FREE_BELOW));
    for_each_part("Envelope", bytes, |field, command| {
        if field < COMMANDS {
            return Ok(());
        }
        for_each_part("Envelope", command, |_, _| parts.take(1))?;
        let mut lists = BELOW.iter().filter(|(of, _)| *of == field);
        lists.try_for_each(|(_, path)| for_each_at("Envelope", path, command, &mut |_| below.take(1)))
    })
}

/// Refuses an encoded entry whose membership has too many parts.
pub(crate) fn of_entry(bytes: &[u8]) -> Result<(), Malformed> {
    of_membership("Entry", &[4], bytes)
}

/// Refuses an encoded frame with more entries than any has.
pub(crate) fn of_append_frame(bytes: &[u8]) -> Result<(), Malformed> {
    let mut entries = Count { left: FRAME_ENTRIES, message: "AppendFrame", field: "entries" };
    for_each_at("AppendFrame", &[3], bytes, &mut |_| entries.take(1))
}

/// Refuses an encoded frame with more commands than an entry.
pub(crate) fn of_forward_frame(bytes: &[u8]) -> Result<(), Malformed> {
    let most = |field| Count { left: COMMANDS_PER_ENTRY, message: "ForwardFrame", field };
    let (mut envelopes, mut parents) = (most("envelopes"), most("parents"));
    for_each_at("ForwardFrame", &[1], bytes, &mut |_| envelopes.take(1))?;
    for_each_at("ForwardFrame", &[2], bytes, &mut |_| parents.take(1))
}

/// Refuses an encoded frame that is the start of a snapshot with too many members.
pub(crate) fn of_snapshot_frame(bytes: &[u8]) -> Result<(), Malformed> {
    of_membership("SnapshotFrame", &[1, 3, 2], bytes)
}

/// The `Membership`s at this path: where there are several, they become one.
fn of_membership(message: &'static str, path: &[u32], bytes: &[u8]) -> Result<(), Malformed> {
    let mut parts = Count { left: MEMBERSHIP_PARTS, message: "Membership", field: "members" };
    for_each_at(message, path, bytes, &mut |membership| {
        // A set of voters is one list of numbers, of up to ten bytes each.
        for_each_part("Membership", membership, |field, part| {
            parts.take(if field == 1 { 1 + part.len() / 10 } else { 1 })
        })
    })
}

/// How many more parts of a kind there may be.
struct Count {
    left: usize,
    message: &'static str,
    field: &'static str,
}

impl Count {
    fn take(&mut self, parts: usize) -> Result<(), Malformed> {
        let Count { message, field, .. } = *self;
        self.left = self.left.checked_sub(parts).ok_or(Malformed::Field { message, field })?;
        Ok(())
    }
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

/// Calls `each` with all that stands at the end of a path of fields.
fn for_each_at<'b>(
    message: &'static str,
    path: &[u32],
    bytes: &'b [u8],
    each: &mut dyn FnMut(&'b [u8]) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let [first, rest @ ..] = path else { return each(bytes) };
    for_each_part(message, bytes, |field, part| match field == *first {
        true => for_each_at(message, rest, part, each),
        false => Ok(()),
    })
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
    use bytes::Bytes;

    use super::*;
    use crate::peer::v1 as peer;

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

    fn entry(members: usize, voters: usize) -> pb::Entry {
        let configs =
            vec![pb::VoterSet { node_ids: (0..voters as u64).map(|id| u64::MAX - id).collect() }; 2];
        let members = vec![pb::Member::default(); members];
        let payload = pb::entry::Payload::Membership(pb::Membership { configs, members });
        pb::Entry { log_id: None, payload: Some(payload) }
    }

    #[test]
    fn a_membership_of_nothing_but_empty_members_is_refused_before_it_is_decoded() {
        let refused = Err(Malformed::Field { message: "Membership", field: "members" });
        for (members, voters, expected) in
            [(10, 9, Ok(())), (100, 0, refused.clone()), (10, 1_000, refused.clone())]
        {
            let entry = entry(members, voters);
            assert_eq!(of_entry(&entry.encode_to_vec()), expected);
            let Some(pb::entry::Payload::Membership(membership)) = entry.payload else { unreachable!() };
            let membership = pb::StoredMembership { log_id: None, membership: Some(membership) };
            let start = peer::SnapshotStart { membership: Some(membership), ..Default::default() };
            let frame = peer::SnapshotFrame { frame: Some(peer::snapshot_frame::Frame::Start(start)) };
            assert_eq!(of_snapshot_frame(&frame.encode_to_vec()), expected);
        }
        // What comes twice is put together.
        let twice = [entry(50, 0).encode_to_vec(), entry(50, 0).encode_to_vec()].concat();
        assert_eq!(of_entry(&twice), refused);
    }

    #[test]
    fn a_frame_has_no_more_parts_than_a_node_sends() {
        let append = |count| peer::AppendFrame { entries: vec![Bytes::new(); count], ..Default::default() };
        assert_eq!(of_append_frame(&append(FRAME_ENTRIES).encode_to_vec()), Ok(()));
        assert!(of_append_frame(&append(FRAME_ENTRIES + 1).encode_to_vec()).is_err());
        let forward = |envelopes, parents| peer::ForwardFrame {
            envelopes: vec![Bytes::new(); envelopes],
            parents: vec![peer::TraceParent::default(); parents],
        };
        const MOST: usize = COMMANDS_PER_ENTRY;
        assert_eq!(of_forward_frame(&forward(MOST, MOST).encode_to_vec()), Ok(()));
        assert!(of_forward_frame(&forward(MOST + 1, 0).encode_to_vec()).is_err());
        assert!(of_forward_frame(&forward(0, MOST + 1).encode_to_vec()).is_err());
    }

    #[test]
    fn the_parts_of_a_commands_parts_are_counted_too() {
        use pb::envelope::Command;
        use pb::take::From;
        let ids = |count| vec![pb::Id::default(); count];
        let take = |from, images| Some(pb::Take { from: Some(from), images, ..Default::default() });
        let commands = |n: usize| {
            let names = vec![String::new(); n];
            let in_order = take(From::InOrder(pb::Names { names: names.clone() }), ids(0));
            let by_weight =
                take(From::ByWeight(pb::Weighted { names: names.clone(), weights: vec![] }), ids(0));
            let images = take(From::All(pb::All {}), ids(n));
            let takes = [in_order, by_weight, images];
            let consume = |take| Command::Consume(pb::Consume { take, key: None });
            let finish = |take| Command::Finish(pb::Finish { endings: vec![], take, key: None });
            let filter = pb::Filter { tags: names.clone(), ..Default::default() };
            let jobs = vec![pb::NewJob { tags: names, ..Default::default() }];
            let filter = Some(pb::Selection { kind: Some(pb::selection::Kind::Filter(filter)) });
            let start = pb::StartOperation { selection: filter, ..Default::default() };
            let others = [Command::Enqueue(pb::Enqueue { jobs, key: None }), Command::StartOperation(start)];
            takes.clone().map(consume).into_iter().chain(takes.map(finish)).chain(others).collect()
        };
        let count = |command: &Command| {
            let envelope = pb::Envelope { command: Some(command.clone()), ..Default::default() };
            of_envelope(&envelope.encode_to_vec())
        };
        let (few, many): (Vec<_>, Vec<_>) = (commands(64), commands(100_000));
        assert_eq!(many.len(), BELOW.len());
        assert!(few.iter().all(|command| count(command).is_ok()));
        assert!(many.iter().all(|command| count(command).is_err()));
    }
}

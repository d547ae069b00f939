//! The keys of the job table. A key starts with its prefix, one byte; numbers are big-endian, so that the order of
//! the bytes is the order of what they say.

use quorate_core::{Image, Job, JobId, KeyRecord, Priority, QueueId, State, Timestamp};

/// What a key is for. A number once given is never given to something else.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(crate) enum Prefix {
    /// Family `default`: the one value that moves with every batch.
    Meta = 0x01,
    /// A delayed, queued or running job, by id.
    ActiveJob = 0x10,
    /// A finished job, by id.
    FinishedJob = 0x11,
    /// An image, by id.
    Image = 0x12,
    /// An Idempotency-Key, by its text.
    IdempotencyKey = 0x13,
    /// What the requests of a log entry were answered, by log index.
    Answers = 0x14,
    /// Family `bulk`: a payload, by owner.
    Payload = 0x20,
    /// How many jobs hold a payload, by owner; absent where it is one.
    Holders = 0x21,
    /// A finished job's log, by job.
    Log = 0x22,
    /// Family `idx`: a queued job, by queue, priority and seq. The value is the record, so that a consume reads no other.
    Ready = 0x30,
    /// A delayed or running job, by due time or deadline, then id.
    Timer = 0x31,
    /// A finished job, by the time when it ended, then id.
    Ended = 0x32,
    /// An image, by the time when it was last named, then id.
    ImageNamed = 0x33,
    /// An Idempotency-Key, by the time of its first use, then text.
    KeyUsed = 0x34,
}

impl Prefix {
    /// The first key behind all keys of this prefix.
    pub(crate) fn end(self) -> Vec<u8> {
        vec![self as u8 + 1]
    }

    /// The place before all keys of this prefix.
    pub(crate) fn start(self) -> Vec<u8> {
        vec![self as u8]
    }
}

/// Where a job's record stands: active and finished ones apart, so that listing the active never walks the finished.
pub(crate) fn record(job: &Job) -> Vec<u8> {
    by_id(if job.status().is_final() { Prefix::FinishedJob } else { Prefix::ActiveJob }, &job.id.0)
}

/// A key that is a prefix and an id.
pub(crate) fn by_id(prefix: Prefix, id: &[u8; 16]) -> Vec<u8> {
    join(prefix, &[id])
}

pub(crate) fn meta() -> Vec<u8> {
    Prefix::Meta.start()
}

pub(crate) fn idempotency_key(key: &str) -> Vec<u8> {
    join(Prefix::IdempotencyKey, &[key.as_bytes()])
}

pub(crate) fn answers(index: u64) -> Vec<u8> {
    join(Prefix::Answers, &[&index.to_be_bytes()])
}

pub(crate) fn ready(queue: QueueId, priority: Priority, seq: u64) -> Vec<u8> {
    join(Prefix::Ready, &[&queue.0.to_be_bytes(), &[priority.get()], &seq.to_be_bytes()])
}

/// The first key behind a lane.
pub(crate) fn lane_end(queue: QueueId, priority: Priority) -> Vec<u8> {
    // One byte longer than any key of the lane, and higher than the highest seq.
    join(Prefix::Ready, &[&queue.0.to_be_bytes(), &[priority.get()], &u64::MAX.to_be_bytes(), &[0]])
}

pub(crate) fn timer(at: Timestamp, id: JobId) -> Vec<u8> {
    join(Prefix::Timer, &[&at.0.to_be_bytes(), &id.0])
}

pub(crate) fn ended(at: Timestamp, id: JobId) -> Vec<u8> {
    join(Prefix::Ended, &[&at.0.to_be_bytes(), &id.0])
}

pub(crate) fn image_named(image: &Image) -> Vec<u8> {
    join(Prefix::ImageNamed, &[&image.named_at.0.to_be_bytes(), &image.id.0])
}

pub(crate) fn key_used(record: &KeyRecord) -> Vec<u8> {
    join(Prefix::KeyUsed, &[&record.at.0.to_be_bytes(), record.key.as_bytes()])
}

/// The place in an index by time before which there is nothing, if nothing is before `time`.
pub(crate) fn at(prefix: Prefix, time: Timestamp) -> Vec<u8> {
    join(prefix, &[&time.0.to_be_bytes()])
}

/// The place of a job in the index that its state asks for: the only index that it stands in.
pub(crate) fn place(job: &Job) -> Place {
    match &job.state {
        State::Queued { seq } => Place::Ready { queue: job.queue, priority: job.priority, seq: *seq },
        State::Delayed { due: at } | State::Running { deadline: at } => Place::Timer { at: *at },
        State::Success | State::Error { .. } | State::Cancelled { .. } => {
            Place::Ended { at: job.completed_at.expect("a finished job has the time of its end") }
        }
    }
}

/// See [`place`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Ready { queue: QueueId, priority: Priority, seq: u64 },
    Timer { at: Timestamp },
    Ended { at: Timestamp },
}

/// The time in the key of a timer, or of any other index by time.
pub(crate) fn time_of(key: &[u8]) -> Option<Timestamp> {
    Some(Timestamp(u64::from_be_bytes(key.get(1..9)?.try_into().ok()?)))
}

/// What follows the time in such a key.
pub(crate) fn behind_time(key: &[u8]) -> Option<&[u8]> {
    key.get(9..)
}

/// The id that follows the time in such a key.
pub(crate) fn id_behind_time(key: &[u8]) -> Option<[u8; 16]> {
    behind_time(key)?.try_into().ok()
}

/// The sixteen bytes of an id behind a prefix.
#[cfg(test)]
pub(crate) fn id_of(key: &[u8]) -> Option<[u8; 16]> {
    key.get(1..)?.try_into().ok()
}

/// The log index in a key of [`answers`].
pub(crate) fn index_of(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.get(1..)?.try_into().ok()?))
}

fn join(prefix: Prefix, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + parts.iter().map(|part| part.len()).sum::<usize>());
    key.push(prefix as u8);
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}

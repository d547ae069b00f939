//! The keys of the job table. A key starts with its prefix, one byte; numbers are big-endian, so that the order of
//! the bytes is the order of what they say.

use super::db::Family;
use quorate_core::{
    Image, ImageId, Job, JobId, KeyRecord, Lane, Priority, QueueId, State, Status, Timestamp,
};

/// What a key is for. A number once given is never given to something else.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(crate) enum Prefix {
    /// Family `default`: the one value that moves with every write.
    Meta = 0x01,
    /// A job, by id: its record, or where that is ([`super::place::Place`]).
    Job = 0x10,
    // 0x11 had finished jobs by id.
    /// An image, by id.
    Image = 0x12,
    /// An Idempotency-Key, by its text.
    IdempotencyKey = 0x13,
    /// What the requests of a log entry were answered, by log index.
    Answers = 0x14,
    /// The record of a finished job, by status and number, the newest first: as lists have them.
    FinishedJob = 0x15,
    /// A queue's record, by its number.
    Queue = 0x16,
    /// How many jobs of a key run, by queue and key.
    RunningOfKey = 0x17,
    /// Where a lane begins that is not empty, by the lane.
    LaneMark = 0x18,
    /// The job that keeps others away, by queue and key.
    Unique = 0x19,
    /// When a worker was heard that holds jobs, by its name.
    Worker = 0x1a,
    /// A job that a worker holds, by the job, with the worker's name behind it.
    Held = 0x1b,
    /// When a key had its last turn, by queue, priority and key.
    KeyTurn = 0x1c,
    /// Work on many jobs, by id.
    Operation = 0x1d,
    /// Family `bulk`: a payload, by owner.
    Payload = 0x20,
    /// How many jobs hold a payload, by owner; absent where it is one.
    Holders = 0x21,
    /// A job's log, by job.
    Log = 0x22,
    /// A part of a log that came while its job ran, by job and part.
    LogPart = 0x23,
    /// Family `idx`: a queued job, by lane and seq. The value is the record, so that a consume reads no other.
    Ready = 0x30,
    /// A delayed or running job, by due time or deadline, then id.
    Timer = 0x31,
    /// A finished job, by the time when it ended, then id.
    Ended = 0x32,
    /// An image, by the time when it was last named, then id.
    ImageNamed = 0x33,
    /// An Idempotency-Key, by the time of its first use, then text.
    KeyUsed = 0x34,
    /// A job that has not finished, by status and number, the newest first: this and what follows is in `listing.rs`.
    Listed = 0x35,
    /// A job by image, standing and number, of some statuses.
    ListedByImage = 0x36,
    /// A finished job that its queue has its own retention for, by the time until when it is kept, then id.
    Kept = 0x37,
    /// A job by key and number.
    ListedByKey = 0x38,
    /// A job by tag and number.
    ListedByTag = 0x39,
    /// A job that ended in error, by queue, reason, standing and number.
    ErrorOfQueue = 0x3a,
    /// A job that ended in error, by reason, standing and number.
    ErrorFor = 0x3b,
}

impl Prefix {
    /// That of a key which begins with this byte.
    pub(crate) fn of(byte: u8) -> Option<Prefix> {
        use Prefix::*;
        let all = [
            Meta,
            Job,
            Image,
            IdempotencyKey,
            Answers,
            FinishedJob,
            Queue,
            RunningOfKey,
            LaneMark,
            Unique,
            Worker,
            Held,
            KeyTurn,
            Operation,
            Payload,
            Holders,
            Log,
            LogPart,
            Ready,
            Timer,
            Ended,
            ImageNamed,
            KeyUsed,
            Listed,
            ListedByImage,
            Kept,
            ListedByKey,
            ListedByTag,
            ErrorOfQueue,
            ErrorFor,
        ];
        all.into_iter().find(|prefix| *prefix as u8 == byte)
    }

    /// Where its rows are.
    pub(crate) fn family(self) -> Family {
        match self as u8 {
            ..0x20 => Family::Default,
            0x20..0x30 => Family::Bulk,
            0x30.. => Family::Idx,
        }
    }

    /// The first key behind all keys of this prefix.
    pub(crate) fn end(self) -> Vec<u8> {
        vec![self as u8 + 1]
    }

    /// The place before all keys of this prefix.
    pub(crate) fn start(self) -> Vec<u8> {
        vec![self as u8]
    }
}

/// Where a job is found by its id.
pub(crate) fn job(id: JobId) -> Vec<u8> {
    by_id(Prefix::Job, &id.0)
}

/// The id in a key of [`job`].
pub(crate) fn job_id_of(key: &[u8]) -> Option<JobId> {
    Some(JobId(key.get(1..)?.try_into().ok()?))
}

/// Where the record of a finished job stands.
pub(crate) fn finished(status: Status, number: u64) -> Vec<u8> {
    behind(&finished_in(status), newest_first(number))
}

/// What the keys of a status's finished jobs begin with.
pub(crate) fn finished_in(status: Status) -> Vec<u8> {
    join(Prefix::FinishedJob, &[&[status_byte(status)]])
}

/// A key that is a prefix and an id.
pub(crate) fn by_id(prefix: Prefix, id: &[u8; 16]) -> Vec<u8> {
    join(prefix, &[id])
}

pub(crate) fn log_part(id: JobId, part: u32) -> Vec<u8> {
    join(Prefix::LogPart, &[&id.0, &part.to_be_bytes()])
}

/// The job and the part in a key of [`log_part`].
#[cfg(test)]
pub(crate) fn job_and_part(key: &[u8]) -> Option<(JobId, u32)> {
    let (id, part) = key.get(1..)?.split_first_chunk()?;
    Some((JobId(*id), u32::from_be_bytes(part.try_into().ok()?)))
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

/// A key that is a beginning with a number behind it.
pub(crate) fn behind(beginning: &[u8], number: [u8; 8]) -> Vec<u8> {
    [beginning, &number].concat()
}

pub(crate) fn ready(lane: &Lane, seq: u64) -> Vec<u8> {
    of_lane(Prefix::Ready, lane, &seq.to_be_bytes())
}

/// The first key behind a lane.
pub(crate) fn lane_end(lane: &Lane) -> Vec<u8> {
    // One byte longer than any key of the lane, and higher than the highest seq.
    of_lane(Prefix::Ready, lane, &[&u64::MAX.to_be_bytes()[..], &[0]].concat())
}

/// What the keys of a lane's jobs begin with; behind it comes their seq.
pub(crate) fn lane(lane: &Lane) -> Vec<u8> {
    of_lane(Prefix::Ready, lane, &[])
}

pub(crate) fn lane_mark(lane: &Lane) -> Vec<u8> {
    of_lane(Prefix::LaneMark, lane, &[])
}

/// The lane in a key of [`lane_mark`], or of [`ready`] without its seq.
pub(crate) fn lane_of(key: &[u8]) -> Option<Lane> {
    let (queue, rest) = key.get(1..)?.split_first_chunk()?;
    let (priority, rest) = rest.split_first()?;
    let (image, rest) = rest.split_first_chunk()?;
    let (length, name) = rest.split_first()?;
    if usize::from(*length) != name.len() {
        return None;
    }
    Some(Lane {
        queue: QueueId(u64::from_be_bytes(*queue)),
        priority: Priority::new(*priority)?,
        image: ImageId(*image),
        key: std::str::from_utf8(name).ok()?.into(),
    })
}

/// The length of the key's name stands before it: so no lane's keys stand among another's.
fn of_lane(prefix: Prefix, lane: &Lane, rest: &[u8]) -> Vec<u8> {
    let length = u8::try_from(lane.key.len()).expect("a key within its limit");
    let name = lane.key.as_bytes();
    join(prefix, &[&lane.queue.0.to_be_bytes(), &[lane.priority.get()], &lane.image.0, &[length], name, rest])
}

pub(crate) fn queue(id: QueueId) -> Vec<u8> {
    join(Prefix::Queue, &[&id.0.to_be_bytes()])
}

pub(crate) fn running_of_key(queue: QueueId, key: &str) -> Vec<u8> {
    join(Prefix::RunningOfKey, &[&queue.0.to_be_bytes(), key.as_bytes()])
}

pub(crate) fn key_turn(queue: QueueId, priority: Priority, key: &str) -> Vec<u8> {
    join(Prefix::KeyTurn, &[&queue.0.to_be_bytes(), &[priority.get()], key.as_bytes()])
}

/// Whose turn a key of [`key_turn`] means.
pub(crate) fn turn_of(key: &[u8]) -> Option<(QueueId, Priority, Box<str>)> {
    let (queue, rest) = key.get(1..)?.split_first_chunk()?;
    let (priority, name) = rest.split_first()?;
    let name = std::str::from_utf8(name).ok()?;
    Some((QueueId(u64::from_be_bytes(*queue)), Priority::new(*priority)?, name.into()))
}

/// The queue in a key of [`queue`].
pub(crate) fn queue_of(key: &[u8]) -> Option<QueueId> {
    Some(QueueId(u64::from_be_bytes(key.get(1..)?.try_into().ok()?)))
}

pub(crate) fn unique(queue: QueueId, key: &str) -> Vec<u8> {
    join(Prefix::Unique, &[&queue.0.to_be_bytes(), key.as_bytes()])
}

pub(crate) fn worker(name: &str) -> Vec<u8> {
    join(Prefix::Worker, &[name.as_bytes()])
}

/// The name in a key of [`worker`].
pub(crate) fn name_of(key: &[u8]) -> Option<&str> {
    std::str::from_utf8(key.get(1..)?).ok()
}

pub(crate) fn held(worker: &str, job: JobId) -> Vec<u8> {
    join(Prefix::Held, &[&job.0, worker.as_bytes()])
}

/// The job and its worker in a key of [`held`].
pub(crate) fn job_and_worker(key: &[u8]) -> Option<(JobId, &str)> {
    let (job, name) = key.get(1..)?.split_first_chunk()?;
    Some((JobId(*job), std::str::from_utf8(name).ok()?))
}

/// The queue and the key in a key of [`running_of_key`] or [`unique`].
pub(crate) fn queue_and_key(key: &[u8]) -> Option<(QueueId, Box<str>)> {
    let (queue, name) = key.get(1..)?.split_first_chunk()?;
    Some((QueueId(u64::from_be_bytes(*queue)), std::str::from_utf8(name).ok()?.into()))
}

pub(crate) fn timer(at: Timestamp, id: JobId) -> Vec<u8> {
    join(Prefix::Timer, &[&at.0.to_be_bytes(), &id.0])
}

pub(crate) fn ended(at: Timestamp, id: JobId) -> Vec<u8> {
    join(Prefix::Ended, &[&at.0.to_be_bytes(), &id.0])
}

pub(crate) fn kept(until: Timestamp, id: JobId) -> Vec<u8> {
    join(Prefix::Kept, &[&until.0.to_be_bytes(), &id.0])
}

pub(crate) fn image_named(image: &Image) -> Vec<u8> {
    join(Prefix::ImageNamed, &[&image.named_at.0.to_be_bytes(), &image.id.0])
}

pub(crate) fn key_used(record: &KeyRecord) -> Vec<u8> {
    join(Prefix::KeyUsed, &[&record.at.0.to_be_bytes(), record.key.as_bytes()])
}

/// The number in a key of [`finished`], or of a row that lists find a job by.
pub(crate) fn number_of(key: &[u8]) -> Option<u64> {
    last_number(key).map(|number| !number)
}

/// The place in a key of [`ready`].
pub(crate) fn seq_of(key: &[u8]) -> Option<u64> {
    last_number(key)
}

fn last_number(key: &[u8]) -> Option<u64> {
    let (_, number) = key.split_last_chunk()?;
    Some(u64::from_be_bytes(*number))
}

/// The newer, the earlier: so lists read forwards.
pub(crate) fn newest_first(number: u64) -> [u8; 8] {
    (!number).to_be_bytes()
}

/// A number once given is never given to something else.
pub(crate) fn status_byte(status: Status) -> u8 {
    match status {
        Status::Delayed => 1,
        Status::Queued => 2,
        Status::Running => 3,
        Status::Success => 4,
        Status::Error => 5,
        Status::Cancelled => 6,
    }
}

/// The status of a [`status_byte`].
pub(crate) fn status_of_byte(byte: u8) -> Option<Status> {
    Status::ALL.into_iter().find(|status| status_byte(*status) == byte)
}

/// The place in an index by time before which there is nothing, if nothing is before `time`.
pub(crate) fn at(prefix: Prefix, time: Timestamp) -> Vec<u8> {
    join(prefix, &[&time.0.to_be_bytes()])
}

/// The row that a job has in the index that its state asks for: the only index that it stands in.
pub(crate) fn index_row(job: &Job) -> IndexRow {
    match &job.state {
        State::Queued { seq, .. } => IndexRow::Ready { lane: Lane::of(job), seq: *seq },
        State::Delayed { due: at } | State::Running { deadline: at } => IndexRow::Timer { at: *at },
        State::Success | State::Error { .. } | State::Cancelled { .. } => match job.keep_until {
            Some(until) => IndexRow::Kept { until },
            None => IndexRow::Ended { at: job.completed_at.expect("a finished job has the time of its end") },
        },
    }
}

/// See [`index_row`].
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum IndexRow {
    Ready { lane: Lane, seq: u64 },
    Timer { at: Timestamp },
    Ended { at: Timestamp },
    Kept { until: Timestamp },
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

pub(crate) fn join(prefix: Prefix, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + parts.iter().map(|part| part.len()).sum::<usize>());
    key.push(prefix as u8);
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}

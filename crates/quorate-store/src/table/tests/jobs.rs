//! Entries with jobs, for tests that are about something else.

use bytes::Bytes;
use quorate_core::{
    Batch, Command, Envelope, ImageId, JobId, NewJob, Priority, QueueName, RequestId, Take, Timestamp, limits,
};

/// When all of it happens.
pub(crate) const NOW: Timestamp = Timestamp(1_700_000_000_000);

/// The id of the `n`th job: a later job's is higher.
pub(crate) fn id(n: u64) -> JobId {
    JobId(u128::from(n).to_be_bytes())
}

/// The `n`th job, to be enqueued.
pub(crate) fn new_job(n: u64) -> NewJob {
    NewJob {
        id: id(n),
        queue: QueueName::DEFAULT,
        priority: Priority::default(),
        key: "".into(),
        tags: [].into(),
        unique: None,
        image: "image".into(),
        image_id: ImageId([1; 16]),
        payload: Bytes::from(format!("payload {n}")),
        delay: 0,
        timeout: None,
        max_retries: Some(0),
        retries_delay: Some(0),
    }
}

/// An entry at `NOW` with these commands. Their request ids follow from the index and their place.
pub(crate) fn batch(index: u64, commands: impl IntoIterator<Item = Command>) -> (u64, Batch) {
    let envelopes = commands.into_iter().zip(0..).map(|(command, offset)| Envelope {
        request_id: request(index, offset),
        deadline: NOW.plus_millis(limits::REQUEST_MILLIS),
        command,
    });
    (index, Batch { stamp: NOW, envelopes: envelopes.collect() })
}

pub(crate) fn request(index: u64, offset: u64) -> RequestId {
    RequestId(((u128::from(index) << 64) | u128::from(offset)).to_be_bytes())
}

pub(crate) fn enqueue(jobs: impl IntoIterator<Item = NewJob>) -> Command {
    Command::Enqueue { jobs: jobs.into_iter().collect(), key: None }
}

pub(crate) fn consume(n: u32) -> Command {
    Command::Consume { take: Take::default_queue(n), key: None }
}

pub(crate) fn succeed(n: u64, log: &'static str) -> Command {
    Command::Succeed { id: id(n), log: log.into() }
}

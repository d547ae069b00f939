use quorate_core::{
    Answered, Batch, Command, Envelope, ImageId, Job, JobId, NewJob, Outcome, Priority, QueueName, Reply,
    RequestId, Table, Timestamp, limits,
};

use super::Watched;

/// The log time at which tests begin.
pub const T0: Timestamp = Timestamp(1_700_000_000_000);

/// A job's id by number.
pub fn job_id(number: u64) -> JobId {
    JobId(u128::from(number).to_be_bytes())
}

/// A job with the contract's defaults, without automatic retries.
pub fn new_job(number: u64) -> NewJob {
    NewJob {
        id: job_id(number),
        queue: QueueName::DEFAULT,
        priority: Priority::default(),
        key: "".into(),
        tags: [].into(),
        unique: None,
        image: "image".into(),
        image_id: ImageId([1; 16]),
        payload: "payload".into(),
        delay: 0,
        timeout: Some(60),
        max_retries: Some(0),
        retries_delay: Some(60),
    }
}

/// The jobs of an answer that must be some.
pub fn ok_jobs(outcome: Outcome) -> Vec<Job> {
    match outcome {
        Ok(Reply::Jobs(jobs) | Reply::Enqueued { jobs, .. }) => jobs,
        other => panic!("expected jobs, not {other:?}"),
    }
}

/// The job of an answer that must be one.
pub fn ok_job(outcome: Outcome) -> Job {
    match outcome {
        Ok(Reply::Job(job)) => *job,
        other => panic!("expected a job, not {other:?}"),
    }
}

/// A log that grows by one entry at a time, and the table that it makes.
pub struct Log {
    /// The table.
    pub table: Watched,
    /// Entries so far.
    pub index: u64,
    requests: u64,
}

impl Log {
    /// An empty log.
    pub fn new(table: Watched) -> Log {
        Log { table, index: 0, requests: 0 }
    }

    /// Appends an entry without commands.
    pub fn tick(&mut self, stamp: Timestamp) {
        assert_eq!(self.apply(Batch { stamp, envelopes: vec![] }), vec![]);
    }

    /// Appends an entry with one command.
    pub fn run(&mut self, stamp: Timestamp, command: Command) -> Outcome {
        let envelope = self.envelope(stamp, command);
        let mut answers = self.apply(Batch { stamp, envelopes: vec![envelope] });
        answers.remove(0).outcome
    }

    /// A command under a fresh request id, with the longest deadline.
    pub fn envelope(&mut self, stamp: Timestamp, command: Command) -> Envelope {
        self.requests += 1;
        let now = stamp.max(self.table.clock());
        Envelope {
            request_id: RequestId(u128::from(self.requests).to_be_bytes()),
            deadline: now.plus_millis(limits::REQUEST_MILLIS),
            command,
        }
    }

    /// Appends an entry.
    pub fn apply(&mut self, batch: Batch) -> Vec<Answered> {
        self.index += 1;
        self.table.apply(self.index, &batch).answers
    }
}

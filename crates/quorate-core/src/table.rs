use bytes::Bytes;

use crate::{
    Dispatch, FeatureLevel, Image, ImageId, Job, JobId, Lane, Operation, OperationId, Operations, Position,
    QueueId, Remembered, RequestId, Settings, Timestamp,
};

/// The table of jobs as [`crate::apply()`] needs it: synchronous, and a write is seen by every later read.
///
/// There are two: [`crate::model::Model`] in memory, the oracle, and RocksDB in `quorate-store`. An error means
/// that the storage is broken; apply passes it on and the replica stops.
pub trait Table {
    /// A failure of the storage.
    type Error;

    /// The log time of the last batch.
    fn clock(&self) -> Timestamp;
    /// Sets the log time; never back.
    fn set_clock(&mut self, now: Timestamp);
    /// The cluster's settings.
    fn settings(&self) -> Settings;
    /// Replaces the settings.
    fn put_settings(&mut self, settings: Settings);
    /// The cluster's feature level.
    fn level(&self) -> FeatureLevel;
    /// Replaces the feature level; never by a lower one.
    fn put_level(&mut self, level: FeatureLevel);
    /// The next place in the order of the log, for a new job and in a lane: one higher with every call, over all lanes, for
    /// ever.
    fn next_seq(&mut self) -> u64;

    /// The record of a job.
    ///
    /// # Errors
    /// The storage failed.
    fn job(&mut self, id: JobId) -> Result<Option<Job>, Self::Error>;
    /// Writes a record. `before` is the record that [`Table::job`] or a `next_` call gave, `None` for a new job. The
    /// indexes follow from the two states: lanes hold exactly the queued jobs by seq; timers the
    /// delayed by `due` and the running by `deadline`; finished jobs stand by `keep_until`, or by `completed_at` where they have
    /// none; lists find every job by its status and number, and by what else it is looked for. A new job whose `payload.owner` is another job holds that payload too.
    ///
    /// # Errors
    /// The storage failed.
    fn put_job(&mut self, before: Option<&Job>, after: &Job) -> Result<(), Self::Error>;
    /// Removes a record, its place in every index, its log, and its payload when no other job holds it.
    ///
    /// # Errors
    /// The storage failed.
    fn delete_job(&mut self, job: &Job) -> Result<(), Self::Error>;
    /// True while a payload stands under this id: it outlives the job where a retry holds it.
    ///
    /// # Errors
    /// The storage failed.
    fn has_payload(&mut self, owner: JobId) -> Result<bool, Self::Error>;
    /// Stores the payload of a new job, which holds it, where none stands; called before that job's first [`Table::put_job`]. Not called
    /// for an empty one.
    ///
    /// # Errors
    /// The storage failed.
    fn put_payload(&mut self, owner: JobId, payload: Bytes) -> Result<(), Self::Error>;
    /// Stores the log of a finished job. Not called for an empty one.
    ///
    /// # Errors
    /// The storage failed.
    fn put_log(&mut self, id: JobId, log: Bytes) -> Result<(), Self::Error>;

    /// The job that keeps others of this key away in a queue, or did.
    ///
    /// # Errors
    /// The storage failed.
    fn unique(&mut self, queue: QueueId, key: &str) -> Result<Option<JobId>, Self::Error>;
    /// Replaces it; `None`: there is none.
    ///
    /// # Errors
    /// The storage failed.
    fn put_unique(&mut self, queue: QueueId, key: &str, job: Option<JobId>) -> Result<(), Self::Error>;

    /// Stores the next part of a running job's log, from 0 on.
    ///
    /// # Errors
    /// The storage failed.
    fn put_log_part(&mut self, id: JobId, part: u32, log: Bytes) -> Result<(), Self::Error>;
    /// Removes so many parts of a job's log: another log takes their place.
    ///
    /// # Errors
    /// The storage failed.
    fn delete_log_parts(&mut self, id: JobId, parts: u32) -> Result<(), Self::Error>;

    /// Which jobs wait, and the queues: what follows from what was written here so far.
    fn dispatch(&self) -> &Dispatch;
    /// The same, to be changed; what must outlive a restart is written with everything else.
    fn dispatch_mut(&mut self) -> &mut Dispatch;
    /// The first job of a lane: that with the lowest seq.
    ///
    /// # Errors
    /// The storage failed.
    fn first_in(&mut self, lane: &Lane) -> Result<Option<&Job>, Self::Error>;
    /// The delayed or running job whose timer is the earliest, if that is not later than `now`; ties by id.
    ///
    /// # Errors
    /// The storage failed.
    fn next_due(&mut self, now: Timestamp) -> Result<Option<Job>, Self::Error>;
    /// Of the finished jobs without a `keep_until`, the one that ended first, if it ended at `until` or before; ties by id.
    ///
    /// # Errors
    /// The storage failed.
    fn next_outlived(&mut self, until: Timestamp) -> Result<Option<Job>, Self::Error>;
    /// Of the finished jobs with a `keep_until`, the one with the earliest, if that is not later than `now`; ties by id.
    ///
    /// # Errors
    /// The storage failed.
    fn next_kept(&mut self, now: Timestamp) -> Result<Option<Job>, Self::Error>;

    /// An image that jobs have named.
    ///
    /// # Errors
    /// The storage failed.
    fn image(&mut self, id: ImageId) -> Result<Option<Image>, Self::Error>;
    /// Writes an image; `before` as in [`Table::put_job`]. Images are indexed by `named_at`.
    ///
    /// # Errors
    /// The storage failed.
    fn put_image(&mut self, before: Option<&Image>, after: &Image) -> Result<(), Self::Error>;
    /// Removes an image.
    ///
    /// # Errors
    /// The storage failed.
    fn delete_image(&mut self, image: &Image) -> Result<(), Self::Error>;
    /// The image that was named longest ago, if at `until` or before; ties by id.
    ///
    /// # Errors
    /// The storage failed.
    fn next_unnamed_image(&mut self, until: Timestamp) -> Result<Option<Image>, Self::Error>;

    /// Work on many jobs: what goes on, and what ended lately.
    fn operations(&self) -> &Operations;
    /// Writes a record of it.
    fn put_operation(&mut self, operation: Operation);
    /// Removes one.
    fn delete_operation(&mut self, id: OperationId);

    /// What an Idempotency-Key stands for.
    ///
    /// # Errors
    /// The storage failed.
    fn key(&mut self, key: &str) -> Result<Option<KeyRecord>, Self::Error>;
    /// Writes a new key. Keys are indexed by `at`.
    ///
    /// # Errors
    /// The storage failed.
    fn put_key(&mut self, record: &KeyRecord) -> Result<(), Self::Error>;
    /// Removes a key.
    ///
    /// # Errors
    /// The storage failed.
    fn delete_key(&mut self, record: &KeyRecord) -> Result<(), Self::Error>;
    /// The oldest key; ties by its text.
    ///
    /// # Errors
    /// The storage failed.
    fn oldest_key(&mut self) -> Result<Option<KeyRecord>, Self::Error>;
    /// How many keys there are.
    fn key_count(&self) -> u64;

    /// What a request was answered, while its deadline has not passed.
    fn answer(&self, request_id: RequestId) -> Option<AnswerRecord>;
    /// Remembers an answer until log time is past its deadline.
    fn remember(&mut self, request_id: RequestId, record: AnswerRecord);
}

/// What a request was answered, to be given again when it is proposed again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerRecord {
    /// The request's deadline: log time until which the answer is kept.
    pub deadline: Timestamp,
    /// Where the request took effect.
    pub position: Position,
    /// See [`crate::Answered::replayed`].
    pub replayed: bool,
    /// The answer.
    pub answer: Remembered,
}

/// An Idempotency-Key with what it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// The client's key.
    pub key: Box<str>,
    /// What it was first used for.
    pub body_hash: [u8; 32],
    /// When.
    pub at: Timestamp,
    /// The first answer.
    pub answer: Remembered,
}

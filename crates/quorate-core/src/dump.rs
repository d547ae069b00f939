use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{
    AnswerRecord, FeatureLevel, Image, ImageId, Job, JobId, Kept, KeyRecord, Operations, QueueId, RequestId,
    Settings, Timestamp,
};

/// All that a table holds, in a canonical form: two tables that hold the same dump alike. For tests, for comparing
/// replicas, and for small tables only: it is all in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dump {
    /// Log time.
    pub clock: Timestamp,
    /// The cluster's settings.
    pub settings: Settings,
    /// The cluster's feature level.
    pub level: FeatureLevel,
    /// The next seq that would be given.
    pub next_seq: u64,
    /// Records by id.
    pub jobs: BTreeMap<JobId, Job>,
    /// Payloads by owner, with the number of jobs that hold them.
    pub payloads: BTreeMap<JobId, (u64, Bytes)>,
    /// Logs by job.
    pub logs: BTreeMap<JobId, Bytes>,
    /// Logs that came in parts, by job.
    pub log_parts: BTreeMap<JobId, Vec<Bytes>>,
    /// Queued jobs by lane and place.
    pub queued: Vec<JobId>,
    /// The jobs that keep others away, by queue and key.
    pub unique: BTreeMap<(QueueId, Box<str>), JobId>,
    /// Queues, and where their lanes begin.
    pub dispatch: Kept,
    /// Timers in the order in which they fire.
    pub timers: Vec<(Timestamp, JobId)>,
    /// Finished jobs in the order in which the cluster's retention takes them.
    pub finished: Vec<(Timestamp, JobId)>,
    /// Finished jobs in the order in which their queues' retention takes them.
    pub kept: Vec<(Timestamp, JobId)>,
    /// Images by id.
    pub images: BTreeMap<ImageId, Image>,
    /// Work on many jobs, by id.
    pub operations: Operations,
    /// Idempotency keys by text.
    pub keys: BTreeMap<Box<str>, KeyRecord>,
    /// Remembered answers whose deadline has not passed.
    pub answers: BTreeMap<RequestId, AnswerRecord>,
}

impl Dump {
    /// The canonical bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        format!("{self:#?}").into_bytes()
    }
}

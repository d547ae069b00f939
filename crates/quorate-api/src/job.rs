use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::{Uuid, uuid};

use crate::Error;

/// A job, as answers show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Job {
    /// A UUIDv7: ordered by creation.
    pub id: String,
    /// What to run.
    pub image: String,
    /// The id of the image's record, see `/v1/image/{id}`.
    pub image_id: String,
    /// The job's input.
    #[serde(default)]
    pub payload: String,
    /// Seconds that it waited before it was queued.
    #[serde(default)]
    pub delay: u32,
    /// Seconds from its start, or its last touch, to its timeout.
    pub timeout: u32,
    /// 2 is served first, then 1, then 0.
    #[serde(default)]
    pub priority: u32,
    /// Automatic retries left.
    #[serde(default)]
    pub max_retries: u32,
    /// Seconds that its automatic retry waits.
    #[serde(default)]
    pub retries_delay: u32,
    /// Where it stands.
    pub status: Status,
    /// Why it ended in `error` or `cancelled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Of a job that ended in `error`: true where no other job was made to go on from it, false where one was made to retry it, also
    /// where that is deleted since; absent else.
    #[serde(default, rename = "final", skip_serializing_if = "Option::is_none")]
    pub is_final: Option<bool>,
    /// True of a cancelled job that was given back by its worker, or since that was gone: its `retry_id` goes on from it; absent else.
    #[serde(default, skip_serializing_if = "is_false")]
    pub released: bool,
    /// What was said when it failed or was cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<String>,
    /// When it was enqueued: RFC 3339, UTC.
    pub created_at: String,
    /// When a consumer took it: RFC 3339, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// When it reached a final status: RFC 3339, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<String>,
    /// The job that this one retries: its direct predecessor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<String>,
    /// The job that retries this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_id: Option<String>,
    /// The queue that it waits in.
    #[serde(default = "default_queue")]
    pub queue: String,
    /// Whose it is, as its client said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What lists find it by, as its client said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// 1 for a new job and for one that was retried by hand; one more for each automatic retry.
    #[serde(default = "first_attempt")]
    pub attempt: u32,
    /// When it is queued, while it is delayed: RFC 3339, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<String>,
    /// When it times out unless it is touched, while it runs: RFC 3339, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<String>,
    /// Who took it, if the consumer said its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// How far it has come, as its worker said last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// What it is the only one of, in its queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unique_key: Option<String>,
    /// Until when it keeps others of its `unique_key` away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unique_until: Option<UniqueUntil>,
    /// For how many seconds since it was enqueued it keeps others of its `unique_key` away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unique_for: Option<u32>,
    /// True in the answer to an enqueue that this job kept another one away; absent else.
    #[serde(default, skip_serializing_if = "is_false")]
    pub duplicate: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// Of a node that knows no other queue.
fn default_queue() -> String {
    "default".to_owned()
}

/// Of a node that does not count them.
fn first_attempt() -> u32 {
    1
}

impl Job {
    /// The names of all its fields: what `fields` may select.
    pub const FIELDS: [&str; 31] = [
        "id",
        "image",
        "image_id",
        "payload",
        "delay",
        "timeout",
        "priority",
        "max_retries",
        "retries_delay",
        "status",
        "reason",
        "final",
        "released",
        "details",
        "created_at",
        "started_at",
        "completed_at",
        "retry_of",
        "retry_id",
        "queue",
        "key",
        "tags",
        "attempt",
        "due",
        "deadline",
        "worker",
        "progress",
        "unique_key",
        "unique_until",
        "unique_for",
        "duplicate",
    ];
}

/// Where a job stands: the six words of the contract, and no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Waits for its time.
    Delayed,
    /// Waits for a consumer.
    Queued,
    /// A consumer has it.
    Running,
    /// Finished well.
    Success,
    /// Finished badly.
    Error,
    /// Called off.
    Cancelled,
}

impl Status {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Delayed => "delayed",
            Status::Queued => "queued",
            Status::Running => "running",
            Status::Success => "success",
            Status::Error => "error",
            Status::Cancelled => "cancelled",
        }
    }
}

/// Why a job ended in `error` (the first three) or `cancelled` (the last).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It ran longer than its timeout.
    Timeout,
    /// Its worker was killed.
    Killed,
    /// It ended by itself, badly.
    BadExit,
    /// A client cancelled it.
    ClientRequest,
}

impl Reason {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Timeout => "timeout",
            Reason::Killed => "killed",
            Reason::BadExit => "bad_exit",
            Reason::ClientRequest => "client_request",
        }
    }
}

/// How far a job has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// 0 to 100.
    #[schema(maximum = 100)]
    pub percent: u32,
    /// In its worker's words; at most 256 bytes. Default: empty.
    #[serde(default)]
    #[schema(max_length = 256)]
    pub text: String,
}

/// Until when a unique job keeps others away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UniqueUntil {
    /// Until a consumer has it, or it was cancelled.
    Started,
    /// Until it has finished, and its automatic retries.
    Finished,
}

/// One job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobWrapper {
    /// It.
    pub job: Job,
}

/// Some jobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobsWrapper {
    /// In the order that the call promises.
    pub jobs: Vec<Job>,
    /// Where the next page goes on; absent at the end and where there are no pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// What was given back of a worker that is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GivenBackWrapper {
    /// How many jobs it still holds; above 0: say it again.
    #[serde(default)]
    pub left: u64,
    /// The new jobs, each going on from one that it held.
    pub jobs: Vec<Job>,
}

/// A job that was ended, and those that were taken with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FinishedJobWrapper {
    /// It; with `take` without its payload and details.
    pub job: Job,
    /// With `take`: the jobs taken, in the order to run them; maybe none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jobs: Option<Vec<Job>>,
}

/// What came of several endings, and the jobs that were taken with them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FinishedJobsWrapper {
    /// In the order of the request.
    pub ended: Vec<Ended>,
    /// The jobs taken, in the order to run them; maybe none.
    pub jobs: Vec<Job>,
}

/// What came of one ending.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ended {
    /// The job that it named.
    pub id: String,
    /// What the job is now; absent where the ending was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// The job that retries it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_id: Option<String>,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Error>,
    /// The status code that the refusal would have had alone: 404 or 409.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
}

/// The ids of some jobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IdsWrapper {
    /// In ascending order.
    pub ids: Vec<String>,
}

/// An image that jobs have named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Image {
    /// The UUIDv5 of its name.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its name, as a job's `image` has it.
    pub image: String,
    /// When a job first named it: RFC 3339, UTC.
    pub created_at: String,
}

/// One image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImageWrapper {
    /// It.
    pub image: Image,
}

/// Some images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImagesWrapper {
    /// By id.
    pub images: Vec<Image>,
    /// Where the next page goes on; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// The namespace of image ids: drawn once, for Quorate alone. It never changes, since ids of images are derived from it.
pub const IMAGE_NAMESPACE: Uuid = uuid!("77b9006c-bb7d-48b8-bafd-d8d93f32e27e");

/// The id of the image with this name: the UUIDv5 of the name's bytes in [`IMAGE_NAMESPACE`]. Every node, and every
/// client, computes the same one.
pub fn image_id(name: &str) -> Uuid {
    Uuid::new_v5(&IMAGE_NAMESPACE, name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_field_is_forgotten() {
        let text = || Some(String::new());
        let job = Job {
            id: String::new(),
            image: String::new(),
            image_id: String::new(),
            payload: String::new(),
            delay: 0,
            timeout: 0,
            priority: 0,
            max_retries: 0,
            retries_delay: 0,
            status: Status::Error,
            reason: Some(Reason::Killed),
            is_final: Some(true),
            released: true,
            details: text(),
            created_at: String::new(),
            started_at: text(),
            completed_at: text(),
            retry_of: text(),
            retry_id: text(),
            queue: String::new(),
            key: text(),
            tags: vec![String::new()],
            attempt: 1,
            due: text(),
            deadline: text(),
            worker: text(),
            progress: Some(Progress { percent: 0, text: String::new() }),
            unique_key: text(),
            unique_until: Some(UniqueUntil::Started),
            unique_for: Some(1),
            duplicate: true,
        };
        let job = serde_json::to_value(job).unwrap();
        let mut fields = Job::FIELDS;
        fields.sort_unstable();
        assert_eq!(job.as_object().unwrap().keys().collect::<Vec<_>>(), fields.iter().collect::<Vec<_>>());
    }

    #[test]
    fn an_image_keeps_its_id_for_ever() {
        assert_eq!(image_id("alpine").to_string(), "b0fba790-6663-547f-8411-4910d3e5baa2");
        assert_eq!(image_id("alpine").get_version_num(), 5);
        assert_ne!(image_id("alpine"), image_id("Alpine"));
    }
}

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Progress, UniqueUntil};

/// A job to enqueue. What is absent (or null) takes its default; where its queue has one, the queue's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewJob {
    /// What to run; 1 to 255 bytes.
    #[serde(default)]
    #[schema(required, min_length = 1, max_length = 255)]
    pub image: String,
    /// The queue to wait in, which is made where there is none: 1 to 64 of `a-z 0-9 . _ -`. Default: `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[a-z0-9._-]{1,64}$")]
    pub queue: Option<String>,
    /// Whose it is, such as a customer's id; 1 to 64 bytes. Of a queue's jobs that wait, those of different keys take turns.
    /// Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 64)]
    pub key: Option<String>,
    /// What lists find it by, such as `batch:7`: at most 8, each of 1 to 64 visible ASCII characters without a comma. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 8)]
    pub tags: Option<Vec<String>>,
    /// The job's input, at most 1 MiB. Default: empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1_048_576)]
    pub payload: Option<String>,
    /// Seconds to wait before it is queued, 0 to 31,536,000. Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 31_536_000)]
    pub delay: Option<u32>,
    /// Seconds from its start, or its last touch, to its timeout, 1 to 604,800. Default: the queue's, else 60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 604_800)]
    pub timeout: Option<u32>,
    /// 0, 1 or 2; 2 is served first. Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 2)]
    pub priority: Option<u32>,
    /// Automatic retries, 0 to 25. Default: the queue's, else 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 25)]
    pub max_retries: Option<u32>,
    /// Seconds that each automatic retry waits, 0 to 31,536,000, but for the queue's back-off. Default: the queue's, else 60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 31_536_000)]
    pub retries_delay: Option<u32>,
    /// Where a job of the queue keeps others of this key away, it is answered, with `duplicate`, and nothing is enqueued; 1 to 255
    /// bytes. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 255)]
    pub unique_key: Option<String>,
    /// How long this job keeps others of its `unique_key` away: until it has `started` or `finished`. Default: `finished`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unique_until: Option<UniqueUntil>,
    /// The same in seconds from now, whatever becomes of it, 1 to 604,800; instead of `unique_until`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 604_800)]
    pub unique_for: Option<u32>,
}

impl NewJob {
    /// The names of all its fields.
    pub const FIELDS: [&str; 13] = [
        "image",
        "queue",
        "key",
        "tags",
        "payload",
        "delay",
        "timeout",
        "priority",
        "max_retries",
        "retries_delay",
        "unique_key",
        "unique_until",
        "unique_for",
    ];
}

/// Jobs to enqueue, all or none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewJobsWrapper {
    /// 1 to 1,000 of them.
    #[schema(min_items = 1, max_items = 1_000)]
    pub jobs: Vec<NewJob>,
}

/// The JSON body of `POST /v1/jobs/consume`; each field may stand in the query instead.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsumeRequest {
    /// At most so many jobs, 1 to 1,000. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1_000)]
    pub n: Option<u32>,
    /// Seconds to wait for a job, 0 to 60. Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 60)]
    pub wait: Option<u32>,
    /// Queues with commas between them: `a,b`, from the first that has a job; `a:5,b:1`, drawn by weight; `*`, all. Default:
    /// `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// Only jobs of these images, with commas between them. Default: of any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Who takes them: a name of its own, 1 to 128 bytes. Default: not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 128)]
    pub worker: Option<String>,
}

/// The JSON body of cancel (bare text is accepted too).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelRequest {
    /// Why, for people; at most 16 KiB.
    #[schema(max_length = 16_384)]
    pub details: String,
}

/// The fields of success, as JSON or as a form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SuccessRequest {
    /// The job's output, at most 1 MiB. Default: empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1_048_576)]
    pub log: Option<String>,
}

/// The fields of fail, as JSON or as a form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FailRequest {
    /// `timeout`, `killed` or `bad_exit`. Default: `bad_exit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why, for people; at most 16 KiB. Default: empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 16_384)]
    pub details: Option<String>,
    /// The job's output, at most 1 MiB. Default: empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1_048_576)]
    pub log: Option<String>,
    /// Whether it may be retried automatically. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<bool>,
}

/// The JSON body of touch; it may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TouchRequest {
    /// How far the job has come. Default: as far as was said before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
}

/// The JSON body of `POST /v1/jobs/finish`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FinishRequest {
    /// 1 to 1,000 of them. Each is taken or refused for itself.
    #[schema(min_items = 1, max_items = 1_000)]
    pub jobs: Vec<Ending>,
    /// Take at most so many other jobs with it, 0 to 1,000; none where no ending is taken. Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 1_000)]
    pub take: Option<u32>,
    /// Seconds to wait for a job to take, 0 to 60. Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 60)]
    pub wait: Option<u32>,
    /// Take from these queues, with commas between them: `a,b`, from the first that has a job; `a:5,b:1`, drawn by weight; `*`, all. Default:
    /// `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// Take only jobs of these images, with commas between them. Default: of any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Who takes them: a name of its own, 1 to 128 bytes. Default: not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 128)]
    pub worker: Option<String>,
}

/// How a running job ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Ending {
    /// The job's id.
    pub id: String,
    /// `success`, or `error`: with retries left it is then enqueued again, as a new job.
    #[schema(pattern = "^(success|error)$")]
    pub status: String,
    /// Of an error: `timeout`, `killed` or `bad_exit`. Default: `bad_exit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Of an error: why, for people; at most 16 KiB. Default: empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 16_384)]
    pub details: Option<String>,
    /// The job's output, at most 1 MiB. Default: empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1_048_576)]
    pub log: Option<String>,
    /// Of an error: whether it may be retried automatically. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<bool>,
}

/// New settings: all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SettingsRequest {
    /// Seconds that a finished job is kept, 60 to 315,360,000.
    #[schema(minimum = 60, maximum = 315_360_000)]
    pub retention: u64,
}

/// A node to take in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberRequest {
    /// Its name.
    pub name: String,
    /// Where its peers reach it, `HOST:PORT`. Default: where it has asked to join from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_addr: Option<String>,
    /// The name of the voter in whose place it comes, in one change. Default: nobody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
    /// The cluster's `members_index`: refused with 409 where it is another one by now. Default: whichever it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members_index: Option<u64>,
}

/// Who is to lead.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LeaderRequest {
    /// Its name. Default: the voter that answers and is furthest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The cluster's `members_index`: refused with 409 where it is another one by now. Default: whichever it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members_index: Option<u64>,
}

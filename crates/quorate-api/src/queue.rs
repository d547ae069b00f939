use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

/// A queue: how its jobs are handed out, and how many there are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Queue {
    /// What it is called.
    pub name: String,
    /// Whether none of its jobs is handed out.
    pub paused: bool,
    /// Seconds that a job may run which does not say; `null`: 60.
    pub timeout: Option<u32>,
    /// Automatic retries of a job that does not say; `null`: 3.
    pub max_retries: Option<u32>,
    /// Seconds that automatic retries of a job wait which does not say; `null`: 60.
    pub retries_delay: Option<u32>,
    /// Seconds that a job is kept which ended well; `null`: as the cluster's settings say.
    pub success_retention: Option<u64>,
    /// Seconds that a job is kept which failed or was cancelled; `null`: as the cluster's settings say.
    pub error_retention: Option<u64>,
    /// How the wait grows from one automatic retry to the next.
    pub backoff: Backoff,
    /// Most jobs that run at once; `null`: any number.
    pub max_running: Option<u32>,
    /// Most jobs of one key that run at once, jobs without a key aside; `null`: any number.
    pub max_running_per_key: Option<u32>,
    /// How full its keys are; `null` without `max_running_per_key`.
    pub keys_running: Option<KeysRunning>,
    /// Most jobs that are handed out in a time; `null`: any number.
    pub rate: Option<Rate>,
    /// How many jobs the rate allows to be handed out at once now; `null` without `rate`.
    pub rate_left: Option<u64>,
    /// How many jobs it has, by status.
    pub jobs: JobCounts,
    /// Of the queued, those of priority 0, 1 and 2.
    pub queued_by_priority: [u64; 3],
    /// Since when the job waits that has waited longest: RFC 3339, UTC; `null`: none waits.
    pub oldest_queued_at: Option<String>,
    /// What happened in the last minute.
    pub last_minute: LastMinute,
}

/// How long the automatic retries of a job wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[serde(expecting = "an object with a type, as in {\"type\": \"fixed\"}")]
pub enum Backoff {
    /// Each as long as the job's `retries_delay`.
    Fixed {},
    /// The first one so long, each further one twice as long as the one before.
    Exponential {
        /// The longest, in seconds.
        #[schema(minimum = 1, maximum = 31_536_000)]
        cap: u32,
        /// By how many per cent each may be shorter or longer. Default: 0.
        #[serde(default)]
        #[schema(minimum = 0, maximum = 100)]
        jitter: u32,
    },
    /// As long as these say, in order; the last one for all that follow.
    List {
        /// In seconds, 1 to 32 of them.
        #[schema(min_items = 1, max_items = 32)]
        delays: Vec<u32>,
    },
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff::Fixed {}
    }
}

/// So many jobs in so many seconds; as many may come at once after a quiet time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// 1 to 1,000,000.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub jobs: u32,
    /// 1 to 86,400.
    #[schema(minimum = 1, maximum = 86_400)]
    pub seconds: u32,
}

/// How full the keys of a queue are, of which `max_running_per_key` jobs may run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeysRunning {
    /// Keys that have jobs that run.
    pub running: u64,
    /// Those of them at the limit, or above one that was lowered: their next jobs wait.
    pub full: u64,
    /// The keys with the most jobs that run, up to 5, the fullest first.
    #[schema(max_items = 5)]
    pub fullest: Vec<KeyRunning>,
}

/// A key of a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyRunning {
    /// The key.
    pub key: String,
    /// How many of its jobs run.
    pub running: u64,
}

/// Jobs by status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[expect(missing_docs, reason = "named after the statuses")]
pub struct JobCounts {
    pub delayed: u64,
    pub queued: u64,
    pub running: u64,
    pub success: u64,
    pub error: u64,
    pub cancelled: u64,
}

/// What happened to the jobs of a queue in the last minute: in the last six whole periods of ten seconds, so what has just happened
/// is counted up to ten seconds later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LastMinute {
    /// Jobs that came, retries included.
    pub enqueued: u64,
    /// Jobs that consumers took.
    pub granted: u64,
    /// Jobs that reached a final status.
    pub finished: u64,
}

/// One queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QueueWrapper {
    /// It.
    pub queue: Queue,
}

/// Some queues.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QueuesWrapper {
    /// By name, the default one first.
    pub queues: Vec<Queue>,
    /// Where the next page goes on; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// Changes of a queue's settings. What is absent stays as it is; what is `null` is as if it had never been set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct QueueRequest {
    /// Hand out none of its jobs. Those that run go on. Default: false.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<bool>)]
    pub paused: Option<Option<bool>>,
    /// Seconds that a job may run which does not say, 1 to 604,800. Default: 60.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 604_800)]
    pub timeout: Option<Option<u32>>,
    /// Automatic retries of a job that does not say, 0 to 25. Default: 3.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>, maximum = 25)]
    pub max_retries: Option<Option<u32>>,
    /// Seconds that automatic retries of a job wait which does not say, 0 to 31,536,000. Default: 60.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>, maximum = 31_536_000)]
    pub retries_delay: Option<Option<u32>>,
    /// Seconds that a job is kept which ended well, 60 to 315,360,000. Default: the cluster's.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>, minimum = 60, maximum = 315_360_000)]
    pub success_retention: Option<Option<u64>>,
    /// Seconds that a job is kept which failed or was cancelled, 60 to 315,360,000. Default: the cluster's.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>, minimum = 60, maximum = 315_360_000)]
    pub error_retention: Option<Option<u64>>,
    /// How the wait grows from one automatic retry to the next. Default: not at all.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Backoff>)]
    pub backoff: Option<Option<Backoff>>,
    /// Most jobs that run at once, 1 to 1,000,000. Default: any number.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 1_000_000)]
    pub max_running: Option<Option<u32>>,
    /// Most jobs of one key that run at once, 1 to 1,000,000. Default: any number.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 1_000_000)]
    pub max_running_per_key: Option<Option<u32>>,
    /// Most jobs that are handed out in a time. Default: any number.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Rate>)]
    pub rate: Option<Option<Rate>>,
}

/// A field that is there, be it `null`.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_is_told_from_absent() {
        let request: QueueRequest =
            serde_json::from_str(r#"{"timeout":null,"max_running":5,"backoff":{"type":"fixed"}}"#).unwrap();
        let expected = QueueRequest {
            timeout: Some(None),
            max_running: Some(Some(5)),
            backoff: Some(Some(Backoff::Fixed {})),
            ..QueueRequest::default()
        };
        assert_eq!(request, expected);
        assert_eq!(
            serde_json::to_string(&request).unwrap(),
            r#"{"timeout":null,"backoff":{"type":"fixed"},"max_running":5}"#
        );
    }

    #[test]
    fn a_back_off_on_the_wire() {
        for (backoff, text) in [
            (
                Backoff::Exponential { cap: 600, jitter: 20 },
                r#"{"type":"exponential","cap":600,"jitter":20}"#,
            ),
            (Backoff::List { delays: vec![1, 5, 30] }, r#"{"type":"list","delays":[1,5,30]}"#),
        ] {
            assert_eq!(serde_json::to_string(&backoff).unwrap(), text);
            assert_eq!(serde_json::from_str::<Backoff>(text).unwrap(), backoff);
        }
        let capped: Backoff = serde_json::from_str(r#"{"type":"exponential","cap":600}"#).unwrap();
        assert_eq!(capped, Backoff::Exponential { cap: 600, jitter: 0 });
    }
}

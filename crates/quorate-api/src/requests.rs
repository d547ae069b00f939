use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The JSON body of `POST /v1/jobs/consume`; both fields may stand in the query instead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
}

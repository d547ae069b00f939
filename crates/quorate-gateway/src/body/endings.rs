use quorate_api::{Ending, FinishRequest};
use serde::Deserialize;

use crate::body::at_most::AtMost;
use crate::body::{Object, json};
use crate::error::ApiError;

/// The body of `POST /v1/jobs/finish`.
///
/// # Errors
/// 400: malformed, no endings, or more than [`JOBS_PER_REQUEST`](quorate_core::limits::JOBS_PER_REQUEST).
pub(crate) fn endings(bytes: &[u8]) -> Result<FinishRequest, ApiError> {
    if bytes.trim_ascii().is_empty() {
        let example = r#"is empty; send {"jobs": [{"id": "…", "status": "success"}]}"#;
        return Err(ApiError::invalid("body", example));
    }
    let Object(Wrapper { jobs: AtMost(jobs), take, wait, queue, image, worker }) = json(bytes, "")?;
    if jobs.is_empty() {
        return Err(ApiError::invalid("jobs", "is empty"));
    }
    Ok(FinishRequest {
        jobs: jobs.into_iter().map(|Object(ending)| ending).collect(),
        take,
        wait,
        queue,
        image,
        worker,
    })
}

/// [`FinishRequest`], bounded.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrapper {
    jobs: AtMost<Object<Ending>>,
    #[serde(default)]
    take: Option<u32>,
    #[serde(default)]
    wait: Option<u32>,
    #[serde(default)]
    queue: Option<String>,
    #[serde(default)]
    image: Option<String>,
    #[serde(default)]
    worker: Option<String>,
}

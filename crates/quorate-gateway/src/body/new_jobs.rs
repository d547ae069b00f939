use quorate_api::NewJob;
use serde::Deserialize;

use crate::body::at_most::AtMost;
use crate::body::{Object, json};
use crate::error::ApiError;

/// The jobs of `POST /v1/jobs`: `{"jobs": […]}` or a bare array.
///
/// # Errors
/// 400: malformed, empty, or more than [`JOBS_PER_REQUEST`](quorate_core::limits::JOBS_PER_REQUEST).
pub(crate) fn new_jobs(bytes: &[u8]) -> Result<Vec<Object<NewJob>>, ApiError> {
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    let AtMost(jobs) = match first {
        None => return Err(ApiError::invalid("body", r#"is empty; send {"jobs": [{"image": "…"}]}"#)),
        Some(b'[') => json(bytes, "jobs")?,
        Some(_) => {
            let Object(Wrapper { jobs }) = json(bytes, "").map_err(with_example)?;
            jobs
        }
    };
    if jobs.is_empty() {
        return Err(ApiError::invalid("jobs", "is empty"));
    }
    Ok(jobs)
}

/// Shows what the whole body should look like where it is something else.
fn with_example(error: ApiError) -> ApiError {
    let ApiError::Invalid { fields, message } = error else { return error };
    let message = match &*fields {
        field if NewJob::FIELDS.contains(&field) => {
            r#"stands outside of a job; wrap it: {"jobs": [{"image": "…"}]}"#.into()
        }
        "jobs" if message == "is required" => r#"is required: {"jobs": [{"image": "…"}]}"#.into(),
        "body" if message.starts_with("must be") => {
            format!(r#"{message}; send {{"jobs": [{{"image": "…"}}]}}"#).into()
        }
        _ => message,
    };
    ApiError::Invalid { fields, message }
}

/// [`quorate_api::NewJobsWrapper`], bounded.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrapper {
    jobs: AtMost<Object<NewJob>>,
}

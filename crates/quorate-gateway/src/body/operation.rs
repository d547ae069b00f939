use quorate_api::{JobFilter, OperationRequest};
use serde::Deserialize;

use crate::body::at_most::AtMost;
use crate::body::{Object, json};
use crate::error::ApiError;

/// The body of `POST /v1/jobs/retry`, `cancel` and `delete`.
///
/// # Errors
/// 400: malformed, or more than [`JOBS_PER_REQUEST`](quorate_core::limits::JOBS_PER_REQUEST) ids.
pub(crate) fn operation(bytes: &[u8]) -> Result<OperationRequest, ApiError> {
    if bytes.trim_ascii().is_empty() {
        let example = r#"is empty; send {"filter": {"queue": "…"}} or {"ids": ["…"]}"#;
        return Err(ApiError::invalid("body", example));
    }
    let Object(Wrapper { filter, ids, details, dry_run }) = json(bytes, "")?;
    let (filter, ids) = (filter.map(|Object(filter)| filter), ids.map(|AtMost(ids)| ids));
    Ok(OperationRequest { filter, ids, details, dry_run })
}

/// [`OperationRequest`], bounded.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrapper {
    #[serde(default)]
    filter: Option<Object<JobFilter>>,
    #[serde(default)]
    ids: Option<AtMost<String>>,
    #[serde(default)]
    details: Option<String>,
    #[serde(default)]
    dry_run: Option<bool>,
}

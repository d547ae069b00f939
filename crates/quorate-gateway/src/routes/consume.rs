use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use quorate_api::{ConsumeRequest, JobsWrapper};
use quorate_core::limits::JOBS_PER_REQUEST;

use crate::answer::{self, Answer};
use crate::body::{self, MediaType, Object};
use crate::error::ApiError;
use crate::limits::WAIT_SECONDS;
use crate::openapi::{Conflict, ConsumeParams, KeyHeader, ReadParams, WriteErrors};
use crate::query::{Query, within};
use crate::{Backend, Gateway, idempotency, long_poll};

/// Takes up to `n` jobs to run; each becomes `running`. Without any, waits up to `wait` seconds for one.
#[utoipa::path(
    get,
    path = "/v1/jobs/consume",
    operation_id = "consume",
    params(ConsumeParams, ReadParams, KeyHeader),
    responses(
        (status = 200, description = "The jobs taken, in the order to run them; maybe none", body = JobsWrapper, headers(("Idempotent-Replayed" = bool, description = "`true`: what an earlier request under the same Idempotency-Key was answered"))),
        WriteErrors,
        Conflict,
    )
)]
pub(crate) async fn get<B: Backend>(
    State(gateway): State<Gateway<B>>,
    query: Query,
    headers: HeaderMap,
) -> Answer {
    let asked = in_query(&query)?;
    consume(&gateway, &headers, asked).await
}

/// The same as GET, for callers behind proxies that repeat a GET.
#[utoipa::path(
    post,
    path = "/v1/jobs/consume",
    operation_id = "consume_post",
    params(ConsumeParams, ReadParams, KeyHeader),
    request_body = Option<ConsumeRequest>,
    responses(
        (status = 200, description = "The jobs taken, in the order to run them; maybe none", body = JobsWrapper, headers(("Idempotent-Replayed" = bool, description = "`true`: what an earlier request under the same Idempotency-Key was answered"))),
        WriteErrors,
        Conflict,
    )
)]
pub(crate) async fn post<B: Backend>(
    State(gateway): State<Gateway<B>>,
    query: Query,
    request: Request,
) -> Answer {
    let (parts, body) = request.into_parts();
    let mut asked = in_query(&query)?;
    let body = gateway.bodies().read(body).await?;
    if !body.bytes.trim_ascii().is_empty() {
        let (MediaType::Json | MediaType::Absent) = MediaType::of(&parts.headers)? else {
            return Err(ApiError::UnsupportedMediaType { accepted: "application/json" }.into());
        };
        let Object(ConsumeRequest { n, wait }) = body::json(&body.bytes, "")?;
        asked = ConsumeRequest { n: n.or(asked.n), wait: wait.or(asked.wait) };
    }
    drop(body);
    consume(&gateway, &parts.headers, asked).await
}

fn in_query(query: &Query) -> Result<ConsumeRequest, ApiError> {
    // A consume is linearizable, whatever was asked for.
    query.linearizable()?;
    Ok(ConsumeRequest { n: query.integer("n")?, wait: query.integer("wait")? })
}

async fn consume<B: Backend>(gateway: &Gateway<B>, headers: &HeaderMap, asked: ConsumeRequest) -> Answer {
    let n = asked.n.unwrap_or(1);
    let wait = asked.wait.unwrap_or(0);
    within("n", n, 1..=JOBS_PER_REQUEST as u32)?;
    within("wait", wait, 0..=WAIT_SECONDS)?;
    let key = idempotency::key(headers, "consume", &n.to_be_bytes())?;

    let wait = Duration::from_secs(u64::from(wait));
    let (jobs, index) = long_poll::consume(gateway, n, wait, key).await?;
    let jobs = gateway.with_payloads_after_write(jobs).await?;
    let mut response = answer::json(StatusCode::OK, Some(index), &JobsWrapper { jobs, cursor: None });
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

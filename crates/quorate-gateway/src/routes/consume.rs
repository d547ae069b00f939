use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use quorate_api::{ConsumeRequest, JobsWrapper};
use quorate_core::limits::JOBS_PER_REQUEST;

use crate::answer::{self, Answer};
use crate::body::{self, MediaType, Object};
use crate::error::ApiError;
use crate::limits::WAIT_SECONDS;
use crate::openapi::{Conflict, WriteErrors};
use crate::query::{Query, within};
use crate::{Backend, Gateway, idempotency, long_poll};

/// Takes up to `n` jobs to run; each becomes `running`. Without any, waits up to `wait` seconds for one.
#[utoipa::path(
    get,
    path = "/v1/jobs/consume",
    operation_id = "consume",
    params(
        ("n" = Option<u32>, Query, description = "At most so many, 1 to 1,000. Default: 1"),
        ("wait" = Option<u32>, Query, description = "Seconds to wait for a job, 0 to 60. Default: 0"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key within 24 hours answers those jobs of the first answer that still run"),
    ),
    responses((status = 200, description = "The jobs taken, in the order to run them; maybe none", body = JobsWrapper), WriteErrors, Conflict)
)]
pub(crate) async fn get<B: Backend>(State(gateway): State<Gateway<B>>, request: Request) -> Answer {
    // axum answers HEAD with what GET does, and this GET takes jobs.
    if request.method() == Method::HEAD {
        return Err(ApiError::MethodNotAllowed.into());
    }
    let (parts, _body) = request.into_parts();
    let asked = in_query(&parts)?;
    consume(&gateway, &parts, asked).await
}

/// The same as GET, for callers behind proxies that repeat a GET.
#[utoipa::path(
    post,
    path = "/v1/jobs/consume",
    operation_id = "consume_post",
    params(
        ("n" = Option<u32>, Query, description = "At most so many, 1 to 1,000. Default: 1"),
        ("wait" = Option<u32>, Query, description = "Seconds to wait for a job, 0 to 60. Default: 0"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key within 24 hours answers those jobs of the first answer that still run"),
    ),
    request_body = Option<ConsumeRequest>,
    responses((status = 200, description = "The jobs taken, in the order to run them; maybe none", body = JobsWrapper), WriteErrors, Conflict)
)]
pub(crate) async fn post<B: Backend>(State(gateway): State<Gateway<B>>, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    let mut asked = in_query(&parts)?;
    let body = gateway.bodies().read(&parts.headers, body).await?;
    if !body.bytes.trim_ascii().is_empty() {
        let (MediaType::Json | MediaType::Absent) = MediaType::of(&parts.headers)? else {
            return Err(ApiError::UnsupportedMediaType { accepted: "application/json" }.into());
        };
        let Object(ConsumeRequest { n, wait }) = body::json(&body.bytes, "")?;
        asked = ConsumeRequest { n: n.or(asked.n), wait: wait.or(asked.wait) };
    }
    drop(body);
    consume(&gateway, &parts, asked).await
}

fn in_query(parts: &Parts) -> Result<ConsumeRequest, ApiError> {
    let query = Query::parse(parts.uri.query(), &["n", "wait", "consistency"])?;
    // A consume is linearizable, whatever was asked for.
    query.linearizable()?;
    Ok(ConsumeRequest { n: query.integer("n")?, wait: query.integer("wait")? })
}

async fn consume<B: Backend>(gateway: &Gateway<B>, parts: &Parts, asked: ConsumeRequest) -> Answer {
    let n = asked.n.unwrap_or(1);
    let wait = asked.wait.unwrap_or(0);
    within("n", n, 1..=JOBS_PER_REQUEST as u32)?;
    within("wait", wait, 0..=WAIT_SECONDS)?;
    let key = idempotency::key(&parts.headers, "consume", &n.to_be_bytes())?;

    let wait = Duration::from_secs(u64::from(wait));
    let (jobs, index) = long_poll::consume(gateway, n, wait, key).await?;
    let jobs = gateway.with_payloads_after_write(jobs).await?;
    let mut response = answer::json(StatusCode::OK, Some(index), &JobsWrapper { jobs, cursor: None });
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use quorate_api::{ConsumeRequest, JobsWrapper};
use quorate_core::{IdempotencyKey, Take};

use crate::answer::{Claim, Jobs};
use crate::body::{self, MediaType, Object};
use crate::error::{Answer, ApiError};
use crate::openapi::{Conflict, ConsumeParams, KeyHeader, ReadParams, WriteErrors};
use crate::query::Query;
use crate::selection::Selection;
use crate::{Backend, Gateway, idempotency, long_poll, ranges};

/// Takes up to `n` jobs to run; each becomes `running`. Without any, waits up to `wait` seconds for one. A queue that does not exist
/// is as good as an empty one.
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
    let taking = Taking::new(in_query(&query)?, &headers)?;
    // It may wait for a minute, and they hold memory.
    drop(headers);
    taking.answer(&gateway).await
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
    let in_query = in_query(&query)?;
    let body = gateway.bodies().read(body).await?;
    let media_type = MediaType::of(&parts.headers)?;
    let parse = move |bytes| in_body(media_type, bytes);
    let (in_body, share) = body.understand(gateway.heavy(), parse).await?;
    let asked = ConsumeRequest {
        n: in_body.n.or(in_query.n),
        wait: in_body.wait.or(in_query.wait),
        queue: in_body.queue.or(in_query.queue),
        image: in_body.image.or(in_query.image),
        worker: in_body.worker.or(in_query.worker),
    };
    let taking = Taking::new(asked, &parts.headers)?;
    drop((share, parts));
    taking.answer(&gateway).await
}

fn in_body(media_type: MediaType, bytes: Bytes) -> Result<ConsumeRequest, ApiError> {
    if bytes.trim_ascii().is_empty() {
        return Ok(ConsumeRequest::default());
    }
    let (MediaType::Json | MediaType::Absent) = media_type else {
        return Err(ApiError::UnsupportedMediaType { accepted: body::ONLY_JSON });
    };
    body::json(&bytes, "").map(|Object(asked)| asked)
}

fn in_query(query: &Query) -> Result<ConsumeRequest, ApiError> {
    // A consume is linearizable, whatever was asked for.
    query.linearizable()?;
    Ok(ConsumeRequest {
        n: query.integer("n")?,
        wait: query.integer("wait")?,
        queue: query.exact_text("queue").map(str::to_owned),
        image: query.exact_text("image").map(str::to_owned),
        worker: query.exact_text("worker").map(str::to_owned),
    })
}

/// A consume, checked.
struct Taking {
    take: Take,
    wait: Duration,
    key: Option<IdempotencyKey>,
}

impl Taking {
    fn new(asked: ConsumeRequest, headers: &HeaderMap) -> Result<Taking, ApiError> {
        let n = asked.n.unwrap_or(1);
        let wait = asked.wait.unwrap_or(0);
        ranges::check("n", "n", n)?;
        ranges::check("wait", "wait", wait)?;
        let selection =
            Selection::parse(asked.queue.as_deref(), asked.image.as_deref(), asked.worker.as_deref())?;
        let key = idempotency::key(headers, "consume", &[&n.to_be_bytes(), &selection.said()])?;
        Ok(Taking { take: selection.take(n), wait: Duration::from_secs(u64::from(wait)), key })
    }

    async fn answer<B: Backend>(self, gateway: &Gateway<B>) -> Answer {
        gateway.takes_polls_of(self.wait)?;
        let (jobs, index) = long_poll::consume(gateway, &self.take, self.wait, self.key).await?;
        Jobs::of(gateway, jobs).answer(StatusCode::OK, index, Claim::AfterWrite).await
    }
}

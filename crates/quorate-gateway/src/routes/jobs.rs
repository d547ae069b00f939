use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use quorate_api::{IdsWrapper, JobsWrapper, NewJobsWrapper};
use quorate_core::limits::ID_PREFIX_CHARS;
use quorate_core::{Command, IdempotencyKey, JobId, JobsQuery, NewJob, QueueView, Reply};

use crate::answer::{self, Claim, Jobs};
use crate::body::{self, MediaType, Object};
use crate::error::{Answer, ApiError};
use crate::filter::Meant;
use crate::openapi::{
    Conflict, FieldsParams, IdsParams, JobsParams, KeyHeader, PageParams, ReadErrors, ReadParams, WriteErrors,
};
use crate::query::Query;
use crate::response;
use crate::{Backend, Gateway, Reads, convert, cursor, idempotency, ids};

/// Enqueues jobs, all or none. The body may also be the bare array.
#[utoipa::path(
    post,
    path = "/v1/jobs",
    operation_id = "enqueue",
    params(KeyHeader),
    request_body = NewJobsWrapper,
    responses(
        (status = 201, description = "The jobs, in the order given", body = JobsWrapper, headers(("Idempotent-Replayed" = bool, description = "`true`: what an earlier request under the same Idempotency-Key was answered"))),
        WriteErrors,
        Conflict,
    )
)]
pub(crate) async fn enqueue<B: Backend>(State(gateway): State<Gateway<B>>, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    match MediaType::of(&parts.headers)? {
        MediaType::Json | MediaType::Absent => {}
        MediaType::Urlencoded | MediaType::Multipart { .. } | MediaType::Text | MediaType::Other => {
            return Err(ApiError::UnsupportedMediaType { accepted: body::ONLY_JSON }.into());
        }
    }
    gateway.rates().pay(0)?; // before its body costs anything
    let body = gateway.bodies().read(body).await?;
    let payload_bytes = gateway.config().payload_bytes;
    let parse = move |bytes: Bytes| understand(&parts.headers, &bytes, payload_bytes);
    let ((jobs, key), share) = body.understand(gateway.heavy(), parse).await?;

    gateway.rates().pay(jobs.len())?;
    let ids: Vec<JobId> = jobs.iter().map(|job| job.id).collect();
    let payloads = jobs.iter().map(|job| job.payload.clone()).collect();
    let (index, reply) = gateway.submit(Command::Enqueue { jobs, key }).await?;
    let Reply::Enqueued { jobs, duplicates } = reply else {
        return Err(ApiError::unexpected_reply("enqueue").into());
    };
    let jobs = if jobs.iter().map(|job| job.id).eq(ids) {
        Jobs::with_payloads(&gateway, jobs, payloads)
    } else {
        // An Idempotency-Key brought back the jobs of an earlier call, or some were there before.
        Jobs::of(&gateway, jobs)
    };
    let jobs = jobs.with_duplicates(duplicates);
    let answer = jobs.answer(StatusCode::CREATED, index, Claim::AfterWrite).await;
    // Until here it was the payloads' too.
    drop(share);
    answer
}

fn understand(
    headers: &HeaderMap,
    bytes: &[u8],
    payload_bytes: usize,
) -> Result<(Vec<NewJob>, Option<IdempotencyKey>), ApiError> {
    let key = idempotency::key(headers, "enqueue", &[bytes])?;
    let jobs = body::new_jobs(bytes)?.into_iter().enumerate();
    let jobs = jobs.map(|(position, Object(job))| convert::new_job(position, job, payload_bytes));
    Ok((jobs.collect::<Result<_, _>>()?, key))
}

/// Lists jobs, the newest first or the oldest; without `status` the active ones, or those that what is asked for belongs to. A page may be short while `cursor` says that it goes on.
#[utoipa::path(
    get,
    path = "/v1/jobs",
    operation_id = "list_jobs",
    params(PageParams, JobsParams, FieldsParams, ReadParams),
    responses((status = 200, description = "A page of jobs", body = JobsWrapper), ReadErrors)
)]
pub(crate) async fn list<B: Backend>(State(gateway): State<Gateway<B>>, query: Query) -> Answer {
    let Meant { filter, queue } = Meant::by_query(&query)?;
    let order = query.order()?;
    let behind = match query.cursor(cursor::parse)? {
        Some((other, _)) if other != order => {
            let message =
                "is of a list in the other order: with it belongs the order of the page that gave it";
            return Err(ApiError::invalid("cursor", message).into());
        }
        cursor => cursor.map(|(_, number)| number),
    };
    let mut asked = JobsQuery { n: query.page_length()?, order, behind, filter };
    let fields = query.fields()?;
    if gateway.must_be_sure(query.linearizable()?) {
        gateway.barrier().await?;
    }
    let index = gateway.applied();
    if let Some(name) = queue {
        let Some(QueueView { queue, .. }) = gateway.backend().reads().queue(&name) else {
            return Jobs::of(&gateway, Vec::new()).answer(StatusCode::OK, index, Claim::Read).await;
        };
        asked.filter.queue = Some(queue.id);
    }
    Jobs::list(&gateway, asked, fields).await?.answer(StatusCode::OK, index, Claim::Read).await
}

/// The ids of jobs that begin so, in ascending order: what a person has typed the first digits of.
#[utoipa::path(
    get,
    path = "/v1/jobs/ids",
    operation_id = "list_ids",
    params(IdsParams, ReadParams),
    responses((status = 200, description = "At most `n` ids", body = IdsWrapper), ReadErrors)
)]
pub(crate) async fn ids<B: Backend>(State(gateway): State<Gateway<B>>, query: Query) -> Answer {
    let n = query.page_length()?;
    let Some([first, last]) = ids::beginning_with(query.text("prefix").unwrap_or_default()) else {
        let must = format!(
            "must be the beginning of a job's id, at least {ID_PREFIX_CHARS} characters of it, as in 0198c0de-1"
        );
        return Err(ApiError::invalid("prefix", must).into());
    };
    let (first, last) = (JobId(first), JobId(last));
    let mut share = gateway.answers().share();
    Claim::Read.resize(&mut share, n * ID_JSON_BYTES).await?;
    let mut sure = gateway.must_be_sure(query.linearizable()?);
    loop {
        if sure {
            gateway.barrier().await?;
        }
        let index = gateway.applied();
        let found = gateway.backend().reads().ids(first, last, n).await?;
        // That there is none, a stale copy must not say.
        if sure || !found.is_empty() {
            let ids = IdsWrapper { ids: found.iter().map(JobId::to_string).collect() };
            return Ok(answer::held(response::json(StatusCode::OK, Some(index), &ids), share));
        }
        sure = true;
    }
}

/// An id as JSON, with its quotes and comma.
const ID_JSON_BYTES: usize = 40;

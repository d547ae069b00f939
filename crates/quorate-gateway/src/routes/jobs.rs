use axum::extract::{Request, State};
use axum::http::StatusCode;
use bytes::Bytes;
use quorate_api::{JobsWrapper, NewJobsWrapper};
use quorate_core::{Command, Job, JobId, JobsQuery, Reply};

use crate::answer::{self, Answer};
use crate::body::{self, MediaType, Object};
use crate::error::{ApiError, Failure};
use crate::openapi::{Conflict, JobsParams, KeyHeader, PageParams, ReadErrors, ReadParams, WriteErrors};
use crate::query::Query;
use crate::{Backend, Gateway, convert, idempotency, limits};

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
            return Err(ApiError::UnsupportedMediaType { accepted: "application/json" }.into());
        }
    }
    let body = gateway.bodies().read(body).await?;
    let key = idempotency::key(&parts.headers, "enqueue", &body.bytes)?;
    let jobs = body::new_jobs(&body.bytes)?;
    let jobs = jobs
        .into_iter()
        .enumerate()
        .map(|(position, Object(job))| convert::new_job(position, job, gateway.config().payload_bytes))
        .collect::<Result<Vec<_>, ApiError>>()?;

    let sent: Vec<(JobId, Bytes)> = jobs.iter().map(|job| (job.id, job.payload.clone())).collect();
    let (index, reply) = gateway.submit(Command::Enqueue { jobs, key }).await?;
    let Reply::Jobs(jobs) = reply else { return Err(ApiError::unexpected_reply("enqueue").into()) };
    let jobs = if is_about(&jobs, &sent) {
        jobs.into_iter().zip(&sent).map(|(job, (_, payload))| convert::job(job, payload)).collect()
    } else {
        // An Idempotency-Key brought back the jobs of an earlier call.
        gateway.with_payloads_after_write(jobs).await?
    };
    let jobs = JobsWrapper { jobs, cursor: None };
    Ok(answer::json(StatusCode::CREATED, Some(index), &jobs))
}

/// True when the answer is about the very jobs that were sent.
fn is_about(answered: &[Job], sent: &[(JobId, Bytes)]) -> bool {
    answered.len() == sent.len() && answered.iter().zip(sent).all(|(job, (id, _))| job.id == *id)
}

/// Lists jobs, newest first; without `status` the active ones. A page may be short while `cursor` says that it goes on.
#[utoipa::path(
    get,
    path = "/v1/jobs",
    operation_id = "list_jobs",
    params(PageParams, JobsParams, ReadParams),
    responses((status = 200, description = "A page of jobs", body = JobsWrapper), ReadErrors)
)]
pub(crate) async fn list<B: Backend>(State(gateway): State<Gateway<B>>, query: Query) -> Answer {
    let asked = JobsQuery {
        n: query.page_length()?,
        before: query.cursor()?.map(JobId),
        status: query.status()?,
        image: query.text("image").map(Into::into),
    };
    if gateway.must_be_sure(query.linearizable()?) {
        gateway.barrier().await?;
    }
    let index = gateway.applied();
    let mut page = gateway.backend().jobs(asked).await?;
    if let Some(last) = cut_to_bytes(&mut page.jobs) {
        page.next = Some(last);
    }
    let jobs = gateway.with_payloads(page.jobs).await.map_err(Failure::from)?;
    let jobs = JobsWrapper { jobs, cursor: page.next.map(|id| id.to_string()) };
    Ok(answer::json(StatusCode::OK, Some(index), &jobs))
}

/// Ends a page where its payloads grow too long, and says where it goes on.
fn cut_to_bytes(jobs: &mut Vec<Job>) -> Option<JobId> {
    let mut bytes = 0;
    let fit = jobs.iter().take_while(|job| {
        bytes += u64::from(job.payload.bytes);
        bytes <= limits::PAGE_BYTES
    });
    let fit = fit.count().max(1);
    if fit >= jobs.len() {
        return None;
    }
    jobs.truncate(fit);
    jobs.last().map(|job| job.id)
}

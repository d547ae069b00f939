use axum::extract::{Request, State};
use bytes::Bytes;
use quorate_core::limits::{LOG_BYTES, LOG_PARTS};
use quorate_core::{Command, Job, JobId, Refusal, Reply, Unavailable};

use crate::answer::Claim;
use crate::error::{Answer, ApiError, Failure};
use crate::openapi::{AppendParams, Conflict, NoSuchJob, WriteErrors};
use crate::query::Query;
use crate::routes::path_id::JobPath;
use crate::{Backend, Gateway, Reads, ranges, response};

/// Adds the body, byte for byte, to the log of a running job. With `offset` it is safe to repeat: what is there from that place on is
/// not added again.
#[utoipa::path(
    post,
    path = "/v1/job/{id}/log",
    operation_id = "append_log",
    params(("id" = String, Path, description = "The job's id"), AppendParams),
    request_body(content = String, content_type = "application/octet-stream"),
    responses((status = 204, description = "It is added, or was there already"), WriteErrors, NoSuchJob, Conflict)
)]
pub(crate) async fn append<B: Backend>(
    State(gateway): State<Gateway<B>>,
    JobPath(id): JobPath,
    query: Query,
    request: Request,
) -> Answer {
    let offset = query.integer("offset")?;
    offset.map_or(Ok(()), |offset| ranges::check("offset", "offset", offset))?;
    let body = gateway.bodies().read(request.into_body()).await?;
    let (log, _share) = body.understand(gateway.heavy(), check).await?;
    let (index, outcome) = gateway.carry_out(Command::AppendLog { id, log: log.clone(), offset }).await?;
    let checked = match (outcome, offset) {
        (Ok(Reply::Done), _) => Ok(()),
        (Ok(Reply::Job(job)), Some(offset)) => check_there(&gateway, &job, offset, &log).await,
        (Ok(_), _) => Err(ApiError::unexpected_reply("adding to a log")),
        (Err(refusal), _) => Err(why(&gateway, id, refusal).await),
    };
    checked.map_err(|error| Failure { error, index: Some(index) })?;
    Ok(response::no_content(index))
}

fn check(log: Bytes) -> Result<Bytes, ApiError> {
    match log.len() {
        0 => Err(ApiError::invalid("body", "is empty; send what is to be added to the log")),
        1..=LOG_BYTES => Ok(log),
        _ => Err(ApiError::TooLarge { what: "log", limit: LOG_BYTES, unit: "bytes" }),
    }
}

/// Why it was refused, with what a client needs to go on.
async fn why<B: Backend>(gateway: &Gateway<B>, id: JobId, refusal: Refusal) -> ApiError {
    let Refusal::Invalid { field: field @ ("log" | "offset") } = refusal else { return refusal.into() };
    let job = match gateway.backend().reads().job(id).await {
        Ok(Some(job)) => job,
        Ok(None) => return ApiError::NoSuchJob,
        Err(unavailable) => return unavailable.into(),
    };
    match field {
        "offset" => {
            let message =
                format!("the log has {} bytes: go on from there, or repeat what is in it", job.log_bytes);
            ApiError::invalid("offset", message)
        }
        _ if job.log_parts >= LOG_PARTS => {
            ApiError::TooLarge { what: "log", limit: LOG_PARTS as usize, unit: "parts" }
        }
        _ => ApiError::TooLarge { what: "log", limit: LOG_BYTES, unit: "bytes" },
    }
}

/// Looks whether a part is there that was not added: apply goes by the lengths alone, since it would have to read the log. `job` is as it
/// was then.
///
/// # Errors
/// 400: the log has something else there. 404 and 409: the job has gone, or ended with another log, so that nobody knows any more.
async fn check_there<B: Backend>(
    gateway: &Gateway<B>,
    job: &Job,
    offset: u32,
    part: &[u8],
) -> Result<(), ApiError> {
    let reads = gateway.backend().reads();
    let unknown = |_| Unavailable::Unknown;
    let mut share = gateway.answers().share();
    Claim::AfterWrite.resize(&mut share, job.log_bytes as usize).await?;
    let log = reads.log(job.id).await.map_err(unknown)?;
    if log.is_some_and(|log| log.get(offset as usize..).is_some_and(|there| there.starts_with(part))) {
        return Ok(());
    }
    match reads.job(job.id).await.map_err(unknown)? {
        Some(job) if job.log_parts > 0 => {
            let message = format!("the log has other bytes there; it has {} in all", job.log_bytes);
            Err(ApiError::invalid("offset", message))
        }
        Some(job) => Err(ApiError::WrongStatus { status: job.status() }),
        None => Err(ApiError::NoSuchJob),
    }
}

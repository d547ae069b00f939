use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use quorate_api::{CancelRequest, FailRequest, FinishedJobWrapper, JobWrapper, SuccessRequest, TouchRequest};
use quorate_core::{Command, Ending, JobId, Reply};

use crate::answer::{Claim, Jobs};
use crate::body::{self, Form, MediaType};
use crate::error::{Answer, ApiError, Failure};
use crate::fields::Fields;
use crate::openapi::{
    Conflict, FieldsParams, KeyHeader, NoSuchJob, OutcomeParams, ReadErrors, ReadParams, ReleaseParams,
    RetryParams, TakeParams, WriteErrors,
};
use crate::outcome::{self, Whose};
use crate::query::Query;
use crate::response::{self, Index};
use crate::routes::finish::{self, Taking};
use crate::routes::path_id::JobPath;
use crate::selection::Selection;
use crate::{Backend, Gateway, Reads, convert, idempotency, ids, ranges};

/// A job; with `wait` once it has finished, with `chain` the last one that goes on from it.
#[utoipa::path(
    get,
    path = "/v1/job/{id}",
    operation_id = "get_job",
    params(("id" = String, Path, description = "The job's id"), OutcomeParams, FieldsParams, ReadParams),
    responses((status = 200, description = "The job", body = JobWrapper), ReadErrors, NoSuchJob)
)]
pub(crate) async fn get<B: Backend>(
    State(gateway): State<Gateway<B>>,
    JobPath(id): JobPath,
    query: Query,
) -> Answer {
    let fields = query.fields()?;
    let linearizable = query.linearizable()?;
    let wait = query.integer("wait")?.unwrap_or_default();
    ranges::check("wait", "wait", wait)?;
    let whose = if query.flag("chain")? { Whose::Chain } else { Whose::Job };
    // Before the chain is followed, which may be longer elsewhere.
    let is_sure = gateway.must_be_sure(linearizable);
    if is_sure {
        gateway.barrier().await?;
    }
    let id = match (wait, whose) {
        (0, Whose::Job) => id,
        (wait, whose) => outcome::wait(&gateway, id, Duration::from_secs(wait.into()), whose).await?,
    };
    if !is_sure {
        let index = gateway.applied();
        if let Some(answer) = find(&gateway, id, fields, index).await? {
            return Ok(answer);
        }
        // About to say that there is no such job, which a stale copy must not.
        gateway.barrier().await?;
    }
    let index = gateway.applied();
    let found = find(&gateway, id, fields, index).await?;
    found.ok_or(Failure { error: ApiError::NoSuchJob, index: Some(index) })
}

async fn find<B: Backend>(
    gateway: &Gateway<B>,
    id: JobId,
    fields: Fields,
    index: Index,
) -> Result<Option<Response>, Failure> {
    let Some(job) = gateway.backend().reads().job(id).await? else { return Ok(None) };
    match Jobs::one(gateway, job, fields).answer(StatusCode::OK, index, Claim::Read).await {
        Ok(answer) => Ok(Some(answer)),
        Err(Failure { error: ApiError::NoSuchJob, .. }) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Removes a finished job with its log, for good.
#[utoipa::path(
    delete,
    path = "/v1/job/{id}",
    operation_id = "delete_job",
    params(("id" = String, Path, description = "The job's id")),
    responses((status = 204, description = "It is gone"), WriteErrors, NoSuchJob, Conflict)
)]
pub(crate) async fn delete<B: Backend>(State(gateway): State<Gateway<B>>, JobPath(id): JobPath) -> Answer {
    done(gateway.submit(Command::Delete { id }).await?)
}

/// Calls a delayed, queued or running job off. The body may also be the bare text of `details`, whatever its type.
#[utoipa::path(
    post,
    path = "/v1/job/{id}/cancel",
    operation_id = "cancel_job",
    params(("id" = String, Path, description = "The job's id")),
    request_body(content(
        (Option<CancelRequest> = "application/json"),
        (Option<CancelRequest> = "application/x-www-form-urlencoded"),
        (Option<String> = "text/plain"),
    )),
    responses((status = 200, description = "The job, cancelled", body = JobWrapper), WriteErrors, NoSuchJob, Conflict)
)]
pub(crate) async fn cancel<B: Backend>(
    State(gateway): State<Gateway<B>>,
    JobPath(id): JobPath,
    request: Request,
) -> Answer {
    let (parts, body) = request.into_parts();
    let media_type = MediaType::of(&parts.headers)?;
    let body = gateway.bodies().read(body).await?;
    let parse = move |bytes| body::details(media_type, bytes);
    let (details, _share) = body.understand(gateway.heavy(), parse).await?;
    let written = gateway.submit(Command::Cancel { id, details: details.into() }).await?;
    changed(&gateway, written).await
}

/// Ends a running job well.
#[utoipa::path(
    post,
    path = "/v1/job/{id}/success",
    operation_id = "succeed_job",
    params(("id" = String, Path, description = "The job's id"), TakeParams, KeyHeader),
    request_body(content(
        (Option<SuccessRequest> = "multipart/form-data"),
        (Option<SuccessRequest> = "application/x-www-form-urlencoded"),
        (Option<SuccessRequest> = "application/json"),
    )),
    responses((status = 200, description = "The job, finished; with `take` the jobs taken, too", body = FinishedJobWrapper, headers(("Idempotent-Replayed" = bool, description = "`true`: what an earlier request under the same Idempotency-Key was answered"))), WriteErrors, NoSuchJob, Conflict)
)]
pub(crate) async fn success<B: Backend>(
    State(gateway): State<Gateway<B>>,
    JobPath(id): JobPath,
    query: Query,
    request: Request,
) -> Answer {
    let (parts, body) = request.into_parts();
    let media_type = MediaType::of(&parts.headers)?;
    let body = gateway.bodies().read(body).await?;
    let parse = move |bytes: Bytes| {
        let log = Form::parse(media_type, bytes, &["log"])?.take("log");
        let taking = taking(&query, &parts.headers, "success", &[&id.0, &log])?;
        Ok((log, taking))
    };
    let ((log, taking), share) = body.understand(gateway.heavy(), parse).await?;
    if let Some(taking) = taking {
        return finish::one(&gateway, Ending { id, failure: None, log }, taking, share).await;
    }
    let written = gateway.submit(Command::Succeed { id, log }).await?;
    drop(share);
    changed(&gateway, written).await
}

/// Ends a running job badly; with retries left it is enqueued again, as a new job.
#[utoipa::path(
    post,
    path = "/v1/job/{id}/fail",
    operation_id = "fail_job",
    params(("id" = String, Path, description = "The job's id"), TakeParams, KeyHeader),
    request_body(content(
        (Option<FailRequest> = "multipart/form-data"),
        (Option<FailRequest> = "application/x-www-form-urlencoded"),
        (Option<FailRequest> = "application/json"),
    )),
    responses((status = 200, description = "The job, failed; with `take` the jobs taken, too", body = FinishedJobWrapper, headers(("Idempotent-Replayed" = bool, description = "`true`: what an earlier request under the same Idempotency-Key was answered"))), WriteErrors, NoSuchJob, Conflict)
)]
pub(crate) async fn fail<B: Backend>(
    State(gateway): State<Gateway<B>>,
    JobPath(id): JobPath,
    query: Query,
    request: Request,
) -> Answer {
    let (parts, body) = request.into_parts();
    let media_type = MediaType::of(&parts.headers)?;
    let body = gateway.bodies().read(body).await?;
    let parse = move |bytes: Bytes| {
        let mut form = Form::parse(media_type, bytes, &["reason", "details", "log", "retry"])?;
        let [reason, details, log, retry] =
            ["reason", "details", "log", "retry"].map(|field| form.take(field));
        let for_good = !body::flag("retry", &retry)?;
        // With their lengths, so that no other fields read alike.
        let lengths = [reason.len(), details.len()].map(|length| length.to_be_bytes()).concat();
        // No length begins so.
        let mark: &[u8] = if for_good { &[0xff] } else { &[] };
        let said: [&[u8]; 6] = [&id.0, mark, &lengths, &reason, &details, &log];
        let taking = taking(&query, &parts.headers, "fail", &said)?;
        let reason = convert::fail_reason(&body::text("reason", reason)?)?;
        let details = convert::details(body::text("details", details)?)?.into();
        Ok((quorate_core::Failure { reason, details, for_good }, log, taking))
    };
    let ((failure, log, taking), share) = body.understand(gateway.heavy(), parse).await?;
    if let Some(taking) = taking {
        return finish::one(&gateway, Ending { id, failure: Some(failure), log }, taking, share).await;
    }
    let quorate_core::Failure { reason, details, for_good } = failure;
    let written = gateway.submit(Command::Fail { id, reason, details, log, for_good }).await?;
    drop(share);
    changed(&gateway, written).await
}

/// What to take with the job, if that is asked for. An Idempotency-Key stands for what is said of the job, not for the bytes that
/// say it: whoever repeats a multipart form draws another boundary for it.
fn taking(
    query: &Query,
    headers: &HeaderMap,
    call: &str,
    said: &[&[u8]],
) -> Result<Option<Taking>, ApiError> {
    let [queue, image, worker] = ["queue", "image", "worker"].map(|name| query.exact_text(name));
    let selection = Selection::parse(queue, image, worker)?;
    match (query.integer("take")?, query.integer("wait")?) {
        (None, None) if queue.or(image).is_some() => {
            let field = if queue.is_some() { "queue" } else { "image" };
            Err(ApiError::invalid(field, "says which jobs to take, and how many is missing: add take=1"))
        }
        (None, None) if worker.is_some() => {
            Err(ApiError::invalid("worker", "says who takes jobs, and how many is missing: add take=1"))
        }
        (None, None) => Ok(None),
        (take, wait) => Taking::new(take, wait, selection, headers, call, said).map(Some),
    }
}

/// Gives a running job another `timeout` seconds from now.
#[utoipa::path(
    post,
    path = "/v1/job/{id}/touch",
    operation_id = "touch_job",
    params(("id" = String, Path, description = "The job's id")),
    request_body = Option<TouchRequest>,
    responses((status = 204, description = "Its deadline has moved"), WriteErrors, NoSuchJob, Conflict)
)]
pub(crate) async fn touch<B: Backend>(
    State(gateway): State<Gateway<B>>,
    JobPath(id): JobPath,
    request: Request,
) -> Answer {
    let (parts, body) = request.into_parts();
    let body = gateway.bodies().read(body).await?;
    let parse = move |bytes: Bytes| {
        let progress = body::progress(&MediaType::of(&parts.headers)?, &bytes)?;
        progress.map(convert::progress).transpose()
    };
    let (progress, _share) = body.understand(gateway.heavy(), parse).await?;
    done(gateway.submit(Command::Touch { id, progress }).await?)
}

/// Gives a running job back: it is cancelled, and a new job goes on from it, which is no attempt of it. Said again, it answers
/// the same one.
#[utoipa::path(
    post,
    path = "/v1/job/{id}/release",
    operation_id = "release_job",
    params(("id" = String, Path, description = "The job's id"), ReleaseParams),
    responses((status = 200, description = "The new job", body = JobWrapper), WriteErrors, NoSuchJob, Conflict)
)]
pub(crate) async fn release<B: Backend>(
    State(gateway): State<Gateway<B>>,
    JobPath(id): JobPath,
    query: Query,
) -> Answer {
    let delay = query.integer("delay")?.unwrap_or_default();
    ranges::check("delay", "delay", delay)?;
    let written = gateway.submit(Command::Release { id, new_id: ids::draw(), delay }).await?;
    changed(&gateway, written).await
}

/// Enqueues a finished job again, as a new job.
#[utoipa::path(
    post,
    path = "/v1/job/{id}/retry",
    operation_id = "retry_job",
    params(("id" = String, Path, description = "The job's id"), RetryParams, KeyHeader),
    responses(
        (status = 200, description = "The new job", body = JobWrapper, headers(("Idempotent-Replayed" = bool, description = "`true`: what an earlier request under the same Idempotency-Key was answered"))),
        WriteErrors,
        NoSuchJob,
        Conflict,
    )
)]
pub(crate) async fn retry<B: Backend>(
    State(gateway): State<Gateway<B>>,
    JobPath(id): JobPath,
    query: Query,
    request: Request,
) -> Answer {
    let anew = query.flag("anew")?;
    let how: &[u8] = if anew { b"anew" } else { b"" };
    let key = idempotency::key(request.headers(), "retry", &[&id.0, how])?;
    gateway.rates().pay(1)?;
    match gateway.submit(Command::Retry { id, new_id: ids::draw(), anew, key }).await {
        // What is to be retried instead can be copied then.
        Err(Failure { error: ApiError::RetriedAutomatically { .. }, index }) => {
            let last = outcome::last(&gateway, id, Whose::Chain).await.unwrap_or(None);
            let last = last.map(|job| (job.id, job.status()));
            Err(Failure { error: ApiError::RetriedAutomatically { last }, index })
        }
        written => changed(&gateway, written?).await,
    }
}

/// The answer to a command that changed a job.
async fn changed<B: Backend>(gateway: &Gateway<B>, (index, reply): (Index, Reply)) -> Answer {
    let Reply::Job(job) = reply else { return Err(ApiError::unexpected_reply("a job's change").into()) };
    Jobs::one(gateway, *job, Fields::ALL).answer(StatusCode::OK, index, Claim::AfterWrite).await
}

/// The answer to a command that has nothing to show.
pub(super) fn done((index, reply): (Index, Reply)) -> Answer {
    match reply {
        Reply::Done => Ok(response::no_content(index)),
        Reply::Job(_)
        | Reply::Jobs(_)
        | Reply::Enqueued { .. }
        | Reply::Finished { .. }
        | Reply::Operation(_) => Err(ApiError::unexpected_reply("touch or delete").into()),
    }
}

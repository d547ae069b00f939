use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use quorate_api::{CancelRequest, FailRequest, FinishedJobWrapper, JobWrapper, SuccessRequest};
use quorate_core::{Command, Ending, JobId, Reply};

use crate::answer::{self, Claim, Jobs};
use crate::body::{self, Form, MediaType};
use crate::error::{Answer, ApiError, Failure};
use crate::fields::Fields;
use crate::openapi::{
    Conflict, FieldsParams, KeyHeader, NoSuchJob, ReadErrors, ReadParams, TakeParams, WriteErrors,
};
use crate::query::Query;
use crate::response::{self, Index};
use crate::routes::finish::{self, Taking};
use crate::routes::path_id::JobPath;
use crate::selection::Selection;
use crate::{Backend, Gateway, Reads, convert, idempotency, ids};

/// A job.
#[utoipa::path(
    get,
    path = "/v1/job/{id}",
    operation_id = "get_job",
    params(("id" = String, Path, description = "The job's id"), FieldsParams, ReadParams),
    responses((status = 200, description = "The job", body = JobWrapper), ReadErrors, NoSuchJob)
)]
pub(crate) async fn get<B: Backend>(
    State(gateway): State<Gateway<B>>,
    JobPath(id): JobPath,
    query: Query,
) -> Answer {
    let fields = query.fields()?;
    let linearizable = query.linearizable()?;
    if !gateway.must_be_sure(linearizable) {
        let index = gateway.applied();
        if let Some(answer) = find(&gateway, id, fields, index).await? {
            return Ok(answer);
        }
    }
    // Asked to be sure, or about to say that there is no such job, which a stale copy must not.
    gateway.barrier().await?;
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
        let mut form = Form::parse(media_type, bytes, &["reason", "details", "log"])?;
        let [reason, details, log] = ["reason", "details", "log"].map(|field| form.take(field));
        // With their lengths, so that no other fields read alike.
        let lengths = [reason.len(), details.len()].map(|length| length.to_be_bytes()).concat();
        let taking = taking(&query, &parts.headers, "fail", &[&id.0, &lengths, &reason, &details, &log])?;
        let reason = convert::fail_reason(&body::text("reason", reason)?)?;
        let details = convert::details(body::text("details", details)?)?.into();
        Ok((reason, details, log, taking))
    };
    let ((reason, details, log, taking), share) = body.understand(gateway.heavy(), parse).await?;
    if let Some(taking) = taking {
        let failure = Some(quorate_core::Failure { reason, details, for_good: false });
        return finish::one(&gateway, Ending { id, failure, log }, taking, share).await;
    }
    let written = gateway.submit(Command::Fail { id, reason, details, log, for_good: false }).await?;
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
    let (queue, image) = (query.text("queue"), query.text("image"));
    let selection = Selection::parse(queue, image)?;
    match (query.integer("take")?, query.integer("wait")?) {
        (None, None) if queue.or(image).is_some() => {
            let field = if queue.is_some() { "queue" } else { "image" };
            Err(ApiError::invalid(field, "says which jobs to take, and how many is missing: add take=1"))
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
    responses((status = 204, description = "Its deadline has moved"), WriteErrors, NoSuchJob, Conflict)
)]
pub(crate) async fn touch<B: Backend>(State(gateway): State<Gateway<B>>, JobPath(id): JobPath) -> Answer {
    done(gateway.submit(Command::Touch { id, progress: None }).await?)
}

/// Enqueues a finished job again, as a new job.
#[utoipa::path(
    post,
    path = "/v1/job/{id}/retry",
    operation_id = "retry_job",
    params(("id" = String, Path, description = "The job's id"), KeyHeader),
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
    request: Request,
) -> Answer {
    let key = idempotency::key(request.headers(), "retry", &[&id.0])?;
    let written = gateway.submit(Command::Retry { id, new_id: ids::draw(), key }).await?;
    changed(&gateway, written).await
}

/// The log of a finished job, byte for byte.
#[utoipa::path(
    get,
    path = "/v1/job/{id}/log",
    operation_id = "get_log",
    params(("id" = String, Path, description = "The job's id"), ReadParams),
    responses((status = 200, description = "The log", body = String, content_type = "text/plain; charset=utf-8"), ReadErrors, NoSuchJob)
)]
pub(crate) async fn log<B: Backend>(
    State(gateway): State<Gateway<B>>,
    JobPath(id): JobPath,
    query: Query,
) -> Answer {
    let linearizable = query.linearizable()?;
    if !gateway.must_be_sure(linearizable) {
        let index = gateway.applied();
        if let Ok(log) = find_log(&gateway, id, index).await? {
            return Ok(log);
        }
    }
    gateway.barrier().await?;
    let index = gateway.applied();
    find_log(&gateway, id, index).await?.map_err(|error| Failure { error, index: Some(index) })
}

/// The log, or why there is none.
async fn find_log<B: Backend>(
    gateway: &Gateway<B>,
    id: JobId,
    index: Index,
) -> Result<Result<Response, ApiError>, Failure> {
    let Some(job) = gateway.backend().reads().job(id).await? else { return Ok(Err(ApiError::NoSuchJob)) };
    if !job.status().is_final() {
        return Ok(Err(ApiError::NoLogYet { status: job.status() }));
    }
    let mut share = gateway.answers().share();
    Claim::Read.resize(&mut share, job.log_bytes as usize).await?;
    // It may be deleted in between.
    let Some(log) = gateway.backend().reads().log(id).await? else { return Ok(Err(ApiError::NoSuchJob)) };
    let mut response =
        response::with_type(StatusCode::OK, Some(index), "text/plain; charset=utf-8", log.into());
    // It is whatever a job wrote: no browser shall take it for a page.
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(Ok(answer::held(response, share)))
}

/// The answer to a command that changed a job.
async fn changed<B: Backend>(gateway: &Gateway<B>, (index, reply): (Index, Reply)) -> Answer {
    let Reply::Job(job) = reply else { return Err(ApiError::unexpected_reply("a job's change").into()) };
    Jobs::one(gateway, *job, Fields::ALL).answer(StatusCode::OK, index, Claim::AfterWrite).await
}

/// The answer to a command that has nothing to show.
fn done((index, reply): (Index, Reply)) -> Answer {
    match reply {
        Reply::Done => Ok(response::no_content(index)),
        Reply::Job(_) | Reply::Jobs(_) | Reply::Enqueued { .. } | Reply::Finished { .. } => {
            Err(ApiError::unexpected_reply("touch or delete").into())
        }
    }
}

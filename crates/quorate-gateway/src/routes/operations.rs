use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use bytes::Bytes;
use quorate_api::{ErrorWrapper, Matches, OperationRequest, OperationWrapper, OperationsWrapper};
use quorate_core::{
    Action, Command, Filter, Job, JobId, JobsQuery, NewOperation, Operation, OperationId, Order, QueueId,
    QueueView, Reply, Selection, Status, Unavailable,
};
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};

use crate::answer::{self, Claim, RECORD_MOST};
use crate::asked::Asked;
use crate::body::{self, MediaType};
use crate::convert::{Which, Work};
use crate::error::{Answer, ApiError, Failure};
use crate::limits::{DRY_RUN_LOOKED_UP, DRY_RUN_PAGE, DRY_RUN_PAGES, DRY_RUN_SHOWN, LAST_LOOK};
use crate::looks::Looks;
use crate::openapi::{
    Begun, Conflict, KeyHeader, OperationsParams, ReadErrors, ReadParams, WaitParams, WriteErrors,
};
use crate::query::Query;
use crate::response::{self, Index};
use crate::routes::path_id::OperationPath;
use crate::{Backend, Gateway, Reads, convert, idempotency, ids, patience, ranges};

/// Enqueues many finished jobs again, each that nobody has retried; an automatic retry that waits for its time is queued now.
#[utoipa::path(
    post,
    path = "/v1/jobs/retry",
    operation_id = "retry_jobs",
    params(WaitParams, KeyHeader),
    request_body = OperationRequest,
    responses(Begun, WriteErrors, Conflict)
)]
pub(crate) async fn retry<B: Backend>(
    State(gateway): State<Gateway<B>>,
    query: Query,
    request: Request,
) -> Answer {
    start(&gateway, Action::Retry, &query, request).await
}

/// Calls many jobs off that have not finished.
#[utoipa::path(
    post,
    path = "/v1/jobs/cancel",
    operation_id = "cancel_jobs",
    params(WaitParams, KeyHeader),
    request_body = OperationRequest,
    responses(Begun, WriteErrors, Conflict)
)]
pub(crate) async fn cancel<B: Backend>(
    State(gateway): State<Gateway<B>>,
    query: Query,
    request: Request,
) -> Answer {
    start(&gateway, Action::Cancel, &query, request).await
}

/// Removes many finished jobs with their logs, for good.
#[utoipa::path(
    post,
    path = "/v1/jobs/delete",
    operation_id = "delete_jobs",
    params(WaitParams, KeyHeader),
    request_body = OperationRequest,
    responses(Begun, WriteErrors, Conflict)
)]
pub(crate) async fn delete<B: Backend>(
    State(gateway): State<Gateway<B>>,
    query: Query,
    request: Request,
) -> Answer {
    start(&gateway, Action::Delete, &query, request).await
}

async fn start<B: Backend>(gateway: &Gateway<B>, action: Action, query: &Query, request: Request) -> Answer {
    let wait = wait_of(query)?;
    let (parts, body) = request.into_parts();
    let (MediaType::Json | MediaType::Absent) = MediaType::of(&parts.headers)? else {
        return Err(ApiError::UnsupportedMediaType { accepted: body::ONLY_JSON }.into());
    };
    let body = gateway.bodies().read(body).await?;
    let parse = move |bytes: Bytes| {
        let request = body::operation(&bytes)?;
        let key = idempotency::key(&parts.headers, &format!("{} jobs", action.as_str()), &[&bytes])?;
        let (dry_run, said) = (request.dry_run.unwrap_or_default(), json!(&request));
        Ok((convert::work(action, request)?, dry_run, key, said))
    };
    let ((work, dry_run, key, said), share) = body.understand(gateway.heavy(), parse).await?;
    Asked::note(said);
    let Work { which, details, words } = work;
    // Of jobs and queues: a stale copy may know other ones.
    if dry_run || which.names_a_queue() {
        gateway.barrier().await?;
    }
    // What was answered under a key once is answered again, though the queue is gone since: that is for the log to say.
    let jobs = which.jobs();
    let selection = selection(gateway, which, key.is_some() && !dry_run)?;
    if dry_run {
        let matches = count(gateway, action, selection).await?;
        return Ok(response::json(StatusCode::OK, Some(gateway.applied()), &matches));
    }
    if action == Action::Retry {
        gateway.rates().pay(jobs)?;
    }
    let (details, words) = (details.into(), words.into());
    let operation = NewOperation { id: ids::draw_operation(), action, details, selection, words };
    // First: once it is under way, nobody shall hear that it is not.
    let waiting = if wait.is_zero() { None } else { Some(gateway.may_wait()?) };
    let (index, reply) = gateway.submit(Command::StartOperation { operation, key }).await?;
    drop(share);
    let Reply::Operation(id) = reply else {
        return Err(ApiError::unexpected_reply("start an operation").into());
    };
    Asked::note(json!({"operation": id.to_string()}));
    if gateway.backend().reads().operation(id).is_none() {
        // An earlier call under this Idempotency-Key began it.
        return Err(Failure { error: ApiError::OperationForgotten, index: Some(index) });
    }
    shown(self::wait(gateway, id, wait, waiting).await?, index)
}

/// Work on many jobs; with `wait` once it has ended.
#[utoipa::path(
    get,
    path = "/v1/operation/{id}",
    operation_id = "get_operation",
    params(("id" = String, Path, description = "Its id"), WaitParams, ReadParams),
    responses(
        (status = 200, description = "It has ended", body = OperationWrapper),
        (status = 202, description = "It goes on", body = OperationWrapper),
        (status = 404, description = "No such work is known, or no more", body = ErrorWrapper),
        ReadErrors,
    )
)]
pub(crate) async fn get<B: Backend>(
    State(gateway): State<Gateway<B>>,
    OperationPath(id): OperationPath,
    query: Query,
) -> Answer {
    let wait = wait_of(&query)?;
    if gateway.must_be_sure(query.linearizable()?) {
        gateway.barrier().await?;
    }
    let waiting = if wait.is_zero() { None } else { Some(gateway.may_wait()?) };
    let found = self::wait(&gateway, id, wait, waiting).await?;
    shown(found, gateway.applied())
}

/// Lists work on many jobs, the newest first: what goes on, and what ended lately.
#[utoipa::path(
    get,
    path = "/v1/operations",
    operation_id = "list_operations",
    params(OperationsParams, ReadParams),
    responses((status = 200, description = "At most `n`", body = OperationsWrapper), ReadErrors)
)]
pub(crate) async fn list<B: Backend>(State(gateway): State<Gateway<B>>, query: Query) -> Answer {
    let n = query.page_length()?;
    if gateway.must_be_sure(query.linearizable()?) {
        gateway.barrier().await?;
    }
    let index = gateway.applied();
    let mut share = gateway.answers().share();
    let mut operations = gateway.backend().reads().operations();
    operations.reverse();
    operations.truncate(n);
    let most = operations.iter().map(|operation| OPERATION_JSON_BYTES + operation.words.len()).sum();
    Claim::Read.resize(&mut share, most).await?;
    let write = move || {
        let operations = operations.iter().map(|operation| convert::operation(operation)).collect();
        response::json(StatusCode::OK, Some(index), &OperationsWrapper { operations })
    };
    Ok(answer::held(gateway.heavy().run_on(most, write).await, share))
}

/// One as JSON, at most, without its filter: numbers of 20 digits.
const OPERATION_JSON_BYTES: usize = 320;

/// Ends work on many jobs before it is done. What was done stays so.
#[utoipa::path(
    post,
    path = "/v1/operation/{id}/stop",
    operation_id = "stop_operation",
    params(("id" = String, Path, description = "Its id")),
    responses(
        (status = 200, description = "It has ended", body = OperationWrapper),
        WriteErrors,
        (status = 404, description = "No such work is known, or no more", body = ErrorWrapper),
    )
)]
pub(crate) async fn stop<B: Backend>(
    State(gateway): State<Gateway<B>>,
    OperationPath(id): OperationPath,
) -> Answer {
    let (index, reply) = gateway.submit(Command::StopOperation { id }).await?;
    let Reply::Done = reply else { return Err(ApiError::unexpected_reply("stop an operation").into()) };
    shown(gateway.backend().reads().operation(id), index)
}

/// The answer that shows one.
fn shown(operation: Option<Arc<Operation>>, index: Index) -> Answer {
    let Some(operation) = operation else {
        return Err(Failure { error: ApiError::NoSuchOperation, index: Some(index) });
    };
    let code = if operation.is_running() { StatusCode::ACCEPTED } else { StatusCode::OK };
    let operation = convert::operation(&operation);
    Ok(response::json(code, Some(index), &OperationWrapper { operation }))
}

fn wait_of(query: &Query) -> Result<Duration, ApiError> {
    let wait = query.integer("wait")?.unwrap_or_default();
    ranges::check("wait", "wait", wait)?;
    Ok(Duration::from_secs(wait.into()))
}

/// Waits up to `wait` for it to end, and answers it as it is then.
///
/// # Errors
/// 503: no leader said that there is none.
async fn wait<B: Backend>(
    gateway: &Gateway<B>,
    id: OperationId,
    wait: Duration,
    _waiting: Option<OwnedSemaphorePermit>,
) -> Result<Option<Arc<Operation>>, Failure> {
    let until = Instant::now() + patience::within(wait + LAST_LOOK).saturating_sub(LAST_LOOK);
    let mut looks = Looks::new(gateway);
    let mut is_current = false;
    loop {
        match gateway.backend().reads().operation(id) {
            Some(operation) if !operation.is_running() => return Ok(Some(operation)),
            found @ Some(_) if Instant::now() >= until || gateway.is_ending_waits() => {
                return Ok(found);
            }
            Some(_) => {}
            None if is_current => return Ok(None),
            // A stale copy must not say that.
            None => {
                gateway.barrier().await?;
                is_current = true;
                continue;
            }
        }
        tokio::select! {
            () = looks.next(gateway) => {}
            () = sleep_until(until) => {}
            () = gateway.ends_waits() => {}
        }
    }
}

/// Which jobs, with the queue that is meant; with one that is none, where that is for the log to say.
///
/// # Errors
/// 404: there is no such queue.
fn selection<B: Backend>(gateway: &Gateway<B>, which: Which, log_says: bool) -> Result<Selection, Failure> {
    let meant = match which {
        Which::Ids(ids) => return Ok(Selection::Ids(ids)),
        Which::Meant(meant) => meant,
    };
    let mut filter = meant.filter;
    if let Some(name) = meant.queue {
        filter.queue = match gateway.backend().reads().queue(&name) {
            Some(QueueView { queue, .. }) => Some(queue.id),
            None if log_says => Some(QueueId::NONE),
            None => return Err(ApiError::NoSuchQueue.into()),
        };
    }
    Ok(Selection::Filter(filter))
}

/// Counts the jobs that it would be done to now, as far as that is done in bounded time.
async fn count<B: Backend>(
    gateway: &Gateway<B>,
    action: Action,
    selection: Selection,
) -> Result<Matches, Failure> {
    let mut matches = Matches { matches: 0, more: false, first: Vec::new() };
    let mut would = Would { action, may_repeat: matches!(selection, Selection::Ids(_)), looked_up: 0 };
    let mut share = gateway.answers().share();
    Claim::Read.resize(&mut share, DRY_RUN_PAGE * RECORD_MOST).await?;
    match selection {
        Selection::Ids(ids) => {
            for id in ids {
                let job = gateway.backend().reads().job(id).await?;
                if would.be_done(gateway, job.as_ref()).await? {
                    note(&mut matches, id);
                }
            }
        }
        Selection::Filter(filter) => {
            let mut behind = None;
            for _ in 0..DRY_RUN_PAGES {
                let page = page(gateway, &filter, behind).await?;
                for job in &page.jobs {
                    if would.be_done(gateway, Some(job)).await? {
                        note(&mut matches, job.id);
                    }
                }
                behind = page.next;
                if behind.is_none() || would.looked_up >= DRY_RUN_LOOKED_UP {
                    break;
                }
            }
            matches.more = behind.is_some();
        }
    }
    Ok(matches)
}

fn note(matches: &mut Matches, id: JobId) {
    matches.matches += 1;
    if matches.first.len() < DRY_RUN_SHOWN {
        matches.first.push(id.to_string());
    }
}

async fn page<B: Backend>(
    gateway: &Gateway<B>,
    filter: &Filter,
    behind: Option<u64>,
) -> Result<quorate_core::JobsPage, Unavailable> {
    let (n, order, filter) = (DRY_RUN_PAGE, Order::OldestFirst, filter.clone());
    gateway.scan(JobsQuery { n, order, behind, filter }).await
}

/// Whether it would be done to a job, as that is here.
struct Would {
    action: Action,
    /// A retry that is gone is repeated.
    may_repeat: bool,
    /// Jobs that go on from others: each is read for itself.
    looked_up: usize,
}

impl Would {
    async fn be_done<B: Backend>(
        &mut self,
        gateway: &Gateway<B>,
        job: Option<&Job>,
    ) -> Result<bool, Unavailable> {
        let Some(job) = job.filter(|job| self.action.statuses().contains(&job.status())) else {
            return Ok(false);
        };
        match (self.action, job.retry_id) {
            // Only an automatic retry waits for its time.
            (Action::Retry, Some(_))
                if !self.may_repeat && job.status() == Status::Error && job.max_retries == 0 =>
            {
                Ok(false)
            }
            (Action::Retry, Some(latest)) => {
                self.looked_up += 1;
                let latest = gateway.backend().reads().job(latest).await?;
                Ok(latest.map_or(self.may_repeat, |latest| latest.status() == Status::Delayed))
            }
            (Action::Retry, None) | (Action::Cancel | Action::Delete, _) => Ok(true),
        }
    }
}

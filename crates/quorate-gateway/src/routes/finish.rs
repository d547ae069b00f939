use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use quorate_api::{Ended, Error, FinishRequest, FinishedJobsWrapper};
use quorate_core::{Command, Ending, IdempotencyKey, Job, JobId, Refusal, Reply, Take, Unavailable};

use crate::answer::{Claim, Jobs};
use crate::body::{self, MediaType};
use crate::error::{Answer, ApiError, Failure};
use crate::memory::Share;
use crate::openapi::{Conflict, KeyHeader, TakeParams, WriteErrors};
use crate::query::Query;
use crate::response::Index;
use crate::selection::Selection;
use crate::{Backend, Gateway, Reads, convert, idempotency, long_poll, ranges};

/// Ends running jobs, each for itself, and takes others in the same log entry.
///
/// A job that is not running is a refusal in its place, not an error of the request. 503 with `unknown` where the jobs have ended, and
/// others may have been taken.
#[utoipa::path(
    post,
    path = "/v1/jobs/finish",
    operation_id = "finish",
    params(TakeParams, KeyHeader),
    request_body = FinishRequest,
    responses(
        (status = 200, description = "What came of each, and the jobs taken", body = FinishedJobsWrapper, headers(("Idempotent-Replayed" = bool, description = "`true`: what an earlier request under the same Idempotency-Key was answered"))),
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
    let (MediaType::Json | MediaType::Absent) = MediaType::of(&parts.headers)? else {
        return Err(ApiError::UnsupportedMediaType { accepted: body::ONLY_JSON }.into());
    };
    let body = gateway.bodies().read(body).await?;
    let parse = move |bytes: Bytes| {
        let asked = body::endings(&bytes)?;
        let take = asked.take.map_or_else(|| query.integer("take"), |take| Ok(Some(take)))?;
        let wait = asked.wait.map_or_else(|| query.integer("wait"), |wait| Ok(Some(wait)))?;
        let queue = asked.queue.as_deref().or(query.exact_text("queue"));
        let image = asked.image.as_deref().or(query.exact_text("image"));
        let worker = asked.worker.as_deref().or(query.exact_text("worker"));
        let selection = Selection::parse(queue, image, worker)?;
        let taking = Taking::new(take, wait, selection, &parts.headers, "finish", &[&bytes])?;
        let endings = asked.jobs.into_iter().enumerate();
        let endings = endings.map(|(position, ending)| convert::ending(position, ending));
        Ok((endings.collect::<Result<Vec<_>, ApiError>>()?, taking))
    };
    let ((endings, taking), share) = body.understand(gateway.heavy(), parse).await?;
    let ids: Vec<JobId> = endings.iter().map(|ending| ending.id).collect();
    let Finished { index, ended, taken } = taking.finish(&gateway, endings, share).await?;
    let ended: Vec<Ended> = ids.into_iter().zip(ended).map(|(id, ended)| result(id, ended)).collect();
    let ended = serde_json::to_vec(&ended).expect("structs of strings and numbers are JSON");
    answer(&gateway, index, ("ended", &ended), taken).await
}

/// What came of an ending.
fn result(id: JobId, ended: Result<Job, Refusal>) -> Ended {
    let id = id.to_string();
    match ended {
        Ok(job) => {
            let retry_id = job.retry_id.map(|id| id.to_string());
            let status = Some(convert::status(job.status()));
            Ended { id, status, retry_id, error: None, code: None }
        }
        Err(refusal) => {
            let refused = ApiError::from(refusal);
            let error = Error { message: refused.message().into_owned(), fields: None };
            let code = Some(refused.status().as_u16());
            Ended { id, status: None, retry_id: None, error: Some(error), code }
        }
    }
}

/// Ends one job, and takes others.
///
/// # Errors
/// 404 or 409: the job is not running; then nothing is taken.
pub(super) async fn one<B: Backend>(
    gateway: &Gateway<B>,
    ending: Ending,
    taking: Taking,
    share: Share,
) -> Answer {
    let Finished { index, ended, taken } = taking.finish(gateway, vec![ending], share).await?;
    let Some(ended) = ended.into_iter().next() else {
        return Err(ApiError::unexpected_reply("finish").into());
    };
    let job = ended.map_err(|refusal| Failure { error: refusal.into(), index: Some(index) })?;
    let queue = gateway.backend().reads().queue_name(job.queue);
    let job = quorate_api::Job { details: None, ..convert::job(job, &queue) };
    let job = serde_json::to_vec(&job).expect("structs of strings and numbers are JSON");
    answer(gateway, index, ("job", &job), taken).await
}

/// Which jobs to take with what is ended, if any, and how long to wait for one.
pub(super) struct Taking {
    take: Option<Take>,
    wait: Duration,
    key: Option<IdempotencyKey>,
}

struct Finished {
    index: Index,
    ended: Vec<Result<Job, Refusal>>,
    taken: Vec<Job>,
}

impl Taking {
    /// `request` is what the Idempotency-Key stands for, beside `take` and `selection`.
    ///
    /// # Errors
    /// 400: a number is outside of its limits, or the key is none.
    pub(super) fn new(
        take: Option<u32>,
        wait: Option<u32>,
        selection: Selection,
        headers: &HeaderMap,
        call: &str,
        request: &[&[u8]],
    ) -> Result<Taking, ApiError> {
        let (take, wait) = (take.unwrap_or(0), wait.unwrap_or(0));
        ranges::check("take", "take", take)?;
        ranges::check("wait", "wait", wait)?;
        let key = idempotency::key(
            headers,
            call,
            &[&[&take.to_be_bytes()[..], &selection.said()], request].concat(),
        )?;
        let take = (take > 0).then(|| selection.take(take));
        Ok(Taking { take, wait: Duration::from_secs(u64::from(wait)), key })
    }

    /// `share` is what the body holds of the memory for bodies: it is given back before the wait, which may be long.
    async fn finish<B: Backend>(
        self,
        gateway: &Gateway<B>,
        endings: Vec<Ending>,
        share: Share,
    ) -> Result<Finished, Failure> {
        let Taking { take, wait, key } = self;
        let later = key.as_ref().map(idempotency::for_later);
        let finish = Command::Finish { endings, take: take.clone(), key };
        let (index, reply) = gateway.submit(finish).await?;
        drop(share);
        let Reply::Finished { ended, taken } = reply else {
            return Err(ApiError::unexpected_reply("finish").into());
        };
        let waits = taken.is_empty() && !wait.is_zero() && ended.iter().any(Result::is_ok);
        let Some(take) = take.filter(|_| waits) else { return Ok(Finished { index, ended, taken }) };
        // A repeat takes no others than the first request did: what that one took at once may have ended since.
        let is_repeat = matches!(index, Index::Replayed(_));
        if is_repeat && !knows(gateway, later.as_ref()).await? {
            return Ok(Finished { index, ended, taken });
        }
        // What was ended stays so, whatever comes of the wait.
        let taken = match long_poll::consume(gateway, &take, wait, later).await {
            Ok((taken, _)) => taken,
            // A job may have been granted, of which only a repeat tells.
            Err(failure) if failure.error.is_unknown() => return Err(failure),
            Err(failure) => {
                tracing::debug!(error = ?failure.error, "no jobs are taken with those that were ended");
                Vec::new()
            }
        };
        Ok(Finished { index, ended, taken })
    }
}

/// Whether jobs were taken under this key.
async fn knows<B: Backend>(gateway: &Gateway<B>, key: Option<&IdempotencyKey>) -> Result<bool, Unavailable> {
    let Some(key) = key else { return Ok(false) };
    gateway.backend().reads().knows_key(&key.key).await.map_err(|_| Unavailable::Unknown)
}

async fn answer<B: Backend>(
    gateway: &Gateway<B>,
    index: Index,
    (name, value): (&str, &[u8]),
    taken: Vec<Job>,
) -> Result<Response, Failure> {
    Jobs::behind(gateway, name, value, taken).answer(StatusCode::OK, index, Claim::AfterWrite).await
}

use axum::extract::State;
use axum::http::StatusCode;
use quorate_api::{GivenBackWrapper, WorkersWrapper};
use quorate_core::limits::{ID_CHARS, JOBS_PER_REQUEST, WORKER_JOBS_SHOWN, WORKER_NAME_BYTES};
use quorate_core::{Command, Job, Reply};

use crate::answer::{self, Claim, Jobs};
use crate::error::{Answer, ApiError, Failure};
use crate::openapi::{PageParams, ReadErrors, ReadParams, WriteErrors};
use crate::query::Query;
use crate::response::{self, Index};
use crate::routes::path_id::WorkerPath;
use crate::{Backend, Gateway, Reads, convert};

/// Lists by name the workers that said one and hold jobs.
#[utoipa::path(
    get,
    path = "/v1/workers",
    operation_id = "list_workers",
    params(PageParams, ReadParams),
    responses((status = 200, description = "A page of workers", body = WorkersWrapper), ReadErrors)
)]
pub(crate) async fn list<B: Backend>(State(gateway): State<Gateway<B>>, query: Query) -> Answer {
    let n = query.page_length()?;
    let after = query.text("cursor").map(str::to_owned);
    if gateway.must_be_sure(query.linearizable()?) {
        gateway.barrier().await?;
    }
    let index = gateway.applied();
    let mut share = gateway.answers().share();
    Claim::Read.resize(&mut share, n * WORKER_JSON_BYTES).await?;
    let workers = gateway.backend().reads().workers(after.as_deref(), n);
    let write = move || {
        // A full page may be the last one; then the next one is empty.
        let cursor = workers.last().filter(|_| workers.len() >= n).map(|last| last.name.to_string());
        let workers = workers.into_iter().map(convert::worker).collect();
        response::json(StatusCode::OK, Some(index), &WorkersWrapper { workers, cursor })
    };
    Ok(answer::held(gateway.heavy().run_on(n * WORKER_JSON_BYTES, write).await, share))
}

/// A worker as JSON, at most: its name may be escaped, here and in the cursor.
const WORKER_JSON_BYTES: usize = 200 + 2 * 6 * WORKER_NAME_BYTES + WORKER_JOBS_SHOWN * (ID_CHARS + 3);

/// Gives back what a worker holds that is no more: each job is cancelled, and a new one goes on from it.
#[utoipa::path(
    post,
    path = "/v1/worker/{name}/gone",
    operation_id = "worker_gone",
    params(("name" = String, Path, description = "The worker's name")),
    responses((status = 200, description = "The new jobs, none where it held none, and how many it still holds: while there are some, say it again", body = GivenBackWrapper), WriteErrors)
)]
pub(crate) async fn gone<B: Backend>(
    State(gateway): State<Gateway<B>>,
    WorkerPath(worker): WorkerPath,
) -> Answer {
    let (mut index, mut all) = give_back(&gateway, &worker).await?;
    // This node has applied it.
    let left = || gateway.backend().reads().worker(&worker).map_or(0, |worker| worker.holds);
    // No more rounds than that needs: one that is still there takes again what is given back.
    let rounds = usize::try_from(left()).unwrap_or(ROUNDS).div_ceil(JOBS_PER_REQUEST).min(ROUNDS);
    for _ in 0..rounds {
        // What was given back stays so, whatever comes of the rest: that is left.
        let Ok((later, jobs)) = give_back(&gateway, &worker).await else { break };
        index = later;
        all.extend(jobs);
    }
    Jobs::behind(&gateway, "left", left().to_string().as_bytes(), all)
        .answer(StatusCode::OK, index, Claim::AfterWrite)
        .await
}

async fn give_back<B: Backend>(gateway: &Gateway<B>, worker: &str) -> Result<(Index, Vec<Job>), Failure> {
    let (index, reply) = gateway.submit(Command::WorkerGone { worker: worker.into() }).await?;
    let Reply::Jobs(jobs) = reply else { return Err(ApiError::unexpected_reply("worker gone").into()) };
    Ok((index, jobs))
}

/// Commands of one request behind the first, at most: each gives back as many jobs as one request may have. Of whoever held more some are
/// left.
const ROUNDS: usize = 9;

use std::io;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use futures::stream;
use quorate_core::JobId;

use crate::answer::{self, Claim, PieceShare};
use crate::error::{Answer, ApiError, Failure};
use crate::follow::Follow;
use crate::openapi::{LogParams, NoSuchJob, ReadErrors, ReadParams};
use crate::query::Query;
use crate::response::{self, Index};
use crate::routes::path_id::JobPath;
use crate::{Backend, Gateway, Reads};

const TEXT: &str = "text/plain; charset=utf-8";

/// The log of a job, byte for byte: of one that runs, what has come of it so far. With `follow`, what comes of it until the job has
/// finished.
#[utoipa::path(
    get,
    path = "/v1/job/{id}/log",
    operation_id = "get_log",
    params(("id" = String, Path, description = "The job's id"), LogParams, ReadParams),
    responses((status = 200, description = "The log", body = String, content_type = "text/plain; charset=utf-8"), ReadErrors, NoSuchJob)
)]
pub(crate) async fn get<B: Backend>(
    State(gateway): State<Gateway<B>>,
    JobPath(id): JobPath,
    query: Query,
) -> Answer {
    let linearizable = query.linearizable()?;
    if query.flag("follow")? {
        return follow(gateway, id, linearizable).await;
    }
    if !gateway.must_be_sure(linearizable) {
        let index = gateway.applied();
        if let Ok(log) = find(&gateway, id, index).await? {
            return Ok(log);
        }
    }
    gateway.barrier().await?;
    let index = gateway.applied();
    find(&gateway, id, index).await?.map_err(|error| Failure { error, index: Some(index) })
}

/// The log, or why there is none.
async fn find<B: Backend>(
    gateway: &Gateway<B>,
    id: JobId,
    index: Index,
) -> Result<Result<Response, ApiError>, Failure> {
    let reads = gateway.backend().reads();
    let Some(job) = reads.job(id).await? else { return Ok(Err(ApiError::NoSuchJob)) };
    let status = job.status();
    if !status.is_final() && job.log_parts == 0 {
        return Ok(Err(ApiError::NoLogYet { status }));
    }
    let mut share = gateway.answers().share();
    Claim::Read.resize(&mut share, job.log_bytes as usize).await?;
    // It may be deleted in between.
    let Some(log) = reads.log(id).await? else { return Ok(Err(ApiError::NoSuchJob)) };
    // Of a job that runs it may have grown since.
    Claim::Read.resize(&mut share, log.len()).await?;
    Ok(Ok(answer::held(with_log(index, log.into()), share)))
}

fn with_log(index: Index, log: Body) -> Response {
    response::with_type(StatusCode::OK, Some(index), TEXT, log)
}

/// The log as it comes. A job that has not begun to run is waited for.
async fn follow<B: Backend>(gateway: Gateway<B>, id: JobId, linearizable: bool) -> Answer {
    let is_sure = gateway.must_be_sure(linearizable);
    if is_sure || gateway.backend().reads().job(id).await?.is_none() {
        gateway.barrier().await?;
    }
    let index = gateway.applied();
    if gateway.backend().reads().job(id).await?.is_none() {
        return Err(Failure { error: ApiError::NoSuchJob, index: Some(index) });
    }
    let share = PieceShare::default();
    let follow = Follow::new(gateway, id, share.clone())?;
    let pieces = stream::unfold(Some(follow), |follow| async {
        let mut follow = follow?;
        match follow.next_piece().await {
            Ok(Some(piece)) => Some((Ok(piece), Some(follow))),
            Ok(None) => None,
            Err(unavailable) => Some((Err(io::Error::other(unavailable)), None)),
        }
    });
    Ok(answer::held_by_pieces(with_log(index, Body::from_stream(pieces)), share))
}

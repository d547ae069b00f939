use std::io;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use futures::{StreamExt, stream};

use crate::answer::{self, Claim};
use crate::error::{Answer, ApiError};
use crate::limits::BACKUP_HELD_BYTES;
use crate::openapi::ReadErrors;
use crate::response;
use crate::{Backend, Gateway, Reads};

/// A backup of all jobs, as one log entry left them: everything that was acknowledged before this was asked is in it. It comes from
/// this node's own copy, while the cluster goes on. `quorate backup verify` tells whether one is whole; one without its end is none.
#[utoipa::path(
    get,
    path = "/v1/cluster/backup",
    operation_id = "backup",
    responses(
        (status = 200, description = "The backup", body = String, content_type = "application/octet-stream"),
        (status = 429, description = "This node makes one already, or has no memory for it; see `Retry-After`", body = quorate_api::ErrorWrapper),
        ReadErrors,
    )
)]
pub(crate) async fn get<B: Backend>(State(gateway): State<Gateway<B>>) -> Answer {
    let turn = gateway.backups().clone().try_acquire_owned().map_err(|_| ApiError::Overloaded)?;
    let mut share = gateway.answers().share();
    Claim::Read.resize(&mut share, BACKUP_HELD_BYTES).await?;
    gateway.barrier().await?;
    let index = gateway.applied();
    let pieces = gateway.backend().reads().backup();
    let shutdown = gateway.config().shutdown.clone();
    let pieces = stream::unfold(Some((pieces, turn)), move |state| {
        let shutdown = shutdown.clone();
        async move {
            let (mut pieces, turn) = state?;
            // A client sees that it is cut off: the answer does not end well, and neither does the backup.
            let piece = tokio::select! {
                piece = pieces.next() => piece?,
                () = shutdown.cancelled() => return Some((Err(io::Error::other("this node is stopping")), None)),
            };
            match piece {
                Ok(piece) => Some((Ok(piece), Some((pieces, turn)))),
                Err(unavailable) => Some((Err(io::Error::other(unavailable)), None)),
            }
        }
    });
    let mut response = response::with_type(
        StatusCode::OK,
        Some(index),
        "application/octet-stream",
        Body::from_stream(pieces),
    );
    let name = HeaderValue::from_static("attachment; filename=\"quorate.backup\"");
    response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    Ok(answer::held(response, share))
}

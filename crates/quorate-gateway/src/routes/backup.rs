use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use futures::{StreamExt, stream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::answer::{self, Claim};
use crate::error::{Answer, ApiError};
use crate::limits::{BACKUP_HELD_BYTES, BACKUP_SLACK, PACE};
use crate::metrics::METRICS;
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
    let turn = gateway.backups().clone().try_acquire_owned().map_err(|_| ApiError::BackupUnderWay)?;
    let mut share = gateway.answers().share();
    Claim::Read.resize(&mut share, BACKUP_HELD_BYTES).await?;
    gateway.barrier().await?;
    let index = gateway.applied();
    let pieces = gateway.backend().reads().backup();
    let shutdown = gateway.config().shutdown.clone();
    let pieces = stream::unfold(Some((pieces, Sending::begin(turn))), move |state| {
        let shutdown = shutdown.clone();
        async move {
            let (mut pieces, mut sending) = state?;
            if !sending.keeps_up() {
                return Some((Err(io::Error::other("its client takes it too slowly")), None));
            }
            // A client sees that it is cut off: the answer does not end well, and neither does the backup.
            let piece = tokio::select! {
                piece = pieces.next() => piece?,
                () = shutdown.cancelled() => return Some((Err(io::Error::other("this node is stopping")), None)),
            };
            match piece {
                Ok(piece) => {
                    sending.give(piece.len());
                    Some((Ok(piece), Some((pieces, sending))))
                }
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

/// A backup that is being sent, until it is dropped.
struct Sending {
    _turn: OwnedSemaphorePermit,
    bytes: usize,
    /// How long its client has let it wait, without the time that this node took to read.
    waited: Duration,
    given: Option<Instant>,
}

impl Sending {
    fn begin(turn: OwnedSemaphorePermit) -> Sending {
        METRICS.backups.increment(1.0);
        Sending { _turn: turn, bytes: 0, waited: Duration::ZERO, given: None }
    }

    /// Its client has taken what was given, and asks for more. False: it is too slow, over all of it.
    fn keeps_up(&mut self) -> bool {
        self.waited += self.given.take().map_or(Duration::ZERO, |given| given.elapsed());
        self.waited <= BACKUP_SLACK + Duration::from_secs_f64(self.bytes as f64 / PACE as f64)
    }

    fn give(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.given = Some(Instant::now());
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        METRICS.backups.decrement(1.0);
    }
}

use quorate_core::{WorkerView, limits};

use super::time;
use crate::error::ApiError;

/// A worker's name; empty for none.
///
/// # Errors
/// 400: it is too long.
pub(crate) fn worker_name(name: &str) -> Result<Box<str>, ApiError> {
    if name.len() > limits::WORKER_NAME_BYTES {
        let message = format!("must have 1 to {} bytes, not {}", limits::WORKER_NAME_BYTES, name.len());
        return Err(ApiError::invalid("worker", message));
    }
    Ok(name.into())
}

/// A worker for an answer.
pub(crate) fn worker(worker: WorkerView) -> quorate_api::Worker {
    quorate_api::Worker {
        name: worker.name.into(),
        holds: worker.holds,
        jobs: worker.jobs.iter().map(ToString::to_string).collect(),
        heard_at: time(worker.heard),
    }
}

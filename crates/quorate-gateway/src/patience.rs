//! How long a client waits for its answer, where it says so: the header `Quorate-Timeout`.
//!
//! A node that waits for a leader for longer than its client waits for the answer says "nothing was done" to nobody, and
//! leaves the client with an outcome that it does not know.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName};
use tokio::time::Instant;

use crate::error::ApiError;
use crate::limits::PATIENCE_SECONDS;

/// The header's name as it is shown.
pub(crate) const QUORATE_TIMEOUT: &str = "Quorate-Timeout";
pub(crate) const HEADER: HeaderName = HeaderName::from_static("quorate-timeout");

tokio::task_local! {
    /// When the client of the request under way gives up.
    static UNTIL: Instant;
}

/// When the client of a request with these headers gives up, if it says so.
///
/// # Errors
/// 400: it says so in a way that is not understood.
pub(crate) fn until(headers: &HeaderMap) -> Result<Option<Instant>, ApiError> {
    Ok(timeout(headers)?.map(|timeout| Instant::now() + timeout))
}

/// Answers a request whose client gives up then.
pub(crate) async fn answered<T>(until: Option<Instant>, answer: impl Future<Output = T>) -> T {
    match until {
        None => answer.await,
        Some(until) => UNTIL.scope(until, answer).await,
    }
}

/// How long a request may still wait for something that may take as long as `most`.
pub(crate) fn within(most: Duration) -> Duration {
    let left = UNTIL.try_with(|until| until.saturating_duration_since(Instant::now()));
    left.map_or(most, |left| left.min(most))
}

/// Seconds, with a fraction if need be.
fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, ApiError> {
    let Some(value) = headers.get(HEADER) else { return Ok(None) };
    let seconds = value.to_str().ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit() || b == b'.'));
    let seconds = seconds.and_then(|text| text.parse().ok()).filter(|seconds| *seconds <= PATIENCE_SECONDS);
    let timeout = seconds.and_then(|seconds: f64| Duration::try_from_secs_f64(seconds).ok());
    timeout.map(Some).ok_or_else(|| {
        ApiError::invalid(QUORATE_TIMEOUT, format!("must be seconds, 0 to {PATIENCE_SECONDS}, such as 4.5"))
    })
}

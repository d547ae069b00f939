use bollard::errors::Error;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::limits;

/// Asks the engine again while its answer is that something fails for the moment, until it works, patience ends, or
/// `give_up` is cancelled. (backon bounds the pauses alone, not the time that the engine takes to answer, and cannot end one with
/// the last answer.)
///
/// # Errors
/// The engine's last answer.
pub(crate) async fn patiently<T, F>(
    give_up: &CancellationToken,
    mut ask: impl FnMut() -> F,
) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let deadline = Instant::now() + limits::ENGINE_PATIENCE;
    let mut pause = *limits::ENGINE_PAUSE.start();
    loop {
        let error = match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        if !is_temporary(&error) || Instant::now() + pause > deadline {
            return Err(error);
        }
        tracing::debug!("the container engine is asked again: {error}");
        tokio::select! {
            () = sleep(pause) => {}
            () = give_up.cancelled() => return Err(error),
        }
        pause = (pause * 2).min(*limits::ENGINE_PAUSE.end());
    }
}

/// The engine's own trouble, or the way to it. (bollard's enum depends on its features, hence the wildcard.)
pub(crate) fn is_temporary(error: &Error) -> bool {
    match error {
        Error::DockerResponseServerError { status_code, .. } => *status_code >= 500,
        Error::RequestTimeoutError
        | Error::IOError { .. }
        | Error::HyperResponseError { .. }
        | Error::HyperLegacyError { .. }
        | Error::SocketNotFoundError(_) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn engine_says(status_code: u16) -> Error {
        Error::DockerResponseServerError { status_code, message: "no".into() }
    }

    #[tokio::test]
    async fn asks_again_what_fails_for_the_moment() {
        let asked = Cell::new(0);
        let answer = patiently(&CancellationToken::new(), || {
            asked.set(asked.get() + 1);
            std::future::ready(if asked.get() < 3 { Err(engine_says(503)) } else { Ok("there") })
        })
        .await;
        assert_eq!(answer.expect("the third time"), "there");
    }

    #[tokio::test]
    async fn does_not_ask_again_what_will_not_change() {
        let asked = Cell::new(0);
        let answer: Result<(), Error> = patiently(&CancellationToken::new(), || {
            asked.set(asked.get() + 1);
            std::future::ready(Err(engine_says(404)))
        })
        .await;
        assert!(answer.is_err());
        assert_eq!(asked.get(), 1);
    }

    #[tokio::test]
    async fn gives_up_when_told_to() {
        let give_up = CancellationToken::new();
        give_up.cancel();
        let answer: Result<(), Error> =
            patiently(&give_up, || std::future::ready(Err(engine_says(500)))).await;
        assert!(answer.is_err());
    }
}

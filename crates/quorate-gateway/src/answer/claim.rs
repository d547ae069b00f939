use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use parking_lot::Mutex;
use quorate_api::WriteOutcome;
use quorate_core::Unavailable;

use crate::error::ApiError;
use crate::limits::{ANSWER_WAIT, MEMORY_WAIT};
use crate::memory::Share;
use crate::patience;

/// For what an answer claims memory.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Claim {
    /// A read: it can be refused.
    Read,
    /// A write that has taken effect: its answer waits in line, and what goes wrong leaves the outcome unknown to the client.
    AfterWrite,
}

impl Claim {
    /// # Errors
    /// There is no room: 429 for a read; else 503 and `unknown`.
    pub(crate) async fn resize(self, share: &mut Share, bytes: usize) -> Result<(), ApiError> {
        share.resize(bytes, patience::within(self.wait())).await.map_err(|full| match self {
            Claim::Read => full.into(),
            Claim::AfterWrite => ApiError::Unavailable {
                outcome: WriteOutcome::Unknown,
                message: "the request took effect, but there is no room for its answer",
            },
        })
    }

    /// # Errors
    /// What was to be read could not be.
    pub(crate) fn check<T>(self, read: Result<T, Unavailable>) -> Result<T, Unavailable> {
        match self {
            Claim::Read => read,
            Claim::AfterWrite => read.map_err(|_| Unavailable::Unknown),
        }
    }

    fn wait(self) -> Duration {
        match self {
            Claim::Read => MEMORY_WAIT,
            Claim::AfterWrite => ANSWER_WAIT,
        }
    }
}

/// The answer with what it holds of the memory for answers: the server gives that back when the client has taken all of it.
pub(crate) fn held(mut response: Response, share: Share) -> Response {
    response.extensions_mut().insert(Arc::new(share));
    response
}

/// What the next piece of an answer holds, of one that claims memory for each of them: while it has none, it holds nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct PieceShare(Arc<Mutex<Option<Share>>>);

impl PieceShare {
    /// The piece that comes next holds this.
    pub(crate) fn put(&self, share: Share) {
        *self.0.lock() = Some(share);
    }

    /// The share of the piece that has come.
    pub(crate) fn take(&self) -> Option<Share> {
        self.0.lock().take()
    }
}

/// The answer whose pieces hold memory: the server gives that of each back when the client has taken it.
pub(crate) fn held_by_pieces(mut response: Response, share: PieceShare) -> Response {
    response.extensions_mut().insert(share);
    response
}

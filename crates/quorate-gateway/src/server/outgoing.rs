use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use axum::response::Response;
use hyper::body::{Frame, SizeHint};
use tokio::time::Instant;

use super::progress::{InFlight, Progress};
use super::watch::{Handed, Watch};
use crate::limits::{OUTGOING_BYTES, PACE_SLACK};
use crate::memory::{Share, Waits};

/// An answer's body on its way to the client. It knows what the client has not taken yet, and what the answer holds of the
/// memory for answers until it has.
pub(super) struct Outgoing {
    body: Body,
    /// What has come out of the body and is to be handed on.
    rest: Bytes,
    answer: Arc<Answer>,
}

/// What all pieces of an answer share.
struct Answer {
    share: Option<Arc<Share>>,
    progress: Arc<Progress>,
    watch: Arc<Watch>,
    _in_flight: InFlight,
}

/// A piece that hyper has: dropped when the socket has taken it.
struct Piece {
    bytes: Bytes,
    _handed: Handed,
    _waits: Option<Waits>,
    _answer: Arc<Answer>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Outgoing {
    pub(super) fn of(
        mut response: Response,
        progress: Arc<Progress>,
        watch: Arc<Watch>,
        in_flight: InFlight,
    ) -> Response<Outgoing> {
        let share = response.extensions_mut().remove();
        let answer = Arc::new(Answer { share, progress, watch, _in_flight: in_flight });
        response.map(|body| Outgoing { body, rest: Bytes::new(), answer })
    }

    /// The next piece of the rest.
    fn hand(&mut self) -> Bytes {
        let answer = &self.answer;
        let bytes = self.rest.split_to(self.rest.len().min(OUTGOING_BYTES));
        let due = Instant::now() + PACE_SLACK;
        Bytes::from_owner(Piece {
            bytes,
            _handed: answer.watch.hand(&answer.progress.end),
            _waits: answer.share.as_ref().map(|share| share.waits(due, answer.progress.end.clone())),
            _answer: Arc::clone(answer),
        })
    }
}

impl hyper::body::Body for Outgoing {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        while self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) => self.rest = bytes,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                other => return Poll::Ready(other),
            }
        }
        Poll::Ready(Some(Ok(Frame::data(self.hand()))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.body.size_hint();
        let rest = self.rest.len() as u64;
        match hint.exact() {
            Some(exact) => hint.set_exact(exact + rest),
            None => hint.set_lower(hint.lower() + rest),
        }
        hint
    }
}

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use axum::response::Response;
use hyper::body::{Frame, SizeHint};
use tokio::time::Instant;

use super::progress::{InFlight, Progress};
use super::watch::{Handed, Watch};
use crate::answer::PieceShare;
use crate::limits::{OUTGOING_BYTES, PACE_SLACK};
use crate::memory::{Share, Waits};
use crate::shares;

/// An answer's body on its way to the client. It knows what the client has not taken yet, and what the answer holds of the
/// memory for answers until it has.
pub(super) struct Outgoing {
    body: Body,
    /// What has come out of the body and is to be handed on, and what that holds.
    rest: Bytes,
    share: Option<Arc<Share>>,
    answer: Arc<Answer>,
}

/// What all pieces of an answer share.
struct Answer {
    share: Option<Arc<Share>>,
    /// Where each piece has a share of its own.
    of_piece: Option<PieceShare>,
    progress: Arc<Progress>,
    watch: Arc<Watch>,
    _in_flight: (InFlight, Option<Arc<shares::Share>>),
}

/// A piece that hyper has: dropped when the socket has taken it.
struct Piece {
    bytes: Bytes,
    _handed: Handed,
    _waits: Option<Waits>,
    _share: Option<Arc<Share>>,
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
        in_flight: (InFlight, Option<Arc<shares::Share>>),
    ) -> Response<Outgoing> {
        let (share, of_piece) = (response.extensions_mut().remove(), response.extensions_mut().remove());
        let answer = Arc::new(Answer { share, of_piece, progress, watch, _in_flight: in_flight });
        response.map(|body| Outgoing { body, rest: Bytes::new(), share: None, answer })
    }

    /// Some bytes have come out of the body.
    fn take(&mut self, bytes: Bytes) {
        let of_piece = self.answer.of_piece.as_ref().and_then(PieceShare::take);
        self.share = of_piece.map(Arc::new).or_else(|| self.answer.share.clone());
        self.rest = bytes;
    }

    /// The next piece of the rest.
    fn hand(&mut self) -> Bytes {
        let answer = &self.answer;
        let bytes = self.rest.split_to(self.rest.len().min(OUTGOING_BYTES));
        let share = if self.rest.is_empty() { self.share.take() } else { self.share.clone() };
        let due = Instant::now() + PACE_SLACK;
        Bytes::from_owner(Piece {
            bytes,
            _handed: answer.watch.hand(&answer.progress.end),
            _waits: share.as_ref().map(|share| share.waits(due, answer.progress.end.clone())),
            _share: share,
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
                    Ok(bytes) => self.take(bytes),
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

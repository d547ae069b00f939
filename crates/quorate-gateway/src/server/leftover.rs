use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header;
use futures::StreamExt;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use tokio_util::sync::CancellationToken;

use super::progress::Progress;
use super::slots::OnlyHealth;
use crate::limits::{LEFTOVER_BYTES, LEFTOVER_SILENCE, LEFTOVER_TIME};

/// A request's body, of which what the handler does not want is read and thrown away for a while, beside the answer. Many
/// clients read no answer before they have written all they have.
pub(super) struct Leftover {
    /// `None` once it has ended.
    body: Option<Incoming>,
    /// The client sends nothing before it is told to (`Expect: 100-continue`), which the first read does; or it is one that
    /// is not to stay.
    waits: bool,
    progress: Arc<Progress>,
    shutdown: CancellationToken,
}

impl Leftover {
    /// The request with a body of this kind. After `shutdown` nothing is read that nobody wants.
    pub(super) fn of(
        request: Request<Incoming>,
        progress: &Arc<Progress>,
        shutdown: &CancellationToken,
    ) -> Request<Leftover> {
        let only_health = request.extensions().get::<OnlyHealth>().is_some();
        let waits = only_health || request.headers().contains_key(header::EXPECT);
        if request.body().is_end_stream() {
            progress.unread.store(false, Ordering::Relaxed);
        }
        request.map(|body| Leftover {
            body: Some(body),
            waits,
            progress: Arc::clone(progress),
            shutdown: shutdown.clone(),
        })
    }
}

impl hyper::body::Body for Leftover {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.waits = false;
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = Pin::new(body).poll_frame(cx);
        if matches!(frame, Poll::Ready(None | Some(Err(_)))) {
            self.body = None;
            self.progress.unread.store(false, Ordering::Relaxed);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Incoming::size_hint)
    }
}

impl Drop for Leftover {
    fn drop(&mut self) {
        let Some(body) = self.body.take().filter(|body| !self.waits && !body.is_end_stream()) else { return };
        let (progress, shutdown) = (Arc::clone(&self.progress), self.shutdown.clone());
        let read = async move {
            tokio::select! {
                ended = tokio::time::timeout(LEFTOVER_TIME, read_away(body)) => {
                    progress.unread.store(ended != Ok(true), Ordering::Relaxed);
                }
                () = shutdown.cancelled() => {}
            }
        };
        // Without a runtime everything ends anyway.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(read);
        }
    }
}

/// True when it came to the body's end.
async fn read_away(body: Incoming) -> bool {
    let mut stream = Body::new(body).into_data_stream();
    let mut bytes = 0;
    while bytes < LEFTOVER_BYTES {
        match tokio::time::timeout(LEFTOVER_SILENCE, stream.next()).await {
            Ok(Some(Ok(chunk))) => bytes += chunk.len(),
            Ok(None) => return true,
            Ok(Some(Err(_))) | Err(_) => return false,
        }
    }
    false
}

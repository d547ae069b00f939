//! Messages that have come in part. gRPC keeps what has come of a message until the rest is there, for as long as its sender likes:
//! sixty of the longest would be two gigabytes.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame};
use parking_lot::Mutex;
use quorate_store::NodeId;
use tokio::time::{Instant, Sleep};
use tonic::Status;
use tonic::codegen::{Service, http};
use tonic::server::NamedService;

use crate::limits;

/// What unfinished messages hold: of each caller, and of all.
#[derive(Clone, Default)]
pub(crate) struct Unfinished(Arc<Mutex<Held>>);

#[derive(Default)]
struct Held {
    all: usize,
    of: HashMap<NodeId, usize>,
}

impl Unfinished {
    /// One message of this caller holds so many bytes now, after it held so many.
    fn change(&self, caller: NodeId, before: usize, now: usize) -> Result<(), Status> {
        if before == now {
            return Ok(());
        }
        let mut held = self.0.lock();
        let (all, of) = (held.all - before + now, held.of.get(&caller).map_or(0, |of| *of) - before + now);
        if now > before && (all > limits::UNFINISHED_BYTES || of > limits::UNFINISHED_BYTES_EACH) {
            return Err(Status::resource_exhausted("too much of messages that are not finished"));
        }
        held.all = all;
        match of {
            0 => drop(held.of.remove(&caller)),
            _ => drop(held.of.insert(caller, of)),
        }
        Ok(())
    }
}

/// A service whose callers' unfinished messages are bounded. The caller stands in the request's extensions.
#[derive(Clone)]
pub(crate) struct Bounded<S> {
    pub(crate) service: S,
    pub(crate) unfinished: Unfinished,
    pub(crate) caller: fn(&http::Extensions) -> NodeId,
}

impl<S: NamedService> NamedService for Bounded<S> {
    const NAME: &'static str = S::NAME;
}

impl<S: Service<http::Request<tonic::body::Body>>> Service<http::Request<tonic::body::Body>> for Bounded<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> S::Future {
        let caller = (self.caller)(request.extensions());
        let unfinished = self.unfinished.clone();
        self.service.call(request.map(|body| {
            tonic::body::Body::new(Counted {
                body,
                unfinished,
                caller,
                held: 0,
                message: Message::default(),
                late: None,
            })
        }))
    }
}

/// A call's body, of which is counted what a message that is not finished has so far.
struct Counted {
    body: tonic::body::Body,
    unfinished: Unfinished,
    caller: NodeId,
    held: usize,
    message: Message,
    /// When the message must have come.
    late: Option<Pin<Box<Sleep>>>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        // To hold less is never refused.
        let _ = self.unfinished.change(self.caller, self.held, 0);
    }
}

impl Counted {
    fn take(&mut self, bytes: &Bytes) -> Result<(), Status> {
        let ended = self.message.take(bytes);
        self.unfinished.change(self.caller, self.held, self.message.come)?;
        self.held = self.message.come;
        if self.held == 0 {
            self.late = None;
        } else if ended || self.late.is_none() {
            let until = Instant::now() + limits::MESSAGE;
            match &mut self.late {
                Some(late) => late.as_mut().reset(until),
                None => self.late = Some(Box::pin(tokio::time::sleep_until(until))),
            }
        }
        Ok(())
    }
}

impl Body for Counted {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let taken = frame.data_ref().map_or(Ok(()), |bytes| self.take(bytes));
                Poll::Ready(Some(taken.map(|()| frame)))
            }
            Poll::Pending if self.late.as_mut().is_some_and(|late| late.as_mut().poll(cx).is_ready()) => {
                Poll::Ready(Some(Err(Status::deadline_exceeded("a message takes too long to come"))))
            }
            other => other,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

/// Where a body is in its messages: each has a byte that says whether it is compressed, four for its length, and its bytes.
#[derive(Default)]
struct Message {
    /// What has come of its head.
    head: Vec<u8>,
    /// What is missing of the rest.
    left: usize,
    /// What has come of it, with its head.
    come: usize,
}

const HEAD: usize = 5;

impl Message {
    /// Takes what comes; true when a message ended there.
    fn take(&mut self, mut bytes: &[u8]) -> bool {
        let mut ended = false;
        while !bytes.is_empty() {
            let missing = HEAD - self.head.len();
            let now = bytes.len().min(if missing > 0 { missing } else { self.left });
            self.come += now;
            if missing > 0 {
                self.head.extend(&bytes[..now]);
                if let [_, length @ ..] = &self.head[..]
                    && let Ok(length) = length.try_into().map(u32::from_be_bytes)
                {
                    self.left = length as usize;
                }
            } else {
                self.left -= now;
            }
            bytes.advance(now);
            if self.head.len() == HEAD && self.left == 0 {
                *self = Message::default();
                ended = true;
            }
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(bytes: usize) -> Vec<u8> {
        [&[0][..], &(bytes as u32).to_be_bytes(), &vec![7; bytes]].concat()
    }

    proptest! {
        /// However a body is cut, what is counted is what has come since the last message ended.
        #[test]
        fn what_is_unfinished_is_known(
            messages in prop::collection::vec(0..40_usize, 1..10),
            cuts in prop::collection::vec(1..30_usize, 100),
        ) {
            let bytes: Vec<u8> = messages.iter().flat_map(|bytes| message(*bytes)).collect();
            let ends: Vec<usize> =
                messages.iter().scan(0, |end, bytes| { *end += bytes + HEAD; Some(*end) }).collect();
            let (mut state, mut at) = (Message::default(), 0);
            for cut in cuts.into_iter().cycle() {
                let next = bytes.len().min(at + cut);
                let ended = state.take(&bytes[at..next]);
                let last = ends.iter().rev().find(|end| **end <= next).map_or(0, |end| *end);
                prop_assert_eq!(state.come, next - last);
                prop_assert_eq!(ended, last > at);
                at = next;
                if at == bytes.len() {
                    break;
                }
            }
        }
    }

    #[test]
    fn what_one_caller_holds_leaves_room_for_the_others() {
        let unfinished = Unfinished::default();
        assert!(unfinished.change(1, 0, limits::UNFINISHED_BYTES_EACH).is_ok());
        assert!(unfinished.change(1, 0, 1).is_err());
        let others = limits::UNFINISHED_BYTES / limits::UNFINISHED_BYTES_EACH;
        for caller in 2..=others as u64 {
            assert!(unfinished.change(caller, 0, limits::UNFINISHED_BYTES_EACH).is_ok());
        }
        assert!(unfinished.change(9, 0, 1).is_err());
        assert!(unfinished.change(2, limits::UNFINISHED_BYTES_EACH, 0).is_ok());
        assert!(unfinished.change(9, 0, 1).is_ok());
    }
}

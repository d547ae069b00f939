use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::{Stream, StreamExt};
use openraft::errors::RPCError;
use openraft::raft::{AppendEntriesRequest, StreamAppendResult};
use quorate_proto::peer::v1 as pb;
use quorate_store::TypeConfig;
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::messages;
use super::sound::Expected;
use super::target::{Target, bad_answer, unreachable};
use super::transport::{Purpose, within};
use crate::limits;
use crate::time::clock::LogClock;

type Request = AppendEntriesRequest<TypeConfig>;
type Answer = Result<StreamAppendResult<TypeConfig>, RPCError<TypeConfig>>;

/// An open append stream to one follower. It outlives openraft's sessions: a session that ends with every frame
/// answered leaves the link to the next one.
pub(super) struct Link {
    frames: mpsc::Sender<pb::AppendFrame>,
    results: Streaming<pb::AppendResult>,
}

impl Link {
    pub(super) async fn open(target: &Target, purpose: Purpose) -> Result<Link, Status> {
        let (frames, waiting) = mpsc::channel(limits::FRAMES_IN_FLIGHT);
        let request = target.transport.request(target.id, ReceiverStream::new(waiting))?;
        let mut peer = target.peer(purpose)?;
        let results = within(limits::CONNECT, peer.append(request)).await?;
        Ok(Link { frames, results })
    }
}

/// One session of openraft's over a [`Link`]: requests in, results out, in order, several at once.
pub(super) struct Session<'s, S> {
    target: &'s Target,
    slot: &'s mut Option<Link>,
    /// Gone once it failed.
    link: Option<Link>,
    /// Gone once it ended.
    requests: Option<S>,
    /// What may be answered to the frames that are not answered yet.
    unanswered: VecDeque<Expected>,
    silence: Pin<Box<Sleep>>,
    clock: LogClock,
}

impl<'s, S> Session<'s, S> {
    pub(super) fn new(
        target: &'s Target,
        slot: &'s mut Option<Link>,
        link: Link,
        requests: S,
        clock: LogClock,
    ) -> Session<'s, S> {
        let silence = Box::pin(tokio::time::sleep(limits::APPEND_SILENCE));
        Session {
            target,
            slot,
            link: Some(link),
            requests: Some(requests),
            unanswered: VecDeque::new(),
            silence,
            clock,
        }
    }

    fn wait_for_answer(&mut self) {
        self.silence.as_mut().reset(Instant::now() + limits::APPEND_SILENCE);
    }

    fn fail(&mut self, error: RPCError<TypeConfig>) -> Poll<Option<Answer>> {
        self.link = None;
        Poll::Ready(Some(Err(error)))
    }
}

impl<S: Stream<Item = Request> + Unpin> Session<'_, S> {
    /// Sends what openraft has to say, while the follower is not too far behind with its answers. `Err` when the
    /// stream is broken.
    fn send(&mut self, cx: &mut Context<'_>) -> Result<(), Status> {
        while self.unanswered.len() < limits::FRAMES_IN_FLIGHT
            && let (Some(requests), Some(link)) = (&mut self.requests, &self.link)
        {
            match requests.poll_next_unpin(cx) {
                Poll::Pending => break,
                Poll::Ready(None) => self.requests = None,
                Poll::Ready(Some(request)) => {
                    // None yet while the entries before this term are being applied.
                    let log_time = self.clock.lead(request.vote.leader_id.term);
                    let frame = messages::append_frame(&request, log_time);
                    // There is room: fewer frames than it holds are unanswered.
                    link.frames.try_send(frame).map_err(|_| Status::unavailable("the stream is closed"))?;
                    if self.unanswered.is_empty() {
                        self.wait_for_answer();
                    }
                    self.unanswered.push_back(Expected::of(&request));
                }
            }
        }
        Ok(())
    }
}

impl<S: Stream<Item = Request> + Unpin> Stream for Session<'_, S> {
    type Item = Answer;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Answer>> {
        let this = &mut *self;
        if let Err(status) = this.send(cx) {
            return this.fail(unreachable(&status));
        }
        if this.requests.is_none() && this.unanswered.is_empty() {
            return Poll::Ready(None);
        }
        let Some(link) = &mut this.link else { return Poll::Ready(None) };
        match link.results.poll_next_unpin(cx) {
            Poll::Pending => {}
            Poll::Ready(None) => return this.fail(unreachable(&Status::unavailable("the follower hung up"))),
            Poll::Ready(Some(Err(status))) => return this.fail(unreachable(&status)),
            Poll::Ready(Some(Ok(message))) => {
                let Some(expected) = this.unanswered.pop_front() else {
                    return this.fail(unreachable(&Status::internal("a result without a frame")));
                };
                this.wait_for_answer();
                let result = match messages::append_result(message) {
                    Err(malformed) => return this.fail(bad_answer(&malformed)),
                    Ok(result) => result,
                };
                return match expected.judge(&result).map(|()| result) {
                    Err(unsound) => {
                        let error = this.target.unsound(&unsound);
                        this.fail(error)
                    }
                    Ok(Ok(matched)) => Poll::Ready(Some(Ok(Ok(matched)))),
                    Ok(Err(stop)) => {
                        // The follower ends the stream with this.
                        this.link = None;
                        Poll::Ready(Some(Ok(Err(stop))))
                    }
                };
            }
        }
        if !this.unanswered.is_empty() {
            ready!(this.silence.as_mut().poll(cx));
            return this.fail(unreachable(&Status::deadline_exceeded("the follower does not answer")));
        }
        Poll::Pending
    }
}

impl<S> Drop for Session<'_, S> {
    fn drop(&mut self) {
        if self.unanswered.is_empty() {
            *self.slot = self.link.take();
        }
    }
}

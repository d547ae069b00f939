//! What other nodes forward to this one: the far end of `forward.rs`.

use bytes::Bytes;
use futures::Stream;
use quorate_core::limits::COMMANDS_PER_ENTRY;
use quorate_core::{Envelope, FeatureLevel, RequestId};
use quorate_proto::peer::v1::{self as pb, TraceParent, forward_answer::Kind};
use quorate_store::NodeId;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};
use tracing::Span;

use crate::command::batcher::Batcher;
use crate::command::proposal::{Proposal, Proposer, Verdict};
use crate::limits;
use crate::peer::frames::Refusal;
use crate::peer::latest::Turn;
use crate::peer::sound::Judge;
use crate::trace::{self, Traces};

/// One node's commands, on their way to the batcher.
pub(crate) struct Forwarded {
    pub(crate) from: NodeId,
    pub(crate) batcher: Batcher,
    pub(crate) level: watch::Receiver<FeatureLevel>,
    pub(crate) traces: Traces,
    pub(crate) judge: Judge,
}

impl Forwarded {
    /// Takes what comes, and tells what became of it. The first that no node sends ends the stream, and so do answers that are not
    /// taken.
    pub(crate) fn answers(
        self,
        mut frames: Streaming<pb::ForwardFrame>,
        turn: Turn,
    ) -> impl Stream<Item = Result<pb::ForwardResult, Status>> + Send + 'static {
        let (answers, told) = answers(turn);
        tokio::spawn(answers.over.clone().run_until_cancelled_owned(async move {
            let taken = async {
                while let Some(frame) = frames.message().await? {
                    self.take(frame, &answers)?;
                }
                Ok(())
            };
            if let Err(status) = taken.await {
                answers.end(status);
            }
        }));
        told
    }

    fn take(&self, frame: pb::ForwardFrame, answers: &Answers) -> Result<(), Status> {
        let mut parents = frame.parents.into_iter().peekable();
        for (at, envelope) in frame.envelopes.into_iter().enumerate() {
            let parent = parents.next_if(|parent| parent.envelope as usize == at);
            let level = *self.level.borrow();
            match admit(&envelope, level) {
                Ok(Admitted { request_id, adds_jobs, jobs, envelope }) => {
                    let span = match parent {
                        Some(TraceParent { parent, .. }) => {
                            trace::forwarded(self.traces, request_id, &parent)
                        }
                        None => Span::none(),
                    };
                    let to = Proposer::Peer(answers.clone());
                    self.batcher.offer(Proposal { request_id, envelope, adds_jobs, jobs, span, to });
                }
                Err(Refused { request_id, reason, is_nonsense }) => {
                    if self.judge.is_news(self.from, &reason) {
                        let from = self.from;
                        tracing::warn!(from, reason, "a peer forwarded a command that is not understood");
                    }
                    if let Some(request_id) = request_id {
                        answers.tell(request_id, Verdict::NotUnderstood);
                    }
                    if is_nonsense {
                        return Err(Status::invalid_argument(reason));
                    }
                }
            }
        }
        Ok(())
    }
}

/// Where one forward stream's answers go.
#[derive(Clone)]
pub(crate) struct Answers {
    queue: mpsc::Sender<(RequestId, Verdict)>,
    over: CancellationToken,
    why: Refusal,
}

impl Answers {
    /// Nobody may listen any more: then nobody needs to know.
    pub(crate) fn tell(&self, request_id: RequestId, verdict: Verdict) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.queue.try_send((request_id, verdict)) {
            self.end(Status::resource_exhausted("the answers are not taken"));
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    fn end(&self, why: Status) {
        self.why.because(why);
        self.over.cancel();
    }
}

/// A way for answers, and what comes out of it: all that are there, before it ends.
fn answers(turn: Turn) -> (Answers, impl Stream<Item = Result<pb::ForwardResult, Status>> + Send + 'static) {
    let (queue, told) = mpsc::channel(limits::FORWARD_ANSWERS);
    let answers = Answers { queue, over: turn.over(), why: Refusal::default() };
    let why = answers.why.clone();
    let results = futures::stream::unfold(Some((told, turn, why)), |open| async move {
        let (mut told, turn, why) = open?;
        let (mut some, over) = (Vec::new(), turn.over());
        let ended = tokio::select! {
            biased;
            count = told.recv_many(&mut some, COMMANDS_PER_ENTRY) => (count == 0).then(|| why.take()),
            () = over.cancelled() => Some(Some(why.take().unwrap_or_else(Turn::status))),
        };
        match ended {
            None => Some((Ok(forward_result(some)), Some((told, turn, why)))),
            Some(why) => why.map(|why| (Err(why), None)),
        }
    });
    (answers, results)
}

fn forward_result(told: Vec<(RequestId, Verdict)>) -> pb::ForwardResult {
    let answers = told.into_iter().map(|(request_id, verdict)| pb::ForwardAnswer {
        request_id: Some(request_id.0.into()),
        kind: match verdict {
            Verdict::Appended => Kind::Appended,
            Verdict::NotLeader => Kind::NotLeader,
            Verdict::Overloaded => Kind::Overloaded,
            Verdict::DiskFull => Kind::DiskFull,
            Verdict::NotUnderstood => Kind::NotUnderstood,
            Verdict::Unknown => Kind::Unknown,
        }
        .into(),
    });
    pb::ForwardResult { answers: answers.collect() }
}

/// A command that does not get into the log.
#[derive(Debug, PartialEq)]
struct Refused {
    /// Whom to tell, if that much can be read.
    request_id: Option<RequestId>,
    reason: String,
    /// No node of this cluster sends it.
    is_nonsense: bool,
}

/// A command of another node, as it goes into the log.
#[derive(Debug, PartialEq)]
struct Admitted {
    request_id: RequestId,
    adds_jobs: bool,
    jobs: usize,
    /// Encoded by this node.
    envelope: Bytes,
}

/// Looks at a command that another node has encoded: in the log it could not be refused any more. What goes there is encoded anew, so
/// nothing of it is but what was looked at. The level is raised by who leads, and by nobody who forwards.
fn admit(envelope: &Bytes, level: FeatureLevel) -> Result<Admitted, Refused> {
    let nonsense = |reason| {
        let request_id = quorate_proto::request_id_of(envelope);
        Err(Refused { request_id, reason, is_nonsense: true })
    };
    if envelope.len() > limits::COMMAND_BYTES {
        return nonsense(format!("a command of {} bytes", envelope.len()));
    }
    match quorate_proto::decode_envelope(envelope.clone()) {
        Ok(envelope) if envelope.command.demands() <= level => Ok(Admitted {
            request_id: envelope.request_id,
            adds_jobs: envelope.command.adds_jobs(),
            jobs: envelope.command.jobs(),
            envelope: quorate_proto::encode_envelope(envelope),
        }),
        Ok(Envelope { request_id, command, .. }) => {
            let reason = format!("it is of feature level {}, the cluster of {level}", command.demands());
            Err(Refused { request_id: Some(request_id), reason, is_nonsense: false })
        }
        Err(malformed) => nonsense(malformed.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::StreamExt;
    use prost::Message;
    use quorate_core::{Command, JobId, Timestamp};
    use quorate_proto::log::v1 as log;
    use tonic::Code;

    use super::*;
    use crate::peer::latest::Latest;

    #[test]
    fn a_command_above_the_clusters_level_or_of_no_known_kind_is_refused_for_itself() {
        let request_id = RequestId([3; 16]);
        let command = Command::Touch { id: JobId([1; 16]), progress: None };
        let level = command.level();
        let envelope = log::Envelope::from(Envelope { request_id, deadline: Timestamp(1), command });
        let bytes = Bytes::from(envelope.encode_to_vec());
        let admitted = Admitted { request_id, adds_jobs: false, jobs: 1, envelope: bytes.clone() };
        assert_eq!(admit(&bytes, level), Ok(admitted));
        let above = admit(&bytes, FeatureLevel(level.0 - 1)).unwrap_err();
        assert_eq!((above.request_id, above.is_nonsense), (Some(request_id), false));
        let raise = Command::Raise { level: FeatureLevel(level.0 + 1) };
        let raise = log::Envelope::from(Envelope { request_id, deadline: Timestamp(1), command: raise });
        let raise = admit(&raise.encode_to_vec().into(), level).unwrap_err();
        assert_eq!((raise.request_id, raise.is_nonsense), (Some(request_id), false));
        let unknown = log::Envelope { command: None, ..envelope };
        let unknown = admit(&unknown.encode_to_vec().into(), level).unwrap_err();
        assert_eq!((unknown.request_id, unknown.is_nonsense), (Some(request_id), true));
        assert_eq!(admit(&Bytes::from_static(b"\xff"), level).unwrap_err().request_id, None);
    }

    #[tokio::test]
    async fn a_stream_ends_whose_answers_are_not_taken() {
        let (answers, told) = answers(Latest::default().begin(1));
        for _ in 0..limits::FORWARD_ANSWERS {
            answers.tell(RequestId([1; 16]), Verdict::NotLeader);
        }
        assert!(!answers.over.is_cancelled());
        answers.tell(RequestId([2; 16]), Verdict::NotLeader);
        assert!(answers.over.is_cancelled());
        let mut told = pin!(told);
        let mut taken = 0;
        let why = loop {
            match told.next().await.unwrap() {
                Ok(result) => taken += result.answers.len(),
                Err(why) => break why,
            }
        };
        assert_eq!((taken, why.code()), (limits::FORWARD_ANSWERS, Code::ResourceExhausted));
        assert!(told.next().await.is_none() && answers.is_closed());
    }

    #[tokio::test]
    async fn a_stream_ends_with_the_last_answer_or_when_its_caller_has_another() {
        let latest = Latest::default();
        let (first, told) = answers(latest.begin(1));
        first.tell(RequestId([1; 16]), Verdict::Appended);
        drop(first);
        assert_eq!(told.collect::<Vec<_>>().await.len(), 1);
        let (_second, told) = answers(latest.begin(1));
        let third = latest.begin(1);
        let told: Vec<_> = told.collect().await;
        assert!(matches!(&told[..], [Err(why)] if why.code() == Code::Aborted), "{told:?}");
        let (third, told) = answers(third);
        third.end(Status::invalid_argument("nonsense"));
        drop(third);
        let told: Vec<_> = told.collect().await;
        assert!(matches!(&told[..], [Err(why)] if why.code() == Code::InvalidArgument), "{told:?}");
    }
}

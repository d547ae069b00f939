use std::collections::{HashMap, VecDeque};

use quorate_core::RequestId;
use quorate_core::limits::{BYTES_PER_ENTRY, COMMANDS_PER_ENTRY};
use quorate_proto::peer::v1::{
    ForwardAnswer, ForwardFrame, ForwardResult, TraceParent, forward_answer::Kind,
};
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use crate::command::proposal::{Proposal, Verdict};
use crate::leadership::{Leader, Leadership};
use crate::limits;
use crate::peer::Transport;
use crate::task::Tasks;
use crate::trace::Traces;

/// The way of commands to a leader elsewhere: one hop, over one long-lived stream. There is no timer: what gathers
/// while a frame waits for the connection makes the next frame.
#[derive(Clone)]
pub(crate) struct Forwarder {
    queue: mpsc::UnboundedSender<Proposal>, // bounded by the intake's room
}

impl Forwarder {
    pub(crate) fn start(
        leadership: Leadership,
        transport: Transport,
        traces: Traces,
        tasks: &Tasks,
    ) -> Forwarder {
        let (queue, queued) = mpsc::unbounded_channel();
        tasks.spawn("forwarder", Worker { leadership, transport, traces, queued }.run());
        Forwarder { queue }
    }

    /// Takes a proposal for the leader.
    pub(crate) fn offer(&self, proposal: Proposal) {
        if let Err(mpsc::error::SendError(proposal)) = self.queue.send(proposal) {
            proposal.settle(Verdict::NotLeader);
        }
    }
}

struct Worker {
    leadership: Leadership,
    transport: Transport,
    traces: Traces,
    queued: mpsc::UnboundedReceiver<Proposal>,
}

impl Worker {
    async fn run(mut self) {
        while let Some(first) = self.queued.recv().await {
            match self.open().await {
                Ok((leader, stream)) => self.converse(leader, stream, first).await,
                Err(status) => {
                    tracing::debug!(%status, "commands are not forwarded");
                    // They were sent nowhere. Whoever made them pauses before the next attempt.
                    first.settle(Verdict::NotLeader);
                    while let Ok(proposal) = self.queued.try_recv() {
                        proposal.settle(Verdict::NotLeader);
                    }
                }
            }
        }
    }

    /// Opens a stream to the leader. The one that is known may be dead: another one is not waited for behind it.
    async fn open(&self) -> Result<(Leader, Stream), Status> {
        let leader = self.leadership.now().filter(|leader| !leader.here);
        let leader = leader.ok_or_else(|| Status::unavailable("no leader elsewhere"))?;
        let (frames, waiting) = mpsc::channel(limits::FORWARD_FRAMES);
        let mut leadership = self.leadership.clone();
        tokio::select! {
            results = self.transport.forward(leader.id, waiting) => {
                Ok((leader, Stream { frames, results: results? }))
            }
            _ = leadership.other_than(Some(leader)) => Err(Status::unavailable("another leader")),
        }
    }

    /// Forwards to this leader until it is another one, or the stream breaks.
    async fn converse(&mut self, leader: Leader, mut stream: Stream, first: Proposal) {
        let mut ready = VecDeque::from([first]);
        let mut in_flight: HashMap<RequestId, Proposal> = HashMap::new();
        let mut next = Vec::new();
        loop {
            tokio::select! {
                result = stream.results.message() => match result {
                    Ok(Some(result)) => settle(result, &mut in_flight),
                    Ok(None) => break,
                    Err(status) => {
                        tracing::debug!(leader = leader.id, %status, "the forward stream broke");
                        break;
                    }
                },
                permit = stream.frames.reserve(), if !ready.is_empty() => {
                    let Ok(permit) = permit else { break };
                    let frame = frame(self.traces, &mut ready, &mut in_flight);
                    if !frame.envelopes.is_empty() {
                        permit.send(frame);
                    }
                }
                count = self.queued.recv_many(&mut next, COMMANDS_PER_ENTRY), if ready.len() < COMMANDS_PER_ENTRY => {
                    if count == 0 {
                        break;
                    }
                    ready.extend(next.drain(..));
                    // The first of several requests that came together wakes this task, which runs before the others.
                    tokio::task::yield_now().await;
                    while ready.len() < COMMANDS_PER_ENTRY
                        && let Ok(proposal) = self.queued.try_recv()
                    {
                        ready.push_back(proposal);
                    }
                }
                () = self.leadership.changed() => {
                    if self.leadership.now() != Some(leader) {
                        break;
                    }
                }
            }
        }
        for proposal in ready {
            proposal.settle(Verdict::NotLeader);
        }
        for (_, proposal) in in_flight {
            proposal.settle(Verdict::Unknown);
        }
    }
}

struct Stream {
    frames: mpsc::Sender<ForwardFrame>,
    results: Streaming<ForwardResult>,
}

/// The next frame: what is ready, up to the limits of a log entry.
fn frame(
    traces: Traces,
    ready: &mut VecDeque<Proposal>,
    in_flight: &mut HashMap<RequestId, Proposal>,
) -> ForwardFrame {
    let (mut bytes, mut parents) = (0, Vec::new());
    let mut envelopes = Vec::with_capacity(ready.len().min(COMMANDS_PER_ENTRY));
    while let Some(proposal) = ready.pop_front() {
        if proposal.is_abandoned() {
            continue;
        }
        bytes += proposal.envelope.len();
        if (bytes > BYTES_PER_ENTRY && !envelopes.is_empty()) || envelopes.len() == COMMANDS_PER_ENTRY {
            ready.push_front(proposal);
            break;
        }
        if !proposal.span.is_disabled()
            && let Some(parent) = (traces.parent)(&proposal.span)
        {
            parents.push(TraceParent { envelope: envelopes.len() as u32, parent }); // below COMMANDS_PER_ENTRY
        }
        envelopes.push(proposal.envelope.clone());
        // One made again takes the place of the first, which is abandoned.
        in_flight.insert(proposal.request_id, proposal);
    }
    ForwardFrame { envelopes, parents }
}

fn settle(result: ForwardResult, in_flight: &mut HashMap<RequestId, Proposal>) {
    for answer in result.answers {
        let verdict = verdict(&answer);
        let request_id = answer.request_id.map(|id| RequestId(id.into()));
        if let Some(proposal) = request_id.and_then(|id| in_flight.remove(&id)) {
            proposal.settle(verdict);
        }
    }
}

fn verdict(answer: &ForwardAnswer) -> Verdict {
    match answer.kind() {
        Kind::Appended => Verdict::Appended,
        Kind::NotLeader => Verdict::NotLeader,
        Kind::Overloaded => Verdict::Overloaded,
        Kind::DiskFull => Verdict::DiskFull,
        Kind::NotUnderstood => Verdict::NotUnderstood,
        // A word of a newer version.
        Kind::Unknown | Kind::Unspecified => Verdict::Unknown,
    }
}

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use quorate_core::{Answered, Command, Envelope, FeatureLevel, JobId, Refusal, RequestId, Unavailable};
use quorate_proto::log::v1 as log;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

use crate::cluster::station::Station;
use crate::command::batcher::Batcher;
use crate::command::budget::Budget;
use crate::command::doubt::Doubt;
use crate::command::forward::Forwarder;
use crate::command::pending::{Awaited, Pending};
use crate::command::proposal::{Proposal, Proposer, Verdict};
use crate::disk::Disk;
use crate::leadership::{Leader, Leadership};
use crate::limits;
use crate::machine::Machine;
use crate::pause::Pause;
use crate::time::clock::LogClock;
use crate::trace;

/// Where commands come in. A command is proposed, again and again if need be, until this node has applied it or its
/// time is up: a client sees a leader's death as latency.
#[derive(Clone)]
pub(crate) struct Intake {
    pub(crate) budget: Budget,
    pub(crate) disk: Disk,
    pub(crate) machine: Arc<dyn Machine>,
    pub(crate) clock: LogClock,
    pub(crate) pending: Pending,
    pub(crate) leadership: Leadership,
    pub(crate) batcher: Batcher,
    pub(crate) forwarder: Forwarder,
    /// How writes fare.
    pub(crate) doubt: Doubt,
    /// The cluster's.
    pub(crate) level: watch::Receiver<FeatureLevel>,
    pub(crate) station: Station,
    /// Cancelled when nothing more is taken in.
    pub(crate) closed: CancellationToken,
    /// Cancelled when what was taken in is answered no more.
    pub(crate) ended: CancellationToken,
}

impl Intake {
    /// Carries a command out within that time.
    ///
    /// # Errors
    /// See [`Unavailable`].
    pub(crate) async fn submit(&self, command: Command, within: Duration) -> Result<Answered, Unavailable> {
        if self.closed.is_cancelled() {
            return Err(Unavailable::Stopping);
        }
        if !(self.station.takes_commands() && self.leadership.has_members()) {
            return Err(Unavailable::NotMember);
        }
        if command.level() > *self.level.borrow() {
            return Err(Unavailable::NotUnderstood);
        }
        let within = within.min(limits::REQUEST);
        let until = Instant::now() + within;
        self.follows(until).await?;
        let now = tokio::select! {
            now = self.clock.known() => now,
            () = tokio::time::sleep_until(until) => return Err(Unavailable::NotApplied),
            () = self.closed.cancelled() => return Err(Unavailable::Stopping),
        };
        let left = until.saturating_duration_since(Instant::now());
        let envelope = Envelope {
            request_id: RequestId(self.machine.draw()),
            deadline: now.plus_millis(u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
            command,
        };
        let request_id = envelope.request_id;
        let (adds_jobs, jobs) = (envelope.command.adds_jobs(), envelope.command.jobs());
        let envelope: Bytes = log::Envelope::from(envelope).encode_to_vec().into();
        let _permit = self.budget.take(envelope.len(), adds_jobs).ok_or(Unavailable::Overloaded)?;
        let span = trace::command(request_id);
        let awaited = self.pending.register(request_id);
        let mut attempts = Attempts {
            intake: self,
            request_id,
            envelope,
            adds_jobs,
            jobs,
            span: span.clone(),
            awaited,
            until,
            begun: false,
            maybe_appended: false,
            no_room: false,
        };
        tokio::select! {
            answered = attempts.run().instrument(span) => {
                self.doubt.heard(&answered);
                return answered;
            }
            () = self.ended.cancelled() => {}
        }
        Err(if attempts.begun { Unavailable::Unknown } else { Unavailable::Stopping })
    }

    /// Whether a write may be expected to be answered. If the last one was not, one is made until then that changes
    /// nothing.
    pub(crate) async fn writes(&self, until: Instant) -> bool {
        if !self.doubt.is_there() {
            return true;
        }
        let nothing = Command::Touch { id: JobId([0; 16]), progress: None };
        match self.submit(nothing, until.saturating_duration_since(Instant::now())).await {
            // It is refused as it should be, by whoever has to: there is no such job, or no room.
            Ok(_) | Err(Unavailable::Overloaded | Unavailable::DiskFull) => true,
            Err(
                Unavailable::NotApplied
                | Unavailable::NotMember
                | Unavailable::NotUnderstood
                | Unavailable::Stopping
                | Unavailable::Unknown,
            ) => false,
        }
    }

    /// Answers are found where this node applies the log, which it may have no room to follow: then another node is the
    /// better one, unless room is made at once.
    async fn follows(&self, until: Instant) -> Result<(), Unavailable> {
        let until = until.min(Instant::now() + limits::FOLLOW_WAIT);
        while self.disk.refuses() && self.leadership.here().is_none() {
            if Instant::now() >= until {
                return Err(Unavailable::NotApplied);
            }
            tokio::time::sleep(limits::FOLLOW_LOOK).await;
        }
        Ok(())
    }

    /// Waits until every command that was taken is answered.
    pub(crate) async fn drained(&self) {
        while self.budget.taken() > 0 {
            tokio::time::sleep(limits::STOP_LOOK).await;
        }
    }

    /// How many commands wait for their answer here.
    pub(crate) fn waiting(&self) -> usize {
        self.budget.taken()
    }
}

struct Attempts<'a> {
    intake: &'a Intake,
    request_id: RequestId,
    envelope: Bytes,
    adds_jobs: bool,
    jobs: usize,
    span: Span,
    awaited: Awaited,
    until: Instant,
    /// There was an attempt.
    begun: bool,
    /// Some attempt may have put the command into the log.
    maybe_appended: bool,
    /// The last attempt found no room at the leader.
    no_room: bool,
}

/// What ended one attempt.
enum End {
    Answered(Answered),
    Verdict(Verdict),
    /// No verdict, and the leader is another one, or it took too long.
    Superseded,
    TimeIsUp,
}

impl Attempts<'_> {
    async fn run(&mut self) -> Result<Answered, Unavailable> {
        let mut leadership = self.intake.leadership.clone();
        let mut pause = Pause::new(&self.intake.machine);
        loop {
            let leader = tokio::select! {
                biased;
                answered = self.awaited.answer() => return self.judge(answered),
                () = tokio::time::sleep_until(self.until) => return Err(self.unanswered()),
                leader = leadership.known() => leader,
            };
            match self.attempt(leader, &mut leadership).await {
                End::Answered(answered) => return self.judge(answered),
                End::TimeIsUp => return Err(self.unanswered()),
                End::Superseded => {
                    self.maybe_appended = true;
                    continue;
                }
                // It is committed: this node will apply it, or learn of it from a snapshot.
                End::Verdict(Verdict::Appended) => {
                    self.maybe_appended = true;
                    return match tokio::time::timeout_at(self.until, self.awaited.answer()).await {
                        Ok(answered) => self.judge(answered),
                        Err(_) => Err(Unavailable::Unknown),
                    };
                }
                End::Verdict(Verdict::Unknown) => self.maybe_appended = true,
                End::Verdict(Verdict::NotLeader) => {}
                End::Verdict(Verdict::Overloaded) if !self.maybe_appended => {
                    return Err(Unavailable::Overloaded);
                }
                End::Verdict(Verdict::DiskFull) if self.adds_jobs && !self.maybe_appended => {
                    return Err(Unavailable::DiskFull);
                }
                // What makes room waits for some.
                End::Verdict(Verdict::DiskFull) => self.no_room = true,
                End::Verdict(Verdict::NotUnderstood) if !self.maybe_appended => {
                    return Err(Unavailable::NotUnderstood);
                }
                End::Verdict(Verdict::Overloaded | Verdict::NotUnderstood) => {}
            }
            // Another leader, or a moment later the same one.
            tokio::select! {
                biased;
                answered = self.awaited.answer() => return self.judge(answered),
                () = tokio::time::sleep_until(self.until) => return Err(self.unanswered()),
                _ = leadership.other_than(Some(leader)) => {}
                () = tokio::time::sleep(pause.next()) => {}
            }
        }
    }

    async fn attempt(&mut self, leader: Leader, leadership: &mut Leadership) -> End {
        (self.begun, self.no_room) = (true, false);
        let (verdict, settled) = oneshot::channel();
        let proposal = Proposal {
            request_id: self.request_id,
            envelope: self.envelope.clone(),
            adds_jobs: self.adds_jobs,
            jobs: self.jobs,
            span: self.span.clone(),
            to: Proposer::Here(verdict),
        };
        tracing::debug!(target: trace::TARGET, leader = leader.id, here = leader.here, "proposed");
        if leader.here {
            self.intake.batcher.offer(proposal);
        } else {
            self.intake.forwarder.offer(proposal);
        }
        tokio::select! {
            biased;
            answered = self.awaited.answer() => End::Answered(answered),
            // A proposal that was dropped without a verdict may have gone anywhere.
            verdict = settled => End::Verdict(verdict.unwrap_or(Verdict::Unknown)),
            _ = leadership.other_than(Some(leader)) => End::Superseded,
            () = tokio::time::sleep(limits::PROPOSE_AGAIN) => End::Superseded,
            () = tokio::time::sleep_until(self.until) => {
                self.maybe_appended = true;
                End::TimeIsUp
            }
        }
    }

    fn judge(&self, answered: Answered) -> Result<Answered, Unavailable> {
        tracing::debug!(target: trace::TARGET, index = answered.position.index, "applied");
        match &answered.outcome {
            // This copy was not carried out, and no earlier one was: this node would have seen it. A later one may be, if
            // this one was refused because the clocks differ too much.
            Err(Refusal::OutsideDeadline) => Err(self.unanswered()),
            _ => Ok(answered),
        }
    }

    fn unanswered(&self) -> Unavailable {
        match (self.maybe_appended, self.no_room) {
            (true, _) => Unavailable::Unknown,
            (false, true) => Unavailable::DiskFull,
            (false, false) => Unavailable::NotApplied,
        }
    }
}

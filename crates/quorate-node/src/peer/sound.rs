//! Whether a peer's word of Raft can be true. openraft takes its peers for honest: what cannot be, it asserts, and the process
//! ends, at each start if it is on disk by then. So what a peer says is judged before Raft hears of it, before anything is
//! written, and before a clock moves. What is refused ends its call or its stream, and nothing else.

mod account;
#[cfg(test)]
pub(super) mod fuzz;

use std::sync::Arc;

use bytes::Bytes;
use openraft::EntryPayload;
use openraft::alias::SnapshotMetaOf;
use openraft::async_runtime::WatchReceiver;
use openraft::raft::{AppendEntriesRequest, StreamAppendError, StreamAppendResult};
use openraft::raft::{TransferLeaderRequest, VoteRequest, VoteResponse};
use quorate_core::{FeatureLevel, Timestamp};
use quorate_proto::Malformed;
use quorate_store::{Entry, LogId, NodeId, StoredMembership, TypeConfig, Vote};
use tonic::Status;

use self::account::Account;
use super::said::Said;
use crate::Raft;
use crate::limits;
use crate::time::clock::{Knowledge, LogClock};

/// Why a peer's word is refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum Unsound {
    #[error("term {term}, where this node is at {here}: no cluster gets there")]
    Term { term: u64, here: u64 },
    #[error("log index {0}: no log gets there")]
    Index(u64),
    #[error(
        "log time {time}, which is {latest} at most: no leader says so, or the members' clocks are wrong"
    )]
    LogTime { time: Timestamp, latest: Timestamp },
    #[error("node {from} speaks for node {of}")]
    Speaker { from: NodeId, of: NodeId },
    #[error("a {what} with a vote that is {is}")]
    Committed { what: &'static str, is: &'static str },
    #[error("two leaders in term {0}")]
    TwoLeaders(u64),
    #[error("{entry} behind {previous}")]
    Order { entry: LogId, previous: String },
    #[error("{0} of a leader of term {1}")]
    AheadOfVote(LogId, u64),
    #[error("{entry} beside {other}, which {which}")]
    Contradiction { entry: LogId, other: LogId, which: &'static str },
    #[error("an entry of {0} bytes")]
    Size(usize),
    #[error("a batch that cannot be applied: {0}")]
    Batch(#[from] Malformed),
    #[error(
        "a command of feature level {level}, and this version of Quorate understands {understood}: start this node with a newer one"
    )]
    Level { level: FeatureLevel, understood: FeatureLevel },
    #[error("a snapshot of nothing")]
    NoSnapshot,
    #[error("an answer that does not belong to what was sent")]
    Answer,
}

impl From<Unsound> for Status {
    fn from(unsound: Unsound) -> Status {
        Status::invalid_argument(unsound.to_string())
    }
}

/// Judges what peers say to this node.
#[derive(Clone)]
pub(crate) struct Judge {
    own_id: NodeId,
    raft: Raft,
    clock: LogClock,
    pub(crate) understood: FeatureLevel,
    account: Account,
    said: Arc<Said>,
}

/// What this node knows of Raft, to judge by. It may be a moment old, which only makes it milder.
#[derive(Clone, Copy, Debug)]
struct Standing {
    own_id: NodeId,
    vote: Vote,
    committed: Option<LogId>,
}

impl Judge {
    pub(crate) fn new(own_id: NodeId, raft: Raft, clock: LogClock, understood: FeatureLevel) -> Judge {
        Judge { own_id, raft, clock, understood, account: Account::default(), said: Arc::default() }
    }

    /// Whether it is to be said here, too, why something of a peer's is refused: one that cannot be right is no everyday thing.
    pub(crate) fn is_news(&self, from: NodeId, reason: &str) -> bool {
        self.said.is_due(&from.to_string(), reason)
    }

    fn standing(&self) -> Standing {
        let vote = self.raft.server_metrics().borrow_watched().vote;
        let committed = self.raft.data_metrics().borrow_watched().local_committed;
        Standing { own_id: self.own_id, vote, committed }
    }

    /// A frame of entries, or a heartbeat, with the log time that it brings.
    pub(crate) fn append(
        &self,
        from: NodeId,
        request: &AppendEntriesRequest<TypeConfig>,
        log_time: Option<Timestamp>,
    ) -> Result<(), Unsound> {
        self.standing().append(from, request)?;
        let latest = self.clock.latest_of_leader();
        log_time.map_or(Ok(()), |time| self::log_time(time, latest))?;
        request.entries.iter().try_for_each(|entry| content(entry, latest, self.understood))?;
        self.account.hear(&request.vote, entries_told(request))
    }

    /// A vote, or a pre-vote, that a candidate asks for.
    pub(crate) fn vote(&self, from: NodeId, request: &VoteRequest<TypeConfig>) -> Result<(), Unsound> {
        self.standing().vote(from, request)
    }

    /// A leader that hands over to this node, or to another one.
    pub(crate) fn transfer(
        &self,
        from: NodeId,
        request: &TransferLeaderRequest<TypeConfig>,
    ) -> Result<(), Unsound> {
        self.standing().leader(from, "transfer", request.from_leader())?;
        of_leader(request.from_leader(), request.last_log_id().copied())
    }

    /// A snapshot: to be judged before its files, and again before it is installed.
    pub(crate) fn snapshot(
        &self,
        from: NodeId,
        vote: &Vote,
        meta: &SnapshotMetaOf<TypeConfig>,
    ) -> Result<(), Unsound> {
        self.standing().snapshot(from, vote, meta.last_log_id, &meta.last_membership)?;
        self.account.hear(vote, meta.last_log_id)
    }

    /// The vote of a node that asks.
    pub(crate) fn asker(&self, vote: &Vote) -> Result<(), Unsound> {
        term(vote.leader_id.term, self.standing().vote.leader_id.term)
    }
}

impl Standing {
    fn append(&self, from: NodeId, request: &AppendEntriesRequest<TypeConfig>) -> Result<(), Unsound> {
        self.leader(from, "frame", &request.vote)?;
        for id in [request.leader_commit, request.prev_log_id] {
            of_leader(&request.vote, id)?;
            self.beside_committed(id)?;
        }
        let mut previous = request.prev_log_id;
        for entry in &request.entries {
            let id = entry.log_id;
            of_leader(&request.vote, Some(id))?;
            let (next, since) = previous.map_or((0, 0), |id| (id.index + 1, id.leader_id.term));
            if id.index != next || id.leader_id.term < since {
                let previous = previous.map_or("nothing".to_owned(), |id| id.to_string());
                return Err(Unsound::Order { entry: id, previous });
            }
            self.beside_committed(Some(id))?;
            previous = Some(id);
        }
        Ok(())
    }

    fn vote(&self, from: NodeId, request: &VoteRequest<TypeConfig>) -> Result<(), Unsound> {
        self.speaker(from, &request.vote)?;
        term(request.vote.leader_id.term, self.vote.leader_id.term)?;
        if request.vote.committed {
            return Err(Unsound::Committed { what: "candidate", is: "committed" });
        }
        // A candidate stands in a later term than all that it has.
        match request.last_log_id {
            Some(last) if last.leader_id.term >= request.vote.leader_id.term => {
                Err(Unsound::AheadOfVote(last, request.vote.leader_id.term))
            }
            last => index(last),
        }
    }

    fn snapshot(
        &self,
        from: NodeId,
        vote: &Vote,
        last: Option<LogId>,
        membership: &StoredMembership,
    ) -> Result<(), Unsound> {
        self.leader(from, "snapshot", vote)?;
        let last = last.ok_or(Unsound::NoSnapshot)?;
        of_leader(vote, Some(last))?;
        self.beside_committed(Some(last))?;
        match *membership.log_id() {
            Some(id) if id.index > last.index || id.leader_id.term > last.leader_id.term => {
                Err(Unsound::Order { entry: last, previous: id.to_string() })
            }
            _ => Ok(()),
        }
    }

    /// The vote of one that says that it leads.
    fn leader(&self, from: NodeId, what: &'static str, vote: &Vote) -> Result<(), Unsound> {
        self.speaker(from, vote)?;
        term(vote.leader_id.term, self.vote.leader_id.term)?;
        if !vote.committed {
            return Err(Unsound::Committed { what, is: "not committed" });
        }
        // A majority has elected the one that is known.
        if self.vote.committed
            && self.vote.leader_id.term == vote.leader_id.term
            && self.vote.leader_id != vote.leader_id
        {
            return Err(Unsound::TwoLeaders(vote.leader_id.term));
        }
        Ok(())
    }

    /// Nobody speaks for another node, and nobody else for this one.
    fn speaker(&self, from: NodeId, vote: &Vote) -> Result<(), Unsound> {
        let of = vote.leader_id.voted_for;
        if of == from && of != self.own_id { Ok(()) } else { Err(Unsound::Speaker { from, of }) }
    }

    /// No log lacks what is committed.
    fn beside_committed(&self, id: Option<LogId>) -> Result<(), Unsound> {
        match (id, self.committed) {
            (Some(entry), Some(other)) if !fit(entry, other) => {
                Err(Unsound::Contradiction { entry, other, which: "is committed" })
            }
            _ => Ok(()),
        }
    }
}

/// All that a frame says of its leader's log.
fn entries_told(request: &AppendEntriesRequest<TypeConfig>) -> impl Iterator<Item = LogId> {
    let entries = request.entries.iter().map(|entry| entry.log_id);
    request.prev_log_id.into_iter().chain(entries).chain(request.leader_commit)
}

/// Whether one log has both: terms do not go back in it.
fn fit(a: LogId, b: LogId) -> bool {
    let (at, of) = (a.index.cmp(&b.index), a.leader_id.term.cmp(&b.leader_id.term));
    of.is_eq() || at == of
}

/// A term, at a node that is at the term `here`. A node that has just been made knows of none.
fn term(term: u64, here: u64) -> Result<(), Unsound> {
    let most =
        if here == 0 { limits::TERM } else { limits::TERM.min(here.saturating_add(limits::TERMS_AHEAD)) };
    if term <= most { Ok(()) } else { Err(Unsound::Term { term, here }) }
}

fn index(id: Option<LogId>) -> Result<(), Unsound> {
    id.map_or(Ok(()), |id| if id.index <= limits::INDEX { Ok(()) } else { Err(Unsound::Index(id.index)) })
}

/// A leader's log has nothing of a later term than its own.
fn of_leader(vote: &Vote, id: Option<LogId>) -> Result<(), Unsound> {
    match id {
        Some(id) if id.leader_id.term > vote.leader_id.term => {
            Err(Unsound::AheadOfVote(id, vote.leader_id.term))
        }
        id => index(id),
    }
}

fn log_time(time: Timestamp, latest: Timestamp) -> Result<(), Unsound> {
    if time <= latest { Ok(()) } else { Err(Unsound::LogTime { time, latest }) }
}

/// What an entry says: exactly what apply will make of it, since it could not refuse it any more.
fn content(entry: &Entry, latest: Timestamp, understood: FeatureLevel) -> Result<(), Unsound> {
    let EntryPayload::Normal(batch) = &entry.payload else { return Ok(()) };
    size(&batch.0)?;
    let batch = quorate_proto::decode_batch(batch.0.clone())?;
    log_time(batch.stamp, latest)?;
    match batch.envelopes.iter().map(|envelope| envelope.command.demands()).max() {
        Some(level) if level > understood => Err(Unsound::Level { level, understood }),
        _ => Ok(()),
    }
}

/// What is in a log must fit into a frame.
fn size(bytes: &Bytes) -> Result<(), Unsound> {
    if bytes.len() <= limits::ENTRY_BYTES { Ok(()) } else { Err(Unsound::Size(bytes.len())) }
}

/// What a follower may answer to a frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    asker: Vote,
    previous: Option<LogId>,
    last: Option<LogId>,
}

impl Expected {
    pub(super) fn of(request: &AppendEntriesRequest<TypeConfig>) -> Expected {
        let previous = request.prev_log_id;
        let last = request.entries.last().map(|entry| entry.log_id).or(previous);
        Expected { asker: request.vote, previous, last }
    }

    pub(super) fn judge(&self, answer: &StreamAppendResult<TypeConfig>) -> Result<(), Unsound> {
        let belongs = match answer {
            Ok(matched) => *matched == self.last,
            Err(StreamAppendError::Conflict(at)) => Some(*at) == self.previous,
            Err(StreamAppendError::HigherVote(vote)) => return answered_vote(&self.asker, vote),
        };
        if belongs { Ok(()) } else { Err(Unsound::Answer) }
    }
}

/// A vote that another node answers with. Nobody knows better than a node itself when it stood for election.
pub(super) fn answered_vote(asker: &Vote, vote: &Vote) -> Result<(), Unsound> {
    let (own, here) = (asker.leader_id.voted_for, asker.leader_id.term);
    term(vote.leader_id.term, here)?;
    if vote.leader_id.voted_for == own && vote.leader_id.term > here {
        return Err(Unsound::Answer);
    }
    Ok(())
}

/// What a voter answers to a candidate. Its log does not reach beyond its vote.
pub(super) fn vote_answer(asker: &Vote, answer: &VoteResponse<TypeConfig>) -> Result<(), Unsound> {
    answered_vote(asker, &answer.vote)?;
    of_leader(&answer.vote, answer.last_log_id)
}

/// What another node knows of log time, told to one that is at the term `here`. Of a later term nothing is believed: once its leader
/// is heard, that says it better; and if there is none, no leader could be heard any more.
pub(crate) fn told(clock: &LogClock, here: u64, known: &Knowledge) -> Result<(), Unsound> {
    if known.term > here {
        return Err(Unsound::Term { term: known.term, here });
    }
    log_time(known.time, clock.latest_told(known.term))
}

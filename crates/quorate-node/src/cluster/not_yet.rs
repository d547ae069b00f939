use openraft::errors::{ClientWriteError, RaftError};
use quorate_core::FeatureLevel;
use quorate_store::TypeConfig;

use crate::limits;
use crate::read::commit_index::Unconfirmed;

/// What a node waits for whose cluster has no leader.
pub(crate) const NO_MAJORITY: &str =
    "a majority of its members must run; where that is lost for good, see `quorate recover --help`";

/// Why a node is not a voter yet, under its name and at its addresses: it asks again. Without numbers that grow: whoever waits
/// says it once.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotYet {
    #[error("this node does not lead")]
    NotLeader,
    /// Nobody follows this node any more, and it knows nobody else who leads.
    #[error("{}", NO_MAJORITY)]
    NoMajority,
    #[error("another change is under way")]
    ChangeUnderWay,
    #[error("a change that another leader had begun is ended first")]
    InterruptedChange,
    #[error("the membership has changed meanwhile")]
    Changed,
    #[error(
        "the cluster's feature level is {level}, and this version of Quorate understands {understood}: start a newer one"
    )]
    TooOld { level: FeatureLevel, understood: FeatureLevel },
    #[error(
        "the member that bears its name, {name}, to be gone: to have not answered for {} s; else start it with another name",
        limits::GONE.as_secs()
    )]
    NameBorne { name: String },
    #[error(
        "somebody to ask for this node: another one, {to}, takes the place of the member that bears its name, {name}"
    )]
    PlaceGiven { name: String, to: String },
    #[error("somebody to ask for this node: quorate cluster member add {0}")]
    NotAsked(String),
    #[error("the leader, whose place it takes, hands over first")]
    HandsOver,
    #[error("it does not answer at {0}")]
    NotThere(String),
    #[error("its addresses are taken over")]
    TakenOver,
    #[error("it catches up with the log")]
    CatchesUp,
    #[error("it applies what is in its log: so far it could not lead")]
    Applies,
    #[error("this node is ending")]
    Ended,
}

impl NotYet {
    /// It will be none, as things are: somebody has to do something.
    pub(crate) fn needs_somebody(&self) -> bool {
        match self {
            NotYet::NameBorne { .. } | NotYet::PlaceGiven { .. } | NotYet::NotAsked(_) => true,
            NotYet::NotLeader
            | NotYet::NoMajority
            | NotYet::ChangeUnderWay
            | NotYet::InterruptedChange
            | NotYet::Changed
            | NotYet::TooOld { .. }
            | NotYet::HandsOver
            | NotYet::NotThere(_)
            | NotYet::TakenOver
            | NotYet::CatchesUp
            | NotYet::Applies
            | NotYet::Ended => false,
        }
    }
}

impl From<Unconfirmed> for NotYet {
    fn from(unconfirmed: Unconfirmed) -> NotYet {
        match unconfirmed {
            Unconfirmed::NotLeader | Unconfirmed::NewLeader => NotYet::NotLeader,
            Unconfirmed::NoMajority => NotYet::NoMajority,
            Unconfirmed::Ended(_) => NotYet::Ended,
        }
    }
}

/// openraft's own words are for the log of who looks for more.
impl From<RaftError<TypeConfig, ClientWriteError<TypeConfig>>> for NotYet {
    fn from(error: RaftError<TypeConfig, ClientWriteError<TypeConfig>>) -> NotYet {
        tracing::debug!(%error, "the membership is not changed");
        match error {
            RaftError::Fatal(_) => NotYet::Ended,
            RaftError::APIError(error) => match error {
                ClientWriteError::ForwardToLeader(to) if to.leader_id.is_none() => NotYet::NoMajority,
                ClientWriteError::ForwardToLeader(_) | ClientWriteError::LogEntryDiscarded(_) => {
                    NotYet::NotLeader
                }
                ClientWriteError::PreconditionFailed(_) => NotYet::Changed,
                ClientWriteError::ChangeMembershipError(_) => NotYet::ChangeUnderWay,
            },
        }
    }
}

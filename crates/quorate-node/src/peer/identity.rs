use std::sync::{Arc, OnceLock};

use quorate_proto::peer::v1 as pb;
use quorate_store::NodeId;

use crate::machine::Machine;

/// Who this node is, in every call that it makes or takes.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) node_id: NodeId,
    /// Set once, when this node knows to which cluster it belongs.
    pub(crate) cluster_id: Arc<OnceLock<String>>,
    /// Tells this process from another one with a copy of its directory.
    pub(crate) run: Run,
    /// The clusters that this one was made of; set with its id.
    pub(crate) former: Arc<OnceLock<Vec<String>>>,
}

/// One run of a process: the earlier, the less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Run {
    /// When it was started, by its wall clock, in milliseconds since the Unix epoch.
    pub(crate) started_ms: u64,
    /// Chance: nobody else has it.
    pub(crate) drawn: u64,
}

impl Run {
    /// Of who only asks.
    pub(crate) const NONE: Run = Run { started_ms: u64::MAX, drawn: u64::MAX };

    pub(crate) fn draw(machine: &dyn Machine) -> Run {
        let [a, b, c, d, e, f, g, h, ..] = machine.draw();
        Run { started_ms: machine.wall_ms(), drawn: u64::from_be_bytes([a, b, c, d, e, f, g, h]) }
    }
}

impl From<Run> for pb::Run {
    fn from(Run { started_ms, drawn }: Run) -> pb::Run {
        pb::Run { started_ms, drawn }
    }
}

impl From<pb::Run> for Run {
    fn from(pb::Run { started_ms, drawn }: pb::Run) -> Run {
        Run { started_ms, drawn }
    }
}

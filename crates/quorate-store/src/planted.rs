//! Bugs that are planted on purpose, to see that the tests would find them: `make planted`, docs/reliability.md.
//!
//! Only a build with the feature `planted-bugs` can have them, and one at a time, named by the environment variable
//! `QUORATE_PLANTED_BUG`. In every other build [`planted`] is false for the compiler, and nothing of them is left.

use std::path::Path;
use std::sync::OnceLock;

use crate::data_dir::IDENTITY;
use crate::{DataDir, Identity, NodeId, StoreError};

/// A bug, each of a kind that some queue or Raft store has had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// The log and its mark are acknowledged when they are written, not when they are synced.
    AckBeforeFsync,
    /// A vote is kept in memory alone.
    ForgetVote,
    /// A node that has lost the end of its log goes on as if it had not.
    IgnoreHighWaterMark,
    /// A node whose data were wiped comes back under its old id, and votes.
    WipedNodeVotes,
    /// Jobs are stamped with the clock of the node that applies them.
    LocalClock,
    /// A new leader takes the consumers for dead and hands their running jobs out again.
    DoubleGrant,
    /// A request that is repeated under its Idempotency-Key is carried out again.
    ForgetKeys,
    /// The jobs of one enqueue go into the log one by one.
    SplitBatch,
    /// A linearizable read does not ask the leader.
    StaleRead,
    /// At an election log time jumps to the median of the wall clocks.
    LogTimeJumps,
    /// A consume that was woken is taken to be on its way for ever.
    LostTurn,
    /// A consume under a key whose jobs have ended waits for others.
    SpentKeyWaits,
    /// The log is kept short by entries alone.
    LogByEntries,
    /// On a disk that is short of room everything is refused.
    RefuseCure,
    /// A node that starts allows one more running job of each queue that is limited.
    OneMore,
    /// A node that starts takes no queue for paused.
    ForgetPause,
    /// A node that starts takes each rate for unused.
    RefillRate,
    /// A node that starts has forgotten which jobs keep others away.
    ForgetUnique,
    /// A node that starts counts one finished job too many of each queue.
    Miscount,
    /// It is not counted how often a job was given back.
    ReleaseForEver,
    /// Of several queues the last one is first.
    LastQueueFirst,
    /// Of weighed queues the first one that has a job is always drawn.
    NoChance,
    /// With each entry it is forgotten which key had its turn.
    ForgetTurns,
    /// A step of work on many jobs ends behind a job that it was not done to.
    StepTooFar,
    /// Work on many jobs waits until its next step is a full one.
    OnlyFullSteps,
    /// A node shows its peers the certificate that it was started with.
    KeepCertificate,
    /// A node believes the authorities of peers that it was started with.
    KeepAuthority,
    /// A token that is removed from the file is known until one is added.
    KeepToken,
}

const BUGS: [(Bug, &str); 28] = [
    (Bug::AckBeforeFsync, "ack-before-fsync"),
    (Bug::ForgetVote, "forget-vote"),
    (Bug::IgnoreHighWaterMark, "ignore-high-water-mark"),
    (Bug::WipedNodeVotes, "wiped-node-votes"),
    (Bug::LocalClock, "local-clock"),
    (Bug::DoubleGrant, "double-grant"),
    (Bug::ForgetKeys, "forget-keys"),
    (Bug::SplitBatch, "split-batch"),
    (Bug::StaleRead, "stale-read"),
    (Bug::LogTimeJumps, "log-time-jumps"),
    (Bug::LostTurn, "lost-turn"),
    (Bug::SpentKeyWaits, "spent-key-waits"),
    (Bug::LogByEntries, "log-by-entries"),
    (Bug::RefuseCure, "refuse-cure"),
    (Bug::OneMore, "one-more"),
    (Bug::ForgetPause, "forget-pause"),
    (Bug::RefillRate, "refill-rate"),
    (Bug::ForgetUnique, "forget-unique"),
    (Bug::Miscount, "miscount"),
    (Bug::ReleaseForEver, "release-for-ever"),
    (Bug::LastQueueFirst, "last-queue-first"),
    (Bug::NoChance, "no-chance"),
    (Bug::ForgetTurns, "forget-turns"),
    (Bug::StepTooFar, "step-too-far"),
    (Bug::OnlyFullSteps, "only-full-steps"),
    (Bug::KeepCertificate, "keep-certificate"),
    (Bug::KeepAuthority, "keep-authority"),
    (Bug::KeepToken, "keep-token"),
];

/// True in a test build in which this bug was asked for.
#[inline(always)]
pub fn planted(bug: Bug) -> bool {
    cfg!(feature = "planted-bugs") && chosen() == Some(bug)
}

/// Says in the log which bug a test build has, before it opens its data directory. Ends the process if there is none of that
/// name: a test would take it for one that is not found.
pub fn announce(data_dir: &Path) {
    if cfg!(feature = "planted-bugs") {
        let name = chosen().and_then(|bug| BUGS.iter().find(|(known, _)| *known == bug));
        tracing::error!(bug = name.map_or("none", |(_, name)| name), "THIS BUILD CAN HAVE PLANTED BUGS");
    }
    if planted(Bug::WipedNodeVotes) {
        give_old_id(data_dir).expect("a data directory with an id that follows from its place");
    }
}

/// Gives an empty directory an identity, the same as the last time.
fn give_old_id(data_dir: &Path) -> Result<(), StoreError> {
    let identity = data_dir.join(IDENTITY);
    if identity.exists() {
        return Ok(());
    }
    drop(DataDir::open(data_dir)?);
    let node_id = NodeId::from(crc32c::crc32c(data_dir.as_os_str().as_encoded_bytes())) + 1;
    Identity { node_id, cluster_id: None, former_cluster_ids: Vec::new() }.write(&identity)
}

fn chosen() -> Option<Bug> {
    static CHOSEN: OnceLock<Option<Bug>> = OnceLock::new();
    *CHOSEN.get_or_init(|| {
        let name = std::env::var("QUORATE_PLANTED_BUG").ok().filter(|name| !name.is_empty())?;
        let bug = BUGS.iter().find(|(_, known)| *known == name);
        Some(bug.unwrap_or_else(|| panic!("QUORATE_PLANTED_BUG: there is no bug `{name}`")).0)
    })
}

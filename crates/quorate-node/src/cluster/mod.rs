//! Who belongs to the cluster, and how it is.
//!
//! `formation.rs` makes or joins it; `membership.rs` lets others in, or says why `not_yet.rs`, and ends changes that were interrupted; `order/` is
//! what operators ask; `drain.rs` drains this node; `station.rs` is what it is to the cluster, `outsiders.rs` who is none of it; `raiser.rs` raises the feature level; `handover.rs` gives the leadership away, `relief.rs` where the disk has no room; `term_start.rs` starts log time at a new leader. `peers.rs` asks the others about themselves, for `status.rs` with its `warnings.rs`
//! and for `watch.rs`, which looks at their clocks and for this node's own removal; `meeting.rs` knows copies, and clusters that were given up; `presence.rs` says who comes and goes.

pub(crate) mod drain;
pub(crate) mod formation;
pub(crate) mod handover;
pub(crate) mod meeting;
pub(crate) mod membership;
pub(crate) mod not_yet;
pub(crate) mod order;
pub(crate) mod outsiders;
pub(crate) mod peers;
pub(crate) mod presence;
pub(crate) mod raiser;
pub(crate) mod relief;
pub(crate) mod station;
pub(crate) mod status;
pub(crate) mod term_start;
pub(crate) mod warnings;
pub(crate) mod watch;

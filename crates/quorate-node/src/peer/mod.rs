//! gRPC to the other nodes. What a call means is openraft's matter or the node's; here are connections, deadlines, sizes, the
//! form of the messages, and the check that a call is meant for this node. Who answers is `peer_server.rs`.
//!
//! Where there are certificates, `tls.rs` greets the other side, and `roster.rs` says which name its certificate must bear: in every
//! call, both ways. `words.rs` says why two do not come together, to `said.rs`, which keeps a log from being flooded, and `refusals.rs`,
//! which remembers it.
//!
//! What comes is judged by `sound.rs`, and what nodes say of themselves by `introduction.rs`, before anything comes of it;
//! `connections.rs`, with `door.rs` for certificates and `crowd.rs` for whose place is whose, `unfinished.rs` and `latest.rs` bound what
//! others can make this node hold.

mod address_book;
mod append;
mod client;
mod connection;
pub(crate) mod connections;
mod crowd;
pub(crate) mod door;
pub(crate) mod frames;
pub(crate) mod gate;
pub(crate) mod header;
mod identity;
pub(crate) mod introduction;
pub(crate) mod latest;
pub(crate) mod messages;
mod refusals;
pub(crate) mod roster;
mod said;
pub(crate) mod snapshot;
mod snapshot_refusal;
pub(crate) mod sound;
mod target;
pub(crate) mod tls;
mod transport;
pub(crate) mod unfinished;
mod words;

pub(crate) use client::Network;
pub(crate) use identity::{Identity, Run};
pub(crate) use messages::{log_time, log_time_message};
pub(crate) use roster::Roster;
pub(crate) use snapshot_refusal::SnapshotRefusal;
pub use tls::PeerTls;
pub(crate) use transport::Transport;

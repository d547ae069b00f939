//! gRPC to the other nodes. What a call means is openraft's matter or the node's; here are connections, deadlines, sizes, the
//! form of the messages, and the check that a call is meant for this node. Who answers is `peer_server.rs`.
//!
//! A transport that is encrypted needs a change in two places: [`Transport::channel`] and [`crate::peer_server::serve`].
//!
//! What comes is judged by `sound.rs` before anything comes of it; `connections.rs` and `unfinished.rs` bound what others can make this
//! node hold.

mod address_book;
mod append;
mod client;
pub(crate) mod connections;
pub(crate) mod frames;
pub(crate) mod header;
mod identity;
pub(crate) mod messages;
pub(crate) mod snapshot;
pub(crate) mod sound;
mod target;
mod transport;
pub(crate) mod unfinished;

pub(crate) use client::Network;
pub(crate) use identity::{Identity, Run};
pub(crate) use messages::{log_time, log_time_message};
pub(crate) use transport::Transport;

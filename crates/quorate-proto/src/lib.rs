//! The protobuf messages of the log, the disk and the peers, and their conversions from and to the core's types.
//!
//! The only crate that runs a proto build. What comes from a wire or a disk is converted with `TryFrom` and refused
//! with a [`Malformed`] that names the field; what goes out is converted with `From`.

mod codec;
mod convert;
pub mod limits;
mod malformed;
mod parts;
mod strict;

pub use convert::{
    answered_value, decode_batch, decode_entry, decode_envelope, encode_batch, encode_envelope,
};
pub use malformed::Malformed;
pub use parts::request_id_of;
pub use strict::decode;

/// What stands on disk and in the Raft log.
pub mod log {
    /// Version 1, the only one so far.
    pub mod v1 {
        #![allow(missing_docs, clippy::all, reason = "generated")]
        tonic::include_proto!("quorate.log.v1");
    }
}

/// What nodes say to each other.
pub mod peer {
    /// Version 1, the only one so far.
    pub mod v1 {
        #![allow(missing_docs, clippy::all, reason = "generated")]
        tonic::include_proto!("quorate.peer.v1");
    }
}

//! Backups: all rows of the job table at one log index, as a stream that any node of the same data format can take up.
//!
//! ```text
//! "quorate backup, format 1\n"
//! header   BackupHeader: who made it, of which cluster, at which log index; what moves with every write
//! rows …   some hundred KiB of rows, compressed
//! end      BackupEnd: how many rows there were, and the hashes of the state and of the header
//! ```
//!
//! Behind the line come frames: kind (1 byte), length (4), CRC-32C of both and the body (4), body. Rows are (family, key, value) in
//! order, each key and value with its length before it. All numbers are little-endian.
//!
//! [`write`](mod@write) makes one, [`BackupCheck`] reads it as it comes, [`restore()`] makes a data directory of it.

mod check;
mod error;
mod frame;
mod restore;
mod row_check;
mod rows;
mod state_hash;
#[cfg(test)]
mod tests;
mod write;

pub use check::{BackupCheck, BackupSummary};
pub use error::{BackupError, RestoreError};
pub(crate) use restore::alone;
pub use restore::{NewCluster, Restored, restore};

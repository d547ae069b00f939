//! Certificates of this process and of those it trusts: read from PEM files, and kept fresh, so that one is replaced without a restart.
//!
//! [`Identity`] is who this process is, [`Trust`] whom it believes. [`server`] and [`client`] make of them what rustls is configured
//! with; new connections use what was read last, and [`Handshakes`] is where they begin. [`bind`] keeps the two together where others trust the same. [`keep_fresh`] looks whether the files have changed.

#![deny(clippy::print_stdout, clippy::print_stderr, reason = "they panic where nobody reads them")]

mod bond;
mod certificate;
mod config;
mod ends;
mod error;
mod fresh;
mod handshakes;
mod identity;
mod limits;
mod pem;
mod seen;
mod trust;

pub use bond::bind;
pub use certificate::{Names, date, expires_at, label};
pub use config::{client, peer_client, peer_server, server};
pub use ends::Ends;
pub use error::TlsError;
pub use fresh::{Kept, keep_fresh, lasts, record_end};
pub use handshakes::Handshakes;
pub use identity::Identity;
pub use limits::EXPIRES_SOON;
/// As this workspace uses it: with one crypto provider.
pub use rustls;
pub use seen::Seen;
pub use trust::Trust;

#[cfg(test)]
mod fuzz;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;

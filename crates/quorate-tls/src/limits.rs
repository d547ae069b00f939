//! Every maximum and every period of this crate.

use std::time::Duration;

/// Bytes of a PEM file: some hundred certificates.
pub(crate) const FILE_BYTES: u64 = 1 << 20;
/// Between two looks whether a file has changed.
pub(crate) const LOOK: Duration = Duration::from_secs(5);
/// A certificate that lasts no longer is worth a warning.
pub const EXPIRES_SOON: Duration = Duration::from_secs(14 * 24 * 3_600);
/// Between two warnings of the same certificate.
pub(crate) const WARN_AGAIN: Duration = Duration::from_secs(24 * 3_600);

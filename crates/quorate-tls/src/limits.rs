//! Every maximum and every period of this crate.

use std::time::Duration;

/// Bytes of a PEM file: some hundred certificates.
pub(crate) const FILE_BYTES: u64 = 1 << 20;
/// Between two looks whether a file has changed.
pub(crate) const LOOK: Duration = Duration::from_secs(5);
/// How long a file that has changed must have stayed as it is: somebody may still write.
pub(crate) const REST: Duration = Duration::from_secs(1);
/// Who was let in by a certificate is judged again so often, besides when that ends or others are trusted: of what vouches for it
/// something may end earlier, and clocks are set.
pub(crate) const JUDGED_AGAIN: Duration = Duration::from_secs(600);
/// The second at which a certificate ends is the last one of it.
pub(crate) const LAST_SECOND: Duration = Duration::from_secs(1);
/// A certificate that lasts no longer is worth a warning.
pub const EXPIRES_SOON: Duration = Duration::from_secs(14 * 24 * 3_600);
/// Between two warnings of the same certificate.
pub(crate) const WARN_AGAIN: Duration = Duration::from_secs(24 * 3_600);

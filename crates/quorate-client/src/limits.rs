//! Every maximum of the client.

use std::time::Duration;

/// Longest answer that is read, in bytes. A consume stops at 32 MiB of payloads, which JSON may spell six times as long.
pub(crate) const ANSWER_BYTES: usize = 256 << 20;
/// How long a connection is kept without a request: a node closes it after 10 s, and a request that meets that closing
/// is one whose outcome is not known.
pub(crate) const CONNECTION_IDLE: Duration = Duration::from_secs(5);
/// Shortest and longest ceiling of the pause between two rounds over the nodes; it doubles from one to the other.
pub(crate) const PAUSE: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(50)..=Duration::from_secs(2);
/// Most characters of a foreign answer's body that an error repeats.
pub(crate) const QUOTED_CHARS: usize = 300;

//! Every maximum of the client.

use std::time::Duration;

/// Longest answer that is read, in bytes. A consume stops at 32 MiB of payloads, which JSON may spell six times as long.
pub(crate) const ANSWER_BYTES: usize = 256 << 20;
/// How long the next part of an answer may keep one waiting that is taken as it comes.
pub(crate) const SILENCE: Duration = Duration::from_secs(60);
/// How long a connection is kept without a request: a node closes it after 10 s, and a request that meets that closing
/// is one whose outcome is not known.
pub(crate) const CONNECTION_IDLE: Duration = Duration::from_secs(5);
/// Shortest and longest ceiling of the pause between two rounds over the nodes; it doubles from one to the other.
pub(crate) const PAUSE: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(50)..=Duration::from_secs(2);
/// What the answer gets of an attempt's time to arrive, after the node has waited as long as it may: at most so long, and
/// the fourth part of a short attempt.
pub(crate) const ANSWER: Duration = Duration::from_secs(2);
/// See [`ANSWER`].
pub(crate) const ANSWER_PART: u32 = 4;
/// A call makes no other attempt in the last fifth of its deadline: one that is cut off may have been carried out.
pub(crate) const LAST_ATTEMPT_PART: u32 = 5;
/// A connection gets at most half of that, or this: it must fail before the attempt does, which would not know whether the
/// request had been sent.
pub(crate) const SHORTEST_CONNECT: Duration = Duration::from_millis(100);
/// Most characters of a foreign answer's body that an error repeats.
pub(crate) const QUOTED_CHARS: usize = 300;
/// A call that its caller has no more time for asks so many nodes at least, if one after the other does not answer.
pub(crate) const ATTEMPTS_WITHIN: u32 = 3;
/// Between two looks of a client that watches its cluster. A silence is said after the sum of these three: within 5 s.
pub(crate) const WATCH_EVERY: Duration = Duration::from_millis(1_500);
/// How long it waits for the node in use before it asks the others, too.
pub(crate) const WATCH_OTHERS: Duration = Duration::from_millis(500);
/// How long a node gets to say whether it is ready. It asks others itself, for up to 2 s.
pub(crate) const WATCH_PATIENCE: Duration = Duration::from_millis(2_500);
/// Most bytes of a file with a token that are read.
pub(crate) const TOKEN_FILE_BYTES: u64 = 4 << 10;
/// Between two looks whether it has another one.
pub(crate) const TOKEN_LOOK: Duration = Duration::from_secs(5);
/// How long a node may take for a change of the cluster, on top of what any call may.
pub(crate) const CHANGE: Duration = Duration::from_secs(15);

//! Every maximum of the runner.

use std::time::Duration;

/// Longest log of a job, in bytes: what the API takes.
pub(crate) const LOG_BYTES: usize = 1 << 20;
/// Most parts that a log is sent in while its job runs: what the API takes.
pub(crate) const LOG_PARTS: u32 = 4_096;
/// After so many parts it is sent half as often, and so on: all of them are enough for a day and a half.
pub(crate) const LOG_PARTS_AT_A_PACE: u32 = LOG_PARTS / 8;
/// So much of a log is sent at once, without waiting for more.
pub(crate) const LOG_PART_BYTES: usize = 64 << 10;
/// Room kept in a log for the line that says how much was left out, in bytes.
pub(crate) const LOG_MARK_BYTES: usize = 64;
/// Longest payload that also goes into the environment, in bytes: Linux takes 128 KiB for one variable with its name
/// and the zero at its end.
pub(crate) const PAYLOAD_ENV_BYTES: usize = (128 << 10) - "PAYLOAD=".len() - 1;
/// Longest `details` that are sent, in bytes: what the API takes.
pub(crate) const DETAILS_BYTES: usize = 16 << 10;
/// Most jobs that one consume may ask for.
pub(crate) const JOBS_PER_CONSUME: usize = 1_000;
/// Most images that one consume may name.
pub const IMAGES_PER_CONSUME: usize = 64;
/// How long the output of a process is still read after it ended, if something that it left behind keeps it open.
pub(crate) const OUTPUT_LINGER: Duration = Duration::from_secs(1);
/// How long the end of a process group is waited for after SIGKILL: the kernel may hold one that waits for a disk.
pub(crate) const KILL_PATIENCE: Duration = Duration::from_secs(10);
/// How long no jobs are taken after one could not be started: from, doubling, to.
pub(crate) const START_PAUSE: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(30);
/// How long a runner that ends waits for the answer that says what it took last.
pub const LAST_CONSUME: Duration = Duration::from_millis(800);
/// How long a runner that was told to stop waits for the answer to a report.
pub(crate) const LAST_REPORT: Duration = Duration::from_secs(5);
/// How long a runner that was told to stop waits for the answer with which it gives a job back.
pub(crate) const LAST_RELEASE: Duration = Duration::from_secs(5);
/// How long a container engine that fails for the moment is asked again.
pub(crate) const ENGINE_PATIENCE: Duration = Duration::from_secs(60);
/// Pauses between those attempts: from, doubling, to.
pub(crate) const ENGINE_PAUSE: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(5);
/// Shortest and longest pause after a call to the cluster failed with all its attempts.
pub(crate) const CLUSTER_PAUSE: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(200)..=Duration::from_secs(5);

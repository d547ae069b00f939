//! Every maximum of the command line, and of a node beside those of its parts.

use std::ops::RangeInclusive;
use std::time::Duration;

/// How long a command may take, retries included.
pub(crate) const DEADLINE: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(3_600);
/// Connections of clients that wait to be taken.
pub(crate) const BACKLOG: u32 = 1024;
/// How long a node may take to say how it sees its cluster, where several are asked.
pub(crate) const VIEW: Duration = Duration::from_secs(5);
/// Longest time between SIGTERM and SIGKILL for a job.
pub(crate) const LONGEST_GRACE: Duration = Duration::from_secs(24 * 3_600);
/// Bytes of lines that wait for whoever reads a log; beyond them lines are dropped.
pub(crate) const LINES_WAITING_BYTES: usize = 1 << 20;
/// How long a process that ends waits for its last lines to be written.
pub(crate) const LAST_LINES: Duration = Duration::from_secs(1);
/// How long a command that ends waits for what its threads still do.
pub(crate) const LAST_WORK: Duration = Duration::from_secs(1);
/// Before a writer that is told to come back later does.
pub(crate) const WRITE_AGAIN: Duration = Duration::from_millis(20);
/// How long a local node gets to end after SIGTERM: longer than it takes at most (docs/timeouts.md).
pub(crate) const LOCAL_NODE_GRACE: Duration = Duration::from_secs(30);
/// How long a job of the demo that ran may take until its outcome is reported and seen on every node.
pub(crate) const DEMO_SETTLE: Duration = Duration::from_secs(30);
/// Bytes of a file that the demo makes jobs of.
pub(crate) const DEMO_FILE_BYTES: u64 = 64 << 10;
/// Files of which it does.
pub(crate) const DEMO_FILES: usize = 2_000;
/// Bytes of a file with a local node's log, of which two are kept.
pub(crate) const LOG_FILE_BYTES: u64 = 16 << 20;
/// The first HTTP port of three local nodes, whose peers listen 1000 above.
pub(crate) const FIRST_PORT: RangeInclusive<u16> = 1..=u16::MAX - 1_003;
/// Before a runner asks again for the id of a cluster that has none yet.
pub(crate) const CLUSTER_ID_AGAIN: Duration = Duration::from_secs(1);
/// Bytes of a host's name in a runner's, which has random characters behind it.
pub(crate) const HOST_NAME_BYTES: usize = 64;
/// Columns of a terminal that does not say how many it has.
pub(crate) const COLUMNS: u16 = 80;
/// Columns of a terminal that a cell of a table gets, where that is not enough for all of them.
pub(crate) const CELL_COLUMNS: u16 = 8;
/// Bytes of one request that enqueues jobs, well below the longest body.
pub(crate) const BYTES_PER_REQUEST: usize = 4 << 20;
/// Jobs that `job list` prints at most: a page.
pub(crate) const JOBS_LISTED: u32 = quorate_core::limits::JOBS_PER_REQUEST as u32;
/// Seconds between two words on how far work on many jobs has come.
pub(crate) const OPERATION_LOOK: u32 = 5;
/// Between two looks at a member that catches up.
pub(crate) const MEMBER_LOOK: Duration = Duration::from_millis(500);
/// Between two looks of a command that watches.
pub(crate) const WATCH_EVERY: RangeInclusive<Duration> =
    Duration::from_millis(200)..=Duration::from_secs(24 * 3_600);
/// How long standard input may say nothing before a command says that it waits for it.
pub(crate) const INPUT_SILENT: Duration = Duration::from_secs(2);
/// Ids that an error names where more than one begins as the one given.
pub(crate) const IDS_NAMED: u32 = 5;
/// Jobs that `job get` shows before and after the one asked for.
pub(crate) const ATTEMPTS: usize = 30;
/// Jobs that `job wait` names of those that have not ended.
pub(crate) const JOBS_NAMED: usize = 10;
/// Jobs that one `job wait` waits for.
pub(crate) const JOBS_WAITED_FOR: usize = 1_000;
/// Longest time that a command can be told to wait; as good as for ever.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(365 * 24 * 3_600);
/// Between its looks at jobs that do not end, growing from one to the other.
pub(crate) const POLL_EVERY: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(2);
/// How long a node may hold the question how a job ended, in seconds, where only that one is waited for.
pub(crate) const OUTCOME_HELD_SECONDS: u32 = 10;
/// How often `job log --follow` looks, in seconds.
pub(crate) const LOG_EVERY_SECONDS: u32 = 1;
/// Names of jobs that `worker list` prints in a line.
pub(crate) const WORKER_JOBS_NAMED: usize = 3;
/// How often what was measured is put into its buckets: until then every measured duration takes 8 bytes.
pub(crate) const METRICS_UPKEEP: Duration = Duration::from_secs(5);
/// Of how many requests the spans are sent.
pub(crate) const SPAN_RATIO: RangeInclusive<f64> = 0.0..=1.0;
/// How long a collector may take for what it is sent at once.
pub(crate) const TRACES_SEND: Duration = Duration::from_secs(5);
/// How long a node that ends waits until its last spans are sent.
pub(crate) const TRACES_END: Duration = Duration::from_secs(2);
/// Random bytes of a token.
pub(crate) const TOKEN_BYTES: usize = 32;
/// Bytes of a file with tokens, of which a node knows 10,000.
pub(crate) const TOKENS_FILE_BYTES: u64 = 4 << 20;
/// How often a node looks whether it has changed.
pub(crate) const TOKENS_LOOK: Duration = Duration::from_secs(1);
/// Days for which a cluster's CA holds: ten years.
pub(crate) const CA_DAYS: u32 = 3_652;
/// … and a certificate that it makes may.
pub(crate) const CERTIFICATE_DAYS: RangeInclusive<u32> = 1..=CA_DAYS;
/// … which it does for so many, if nothing is said.
pub(crate) const CERTIFICATE_YEAR: u32 = 365;
/// A certificate that has this part of its time left, or less, is due.
pub(crate) const CERTIFICATE_DUE: i64 = 3;
/// Bytes of a file with certificates or a key.
pub(crate) const PEM_BYTES: u64 = 1 << 20;
/// How long a write may be set to wait.
pub(crate) const WRITE_TIMEOUT: RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(60);
/// What the longest payload may be set to, in bytes.
pub(crate) const MAX_PAYLOAD: RangeInclusive<usize> = 0..=quorate_core::limits::PAYLOAD_BYTES;
/// Open files of a node: more, nobody needs.
pub(crate) const OPEN_FILES_ENOUGH: u64 = 1 << 20;
/// … at least: one without clients has some fifty, and every one that cannot be opened may end it.
pub(crate) const OPEN_FILES_LEAST: usize = 256;
/// Calls fail for so long before that is said by itself: by then the client has seen how the nodes are.
pub(crate) const UNEXPLAINED: Duration = Duration::from_secs(8);
/// The program itself in memory: its code, stacks, and what the allocator keeps.
pub(crate) const PROGRAM_BYTES: usize = 64 << 20;

/// Bytes of a backup that are read at once.
pub(crate) const BACKUP_READ_BYTES: usize = 1 << 20;
/// How often a node that is not ready yet is asked again.
pub(crate) const READY_POLL: Duration = Duration::from_millis(50);
/// How long a node gets to say whether it is well. It asks itself and others, for up to 2 s.
pub(crate) const READY_PROBE: Duration = Duration::from_secs(3);

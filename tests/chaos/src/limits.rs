//! How long things may take, and how much is done at once.

use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use quorate_check::Rate;

/// A client gives up on an attempt, on top of its wait: later than the node does, which answers within its write timeout of 5 s.
pub(crate) const ATTEMPT: Duration = Duration::from_secs(20);
/// A consume waited for its jobs if it took so long, in microseconds.
pub(crate) const REALLY_WAITED: u64 = 200_000;
/// Jobs of a queue that run at once, where few may.
pub(crate) const FEW_RUNNING: u32 = 2;
/// What is granted of a queue with a rate: so slowly that a restart takes less time than the rate to recover.
pub(crate) const SLOW_RATE: Rate = Rate { jobs: 20, seconds: 5 };
/// Jobs that come into it at once, and that are taken at once.
pub(crate) const SLOW_JOBS: u32 = 4;
/// More come while it may have fewer: as many as it grants at once after a quiet time.
pub(crate) const SLOW_PILE: u32 = 20;
/// A queue with that rate is empty if nothing was granted for so long: several times what the rate takes for a job.
pub(crate) const SLOW_SILENCE: Duration = Duration::from_secs(2);
/// One of its jobs keeps others away for so long, in seconds: several times what a restart takes.
pub(crate) const SLOW_UNIQUE: u32 = 40;
/// Jobs on which work is begun at once: more than a step of that is for.
pub(crate) const SWEPT_JOBS: u32 = 80;
/// Looks, of up to a second, at such work when all else is over.
pub(crate) const SWEPT_LAST_LOOKS: u32 = 30;
/// Between the end of that and the next time, in milliseconds.
pub(crate) const SWEEP_EVERY: Range<u64> = 200..1_000;
/// A queue's limits are left as they are for twice as long, in milliseconds: before something is taken from it, and after.
pub(crate) const SET_FOR: Range<u64> = 300..900;
/// A write that was not answered has its effect so soon or never, in milliseconds: what a node gives it, 5 s, and some.
pub(crate) const WRITE_MILLIS: u64 = 6_000;
/// Jobs that the one client which takes by weight keeps in each queue for that.
pub(crate) const PILE: usize = 8;
/// The queues are counted while nobody sends anything, within so long.
pub(crate) const COUNT: Duration = Duration::from_millis(2_500);
/// Nodes with more jobs are only counted at the end.
pub(crate) const COUNTED: u64 = 20_000;
/// The longest timeout of a job that keeps back others while it runs, in seconds.
pub(crate) const SHORT_TIMEOUT: u32 = 4;
/// Seconds that a consume of a round waits: several times what may be between a job and its consumer.
pub(crate) const LONG_WAIT: RangeInclusive<u32> = 15..=20;
/// Clients work for so long between two rounds, in milliseconds.
pub(crate) const WORK: Range<u64> = 1_500..4_000;
/// The queue gets so long to become empty before a round.
pub(crate) const EMPTY: Duration = Duration::from_secs(5);
/// Clients get so long to send the requests of a round.
pub(crate) const GATHER: Duration = Duration::from_millis(1_500);
/// A round is over after this at the latest.
pub(crate) const ROUND: Duration = Duration::from_secs(21);
/// The delay of a job that is not to be released within a run, in seconds.
pub(crate) const LONG_DELAY: u32 = 1_800;
/// The timeout of a job that is not to time out within a run, in seconds.
pub(crate) const LONG_TIMEOUT: RangeInclusive<u32> = 600..=1_200;
/// Jobs with such a timeout that a client keeps running.
pub(crate) const KEPT: usize = 3;
/// A runner is seen to run jobs by so many that it has ended.
pub(crate) const RUNNER_JOBS: u32 = 3;
/// A job with such a timeout, in seconds, is run in time, however busy the machine is.
pub(crate) const ENOUGH_TIME: u32 = 20;
/// A relay gives up on a request: later than the runner.
pub(crate) const RELAYED: Duration = Duration::from_secs(90);
/// A client gives up on a connection that has not shaken hands.
pub(crate) const CONNECT: Duration = Duration::from_secs(3);
/// A client closes an idle connection before the node does, which would make a request's outcome unknown.
pub(crate) const IDLE: Duration = Duration::from_secs(4);
/// All nodes must be ready so soon after a fault is over; later, the cluster counts as stuck.
pub(crate) const HEAL: Duration = Duration::from_secs(60);
/// Every job must be finished so soon after the last fault.
pub(crate) const DRAIN: Duration = Duration::from_secs(180);
/// All nodes must be at rest and equal so soon after that.
pub(crate) const REST: Duration = Duration::from_secs(60);
/// A change of the members must have been made so soon.
pub(crate) const CHANGE: Duration = Duration::from_secs(30);
/// A node that crashed must have been started again so soon by what watches over it.
pub(crate) const START_AGAIN: Duration = Duration::from_secs(30);
/// An order to the container engine must have been carried out.
pub(crate) const ORDER: Duration = Duration::from_secs(180);
/// So often the engine is asked to freeze a container: it gives up where the machine is busy with other things.
pub(crate) const FREEZES: u32 = 10;
/// A node that was asked to end must have ended.
pub(crate) const STOP: Duration = Duration::from_secs(30);
/// A node must have taken up a file that says whom it trusts or who it is: it looks every 5 s, and again where it came in between two
/// files that belong together.
pub(crate) const TAKEN_UP: Duration = Duration::from_secs(20);
/// A node must know what has become of tokens: 3 s, it says, where it has the time.
pub(crate) const TOKENS_KNOWN: Duration = Duration::from_secs(10);
/// Between two connections that only look at a node's certificate.
pub(crate) const SEE_EVERY: Duration = Duration::from_millis(500);
/// Between two looks at something that is waited for.
pub(crate) const POLL: Duration = Duration::from_millis(100);
/// Between two probes of how soon writes are acknowledged again.
pub(crate) const PROBE_EVERY: Duration = Duration::from_millis(25);
/// Probes are sent for so long at most.
pub(crate) const PROBES: Duration = Duration::from_secs(30);
/// Nodes get so long to notice that a clock was set: they tell each other their time more often.
pub(crate) const NOTICE: Duration = Duration::from_secs(3);
/// Jobs of a page of the scan.
pub(crate) const PAGE: usize = 1_000;
/// Logs that the scan reads on each node, of the newest finished jobs.
pub(crate) const LOGS: usize = 300;
/// Jobs that a client remembers.
pub(crate) const KNOWN: usize = 32;
/// Log entries between two snapshots: few, so that a node which was away needs one.
pub(crate) const SNAPSHOT_EVERY: u64 = 500;
/// Log entries kept behind a snapshot.
pub(crate) const LOGS_KEPT: u64 = 100;
/// A node that was away for so long does not hold the log of the others any more: they wait for it for 10 s.
pub(crate) const FORGOTTEN: Duration = Duration::from_secs(13);
/// Log entries that a node gets before it loses them.
pub(crate) const TAIL: u64 = 50;
/// Size of a node's disk image, of which only what is written takes space.
pub(crate) const DISK_BYTES: u64 = 2 << 30;
/// The same, where jobs are large.
pub(crate) const SMALL_DISK_BYTES: u64 = 320 << 20;
/// A disk with less than this left is full, in bytes.
pub(crate) const FULL: u64 = 64 << 10;
/// All disks are full for so long, when they are.
pub(crate) const ALL_FULL: Duration = Duration::from_secs(6);
/// A leader whose disk is full must have handed over so soon.
pub(crate) const HAND_OVER: Duration = Duration::from_secs(15);
/// Payload of a large job in bytes: from, to.
pub(crate) const LARGE: Range<usize> = 700_000..1_000_000;
/// Clients with large jobs, each with one at a time.
pub(crate) const BULK_CLIENTS: u32 = 6;
/// For so long none of them may pass.
pub(crate) const BULK_SILENCE: Duration = Duration::from_secs(60);

//! Every maximum of the state machine and of the REST contract, in one place.

/// Longest payload of a job, in bytes (the gateway's setting may lower it).
pub const PAYLOAD_BYTES: usize = 1 << 20;
/// Longest log of a job, in bytes.
pub const LOG_BYTES: usize = 1 << 20;
/// Most parts of a log that comes while its job runs.
pub const LOG_PARTS: u32 = 4_096;
/// Longest text of a job's progress, in bytes.
pub const PROGRESS_BYTES: usize = 256;
/// Longest `details` of a cancelled or failed job, in bytes.
pub const DETAILS_BYTES: usize = 16 << 10;
/// Longest request body, in bytes.
pub const BODY_BYTES: usize = 8 << 20;
/// Longest name of an image, in bytes; the shortest is one byte.
pub const IMAGE_NAME_BYTES: usize = 255;
/// Longest `Idempotency-Key`, in characters (and bytes: it is ASCII).
pub const IDEMPOTENCY_KEY_BYTES: usize = 255;

/// Characters of an id, a UUID in its usual form.
pub const ID_CHARS: usize = 36;
/// Fewest characters of an id that stand for it: ids that begin alike are then of jobs that were created within 65 s.
pub const ID_PREFIX_CHARS: usize = 8;
/// Most jobs that one request enqueues or consumes, or that one page lists.
pub const JOBS_PER_REQUEST: usize = 1_000;
/// Payload bytes at which a consume stops short of the number asked for (one job is always granted).
pub const CONSUME_BYTES: u64 = 32 << 20;

/// Longest delay, in seconds: a year.
pub const DELAY_SECONDS: u32 = 31_536_000;
/// Longest timeout, in seconds: a week. The shortest is 1.
pub const TIMEOUT_SECONDS: u32 = 604_800;
/// Highest priority of a job; the lowest is 0.
pub const PRIORITY: u32 = 2;
/// Most automatic retries of a job.
pub const MAX_RETRIES: u32 = 25;
/// Longest delay of an automatic retry, in seconds: a year.
pub const RETRIES_DELAY_SECONDS: u32 = 31_536_000;

/// Most operations, work on many jobs, of each action that go on at once.
pub const OPERATIONS_RUNNING: usize = 16;
/// Most operations that are remembered; a new one pushes out the one that ended first.
pub const OPERATIONS: usize = 1_000;
/// Most jobs that one step of an operation is for. They are few because the commands of the same log entry wait for them, as for
/// [`DUE_PER_BATCH`].
pub const OPERATION_JOBS_PER_STEP: usize = 64;
/// Longest `details` of an operation that cancels, in bytes: each job of a step gets them.
pub const OPERATION_DETAILS_BYTES: usize = 256;
/// How an operation is shown, in bytes: the longest filter, and some more.
pub const OPERATION_WORDS_BYTES: usize = 4_096;

/// Longest name of a queue, in characters (and bytes: it is ASCII).
pub const QUEUE_NAME_BYTES: usize = 64;
/// Most queues at once; a job or a setting that would make one more is refused.
pub const QUEUES: usize = 10_000;
/// Longest key of a job, in bytes.
pub const JOB_KEY_BYTES: usize = 64;
/// Most tags of a job, and longest tag, in bytes; the shortest is one byte.
pub const TAGS: usize = 8;
/// See [`TAGS`].
pub const TAG_BYTES: usize = 64;
/// Longest key of a unique job, in bytes; the shortest is one byte.
pub const UNIQUE_KEY_BYTES: usize = 255;
/// Longest time that a job is unique for, in seconds: a week. The shortest is 1.
pub const UNIQUE_SECONDS: u32 = 604_800;
/// Longest name of a worker, in bytes.
pub const WORKER_NAME_BYTES: usize = 128;
/// Most jobs of a worker that are shown of it.
pub const WORKER_JOBS_SHOWN: usize = 100;
/// Most keys of a queue that are shown of it.
pub const KEYS_SHOWN: usize = 5;
/// How often a job is given back: more is a worker that does nothing else.
pub const RELEASES: u32 = 100;
/// Most jobs that go on from one before somebody has to ask: the one that was asked for, its automatic retries, and what is given back.
pub const JOBS_THAT_GO_ON: usize = 1 + MAX_RETRIES as usize + RELEASES as usize;
/// Most lanes (queue, priority, image and key) in which jobs wait at once: each takes a kilobyte or two of memory on every node. A new
/// job that would need one more is refused, and a retry by hand.
pub const LANES: usize = 100_000;
/// Most of them of one key of a queue: when it reaches its limit of running jobs, or leaves it, each changes.
pub const LANES_OF_KEY: usize = 256;
/// Where jobs of more images wait in a queue, consumers of any queue do not find it by their images, but look through all such queues:
/// when it gets full, or is so no longer, nothing changes for each image.
pub const IMAGES_LISTED: usize = 512;
/// One lane more for so many is for jobs that were taken before: delayed ones, automatic retries and what is given back. So
/// those come before new ones.
pub const LANES_PER_SPARE_LANE: usize = 10;
/// One of them that finds no lane is delayed for so long, in milliseconds: ten minutes, so that three million that look again and again
/// are five thousand a second.
pub const LANE_MILLIS: u64 = 600_000;
/// While jobs wait in more lanes than that, lists find a new one by a row of its own.
pub const LANES_IN_LISTS: usize = 64;
/// Most queues that one consume names, most images, and most pairs of both: it waits for each of them.
pub const QUEUES_PER_CONSUME: usize = 64;
/// See [`QUEUES_PER_CONSUME`].
pub const IMAGES_PER_CONSUME: usize = 64;
/// See [`QUEUES_PER_CONSUME`].
pub const LINES_PER_CONSUME: usize = 64;
/// Highest weight of a queue in a consume; the lowest is 1.
pub const WEIGHT: u32 = 1_000;
/// Highest limit of jobs that run at once; the lowest is 1.
pub const MAX_RUNNING: u32 = 1_000_000;
/// Most jobs and most seconds of a rate; the fewest are 1.
pub const RATE_JOBS: u32 = 1_000_000;
/// See [`RATE_JOBS`].
pub const RATE_SECONDS: u32 = 86_400;
/// Most delays in a list of them.
pub const BACKOFF_DELAYS: usize = 32;

/// What a job has that does not say, nor its queue: seconds that it may run, automatic retries, seconds that they wait.
pub const TIMEOUT_SECONDS_DEFAULT: u32 = 60;
/// See [`TIMEOUT_SECONDS_DEFAULT`].
pub const MAX_RETRIES_DEFAULT: u32 = 3;
/// See [`TIMEOUT_SECONDS_DEFAULT`].
pub const RETRIES_DELAY_SECONDS_DEFAULT: u32 = 60;

/// Longest time between a command's proposal and its deadline, in milliseconds of log time; what a command
/// answered is remembered until its deadline.
pub const REQUEST_MILLIS: u64 = 60_000;
/// How long an `Idempotency-Key` is remembered, in milliseconds: 24 hours.
pub const IDEMPOTENCY_MILLIS: u64 = 24 * 3_600 * 1_000;
/// Most `Idempotency-Key`s remembered at once; above it the oldest are forgotten early.
pub const IDEMPOTENCY_KEYS: u64 = 4_000_000;

/// Most pieces of due work that one batch does: timers (delays, timeouts) first, then the removal of what is outlived
/// (finished jobs, keys, images). What is left over waits for the next batch. They are few because the commands of the
/// batch wait for them: a million jobs that are due at once must not be felt by the others.
pub const DUE_PER_BATCH: usize = 32;
/// So many pieces more for each job or key that the commands of the batch may add, since each becomes due in its time, a
/// job often twice (its delay or timeout, its removal): due work keeps up with what is added, however large the batches.
pub const DUE_PER_ADDED: usize = 2;

/// Shortest and longest retention of finished jobs, in seconds: a minute, ten years.
pub const RETENTION_SECONDS: std::ops::RangeInclusive<u64> = 60..=315_360_000;
/// Default retention of finished jobs, in seconds: 7 days.
pub const RETENTION_SECONDS_DEFAULT: u64 = 7 * 24 * 3_600;
/// An image's `named_at` is renewed at most this often, in milliseconds, so that an enqueue rarely writes it.
pub const IMAGE_RENEWAL_MILLIS: u64 = 3_600 * 1_000;

/// Most commands in one log entry.
pub const COMMANDS_PER_ENTRY: usize = 512;
/// Bytes of commands at which a log entry is full (one command may be larger alone).
pub const BYTES_PER_ENTRY: usize = 1 << 20;
/// Jobs of commands at which it is (one command may be for more alone): see [`crate::Command::jobs`].
pub const JOBS_PER_ENTRY: usize = 4_096;

/// The names that a refusal for an invalid field has for it.
pub const FIELDS: [&str; 31] = [
    "jobs",
    "ids",
    "operation",
    "filter",
    "image",
    "payload",
    "delay",
    "timeout",
    "priority",
    "max_retries",
    "retries_delay",
    "n",
    "queue",
    "key",
    "tags",
    "max_running",
    "max_running_per_key",
    "keep_success",
    "keep_error",
    "backoff",
    "rate",
    "unique",
    "progress",
    "offset",
    "worker",
    "log",
    "details",
    "words",
    "retention",
    "idempotency_key",
    "level",
];

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use quorate_api::{ErrorWrapper, OperationWrapper};
use utoipa::openapi::Paths;
use utoipa::{IntoParams, IntoResponses};

/// The OpenAPI document: the vocabulary of `quorate-api` with the operations of this gateway's routes. A clone is the same one.
#[derive(Clone)]
pub(crate) struct Document(Arc<LazyLock<Bytes, Box<dyn FnOnce() -> Bytes + Send>>>);

impl Document {
    /// Written when it is first asked for.
    pub(crate) fn of(paths: Paths) -> Document {
        Document(Arc::new(LazyLock::new(Box::new(|| {
            let mut document = quorate_api::openapi();
            document.info.version = env!("CARGO_PKG_VERSION").into();
            document.paths = paths;
            document.to_json().expect("a document of strings and lists is JSON").into()
        }))))
    }

    pub(crate) fn json(&self) -> Bytes {
        Bytes::clone(&self.0)
    }
}

/// How much of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct PageParams {
    /// At most so many. Default: 10.
    #[param(minimum = 1, maximum = 1_000)]
    n: Option<u32>,
    /// Where the last page ended, as its answer said it; of jobs in the same order.
    cursor: Option<String>,
}

/// Which jobs of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct JobsParams {
    /// Only jobs in one of these statuses, with commas between them: of the six of a job, or `succeeded` for `success`, `failed`
    /// for `error`. Default: with `final` or `reason`, `error`; with a time of their end, the three final ones; else the
    /// delayed, queued and running.
    #[param(
        pattern = "^((delayed|queued|running|success|error|cancelled|succeeded|failed)(,(delayed|queued|running|success|error|cancelled|succeeded|failed))*)?$"
    )]
    status: Option<String>,
    /// Only jobs that ended in error and that no other was made to go on from (`true`), or that one was made to retry (`false`).
    #[param(rename = "final", pattern = "^(true|false)?$")]
    is_final: Option<String>,
    /// Only jobs that ended in error for this reason.
    #[param(pattern = "^(timeout|killed|bad_exit)?$")]
    reason: Option<String>,
    /// Only jobs of this image.
    image: Option<String>,
    /// Only jobs of this queue; none where it does not exist.
    #[param(pattern = "^[a-z0-9._-]{1,64}$")]
    queue: Option<String>,
    /// Only jobs of this key.
    #[param(min_length = 1, max_length = 64)]
    key: Option<String>,
    /// Only jobs with all of these tags, at most 8, with commas between them.
    #[param(pattern = "^[!-+\\--~]{1,64}(,[!-+\\--~]{1,64}){0,7}$")]
    tag: Option<String>,
    /// Only jobs that were enqueued at this moment or later: RFC 3339, as in `2026-01-31T09:30:00Z`.
    created_from: Option<String>,
    /// Only jobs that were enqueued before this moment.
    created_until: Option<String>,
    /// Only jobs that finished at this moment or later.
    finished_from: Option<String>,
    /// Only jobs that finished before this moment.
    finished_until: Option<String>,
    /// Which come first: the `newest` or the `oldest`. Default: `newest`.
    #[param(pattern = "^(newest|oldest)?$")]
    order: Option<String>,
}

/// Which fields of jobs.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct FieldsParams {
    /// Names of a job's fields with commas between them, such as `id,status`: the answer's jobs have these and no others,
    /// whatever else their schema requires. Without `payload` no payload is read or sent. Default: all.
    #[param(pattern = "^([a-z_]+(,[a-z_]+)*)?$")]
    fields: Option<String>,
}

/// Which ids.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct IdsParams {
    /// How they begin: at least the first 8 characters of a UUID in its usual form.
    #[param(min_length = 8, max_length = 36, pattern = "^[0-9a-fA-F-]*$")]
    prefix: String,
    /// At most so many. Default: 10.
    #[param(minimum = 1, maximum = 1_000)]
    n: Option<u32>,
}

/// How many jobs to take.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct ConsumeParams {
    /// At most so many. Default: 1.
    #[param(minimum = 1, maximum = 1_000)]
    n: Option<u32>,
    /// Seconds to wait for a job. Default: 0.
    #[param(minimum = 0, maximum = 60)]
    wait: Option<u32>,
    /// Queues with commas between them: `a,b`, from the first that has a job; `a:5,b:1`, drawn by weight, 1 to 1000; `*`, all.
    /// At most 64, and with `image` at most 64 pairs of both. Default: `default`.
    queue: Option<String>,
    /// Only jobs of these images, at most 64, with commas between them. Default: of any.
    image: Option<String>,
    /// Who takes them: a name of its own, 1 to 128 bytes. Its jobs can be given back by that name. Default: not said.
    #[param(max_length = 128)]
    worker: Option<String>,
}

/// How many jobs to take with what is ended.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct TakeParams {
    /// Take at most so many other jobs with it. Default: 0.
    #[param(minimum = 0, maximum = 1_000)]
    take: Option<u32>,
    /// Seconds to wait for a job to take. Default: 0.
    #[param(minimum = 0, maximum = 60)]
    wait: Option<u32>,
    /// Take from these queues, as a consume does. Default: `default`.
    queue: Option<String>,
    /// Take only jobs of these images, as a consume does. Default: of any.
    image: Option<String>,
    /// Who takes them: a name of its own, 1 to 128 bytes. Its jobs can be given back by that name. Default: not said.
    #[param(max_length = 128)]
    worker: Option<String>,
}

/// Whether to wait for a job's outcome.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct OutcomeParams {
    /// Seconds to wait until it has finished; then it is answered as it is. Default: 0.
    #[param(minimum = 0, maximum = 60)]
    wait: Option<u32>,
    /// `true`: answer, and wait for, the last job that goes on from it: its retries, and what was given back. Default: `false`.
    #[param(pattern = "^(true|false)?$")]
    chain: Option<String>,
}

/// Whether to wait for its end.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct WaitParams {
    /// Seconds to wait until it has ended; then it is answered as it is. Default: 0.
    #[param(minimum = 0, maximum = 60)]
    wait: Option<u32>,
}

/// How much of a list that has no pages.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct OperationsParams {
    /// At most so many. Default: 10.
    #[param(minimum = 1, maximum = 1_000)]
    n: Option<u32>,
}

/// How much of a log.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct LogParams {
    /// `true`: send what comes of it, until the job has finished. Default: `false`.
    #[param(pattern = "^(true|false)?$")]
    follow: Option<String>,
}

/// Where a log goes on.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct AppendParams {
    /// How long the log was before, in bytes. Default: however long it is.
    #[param(minimum = 0, maximum = 1_048_576)]
    offset: Option<u32>,
}

/// How a job is retried.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct RetryParams {
    /// Whether the new job has as many automatic retries as the first one of its chain was enqueued with; else as many as the
    /// retried one had left. Default: false.
    anew: Option<bool>,
}

/// How a job is given back.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct ReleaseParams {
    /// Seconds that the new job waits before it is queued. Default: 0.
    #[param(minimum = 0, maximum = 31_536_000)]
    delay: Option<u32>,
}

/// Which members are meant.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct MembersParams {
    /// The cluster's `members_index`: refused with 409 where it is another one by now. Default: whichever it is.
    #[param(pattern = "^[0-9]{0,20}$")]
    members_index: Option<String>,
}

/// That something is meant.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct ForceParams {
    /// Also where it takes away the last failure that the cluster survives.
    force: Option<bool>,
}

/// How certain a read is.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct ReadParams {
    /// `local` (default) or `linearizable`; a consume is always the latter.
    #[param(pattern = "^(local|linearizable)?$")]
    consistency: Option<String>,
}

/// What makes a call safe to repeat.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct KeyHeader {
    /// Visible ASCII. The same key within 24 hours answers what the first call answered; of a consume, the jobs that still
    /// run.
    #[param(
        rename = "Idempotency-Key",
        min_length = 1,
        max_length = 255,
        pattern = "^[!-~]+$",
        nullable = false
    )]
    idempotency_key: Option<String>,
}

/// What every read can be answered besides its own.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) enum ReadErrors {
    /// A parameter is malformed or outside of its limits; `fields` names it.
    #[response(status = 400)]
    Invalid(ErrorWrapper),
    /// The server made a mistake.
    #[response(status = 500)]
    Internal(ErrorWrapper),
    /// No leader or no majority could be reached in time; see `Retry-After`.
    #[response(status = 503)]
    Unavailable(ErrorWrapper),
}

/// What every write can be answered besides its own.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) enum WriteErrors {
    /// Something is malformed or outside of its limits; `fields` names it.
    #[response(status = 400)]
    Invalid(ErrorWrapper),
    /// The body did not arrive in time.
    #[response(status = 408)]
    TooSlow(ErrorWrapper),
    /// The body, a payload or a log is over its limit; the message gives it.
    #[response(status = 413)]
    TooLarge(ErrorWrapper),
    /// The body's type is not one that this call takes.
    #[response(status = 415)]
    UnsupportedMediaType(ErrorWrapper),
    /// Too much is in flight, of all or of this caller, or it enqueues faster than it may, or jobs of as many different keys wait as may;
    /// nothing was done; see `Retry-After`.
    #[response(status = 429)]
    Overloaded(ErrorWrapper),
    /// The server made a mistake.
    #[response(status = 500)]
    Internal(ErrorWrapper),
    /// No leader or no majority in time; `outcome` says whether it may have been done; see `Retry-After`.
    #[response(status = 503)]
    Unavailable(ErrorWrapper),
    /// The disk is full; nothing was done.
    #[response(status = 507)]
    DiskFull(ErrorWrapper),
}

/// What a call can be answered that begins work on many jobs, besides what every write can.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) enum Begun {
    /// It has ended; with `dry_run` how many jobs it would be.
    #[response(status = 200, headers(("Idempotent-Replayed" = bool, description = "`true`: what an earlier request under the same Idempotency-Key was answered")))]
    Ended(OperationWrapper),
    /// It goes on.
    #[response(status = 202, headers(("Idempotent-Replayed" = bool, description = "`true`: what an earlier request under the same Idempotency-Key was answered")))]
    GoesOn(OperationWrapper),
    /// There is no such queue.
    #[response(status = 404)]
    NoSuchQueue(ErrorWrapper),
}

/// There is no such job.
#[derive(IntoResponses)]
#[response(status = 404)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct NoSuchJob(ErrorWrapper);

/// The job's status does not allow it, or the Idempotency-Key was used for another request, or there are as many queues as may be.
#[derive(IntoResponses)]
#[response(status = 409)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct Conflict(ErrorWrapper);

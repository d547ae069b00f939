//! A job's life as data: which event leads from which status to which. `docs/lifecycle.md` is drawn from it, and a
//! test shows that [`crate::apply()`] makes these transitions and no other.

use crate::Status;

use Event::*;
use Status::*;

/// What can happen to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// A client adds it.
    Enqueue,
    /// The failure or timeout of another job adds it.
    AutomaticRetry,
    /// A delayed job's time comes, or a client wants the job retried that it goes on from: then it does not wait for its time.
    Due,
    /// A consumer asks for jobs.
    Consume,
    /// Its worker asks for more time.
    Touch,
    /// Its worker says that it ended well.
    Succeed,
    /// Its worker says that it ended badly.
    Fail,
    /// Its worker gives it back: what happens to the job, and where the one starts that goes on from it.
    Release,
    /// Its worker is said to be no more: the same.
    WorkerGone,
    /// A client calls it off.
    Cancel,
    /// A running job's deadline comes.
    Timeout,
    /// A client wants it done again: what happens to the finished job, and where the new job starts.
    Retry,
    /// A client removes it.
    Delete,
    /// A finished job has been kept for the retention.
    Outlive,
}

impl Event {
    /// All of them.
    pub const ALL: [Event; 14] = [
        Enqueue,
        AutomaticRetry,
        Due,
        Consume,
        Touch,
        Succeed,
        Fail,
        Release,
        WorkerGone,
        Cancel,
        Timeout,
        Retry,
        Delete,
        Outlive,
    ];

    /// A word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Enqueue => "enqueue",
            AutomaticRetry => "automatic retry",
            Due => "due",
            Consume => "consume",
            Touch => "touch",
            Succeed => "succeed",
            Fail => "fail",
            Release => "release",
            WorkerGone => "worker gone",
            Cancel => "cancel",
            Timeout => "timeout",
            Retry => "retry",
            Delete => "delete",
            Outlive => "retention",
        }
    }
}

/// One arrow: in status `from`, `event` leads to `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// `None`: there was no job.
    pub from: Option<Status>,
    /// What happened.
    pub event: Event,
    /// `None`: there is no job any more.
    pub to: Option<Status>,
    /// The condition; empty where there is none. Where it does not hold, the event is refused.
    pub when: &'static str,
    /// What else comes of it; may be empty.
    pub effect: &'static str,
}

/// Every transition. What is not here is refused with the present status, or, where time or a consumer asks, does not
/// happen.
pub const TRANSITIONS: [Transition; 34] = [
    arrow(None, Enqueue, Some(Queued), "delay is 0", "at the tail of its lane"),
    arrow(None, Enqueue, Some(Delayed), "delay is above 0", ""),
    arrow(
        None,
        AutomaticRetry,
        Some(Queued),
        "its back-off is 0",
        "at the tail of its lane; max_retries is one less",
    ),
    arrow(
        None,
        AutomaticRetry,
        Some(Delayed),
        "its back-off is above 0, or no lane is free for it",
        "max_retries is one less",
    ),
    arrow(None, Retry, Some(Queued), "", "at the tail of its lane; max_retries as before, or all again"),
    arrow(
        None,
        Retry,
        Some(Delayed),
        "it is one of many, and no lane of its key is free for it",
        "for ten minutes; all automatic retries again",
    ),
    arrow(
        None,
        Release,
        Some(Queued),
        "delay is 0",
        "at the tail of its lane; attempt and max_retries as before",
    ),
    arrow(
        None,
        Release,
        Some(Delayed),
        "delay is above 0, or no lane is free for it",
        "attempt and max_retries as before",
    ),
    arrow(
        None,
        WorkerGone,
        Some(Queued),
        "a lane is free for it",
        "at the tail of its lane; attempt and max_retries as before",
    ),
    arrow(
        None,
        WorkerGone,
        Some(Delayed),
        "no lane is free for it",
        "for ten minutes; attempt and max_retries as before",
    ),
    arrow(
        Some(Delayed),
        Due,
        Some(Queued),
        "its time has come and a lane is free for it, or the job that it goes on from is retried",
        "at the tail of its lane",
    ),
    arrow(
        Some(Delayed),
        Due,
        Some(Delayed),
        "its time has come, and no lane is free for it",
        "it is due again ten minutes later",
    ),
    arrow(Some(Delayed), Cancel, Some(Cancelled), "", ""),
    arrow(
        Some(Queued),
        Consume,
        Some(Running),
        "it is its turn, within the limits of its queue",
        "started_at, and the deadline is set",
    ),
    arrow(Some(Queued), Cancel, Some(Cancelled), "", ""),
    arrow(Some(Running), Touch, Some(Running), "", "the deadline is timeout seconds from now"),
    arrow(Some(Running), Succeed, Some(Success), "", "the log is stored"),
    arrow(
        Some(Running),
        Fail,
        Some(Error),
        "",
        "the log is stored; automatic retry if max_retries is above 0",
    ),
    arrow(
        Some(Running),
        Release,
        Some(Cancelled),
        "it was given back fewer than 100 times",
        "a new job goes on from it; said again, that one is answered",
    ),
    arrow(
        Some(Running),
        WorkerGone,
        Some(Cancelled),
        "it was given back fewer than 100 times",
        "a new job goes on from it",
    ),
    arrow(
        Some(Running),
        WorkerGone,
        Some(Error),
        "it was given back 100 times",
        "automatic retry if max_retries is above 0",
    ),
    arrow(Some(Running), Cancel, Some(Cancelled), "", ""),
    arrow(Some(Running), Timeout, Some(Error), "", "automatic retry if max_retries is above 0"),
    arrow(Some(Success), Succeed, Some(Success), "", "nothing: the first log stays"),
    arrow(Some(Success), Retry, Some(Success), "", "a new job, or the latest retry while that is active"),
    arrow(Some(Success), Delete, None, "", ""),
    arrow(Some(Success), Outlive, None, "", ""),
    arrow(
        Some(Error),
        Fail,
        Some(Error),
        "its worker failed it before, for the same reason",
        "nothing: the first log stays",
    ),
    arrow(
        Some(Error),
        Retry,
        Some(Error),
        "its automatic retry, if it had one, has not ended",
        "a new job, or the latest retry while that is active; one that is delayed is queued",
    ),
    arrow(Some(Error), Delete, None, "", ""),
    arrow(Some(Error), Outlive, None, "", ""),
    arrow(
        Some(Cancelled),
        Retry,
        Some(Cancelled),
        "what goes on from it, if it was given back, has not ended",
        "a new job, or the latest retry while that is active; one that is delayed is queued",
    ),
    arrow(Some(Cancelled), Delete, None, "", ""),
    arrow(Some(Cancelled), Outlive, None, "", ""),
];

const fn arrow(
    from: Option<Status>,
    event: Event,
    to: Option<Status>,
    when: &'static str,
    effect: &'static str,
) -> Transition {
    Transition { from, event, to, when, effect }
}

/// Whether there is an arrow from one status to the other.
pub fn leads(from: Option<Status>, to: Option<Status>) -> bool {
    TRANSITIONS.iter().any(|arrow| arrow.from == from && arrow.to == to)
}

/// The transitions of one event in one status: none, one, or some with conditions that exclude each other.
pub fn transitions(from: Option<Status>, event: Event) -> impl Iterator<Item = &'static Transition> {
    TRANSITIONS.iter().filter(move |arrow| arrow.from == from && arrow.event == event)
}

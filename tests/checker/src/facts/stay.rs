use super::{At, Effect, Facts, Life, Span};
use crate::call::Call;
use crate::event::Outcome;
use crate::job::{JobRecord, Status};
use crate::map::Map;

/// A job's stay in its lane: from where it became queued to where it left.
#[derive(Clone, Debug)]
pub(crate) struct Stay<'h> {
    /// Number of the job.
    pub(crate) life: usize,
    pub(crate) queue: &'h str,
    pub(crate) key: &'h str,
    pub(crate) priority: u8,
    /// Where it came.
    pub(crate) born: Span,
    /// Where it became queued.
    pub(crate) ready: Span,
    /// Where it left, taken or cancelled.
    pub(crate) left: Span,
    /// True where it left because a consumer took it.
    pub(crate) taken: bool,
    /// When the request went out that made it leave, on the harness's clock: never, where it still waits; 0, where
    /// nobody knows.
    pub(crate) leave_invoked: u64,
    /// Where it ended.
    pub(crate) ended: Span,
}

impl Stay<'_> {
    /// True where it may have run; one that is gone may have, though nobody saw it.
    pub(crate) fn may_have_run(&self) -> bool {
        self.taken || self.left == Span::UNKNOWN
    }
}

/// Due timers that a batch is taken to carry out at the least: half of what the limit is, since there are timers that a
/// history does not tell of (a touch that was not answered).
const DUE_PER_BATCH: usize = quorate_core::limits::DUE_PER_BATCH / 2;

/// Jobs that go on from one that was asked for, at the most.
const MOST_THAT_GO_ON: usize =
    (quorate_core::limits::MAX_RETRIES + quorate_core::limits::RELEASES) as usize + 1;

/// The stay of every job.
pub(super) fn stays<'h>(facts: &Facts<'h>) -> Vec<Stay<'h>> {
    let released = Releases::new(facts);
    let stay = |(number, life)| {
        let life: &Life<'h> = life;
        let job = life.latest()?.job;
        let born = born(facts, life, job);
        let ready = match delay(facts, job) {
            None => Span { first: facts.clock.not_before(job.created), last: At::END },
            Some(0) => born,
            Some(delay) => {
                let due = job.created + delay;
                Span { first: facts.clock.not_before(due), last: released.by(due) }
            }
        };
        let (left, leave_invoked) = left(facts, life);
        Some(Stay {
            life: number,
            queue: &job.queue,
            key: &job.key,
            priority: job.priority,
            born,
            ready,
            left,
            taken: life.started().is_some(),
            leave_invoked,
            ended: ended(facts, life),
        })
    };
    facts.lives.iter().enumerate().filter_map(stay).collect()
}

/// How a job came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// Somebody enqueued it.
    New,
    /// It retries one that failed, since that had retries left.
    Automatically,
    /// It retries one since somebody wanted that.
    ByHand,
    /// It goes on from one that was given back, after so many milliseconds.
    GivenBack(u64),
}

/// True where a job can retry another one since somebody wanted it: an automatic retry has one retry less, this one as many as were
/// left, or all again.
pub(crate) fn may_be_by_hand(facts: &Facts<'_>, of: &JobRecord, job: &JobRecord) -> bool {
    let asked = facts.asked.get(&*job.tag).map(|asked| asked.new.max_retries);
    job.max_retries == of.max_retries
        || asked.map_or(job.max_retries > of.max_retries, |all| job.max_retries == all)
}

/// How a job came; `None` where nobody can tell.
pub(crate) fn came(facts: &Facts<'_>, job: &JobRecord) -> Option<Came> {
    let Some(of) = &job.retry_of else { return Some(Came::New) };
    let of = facts.life(of)?;
    if !may_be_by_hand(facts, of.latest()?.job, job) {
        return Some(Came::Automatically);
    }
    let asked = |op: &usize| {
        let call = &facts.op(*op).call;
        if let Call::Release { delay, .. } = call {
            return Some(Came::GivenBack(u64::from(*delay) * 1_000));
        }
        matches!(call, Call::Retry { .. }).then_some(Came::ByHand)
    };
    let births = || facts.life(&job.id).into_iter().flat_map(|life| &life.births).map(|(op, _)| op);
    if let Some(first) = births().find(|op| facts.effects[**op].exactly().is_some()) {
        return asked(first);
    }
    // An answer may repeat what came of a request before it, which had none.
    let unanswered = of.calls.iter().filter(|op| facts.op(**op).outcome == Outcome::Info);
    let mut all: Vec<Came> = births().chain(unanswered).filter_map(asked).collect();
    all.dedup();
    match all[..] {
        [came] => Some(came),
        [] | [_, ..] => None,
    }
}

/// How long a job waits before it is queued, in milliseconds; `None` where nobody can tell.
pub(crate) fn delay(facts: &Facts<'_>, job: &JobRecord) -> Option<u64> {
    let millis = match came(facts, job)? {
        Came::New => return Some(u64::from(job.delay) * 1_000),
        Came::ByHand => return Some(0),
        Came::Automatically => u64::from(job.retries_delay) * 1_000,
        Came::GivenBack(delay) => delay,
    };
    // Who retries one that it goes on from does not let it wait, however far that is behind.
    let of = |id: &str| facts.life(id)?.latest()?.job.retry_of.as_deref();
    let mut behind = std::iter::successors(job.retry_of.as_deref(), |id| of(id)).take(MOST_THAT_GO_ON);
    (millis == 0 || !behind.any(|of| is_retried(facts, of))).then_some(millis)
}

/// True where a client may have retried a job by hand.
fn is_retried(facts: &Facts<'_>, id: &str) -> bool {
    let calls = facts.life(id).into_iter().flat_map(|life| &life.calls).map(|op| facts.op(*op));
    calls.into_iter().any(|op| matches!(op.call, Call::Retry { .. }) && op.outcome != Outcome::Fail)
}

/// Where a job came into being.
fn born(facts: &Facts<'_>, life: &Life<'_>, job: &JobRecord) -> Span {
    let when = facts.clock.when(job.created);
    // Who retries a job that another one goes on from already is answered that one: it was there before.
    let came = came(facts, job);
    let bears = |op: usize| {
        let call = &facts.op(op).call;
        match came {
            Some(Came::New) => matches!(call, Call::Enqueue { .. }),
            Some(Came::ByHand) => matches!(call, Call::Retry { .. }),
            Some(Came::GivenBack(_)) => matches!(call, Call::Release { .. }),
            Some(Came::Automatically) | None => false,
        }
    };
    let answered = life.births.iter().filter(|(op, _)| bears(*op));
    let answered = answered.filter_map(|(op, place)| span(facts.effects[*op], *place, when));
    // An automatic retry comes into being where its predecessor fails.
    let failed = job.retry_of.as_ref().and_then(|of| facts.life(of)).into_iter().flat_map(|of| &of.calls);
    let failed = failed
        .filter(|op| matches!(facts.op(**op).call, Call::Fail { .. }))
        .filter(|op| facts.op(**op).names_retry(life.id))
        .filter_map(|op| span(facts.effects[*op], 0, when));
    answered.chain(failed).next().unwrap_or(when)
}

/// Where it left its lane, and when the request for that went out.
fn left(facts: &Facts<'_>, life: &Life<'_>) -> (Span, u64) {
    if let Some(started) = life.started() {
        let when = facts.clock.when(started);
        let granted = life.grants.iter().find_map(|(op, place)| {
            let span = span(facts.effects[*op], *place, when)?;
            Some((span, if span.first == span.last { facts.op(*op).invoke } else { 0 }))
        });
        return granted.unwrap_or((when, 0));
    }
    let cancelled = life.calls.iter().find_map(|op| {
        let asked = facts.op(*op);
        let at = facts.effects[*op].exactly().filter(|_| matches!(asked.call, Call::Cancel { .. }))?;
        Some((Span::exactly(at), asked.invoke))
    });
    match (cancelled, life.ended()) {
        (Some(cancelled), _) => cancelled,
        (None, Some(ended)) if ended.job.status == Status::Cancelled => {
            (life.completed().map_or(Span::UNKNOWN, |completed| facts.clock.when(completed)), 0)
        }
        (None, _) if life.still_waits() => (Span::NEVER, u64::MAX),
        (None, _) => (Span::UNKNOWN, 0),
    }
}

/// Where it ended.
fn ended(facts: &Facts<'_>, life: &Life<'_>) -> Span {
    let Some(completed) = life.completed() else {
        let goes_on = life.scanned().is_some_and(|seen| !seen.job.status.is_final());
        return if goes_on { Span::NEVER } else { Span::UNKNOWN };
    };
    let when = facts.clock.when(completed);
    let ends = life.calls.iter().filter(|op| {
        use Call::{Cancel, Fail, Release, Success};
        matches!(facts.op(**op).call, Success { .. } | Fail { .. } | Cancel { .. } | Release { .. })
    });
    ends.filter_map(|op| span(facts.effects[*op], 0, when)).next().unwrap_or(when)
}

fn span(effect: Effect, place: usize, when: Span) -> Option<Span> {
    match effect {
        Effect::At(at) => Some(Span::exactly(at.nth(place))),
        Effect::NotAfter(at) => Some(Span { first: At::START, last: at.nth(usize::MAX) }.and(when)),
        Effect::Waited => Some(when),
        Effect::Repeated(_) | Effect::Unknown | Effect::None => None,
    }
}

/// The latest place where a delayed job can have been released. Every batch releases what is due at its time, though
/// not more than so many; so the known batches give a bound, and unknown ones only make it earlier.
struct Releases {
    by_due: Map<u64, At>,
}

impl Releases {
    fn new(facts: &Facts<'_>) -> Releases {
        let mut timers: Vec<u64> = facts.lives.iter().flat_map(|life| timers(facts, life)).collect();
        timers.sort_unstable();
        let mut by_due = Map::default();
        let mut waiting = timers.iter().peekable();
        for tick in facts.clock.ticks() {
            for _ in 0..DUE_PER_BATCH {
                let Some(due) = waiting.next_if(|due| **due <= tick.time) else { break };
                by_due.insert(*due, At::start_of(tick.index));
            }
        }
        Releases { by_due }
    }

    fn by(&self, due: u64) -> At {
        self.by_due.get(&due).copied().unwrap_or(At::END)
    }
}

/// Every time at which a timer of the job may have been due, in milliseconds of log time.
pub(crate) fn timers(facts: &Facts<'_>, life: &Life<'_>) -> Vec<u64> {
    let Some(job) = life.latest().map(|seen| seen.job) else { return Vec::new() };
    let timeout = u64::from(job.timeout) * 1_000;
    let touches = life.calls.iter().filter_map(|op| {
        let asked = facts.op(*op);
        let touched = matches!(asked.call, Call::Touch { .. }) && asked.outcome == Outcome::Ok;
        let at = facts.effects[*op].position().filter(|_| touched)?;
        Some(facts.clock.bounds(at.index).0 + timeout)
    });
    let started = life.started().map(|started| started + timeout);
    let due = delay(facts, job).filter(|delay| *delay > 0).map(|delay| job.created + delay);
    due.into_iter().chain(started).chain(touches).collect()
}

use super::at::At;
use crate::call::Call;
use crate::event::{Op, Outcome};
use crate::job::Reason;
use crate::map::Map;

/// Where a request had its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Here.
    At(At),
    /// Here or before: an unanswered attempt at the same thing may have been the first.
    NotAfter(At),
    /// Nowhere: it gave the answer of an earlier request again, at this position.
    Repeated(At),
    /// Somewhere behind the place that its answer gives: it waited for the jobs.
    Waited,
    /// Nobody knows.
    Unknown,
    /// Nowhere: refused, or it only reads.
    None,
}

impl Effect {
    /// The request's own place in the log.
    pub(crate) fn position(self) -> Option<At> {
        match self {
            Effect::At(at) | Effect::NotAfter(at) | Effect::Repeated(at) => Some(at),
            Effect::Waited | Effect::Unknown | Effect::None => None,
        }
    }

    /// Where it had its effect, if that is known exactly.
    pub(crate) fn exactly(self) -> Option<At> {
        match self {
            Effect::At(at) => Some(at),
            Effect::NotAfter(_) | Effect::Repeated(_) | Effect::Waited | Effect::Unknown | Effect::None => {
                None
            }
        }
    }
}

/// Requests of which at most one has an effect.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Same<'h> {
    Key(&'h str),
    Success(&'h str),
    Fail(&'h str, Reason),
    /// Retries this job or gives it back; the other is the new job, where the answer names it.
    Retry(&'h str, Option<&'h str>),
    Only(usize),
}

fn same<'h>(number: usize, op: &'h Op) -> Same<'h> {
    match &op.call {
        Call::Success { id, .. } => Same::Success(id),
        Call::Fail { id, reason, .. } => Same::Fail(id, *reason),
        Call::Retry { id } | Call::Release { id, .. } => Same::Retry(id, op.jobs.first().map(|job| &*job.id)),
        Call::Enqueue { .. }
        | Call::Consume { .. }
        | Call::Finish { .. }
        | Call::Cancel { .. }
        | Call::Touch { .. }
        | Call::Delete { .. }
        | Call::Set { .. }
        | Call::Operate { .. }
        | Call::Stop { .. }
        | Call::Watch { .. }
        | Call::Get { .. }
        | Call::List { .. } => op.key.as_deref().map_or(Same::Only(number), Same::Key),
    }
}

/// The effect of every request.
pub(super) fn effects(ops: &[Op]) -> Vec<Effect> {
    // When the first attempt went out of which nobody knows, and the first place where one was answered.
    let mut unknown: Map<Same<'_>, u64> = Map::default();
    let mut first: Map<Same<'_>, At> = Map::default();
    for (number, op) in ops.iter().enumerate() {
        let same = same(number, op);
        if op.outcome == Outcome::Info {
            unknown.entry(same).and_modify(|at| *at = op.invoke.min(*at)).or_insert(op.invoke);
        } else if let Some(at) = answered_at(op) {
            first.entry(same).and_modify(|first| *first = at.min(*first)).or_insert(at);
        }
    }
    let effect = |(number, op)| {
        let same = same(number, op);
        let Some(at) = answered_at(op) else {
            return if op.outcome == Outcome::Info && !op.call.is_read() {
                Effect::Unknown
            } else {
                Effect::None
            };
        };
        // An unanswered one does not know the new job's name.
        let suspect = if let Same::Retry(id, _) = same { Same::Retry(id, None) } else { same };
        if first.get(&same).is_some_and(|first| *first < at) {
            Effect::Repeated(at)
        } else if waited(op) {
            Effect::Waited
        } else if unknown.get(&suspect).is_some_and(|invoke| *invoke < op.returned) {
            Effect::NotAfter(at)
        } else {
            Effect::At(at)
        }
    };
    ops.iter().enumerate().map(effect).collect()
}

/// True where jobs may have come after the end of others for which they were asked: the answer gives the place of that.
fn waited(op: &Op) -> bool {
    op.place > 0 && op.call.wait() > 0 && !op.jobs.is_empty()
}

/// The place in the log of a write that was answered with 2xx.
fn answered_at(op: &Op) -> Option<At> {
    let at = op.index.filter(|at| at.offset.is_some())?;
    (op.outcome == Outcome::Ok && !op.call.is_read()).then(|| At::command(at).nth(op.place))
}

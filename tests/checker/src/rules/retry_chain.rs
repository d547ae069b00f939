//! I5: a failed job with retries left has exactly one automatic retry, with one less; both are linked to each other,
//! and a chain cannot be longer than what was asked for. Anything else is retried only on request.

use crate::call::Call;
use crate::event::{Op, Outcome};
use crate::facts::{At, Came, Facts, Life, Sighting, came, may_be_by_hand};
use crate::job::{JobRecord, Status};
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule = Rule {
    name: "retry-chain",
    means: "retries are linked both ways, one for each failure, with one less each time, or asked for",
    check,
};

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    let retries =
        facts.history.ops.iter().enumerate().filter(|(_, op)| matches!(op.call, Call::Retry { .. }));
    for (number, job) in retries.flat_map(|(number, op)| op.jobs.iter().map(move |job| (number, job))) {
        findings.require(job.status != Status::Delayed, || {
            (format!("a retry was asked for, and {} waits for its time", job.id), facts.lines([number]))
        });
    }
    for life in &facts.lives {
        let Some(seen) = life.latest() else { continue };
        let wrong = wrong(facts, life, seen);
        findings.require(wrong.is_none(), || {
            let retries = life.retries.iter().filter_map(|retry| facts.lives[*retry].latest());
            let lines: Vec<usize> = retries.take(3).map(|retry| retry.line).chain([seen.line]).collect();
            (format!("job {} {}", life.id, wrong.unwrap_or_default()), lines)
        });
    }
}

fn wrong(facts: &Facts<'_>, life: &Life<'_>, seen: Sighting<'_>) -> Option<&'static str> {
    let job = seen.job;
    let retries: Vec<Sighting<'_>> =
        life.retries.iter().filter_map(|retry| facts.lives[*retry].latest()).collect();
    if !retries.is_empty() && !job.status.is_final() {
        // Whoever saw it may have seen it before its end; a scan is the last word.
        return seen.op.is_none().then_some("is retried although it has not ended");
    }
    if let Some(of) = &job.retry_of {
        let max = facts.asked.get(&*job.tag).map_or(u32::MAX, |asked| asked.new.max_retries);
        if job.max_retries > max || **of == *life.id {
            return Some("has more retries left than were asked for");
        }
    }
    if job.status == Status::Error && job.max_retries > 0 {
        let is_by_hand = |retry: &Sighting<'_>| may_be_by_hand(facts, job, retry.job);
        let (by_hand, automatic): (Vec<_>, Vec<_>) = retries.iter().copied().partition(is_by_hand);
        let first = by_hand.iter().min_by_key(|retry| retry.job.created);
        if let Some(first) = first
            && is_retried(facts, life)
            && automatic_may_be_gone(facts, life, &automatic, &by_hand, *first)
        {
            // Somebody wanted another one since it was gone.
            if let [automatic] = automatic[..]
                && Some(automatic.job.created) != job.completed
            {
                return Some("has a retry that did not come with its end");
            }
            return self::by_hand(facts, life, seen, by_hand);
        }
        return match retries[..] {
            [retry] if retry.job.max_retries + 1 != job.max_retries => {
                Some("has a retry that does not count down")
            }
            [retry] if Some(retry.job.created) != job.completed => {
                Some("has a retry that did not come with its end")
            }
            [retry] if job.retry_id.as_deref() != Some(&retry.job.id) => Some("is not linked to its retry"),
            [_] => None,
            [] if job.retry_id.is_none() => Some("failed with retries left and has no retry"),
            [] if seen.op.is_some() || may_be_gone(facts, job, job.retry_id.as_deref()) => None,
            [] => Some("is linked to a retry that is not there"),
            [..] => Some("has more than one automatic retry"),
        };
    }
    by_hand(facts, life, seen, retries)
}

/// Retries on request: each needs one, and one begins after the one before has ended.
fn by_hand(
    facts: &Facts<'_>,
    life: &Life<'_>,
    seen: Sighting<'_>,
    mut retries: Vec<Sighting<'_>>,
) -> Option<&'static str> {
    retries.sort_by_key(|retry| retry.job.created);
    let requests = life.calls.iter().map(|op| facts.op(*op));
    let asks = |op: &&Op| matches!(op.call, Call::Retry { .. } | Call::Release { .. });
    let requests = requests.filter(|op| asks(op) && op.outcome != Outcome::Fail);
    if retries.len() > requests.count() {
        return Some("has more retries than were asked for");
    }
    if !retries.iter().all(|retry| may_be_by_hand(facts, seen.job, retry.job)) {
        return Some("has a retry by hand with another number of retries");
    }
    if !has_all_again(facts, life, &retries) {
        return Some("is among many that were retried, and has not all its retries again");
    }
    if beside_what_goes_on(facts, &retries) {
        return Some("has a second retry beside what goes on from the first");
    }
    let both_active = retries.windows(2).any(|pair| {
        let first = facts.life(&pair[0].job.id);
        first.is_some_and(|first| {
            first.completed().map_or(first.scans > 0, |ended| ended > pair[1].job.created)
        })
    });
    if both_active {
        return Some("has a second retry while the first is active");
    }
    let latest = retries.last().filter(|_| seen.op.is_none());
    let linked = latest.is_none_or(|latest| {
        // Of two at the same time either may be the later one.
        retries.iter().any(|retry| {
            retry.job.created == latest.job.created && seen.job.retry_id.as_deref() == Some(&retry.job.id)
        })
    });
    (!linked).then_some("is not linked to its latest retry")
}

/// False where only work on many jobs can have retried a job, and a retry has less than all automatic retries again.
fn has_all_again(facts: &Facts<'_>, life: &Life<'_>, retries: &[Sighting<'_>]) -> bool {
    let mut asked = life.calls.iter().map(|op| facts.op(*op));
    let alone = |op: &Op| matches!(op.call, Call::Retry { .. } | Call::Release { .. }) && !op.implied;
    if asked.any(|op| alone(op) && op.outcome != Outcome::Fail) {
        return true;
    }
    let all = |retry: &Sighting<'_>| facts.asked.get(&*retry.job.tag).map(|asked| asked.new.max_retries);
    retries.iter().all(|retry| all(retry).is_none_or(|all| retry.job.max_retries == all))
}

/// True where a job was retried again though something that nobody asked for went on from the retry before, and both are still there.
fn beside_what_goes_on(facts: &Facts<'_>, retries: &[Sighting<'_>]) -> bool {
    let goes_on_from = |first: &Life<'_>| {
        let next = first.retries.iter().map(|next| &facts.lives[*next]).filter(|next| next.scans > 0);
        let by_itself =
            |job: &JobRecord| matches!(came(facts, job), Some(Came::Automatically | Came::GivenBack(_)));
        first.scans > 0 && next.filter_map(|next| next.latest()).any(|next| by_itself(next.job))
    };
    retries.windows(2).any(|pair| {
        // Of two at the same time either may be the later one.
        pair[0].job.created < pair[1].job.created && facts.life(&pair[0].job.id).is_some_and(goes_on_from)
    })
}

/// True where the retry of a job may have been deleted before anybody saw it: by somebody who knew its id, or with many.
fn may_be_gone(facts: &Facts<'_>, job: &JobRecord, retry: Option<&str>) -> bool {
    retry.and_then(|id| facts.life(id)).is_some_and(|life| facts.may_be_deleted(life))
        || facts.may_be_deleted_unseen(job)
}

/// True where a client may have retried it by hand.
fn is_retried(facts: &Facts<'_>, life: &Life<'_>) -> bool {
    let calls = life.calls.iter().map(|op| facts.op(*op));
    calls.into_iter().any(|op| matches!(op.call, Call::Retry { .. }) && op.outcome != Outcome::Fail)
}

/// True where the automatic retry of a job may have been deleted before the first one by hand was made: the one that was seen, else the
/// one that it was linked to before it was to one by hand.
fn automatic_may_be_gone(
    facts: &Facts<'_>,
    life: &Life<'_>,
    automatic: &[Sighting<'_>],
    by_hand: &[Sighting<'_>],
    first: Sighting<'_>,
) -> bool {
    match automatic {
        [] => {
            let is_by_hand = |id: Option<&str>| by_hand.iter().any(|retry| Some(&*retry.job.id) == id);
            let mut before = life.sightings.iter().filter(|seen| !is_by_hand(seen.job.retry_id.as_deref()));
            before.any(|seen| may_be_gone(facts, seen.job, seen.job.retry_id.as_deref()))
        }
        [automatic] => facts.life(&automatic.job.id).is_some_and(|life| {
            let had_ended = life.completed().is_none_or(|at| at <= first.job.created);
            life.scans == 0 && had_ended && may_be_deleted_before(facts, life, first)
        }),
        [_, _, ..] => false,
    }
}

/// True where a job may have been removed before another one was made.
fn may_be_deleted_before(facts: &Facts<'_>, life: &Life<'_>, other: Sighting<'_>) -> bool {
    let number = facts.number(&other.job.id);
    let born =
        facts.stays.iter().find(|stay| Some(stay.life) == number).map_or(At::END, |stay| stay.born.last);
    let before = |op: &usize| {
        let is_delete = matches!(facts.op(*op).call, Call::Delete { .. });
        let at = facts.effects[*op].exactly();
        is_delete && facts.op(*op).outcome != Outcome::Fail && at.is_none_or(|at| at < born)
    };
    life.calls.iter().any(before) || facts.may_be_outlived(life)
}

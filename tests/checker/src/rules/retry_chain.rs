//! I5: a failed job with retries left has exactly one automatic retry, with one less; both are linked to each other,
//! and a chain cannot be longer than what was asked for. Anything else is retried only on request.

use crate::call::Call;
use crate::event::{Op, Outcome};
use crate::facts::{Facts, Life, Sighting};
use crate::job::{JobRecord, Status};
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule = Rule {
    name: "retry-chain",
    means: "retries are linked both ways, one for each failure, with one less each time, or asked for",
    check,
};

fn check(facts: &Facts<'_>, findings: &mut Findings) {
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
        let is_by_hand = |retry: &Sighting<'_>| retry.job.max_retries == job.max_retries;
        let (by_hand, automatic): (Vec<_>, Vec<_>) = retries.iter().copied().partition(is_by_hand);
        if let [first, ..] = by_hand[..]
            && is_retried(facts, life)
            && automatic_may_be_gone(facts, life, &automatic, &first.job.id)
        {
            // Somebody wanted another one since it was gone.
            let [automatic] = automatic[..] else { return None };
            let came_with_it = Some(automatic.job.created) == job.completed;
            return (!came_with_it).then_some("has a retry that did not come with its end");
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
    if retries.iter().any(|retry| retry.job.max_retries != seen.job.max_retries) {
        return Some("has a retry by hand with another number of retries");
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

/// True where the automatic retry of a job may have been deleted: the one that was seen, else the one that it was linked to before it
/// was to this other one.
fn automatic_may_be_gone(
    facts: &Facts<'_>,
    life: &Life<'_>,
    automatic: &[Sighting<'_>],
    other: &str,
) -> bool {
    match automatic {
        [] => {
            let mut before = life.sightings.iter().filter(|seen| seen.job.retry_id.as_deref() != Some(other));
            before.any(|seen| may_be_gone(facts, seen.job, seen.job.retry_id.as_deref()))
        }
        [automatic] => facts.life(&automatic.job.id).is_some_and(|life| facts.may_be_deleted(life)),
        [_, _, ..] => false,
    }
}

//! A job that is given back goes on as one new job: it is cancelled where that one comes, whoever asks again is told of the same
//! one, and of a chain no more are given back in a row than may be.

use quorate_core::limits::RELEASES;

use crate::call::Call;
use crate::event::Outcome;
use crate::facts::{Came, Facts, Life, came};
use crate::job::Status;
use crate::map::Set;
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule = Rule {
    name: "release",
    means: "a job that is given back is cancelled and goes on as one new job, and not for ever",
    check,
};

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    for life in &facts.lives {
        let releases = life.calls.iter().copied();
        let releases = releases.filter(|op| matches!(facts.op(*op).call, Call::Release { .. }));
        let answered: Vec<usize> = releases.filter(|op| facts.op(*op).outcome == Outcome::Ok).collect();
        let next: Set<&str> =
            answered.iter().flat_map(|op| &facts.op(*op).jobs).map(|job| &*job.id).collect();
        if !answered.is_empty() {
            findings.require(next.len() == 1, || {
                let what = format!("job {} was given back and goes on as {} jobs", life.id, next.len());
                (what, facts.lines(answered.iter().copied()))
            });
        }
        let gone_on: Vec<&Life<'_>> = life.retries.iter().map(|next| &facts.lives[*next]).collect();
        let given_back = |next: &&&Life<'_>| next.latest().is_some_and(|seen| is_given_back(facts, seen.job));
        let gone_on: Vec<&Life<'_>> = gone_on.iter().filter(given_back).copied().collect();
        let Some(first) = gone_on.first().and_then(|next| next.latest()) else { continue };
        let shown = life.sightings.iter().filter(|seen| seen.op.is_none() || seen.job.status.is_final());
        let wrong = shown.into_iter().find(|seen| {
            (seen.job.status, seen.job.completed) != (Status::Cancelled, Some(first.job.created))
        });
        findings.require(gone_on.len() == 1 && wrong.is_none(), || {
            let what = format!("job {} was given back and did not end with it, once", life.id);
            let lines = gone_on.iter().filter_map(|next| next.latest()).map(|seen| seen.line);
            (what, lines.chain(wrong.map(|seen| seen.line)).collect::<Vec<_>>())
        });
        let in_a_row = in_a_row(facts, life);
        findings.require(in_a_row < RELEASES, || {
            (format!("job {} was given back after {in_a_row} in a row", life.id), facts.lines(answered))
        });
    }
}

fn is_given_back(facts: &Facts<'_>, job: &crate::job::JobRecord) -> bool {
    matches!(came(facts, job), Some(Came::GivenBack(_)))
}

/// How many before this one were given back, each after the other; a retry by hand begins anew.
fn in_a_row(facts: &Facts<'_>, life: &Life<'_>) -> u32 {
    let mut given_back = 0;
    let mut job = life.latest().map(|seen| seen.job);
    while let Some(now) = job
        && given_back <= RELEASES
    {
        match came(facts, now) {
            Some(Came::GivenBack(_)) => given_back += 1,
            Some(Came::Automatically) => {}
            Some(Came::New | Came::ByHand) | None => break,
        }
        let before = now.retry_of.as_deref().and_then(|of| facts.life(of));
        job = before.and_then(|life| life.latest()).map(|seen| seen.job);
    }
    given_back
}

//! I2: no phantom, nothing altered. Each job that was seen was asked for, with this payload and these parameters; a
//! retry has those of the job that it retries, its queue and its key among them.

use crate::event::Outcome;
use crate::facts::{Asked, Came, Facts, Life, came};
use crate::job::{JobRecord, NewJob, Until};
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule = Rule {
    name: "unaltered",
    means: "every job seen was asked for, with the payload and the parameters that it was asked for with",
    check,
};

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    for life in &facts.lives {
        let Some(first) = life.sightings.first() else {
            nowhere(facts, findings, life);
            continue;
        };
        let asked = facts.asked.get(&*first.job.tag);
        for seen in &life.sightings {
            let wrong = wrong(facts, asked, first.job, seen.job);
            findings.require(wrong.is_none(), || {
                let asked = asked.map(|asked| facts.history.line_of(asked.ops[0]));
                let what = format!("job {} {}", life.id, wrong.unwrap_or_default());
                (what, asked.into_iter().chain([seen.line]).collect::<Vec<_>>())
            });
        }
    }
}

/// A job that nobody ever saw has no request that was answered well.
fn nowhere(facts: &Facts<'_>, findings: &mut Findings, life: &Life<'_>) {
    let answered = life.calls.iter().copied().find(|op| facts.op(*op).outcome == Outcome::Ok);
    findings.require(answered.is_none(), || {
        let what = format!("a request on job {} was answered well, and nobody ever saw that job", life.id);
        (what, facts.lines(answered))
    });
}

fn wrong(
    facts: &Facts<'_>,
    asked: Option<&Asked<'_>>,
    first: &JobRecord,
    job: &JobRecord,
) -> Option<&'static str> {
    let Some(asked) = asked else { return Some("was never asked for") };
    if asked.ops.iter().all(|op| facts.op(*op).outcome == Outcome::Fail) {
        return Some("was refused, yet is there");
    }
    let new = asked.new;
    if job.hash != new.hash {
        return Some("has another payload than it was given");
    }
    if (&job.queue, &job.key) != (&new.queue, &new.key) {
        return Some("is in another queue, or of another key, than it was given");
    }
    if (job.priority, job.timeout, job.retries_delay) != (new.priority, new.timeout, new.retries_delay) {
        return Some("has other parameters than it was given");
    }
    if (&job.tag, &job.retry_of, job.created) != (&first.tag, &first.retry_of, first.created) {
        return Some("changed what never changes in a job");
    }
    let keeps_away = match came(facts, job) {
        Some(Came::New) => job.unique == new.unique,
        Some(Came::Automatically | Came::GivenBack(_)) => {
            let of = job.retry_of.as_deref().and_then(|of| facts.life(of)).and_then(|of| of.latest());
            let goes_on = of.and_then(|of| of.job.unique.as_ref());
            job.unique.as_ref() == goes_on.filter(|unique| unique.until == Until::Finished)
        }
        Some(Came::ByHand) => job.unique.is_none(),
        None => true,
    };
    if !keeps_away {
        return Some("is unique otherwise than it was given");
    }
    (job.retry_of.is_none() && !as_enqueued(job, new)).then_some("has other parameters than it was given")
}

/// True where what a retry has of its own is what was asked for.
fn as_enqueued(job: &JobRecord, new: &NewJob) -> bool {
    (job.delay, job.max_retries) == (new.delay, new.max_retries)
}

//! Unique jobs: none is added while another one certainly keeps its key away in that queue, and who is answered another one is
//! answered one that may have kept it away.

use crate::call::Call;
use crate::facts::{At, Came, Facts, Span, Stay, came};
use crate::job::{Unique, Until};
use crate::map::Map;
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule = Rule {
    name: "unique",
    means: "no job is added while another keeps its unique key away, and a duplicate is told of such a one",
    check,
};

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    let mut keys: Map<(&str, &str), Vec<Held>> = Map::default();
    for stay in &facts.stays {
        if let Some((unique, held)) = held(facts, stay) {
            keys.entry((stay.queue, &*unique.key)).or_default().push(held);
        }
    }
    for ((queue, key), all) in &mut keys {
        all.sort_unstable_by_key(|held| held.from.first);
        for (place, new) in all.iter().enumerate().filter(|(_, held)| held.is_new) {
            let before = all[..place].iter();
            let other = before.filter(|other| other.from.last < new.from.first);
            let other = other.into_iter().find(|other| new.from.last < other.until.first);
            findings.require(other.is_none(), || {
                let [new, other] = [Some(new), other].map(|held| held.map(|held| &facts.lives[held.life]));
                let ids = [new, other].map(|life| life.map_or("", |life| life.id));
                let what =
                    format!("job {} of {queue} was added while job {} kept {key} away", ids[0], ids[1]);
                let lives = [new, other].into_iter().flatten();
                (what, lives.filter_map(|life| life.latest()).map(|seen| seen.line).collect::<Vec<_>>())
            });
        }
    }
    for (op, place) in &facts.duplicates {
        let Call::Enqueue { jobs } = &facts.op(*op).call else { continue };
        let (Some(new), shown) = (jobs.get(*place), &facts.op(*op).jobs[*place]) else { continue };
        // What an answer under a key repeats was so when it was first given.
        let Some(at) = facts.effects[*op].exactly().filter(|_| !facts.op(*op).replayed) else {
            findings.unclear += 1;
            continue;
        };
        let held = new.unique.as_ref().and_then(|unique| keys.get(&(&*new.queue, &*unique.key)));
        let held = held.into_iter().flatten().find(|held| facts.lives[held.life].id == &*shown.id);
        let may_hold = held.is_some_and(|held| held.from.first <= at.nth(*place) && at <= held.until.last);
        findings.require(may_hold, || {
            let what = format!("a job was kept away by job {}, which did not hold its unique key", shown.id);
            (what, facts.lines([*op]))
        });
    }
}

/// A job that keeps others away.
struct Held {
    life: usize,
    from: Span,
    until: Span,
    /// Not one that goes on from another.
    is_new: bool,
}

fn held<'h>(facts: &Facts<'h>, stay: &Stay<'h>) -> Option<(&'h Unique, Held)> {
    let job = facts.lives[stay.life].latest()?.job;
    let unique = job.unique.as_ref()?;
    let until = match unique.until {
        Until::Started => stay.left,
        Until::Finished => stay.ended,
        Until::For(seconds) => {
            let over = job.created + u64::from(seconds) * 1_000;
            Span { first: facts.clock.not_before(over), last: facts.clock.when(over - 1).last }
        }
    };
    let is_gone = facts.may_be_deleted(&facts.lives[stay.life]);
    let until = if is_gone { Span { first: At::START, ..until } } else { until };
    let is_new = came(facts, job) == Some(Came::New);
    Some((unique, Held { life: stay.life, from: stay.born, until, is_new }))
}

//! Weights starve nobody: each job is drawn anew, so that of consumes by weight which find a job in a queue the share that passes
//! it by shrinks with each. What would be so only once in a million million runs is no chance.

use crate::facts::{At, Facts};
use crate::map::Map;
use crate::rule::{Findings, Rule};
use crate::source::Source;

pub(super) const RULE: Rule = Rule {
    name: "weights",
    means: "no queue with jobs is passed by in more draws by weight in a row than chance can explain",
    check,
};

/// Of a row that is as unlikely as one in a million million: the natural logarithm.
const NO_CHANCE: f64 = -27.6;

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    let waiting = facts.waiting();
    // How likely it is, for each queue, that so many draws in a row pass it by.
    let mut rows: Map<&str, (f64, Vec<usize>)> = Map::default();
    for (_, number) in draws(facts) {
        let stay = &facts.stays[number];
        let grants = facts.lives[stay.life].grants.iter().map(|(op, _)| *op);
        let Some(op) = grants.into_iter().find(|op| facts.effects[*op].exactly().is_some()) else { continue };
        let Some(Source::ByWeight(names)) = facts.op(op).call.source() else { continue };
        let all: u32 = names.iter().map(|(_, weight)| weight).sum();
        rows.remove(stay.queue);
        for (name, weight) in names.iter().filter(|(name, _)| *name != stay.queue) {
            let Some(queue) = waiting.get(name) else { continue };
            match queue.passed(stay).min() {
                None => {}
                Some((true, _)) => findings.unclear += 1,
                Some((false, _)) => {
                    // At least as likely it is drawn: of the others some may have had no job.
                    let drawn = f64::from(*weight) / f64::from(all);
                    let (row, ops) = rows.entry(name).or_default();
                    *row += (1.0 - drawn).ln();
                    ops.push(op);
                    findings.require(*row > NO_CHANCE, || {
                        let what = format!(
                            "{} jobs in a row were drawn from other queues while {name} had some, at a weight of {weight} \
                             of {all}",
                            ops.len()
                        );
                        (what, facts.lines(ops.iter().copied()))
                    });
                }
            }
        }
    }
}

/// The jobs that were taken at an exact place, in the order of the log.
fn draws(facts: &Facts<'_>) -> Vec<(At, usize)> {
    let stays = facts.stays.iter().enumerate();
    let exact = stays.filter(|(_, stay)| stay.taken && stay.left.first == stay.left.last);
    let mut draws: Vec<(At, usize)> = exact.map(|(number, stay)| (stay.left.first, number)).collect();
    draws.sort_unstable();
    draws
}

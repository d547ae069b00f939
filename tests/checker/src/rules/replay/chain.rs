use crate::call::Call;
use crate::event::Outcome;
use crate::facts::{At, Came, Facts, Life, came, delay};

/// A step of a chain's life: a request, or the cluster's timeout.
pub(super) struct Step {
    /// Where in the log; only its order counts.
    at: At,
    /// Log time in milliseconds.
    pub(super) time: u64,
    /// Number of the job.
    pub(super) life: usize,
    /// The request; `None` for the timeout.
    pub(super) op: Option<usize>,
}

/// Every step of the chain of retries that begins with a job, in log order; `None` where one is not known exactly.
pub(super) fn steps(facts: &Facts<'_>, root: usize) -> Option<Vec<Step>> {
    let mut chain = vec![root];
    let mut at = 0;
    while let Some(&life) = chain.get(at) {
        // A cycle is for the rule on chains.
        chain.extend(facts.lives[life].retries.iter().filter(|retry| **retry != root));
        at += 1;
        if at > facts.lives.len() {
            return None;
        }
    }
    let mut steps = Vec::new();
    let mut timeouts = Vec::new();
    for number in chain {
        let life = &facts.lives[number];
        is_known(facts, life)?;
        requests(facts, number, &mut steps)?;
        if facts.timed_out(life) {
            timeouts.push((life.completed()?, number));
        }
    }
    steps.sort_by_key(|step: &Step| step.at);
    timeouts.sort_unstable();
    for (time, life) in timeouts {
        let place = steps.partition_point(|step| step.time < time);
        steps.insert(place, Step { at: At::START, time, life, op: None });
    }
    Some(steps)
}

/// `None` where something happened to the job that no exactly placed request explains.
fn is_known(facts: &Facts<'_>, life: &Life<'_>) -> Option<()> {
    let exactly = |op: usize| facts.effects[op].exactly().is_some();
    let of = |call: fn(&Call) -> bool| life.calls.iter().copied().filter(move |op| call(&facts.op(*op).call));
    let latest = life.latest()?.job;
    let born = came(facts, latest)? == Came::Automatically || life.births.iter().any(|(op, _)| exactly(*op));
    let granted = life.started().is_none() || life.grants.iter().any(|(op, _)| exactly(*op));
    // A job that is gone has ended, even if nobody saw how.
    let goes_on = !latest.status.is_final() && life.scans > 0;
    let ended = goes_on || facts.timed_out(life) || of(is_end).any(exactly);
    let open = of(|call| matches!(call, Call::Touch { .. })).any(|op| facts.op(op).outcome == Outcome::Info);
    // What is not there at the end was deleted, by a request that was answered.
    let gone = life.scans == 0 && !of(|call| matches!(call, Call::Delete { .. })).any(exactly);
    (born && granted && ended && !open && !gone).then_some(())
}

fn is_end(call: &Call) -> bool {
    use Call::{Cancel, Fail, Release, Success};
    matches!(call, Success { .. } | Fail { .. } | Cancel { .. } | Release { .. })
}

/// Adds the requests on a job that stand in the log.
fn requests(facts: &Facts<'_>, number: usize, steps: &mut Vec<Step>) -> Option<()> {
    let life = &facts.lives[number];
    let latest = life.latest()?.job;
    // When time changed the job: a request whose log time may be before or after that proves nothing.
    let released = delay(facts, latest)?.checked_add(latest.created)?;
    let edges = [Some(latest.created), Some(released), life.completed().filter(|_| facts.timed_out(life))];
    let first =
        |ops: &[(usize, usize)]| ops.iter().copied().find(|(op, _)| facts.effects[*op].exactly().is_some());
    let made = first(&life.births).into_iter().chain(first(&life.grants));
    let named = life.calls.iter().copied().filter(|op| match facts.op(*op).call {
        // A refusal under a key may repeat one from when the job stood otherwise.
        Call::Success { .. } | Call::Fail { .. } => {
            !(facts.op(*op).replayed && facts.op(*op).outcome == Outcome::Fail)
        }
        Call::Cancel { .. } => true,
        Call::Touch { .. } | Call::Delete { .. } => true,
        // One that was answered with a job stands among that job's births; one under a key may repeat an answer.
        Call::Retry { .. } => facts.op(*op).outcome == Outcome::Fail && facts.op(*op).key.is_none(),
        Call::Release { .. } => facts.op(*op).outcome == Outcome::Fail,
        Call::Enqueue { .. }
        | Call::Consume { .. }
        | Call::Finish { .. }
        | Call::Set { .. }
        | Call::Operate { .. }
        | Call::Stop { .. }
        | Call::Watch { .. }
        | Call::Get { .. }
        | Call::List { .. } => false,
    });
    for (op, place) in made.chain(named.map(|op| (op, 0))) {
        let Some(index) = facts.op(op).index.filter(|index| index.offset.is_some()) else { continue };
        let (time, until) = facts.clock.bounds(index.index);
        let crosses = edges.into_iter().flatten().any(|edge| time < edge && edge <= until);
        let touches = matches!(facts.op(op).call, Call::Touch { .. }) && time < until;
        // Nobody saw when it ended.
        let ends = facts.op(op).call.ends() && facts.effects[op].exactly().is_some() && time < until;
        if crosses || touches || ends {
            return None;
        }
        steps.push(Step {
            at: At::command(index).nth(facts.op(op).place).nth(place),
            time,
            life: number,
            op: Some(op),
        });
    }
    Some(())
}

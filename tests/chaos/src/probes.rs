use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use quorate_check::{Call, History, Op, Outcome};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};

use crate::draw::new_job;
use crate::limits;
use crate::rest::Rest;
use crate::shared::Shared;

/// Client numbers from here on are those of probes: each sends one request.
pub(crate) const FIRST_PROBE: u32 = 1_000;

/// Measures how soon a write is acknowledged after the leader has died: one small enqueue to the survivors in turn,
/// every few milliseconds, whether or not the earlier ones have been answered, until one is acknowledged.
pub(crate) async fn probe(
    rest: Arc<Rest>,
    shared: Arc<Shared>,
    survivors: Vec<usize>,
    next: Arc<AtomicU32>,
) -> anyhow::Result<()> {
    let acknowledged = Arc::new(AtomicBool::new(false));
    let deadline = Instant::now() + limits::PROBES;
    let mut ticks = interval(limits::PROBE_EVERY);
    let mut open = JoinSet::new();
    let mut turn = survivors.into_iter().cycle();
    while !acknowledged.load(Ordering::Acquire) && Instant::now() < deadline {
        ticks.tick().await;
        let Some(node) = turn.next() else { break };
        let (rest, shared) = (Arc::clone(&rest), Arc::clone(&shared));
        let acknowledged = Arc::clone(&acknowledged);
        let client = next.fetch_add(1, Ordering::Relaxed);
        open.spawn(async move {
            let call = Call::Enqueue { jobs: vec![new_job(&format!("p{client}"))] };
            let op = rest.attempt(client, &shared.nodes[node], call, None, None).await?;
            if op.outcome == Outcome::Ok {
                acknowledged.store(true, Ordering::Release);
            }
            shared.recorder.op(&op)?;
            anyhow::Ok(())
        });
    }
    while let Some(probe) = open.join_next().await {
        probe??;
    }
    Ok(())
}

/// How long after `from`, when a leader was about to die, the first write was acknowledged that was sent after `struck`,
/// when it was seen to be dead; in microseconds. So it is never too short, and too long by the time between the two.
pub(crate) fn gap(history: &History, from: u64, struck: u64) -> Option<u64> {
    let writes = history.ops.iter().filter(|op| op.invoke >= struck && op.outcome == Outcome::Ok);
    let writes = writes.filter(|op| matches!(op.call, Call::Enqueue { .. }));
    writes.map(|op| op.returned - from).min()
}

/// The longest time in which no write was acknowledged, in microseconds.
pub(crate) fn longest_pause(ops: &[Op], from: u64, until: u64) -> u64 {
    let writes = ops.iter().filter(|op| op.outcome == Outcome::Ok && (from..=until).contains(&op.returned));
    let writes = writes
        .filter(|op| matches!(op.call, Call::Enqueue { .. } | Call::Success { .. } | Call::Fail { .. }));
    let mut moments: Vec<u64> = writes.map(|op| op.returned).chain([from, until]).collect();
    moments.sort_unstable();
    moments.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_pause_is_between_writes_that_were_acknowledged_meanwhile() {
        let op = |returned, outcome, call: Call| Op { returned, outcome, ..Op::sent(1, "n1", 0, call, None) };
        let write = || Call::Enqueue { jobs: Vec::new() };
        let ops = [
            op(5, Outcome::Ok, write()),
            op(20, Outcome::Ok, write()),
            op(30, Outcome::Fail, write()),
            op(35, Outcome::Ok, Call::List { linearizable: false }),
            op(60, Outcome::Ok, Call::Success { id: "a".into(), log: None }),
            op(95, Outcome::Ok, write()),
        ];
        assert_eq!(longest_pause(&ops, 10, 100), 40);
        assert_eq!(longest_pause(&ops, 96, 100), 4, "there was none");
    }
}

use std::pin::Pin;

use futures::FutureExt;
use proptest::prelude::*;

use super::*;

const QUEUE: QueueId = QueueId::DEFAULT;

/// Who waits, or has a turn: in the order of their coming.
enum Caller {
    Waiting(Pin<Box<dyn Future<Output = Turn>>>),
    OnTheWay { _turn: Turn },
}

/// What may happen.
#[derive(Clone, Debug)]
enum Event {
    /// Somebody comes to wait.
    Comes,
    /// Somebody who waits or has a turn goes away, maybe just as he was given one.
    Leaves(usize),
    /// Somebody who has a turn takes up to so many jobs.
    Takes(usize, u64),
    /// So many jobs become queued.
    Queued(u64),
    /// So many go, at most: to callers that did not wait, to other nodes, or because they are called off.
    Gone(u64),
    /// A snapshot comes in.
    Installed(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => Just(Event::Comes),
        2 => any::<usize>().prop_map(Event::Leaves),
        3 => (any::<usize>(), 0..4_u64).prop_map(|(who, most)| Event::Takes(who, most)),
        3 => (1..4_u64).prop_map(Event::Queued),
        1 => (1..4_u64).prop_map(Event::Gone),
        1 => (0..6_u64).prop_map(Event::Installed),
    ]
}

#[derive(Default)]
struct World {
    turns: Turns,
    queued: u64,
    callers: Vec<Caller>,
}

impl World {
    fn has(&mut self, event: Event) {
        match event {
            Event::Comes => {
                let turns = self.turns.clone();
                let mut waits = Box::pin(async move { turns.next(QUEUE).await });
                // He stands in the line from when he first looked.
                let caller = match waits.as_mut().now_or_never() {
                    Some(turn) => Caller::OnTheWay { _turn: turn },
                    None => Caller::Waiting(waits),
                };
                self.callers.push(caller);
            }
            // Not polled before: he may leave with a turn that he has not noticed.
            Event::Leaves(who) if !self.callers.is_empty() => {
                let who = who % self.callers.len();
                self.callers.remove(who);
            }
            Event::Takes(who, most) => {
                let on_the_way: Vec<usize> = (0..self.callers.len())
                    .filter(|at| matches!(self.callers[*at], Caller::OnTheWay { .. }))
                    .collect();
                if let Some(at) = on_the_way.get(who % on_the_way.len().max(1)) {
                    self.set_queued(self.queued.saturating_sub(most));
                    self.callers.remove(*at);
                }
            }
            Event::Queued(jobs) => self.set_queued(self.queued + jobs),
            Event::Gone(jobs) => self.set_queued(self.queued.saturating_sub(jobs)),
            Event::Installed(jobs) => self.set_queued(jobs),
            Event::Leaves(_) => {}
        }
    }

    fn set_queued(&mut self, jobs: u64) {
        self.queued = jobs;
        self.turns.observe(&BTreeMap::from([(QUEUE, jobs)]));
    }

    fn on_their_way(&self) -> u64 {
        self.turns.0.lock().get(&QUEUE).map_or(0, |line| line.on_their_way)
    }

    /// Lets everybody notice his turn, and checks what always holds.
    fn check(&mut self) -> Result<(), TestCaseError> {
        let mut somebody_waits = false;
        for caller in &mut self.callers {
            if let Caller::Waiting(waits) = caller {
                if let Some(turn) = waits.as_mut().now_or_never() {
                    prop_assert!(!somebody_waits, "one who came later was woken before");
                    *caller = Caller::OnTheWay { _turn: turn };
                } else {
                    somebody_waits = true;
                }
            }
        }
        let on_their_way =
            self.callers.iter().filter(|caller| matches!(caller, Caller::OnTheWay { .. })).count() as u64;
        prop_assert!(!somebody_waits || on_their_way >= self.queued, "a job lies, and nobody is on his way");
        let lines = self.turns.0.lock();
        if let Some(line) = lines.get(&QUEUE) {
            prop_assert_eq!(line.on_their_way, on_their_way);
            prop_assert_eq!(
                line.waiting.len(),
                self.callers.len() - on_their_way as usize,
                "nobody is forgotten"
            );
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn while_someone_waits_as_many_are_on_their_way_as_jobs_are_queued(
        steps in prop::collection::vec((event(), any::<bool>()), 1..60),
    ) {
        let mut world = World::default();
        for (event, all_notice) in steps {
            let before = world.on_their_way();
            world.has(event);
            let after = world.on_their_way();
            prop_assert!(after <= before.max(world.queued), "more were woken than there are jobs");
            if all_notice {
                world.check()?;
            }
        }
        world.check()?;
    }
}

#[test]
fn a_job_of_another_queue_wakes_nobody() {
    let turns = Turns::default();
    let mut waits = Box::pin(turns.next(QUEUE));
    assert!(waits.as_mut().now_or_never().is_none());
    turns.observe(&BTreeMap::from([(QueueId(7), 5)]));
    assert!(waits.as_mut().now_or_never().is_none());
}

#[test]
fn the_jobs_of_all_queues_of_a_table_count_and_no_others() {
    const OTHER: QueueId = QueueId(7);
    let turns = Turns::default();
    turns.observe(&BTreeMap::from([(QUEUE, 1), (OTHER, 1)]));
    turns.changed(OTHER, -1);
    // Another table comes with a snapshot: its only job is in the other queue.
    turns.observe(&BTreeMap::from([(OTHER, 1)]));
    assert!(turns.next(QUEUE).now_or_never().is_none());
    assert!(turns.next(OTHER).now_or_never().is_some());
}

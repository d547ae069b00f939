use std::collections::BTreeMap;

use proptest::prelude::*;
use quorate_core::{QueueId, QueueName, Source, Take};

use super::super::Look;
use super::super::pairs::Pair;
use super::super::supply::Supply;
use super::world::{Caller, Event, NAMES, World, image, wants};
use super::{NO_LIMIT, name};

fn any_take() -> impl Strategy<Value = Take> {
    let names = prop::collection::vec(prop::sample::select(NAMES.to_vec()).prop_map(name), 1..4);
    let from = (0..4_u8, names).prop_map(|(kind, names): (u8, Vec<QueueName>)| match kind {
        0 => Source::All,
        1 => Source::ByWeight(names.into_iter().map(|name| (name, 1)).collect()),
        _ => Source::InOrder(names),
    });
    let images = prop::collection::vec((0..3_usize).prop_map(image), 0..3);
    (from, images).prop_map(|(from, images)| Take { from, images, ..Take::default_queue(1) })
}

fn event() -> impl Strategy<Value = Event> {
    let places = || prop_oneof![2 => 0..4_u64, 1 => Just(NO_LIMIT)];
    let content = (places(), prop::collection::vec(0..4_u64, 3));
    prop_oneof![
        6 => any_take().prop_map(Event::Comes),
        3 => any::<usize>().prop_map(Event::Leaves),
        4 => (any::<usize>(), 0..4_u64).prop_map(|(who, most)| Event::Takes(who, most)),
        6 => (0..3_usize, 0..3_usize, 0..5_u64).prop_map(|(queue, image, jobs)| Event::Jobs(queue, image, jobs)),
        3 => (0..3_usize, places()).prop_map(|(queue, places)| Event::Places(queue, places)),
        1 => (0..3_usize, prop::option::of(1..4_u64)).prop_map(|(queue, jobs)| Event::Gone(queue, jobs)),
        1 => prop::collection::vec(content, 0..4).prop_map(Event::Installed),
    ]
}

/// What is claimed, by ticket.
type Claims = BTreeMap<u64, Pair>;

fn of_pair(claims: &Claims, pair: Pair) -> u64 {
    claims.values().filter(|of| **of == pair).count() as u64
}

fn of_queue(claims: &Claims, queue: QueueId) -> u64 {
    claims.values().filter(|of| of.0 == queue).count() as u64
}

impl World {
    /// Walks all that is there, and all who wait.
    fn check_what_is_there(&self, before: &Claims, claims: &Claims) -> Result<(), TestCaseError> {
        let waits = |caller: &&Caller| !claims.contains_key(&caller.turn.ticket);
        for (queue, pair, places, jobs) in self.stock() {
            let (on_their_way, of_all) = (of_pair(claims, pair), of_queue(claims, pair.0));
            let lies = on_their_way < jobs && of_all < places;
            let someone_waits = self.callers.iter().filter(waits).any(|who| wants(&who.take, queue, pair.1));
            prop_assert!(!(lies && someone_waits), "a job lies, and nobody is on his way");
            prop_assert!(
                on_their_way <= of_pair(before, pair).max(jobs),
                "more were woken than there are jobs"
            );
            prop_assert!(
                of_all <= of_queue(before, pair.0).max(places),
                "more were woken than there are places"
            );
        }
        Ok(())
    }

    /// Walks all who were woken, and all who wait.
    fn check_order(&mut self, before: &Claims, claims: &Claims) -> Result<(), TestCaseError> {
        let mut first_to_wait: Vec<Take> = Vec::new();
        for Caller { take, turn, given } in &mut self.callers {
            let Some(pair) = claims.get(&turn.ticket) else {
                prop_assert!(given.try_recv().is_err(), "who waits is not told of a turn");
                first_to_wait.push(take.clone());
                continue;
            };
            if before.contains_key(&turn.ticket) {
                continue;
            }
            prop_assert!(given.try_recv().is_ok(), "who has a turn is told");
            let queue = self.queues.iter().find(|(_, queue)| queue.0 == pair.0);
            let queue = *queue.expect("nobody is woken for a queue that is gone").0;
            prop_assert!(wants(take, queue, pair.1), "one was woken for what he does not want");
            let overtaken = first_to_wait.iter().any(|take| wants(take, queue, pair.1));
            prop_assert!(!overtaken, "one who came later was woken before");
        }
        Ok(())
    }

    fn check_look(&self, take: &Take) -> Result<(), TestCaseError> {
        let found = self
            .stock()
            .any(|(queue, pair, places, jobs)| places > 0 && jobs > 0 && wants(take, queue, pair.1));
        prop_assert_eq!(self.turns.look(take), Look { found, applied: self.applied });
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn while_someone_waits_as_many_are_on_their_way_as_there_is_something_for(
        events in prop::collection::vec(event(), 1..60),
        looks in prop::collection::vec(any_take(), 4),
        listed in 0..4_usize,
    ) {
        let mut world = World::default();
        world.turns.0.lock().supply = Supply::listing(listed);
        for event in events {
            let before = world.claims();
            world.has(event);
            let claims = world.claims();
            world.check_what_is_there(&before, &claims)?;
            world.check_order(&before, &claims)?;
            for take in &looks {
                world.check_look(take)?;
            }
        }
        world.callers.clear();
        world.has(Event::Installed(Vec::new()));
        let state = world.turns.0.lock();
        prop_assert!(state.claims.is_empty() && state.waiters.is_empty() && state.supply.is_empty(), "all is forgotten");
    }
}

use std::collections::BTreeMap;

use proptest::prelude::*;
use quorate_core::{QueueName, Source};

use super::super::*;
use super::{NO_LIMIT, name};

/// Places and jobs by image of one queue.
type Content = (u64, Vec<u64>);

/// What may happen.
#[derive(Clone, Debug)]
enum Event {
    /// Somebody comes to wait.
    Comes(Take),
    /// Somebody who waits or has a turn goes away, maybe just as he was given one.
    Leaves(usize),
    /// Somebody who has a turn takes up to so many jobs that he may have, whatever it was given for.
    Takes(usize, u64),
    /// A queue has so many jobs of an image: some came, or went to callers that did not wait, or were called off.
    Jobs(usize, usize, u64),
    /// So many of its jobs may be granted.
    Places(usize, u64),
    /// It goes; if there are jobs, another one of its name comes at once.
    Gone(usize, Option<u64>),
    /// A snapshot comes in.
    Installed(Vec<Content>),
}

const NAMES: [&str; 3] = ["default", "a", "b"];

fn image(at: usize) -> ImageId {
    ImageId([at as u8; 16])
}

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

/// As it is said to be; and all who wait, or have a turn, in the order of their coming.
#[derive(Default)]
struct World {
    turns: Turns,
    queues: BTreeMap<usize, (QueueId, Content)>,
    made: u32,
    applied: u64,
    callers: Vec<(Take, Turn, oneshot::Receiver<()>)>,
}

impl World {
    fn has(&mut self, event: Event) {
        self.applied += 1;
        match event {
            Event::Comes(take) => {
                let (turn, given) = self.turns.line_up(&take);
                self.callers.push((take, turn, given));
            }
            Event::Leaves(who) => {
                if let Some(who) = who.checked_rem(self.callers.len()) {
                    self.callers.remove(who);
                }
            }
            Event::Takes(who, most) => self.takes(who, most),
            Event::Jobs(queue, image, jobs) => {
                self.queue(queue).1[image] = jobs;
                self.tell(queue, &[image], &[]);
            }
            Event::Places(queue, places) => {
                self.queue(queue).0 = places;
                self.tell(queue, &[], &[]);
            }
            Event::Gone(queue, jobs) => {
                let gone: Vec<QueueId> = self.queues.remove(&queue).map(|(id, _)| id).into_iter().collect();
                match jobs {
                    Some(jobs) => {
                        self.queue(queue).1[0] = jobs;
                        self.tell(queue, &[0], &gone);
                    }
                    None => self.turns.changed(self.applied, &[], &gone),
                }
            }
            Event::Installed(contents) => {
                self.queues.retain(|queue, _| *queue < contents.len());
                for (queue, content) in contents.into_iter().enumerate().take(NAMES.len()) {
                    *self.queue(queue) = content;
                }
                let all: Vec<Availability> =
                    self.queues.keys().map(|queue| self.available(*queue, &[0, 1, 2])).collect();
                self.turns.observe(self.applied, &all);
            }
        }
        self.turns.changed(self.applied, &[], &[]);
    }

    fn takes(&mut self, who: usize, most: u64) {
        let claims = self.claims();
        let on_their_way: Vec<usize> =
            (0..self.callers.len()).filter(|at| claims.contains_key(&self.callers[*at].1.ticket)).collect();
        let Some(who) = who.checked_rem(on_their_way.len()).map(|at| on_their_way[at]) else { return };
        let take = self.callers[who].0.clone();
        let mut left = most;
        for queue in self.queues.keys().copied().collect::<Vec<_>>() {
            for of_image in (0..3).filter(|at| wants(&take, queue, image(*at))) {
                let (places, jobs) = self.queue(queue);
                let taken = left.min(*places).min(jobs[of_image]);
                jobs[of_image] -= taken;
                *places = if *places == NO_LIMIT { NO_LIMIT } else { *places - taken };
                left -= taken;
                self.tell(queue, &[of_image], &[]);
            }
        }
        self.callers.remove(who);
    }

    fn queue(&mut self, queue: usize) -> &mut Content {
        let (_, content) = self.queues.entry(queue).or_insert_with(|| {
            self.made += 1;
            (QueueId(self.made), (NO_LIMIT, vec![0; 3]))
        });
        content
    }

    fn available(&self, queue: usize, images: &[usize]) -> Availability {
        let (id, (places, jobs)) = &self.queues[&queue];
        let images = images.iter().map(|at| (image(*at), jobs[*at])).collect();
        Availability { queue: *id, name: name(NAMES[queue]), places: *places, images }
    }

    fn tell(&self, queue: usize, images: &[usize], gone: &[QueueId]) {
        self.turns.changed(self.applied, &[&self.available(queue, images)], gone);
    }

    fn claims(&self) -> BTreeMap<u64, Pair> {
        self.turns.0.lock().claims.clone()
    }

    /// What is there, with how much of that.
    fn stock(&self) -> impl Iterator<Item = (usize, Pair, u64, u64)> {
        self.queues.iter().flat_map(|(queue, (id, (places, jobs)))| {
            (0..3).map(move |at| (*queue, (*id, image(at)), *places, jobs[at]))
        })
    }

    /// Walks all who wait, and all that is there.
    fn check(&mut self, before: &BTreeMap<u64, Pair>) -> Result<(), TestCaseError> {
        let claims = self.claims();
        let of_pair = |claims: &BTreeMap<u64, Pair>, pair: Pair| {
            claims.values().filter(|of| **of == pair).count() as u64
        };
        let of_queue = |claims: &BTreeMap<u64, Pair>, queue: QueueId| {
            claims.values().filter(|of| of.0 == queue).count() as u64
        };
        let waiting: Vec<&(Take, Turn, _)> =
            self.callers.iter().filter(|caller| !claims.contains_key(&caller.1.ticket)).collect();
        for (queue, pair, places, jobs) in self.stock() {
            let (on_their_way, of_all) = (of_pair(&claims, pair), of_queue(&claims, pair.0));
            let lies = on_their_way < jobs && of_all < places;
            let someone_waits = waiting.iter().any(|caller| wants(&caller.0, queue, pair.1));
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
        for (take, turn, given) in &mut self.callers {
            let Some(pair) = claims.get(&turn.ticket).filter(|_| !before.contains_key(&turn.ticket)) else {
                continue;
            };
            prop_assert!(given.try_recv().is_ok(), "who has a turn is told");
            let Some(queue) = self.queues.iter().find(|(_, queue)| queue.0 == pair.0) else { continue };
            prop_assert!(wants(take, *queue.0, pair.1), "one was woken for what he does not want");
        }
        for (ticket, pair) in claims.iter().filter(|(ticket, _)| !before.contains_key(ticket)) {
            let Some((queue, _)) = self.queues.iter().find(|(_, queue)| queue.0 == pair.0) else { continue };
            let overtaken = |caller: &&(Take, Turn, _)| {
                !claims.contains_key(&caller.1.ticket)
                    && caller.1.ticket < *ticket
                    && wants(&caller.0, *queue, pair.1)
            };
            prop_assert!(
                !self.callers.iter().any(|caller| overtaken(&caller)),
                "one who came later was woken before"
            );
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

fn wants(take: &Take, queue: usize, image: ImageId) -> bool {
    let queue = name(NAMES[queue]);
    let of_queue = match &take.from {
        Source::InOrder(names) => names.contains(&queue),
        Source::ByWeight(names) => names.iter().any(|(name, _)| *name == queue),
        Source::All => true,
    };
    of_queue && (take.images.is_empty() || take.images.contains(&image))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn while_someone_waits_as_many_are_on_their_way_as_there_is_something_for(
        events in prop::collection::vec(event(), 1..60),
        looks in prop::collection::vec(any_take(), 4),
    ) {
        let mut world = World::default();
        for event in events {
            let before = world.claims();
            world.has(event);
            world.check(&before)?;
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

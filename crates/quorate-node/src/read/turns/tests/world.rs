use std::collections::BTreeMap;

use quorate_core::{Availability, ImageId, QueueId, Source, Take};
use tokio::sync::oneshot;

use super::super::pairs::Pair;
use super::super::{Turn, Turns};
use super::{NO_LIMIT, name};

/// Places and jobs by image of one queue.
pub(super) type Content = (u64, Vec<u64>);

/// What may happen.
#[derive(Clone, Debug)]
pub(super) enum Event {
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

pub(super) const NAMES: [&str; 3] = ["default", "a", "b"];

pub(super) fn image(at: usize) -> ImageId {
    ImageId([at as u8; 16])
}

/// Somebody who waits, or has a turn.
pub(super) struct Caller {
    pub(super) take: Take,
    pub(super) turn: Turn,
    pub(super) given: oneshot::Receiver<()>,
}

/// As it is said to be; and all who wait, or have a turn, in the order of their coming.
#[derive(Default)]
pub(super) struct World {
    pub(super) turns: Turns,
    pub(super) queues: BTreeMap<usize, (QueueId, Content)>,
    made: u64,
    pub(super) applied: u64,
    pub(super) callers: Vec<Caller>,
}

impl World {
    pub(super) fn has(&mut self, event: Event) {
        self.applied += 1;
        match event {
            Event::Comes(take) => {
                let (turn, given) = self.turns.line_up(&take);
                self.callers.push(Caller { take, turn, given });
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
        let on_their_way: Vec<usize> = (0..self.callers.len())
            .filter(|at| claims.contains_key(&self.callers[*at].turn.ticket))
            .collect();
        let Some(who) = who.checked_rem(on_their_way.len()).map(|at| on_their_way[at]) else { return };
        let take = self.callers[who].take.clone();
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

    pub(super) fn claims(&self) -> BTreeMap<u64, Pair> {
        self.turns.0.lock().claims.clone()
    }

    /// What is there, with how much of that.
    pub(super) fn stock(&self) -> impl Iterator<Item = (usize, Pair, u64, u64)> {
        self.queues.iter().flat_map(|(queue, (id, (places, jobs)))| {
            (0..3).map(move |at| (*queue, (*id, image(at)), *places, jobs[at]))
        })
    }
}

pub(super) fn wants(take: &Take, queue: usize, image: ImageId) -> bool {
    let queue = name(NAMES[queue]);
    let of_queue = match &take.from {
        Source::InOrder(names) => names.contains(&queue),
        Source::ByWeight(names) => names.iter().any(|(name, _)| *name == queue),
        Source::All => true,
    };
    of_queue && (take.images.is_empty() || take.images.contains(&image))
}

//! Which jobs wait, and which one a consumer gets.
//!
//! All of it is in memory, on every replica alike: for each lane that is not empty where it begins, for each queue its record and
//! how many jobs of each key run. So a consume looks at no job but those that it grants. The table keeps the records, what
//! is in the lanes, and what of this must outlive a restart (`kept.rs`). `moves.rs` is what happens to it, `next.rs` which lane is next.
//! Below them: `line.rs`, a queue; `rank.rs`, one priority of it, where keys take turns; `running.rs`, what runs of each key.

mod bounds;
mod kept;
mod lane;
mod line;
mod moves;
mod next;
mod open;
mod rank;
mod running;
mod take;
#[cfg(test)]
mod tests;
mod workers;

use std::collections::{BTreeMap, BTreeSet};

pub use bounds::WaitBounds;
pub use kept::{Changes, Kept, KeyTurn};
pub use lane::{Lane, LaneMark};
pub use take::{Source, Take};
pub use workers::{Worker, WorkerView};

use self::line::Line;
use self::open::Open;
use self::rank::Waiting;
use self::workers::Workers;
use crate::{ImageId, JobId, Priority, Queue, QueueId, QueueName, QueueView, Timestamp, limits};

/// See the module.
#[derive(Clone, Debug)]
pub struct Dispatch {
    now: Timestamp,
    lines: BTreeMap<QueueId, Line>,
    names: BTreeMap<QueueName, QueueId>,
    next_queue: u64,
    lanes: usize,
    bounds: WaitBounds,
    workers: Workers,
    /// Queues that a consumer would get something from.
    open: Open,
    /// The same by what it would get, but for those that are crowded: where more images wait than are listed.
    open_by_image: BTreeMap<ImageId, Open>,
    open_crowded: Open,
    /// Queues that only their rate keeps from that, by when it does not any more.
    refills: BTreeSet<(Timestamp, QueueId)>,
    /// What somebody may wait for, since it was last told.
    untold: Untold,
    /// What the table has to write.
    unwritten: Unwritten,
}

#[derive(Clone, Debug, Default)]
struct Untold {
    queues: BTreeSet<QueueId>,
    gone: Vec<QueueId>,
    images: BTreeSet<(QueueId, ImageId)>,
}

#[derive(Clone, Debug, Default)]
struct Unwritten {
    queues: BTreeSet<QueueId>,
    lanes: BTreeSet<Lane>,
    turns: BTreeSet<KeyTurn>,
    running: BTreeSet<(QueueId, Box<str>)>,
    workers: BTreeSet<Box<str>>,
    held: BTreeSet<(Box<str>, JobId)>,
}

/// How much of a queue a consumer could have now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Availability {
    /// Which.
    pub queue: QueueId,
    /// What it is called.
    pub name: QueueName,
    /// See [`Queue::places`].
    pub places: u64,
    /// Jobs of these images that wait: of each lane no more than its key has room for.
    pub images: Vec<(ImageId, u64)>,
}

impl Default for Dispatch {
    /// That of an empty table.
    fn default() -> Dispatch {
        Dispatch::restore(Timestamp::ZERO, Kept::default())
    }
}

/// What it was restored from and what follows, not what is still to be told or written.
impl PartialEq for Dispatch {
    fn eq(&self, other: &Dispatch) -> bool {
        let parts = |of: &Dispatch| (of.now, of.next_queue, of.lanes);
        parts(self) == parts(other)
            && self.lines == other.lines
            && self.names == other.names
            && self.workers == other.workers
            && self.open == other.open
            && self.open_by_image == other.open_by_image
            && self.open_crowded == other.open_crowded
            && self.refills == other.refills
    }
}

impl Eq for Dispatch {}

/// What is known.
impl Dispatch {
    /// The number that the next new queue gets.
    pub fn next_queue(&self) -> u64 {
        self.next_queue
    }

    /// What is known of a lane; `None` where it is empty.
    pub fn mark(&self, lane: &Lane) -> Option<LaneMark> {
        self.waiting(lane).map(Waiting::mark)
    }

    /// A queue's record.
    pub fn queue(&self, id: QueueId) -> Option<&Queue> {
        self.lines.get(&id).map(|line| &line.queue)
    }

    /// The queue of that name.
    pub fn named(&self, name: &QueueName) -> Option<QueueId> {
        if name.is_default() { Some(QueueId::DEFAULT) } else { self.names.get(name).copied() }
    }

    /// A queue as readers see it.
    pub fn view(&self, queue: QueueId) -> Option<QueueView> {
        self.lines.get(&queue).map(Line::view)
    }

    /// All queues as readers see them.
    pub fn views(&self) -> impl Iterator<Item = QueueView> {
        self.lines.values().map(Line::view)
    }

    /// A worker that said its name and holds a job.
    pub fn worker(&self, name: &str) -> Option<&Worker> {
        self.workers.all().get(name)
    }

    /// How many queues there are.
    pub fn queue_count(&self) -> usize {
        self.lines.len()
    }

    /// How many lanes are not empty.
    pub fn lane_count(&self) -> usize {
        self.lanes
    }

    /// How many lanes may be so before new jobs are refused that need one more.
    #[cfg(feature = "testing")]
    pub(crate) fn most_lanes(&self) -> usize {
        self.bounds.lanes
    }

    /// How many of one key may be so.
    pub(crate) fn most_lanes_of_key(&self) -> usize {
        self.bounds.lanes_of_key
    }

    /// How many more may be so, by new jobs.
    pub(crate) fn free_lanes(&self) -> usize {
        self.bounds.lanes.saturating_sub(self.lanes)
    }

    /// The same of a key.
    pub(crate) fn free_lanes_of_key(&self, queue: &QueueName, key: &str) -> usize {
        if key.is_empty() {
            return usize::MAX;
        }
        let lanes = self.named(queue).map_or(0, |queue| self.lanes_of_key(queue, key));
        self.bounds.lanes_of_key.saturating_sub(lanes)
    }

    /// Whether a new job may wait in this lane.
    pub(crate) fn has_room_for_new(&self, lane: &Lane) -> bool {
        self.has_room_within(lane, |most| most)
    }

    /// The same whatever waits of its key.
    pub(crate) fn has_room_but_of_key(&self, lane: &Lane) -> bool {
        self.free_lanes() > 0 || self.waiting(lane).is_some()
    }

    /// Whether a job may that was taken before.
    pub(crate) fn has_room(&self, lane: &Lane) -> bool {
        self.has_room_within(lane, |most| most + most / limits::LANES_PER_SPARE_LANE)
    }

    fn has_room_within(&self, lane: &Lane, most: impl Fn(usize) -> usize) -> bool {
        let has_room = self.lanes < most(self.bounds.lanes)
            && self.lanes_of_key(lane.queue, &lane.key) < most(self.bounds.lanes_of_key);
        has_room || self.waiting(lane).is_some()
    }

    /// 0 for jobs without one.
    fn lanes_of_key(&self, queue: QueueId, key: &str) -> usize {
        if key.is_empty() { 0 } else { self.lines.get(&queue).map_or(0, |line| line.lanes_of_key(key)) }
    }

    /// Has less wait, for tests.
    pub fn bound(&mut self, bounds: WaitBounds) {
        self.bounds = bounds;
        for queue in self.lines.keys().copied().collect::<Vec<_>>() {
            self.settle(queue, []);
        }
    }

    /// Whether jobs wait in [`crate::NewJob::lane`].
    pub(crate) fn has_lane(
        &self,
        &(queue, priority, image, key): &(&QueueName, Priority, ImageId, &str),
    ) -> bool {
        let lane = |queue| Lane { queue, priority, image, key: key.into() };
        self.named(queue).is_some_and(|queue| self.waiting(&lane(queue)).is_some())
    }

    /// The log time at which time alone lets a consumer have something.
    pub fn next_refill(&self) -> Option<Timestamp> {
        self.refills.first().map(|(at, _)| *at)
    }

    /// How much a consumer could have now, of every queue.
    pub fn availability(&self) -> Vec<Availability> {
        self.lines.values().map(|line| self.available(line, line.images().collect())).collect()
    }

    fn available(&self, line: &Line, images: Vec<(ImageId, u64)>) -> Availability {
        let queue = &line.queue;
        Availability { queue: queue.id, name: queue.name.clone(), places: queue.places(self.now), images }
    }

    fn waiting(&self, lane: &Lane) -> Option<Waiting> {
        self.lines.get(&lane.queue)?.rank(lane.priority).lane(&lane.key, lane.image)
    }

    fn line(&self, id: QueueId) -> &Line {
        self.lines.get(&id).expect("a job's queue is there")
    }

    fn line_mut(&mut self, id: QueueId) -> &mut Line {
        self.lines.get_mut(&id).expect("a job's queue is there")
    }
}

//! Which jobs wait, and which one a consumer gets.
//!
//! All of it is in memory, on every replica alike: for each lane that is not empty where it begins, for each queue its record and
//! how many jobs of each key run. So a consume looks at no job but those that it grants. The table keeps the records, what
//! is in the lanes, and what of this must outlive a restart ([`Dispatch::changes`]).

mod lane;
mod line;
mod open;
mod rank;
mod take;
mod workers;

use std::collections::{BTreeMap, BTreeSet};

pub use lane::{Lane, LaneMark};
pub use take::{Source, Take};
pub use workers::{Worker, WorkerView};

use self::line::Line;
use self::open::Open;
use self::rank::Waiting;
use self::workers::Workers;
use crate::id::mix;
use crate::{
    Effect, ImageId, Job, JobId, NewJob, Priority, Queue, QueueId, QueueName, RequestId, State, Status,
    Timestamp,
};

/// See the module.
#[derive(Clone, Debug)]
pub struct Dispatch {
    now: Timestamp,
    lines: BTreeMap<QueueId, Line>,
    names: BTreeMap<QueueName, QueueId>,
    next_queue: u64,
    lanes: usize,
    workers: Workers,
    /// Queues that a consumer would get something from.
    open: Open,
    open_by_image: BTreeMap<ImageId, Open>,
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

/// A key of a priority of a queue.
pub type KeyTurn = (QueueId, Priority, Box<str>);

/// What has changed of that which must outlive a restart. `None`, or 0: it is gone.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "see Kept")]
pub struct Changes {
    pub queues: Vec<(QueueId, Option<Queue>)>,
    pub lanes: Vec<(Lane, Option<LaneMark>)>,
    pub turns: Vec<(KeyTurn, u64)>,
    pub running: Vec<((QueueId, Box<str>), u64)>,
    pub workers: Vec<(Box<str>, Option<Timestamp>)>,
    pub held: Vec<((Box<str>, JobId), bool)>,
}

/// All that must outlive a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Every queue.
    pub queues: BTreeMap<QueueId, Queue>,
    /// Every lane that is not empty.
    pub lanes: BTreeMap<Lane, LaneMark>,
    /// When a key that has waiting jobs had its last turn, in the order of places, if it had one while others waited for theirs.
    pub turns: BTreeMap<KeyTurn, u64>,
    /// How many jobs of a key run, if any.
    pub running: BTreeMap<(QueueId, Box<str>), u64>,
    /// Every worker that said its name and holds a job.
    pub workers: BTreeMap<Box<str>, Worker>,
    /// The number that the next new queue gets.
    pub next_queue: u64,
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
    /// Jobs of these images that wait, but for those of keys at their limits.
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
            && self.refills == other.refills
    }
}

impl Eq for Dispatch {}

/// What is kept.
impl Dispatch {
    /// As it was at that time.
    pub fn restore(now: Timestamp, kept: Kept) -> Dispatch {
        let mut dispatch = Dispatch {
            now,
            lines: BTreeMap::new(),
            names: BTreeMap::new(),
            next_queue: kept.next_queue.max(QueueId::DEFAULT.0 + 1),
            lanes: 0,
            workers: Workers::restore(kept.workers),
            open: Open::default(),
            open_by_image: BTreeMap::new(),
            refills: BTreeSet::new(),
            untold: Untold::default(),
            unwritten: Unwritten::default(),
        };
        dispatch.add(Queue::new(QueueId::DEFAULT, QueueName::DEFAULT));
        for queue in kept.queues.into_values() {
            dispatch.add(queue);
        }
        for ((queue, key), jobs) in kept.running {
            if let Some(line) = dispatch.lines.get_mut(&queue) {
                line.running.insert(key, jobs);
            }
        }
        for (lane, mark) in kept.lanes {
            let Some(line) = dispatch.lines.get_mut(&lane.queue) else { continue };
            let LaneMark { first, since, jobs, served } = mark;
            line.set(lane.priority, &lane.key, lane.image, Some(Waiting { first, since, jobs, served }));
            dispatch.lanes += 1;
        }
        for ((queue, priority, key), served) in kept.turns {
            if let Some(line) = dispatch.lines.get_mut(&queue) {
                line.serve_key(priority, &key, served);
            }
        }
        for queue in dispatch.lines.keys().copied().collect::<Vec<_>>() {
            let images: Vec<ImageId> = dispatch.line(queue).images().map(|(image, _)| image).collect();
            dispatch.settle(queue, &images);
        }
        dispatch.untold = Untold::default();
        dispatch.unwritten = Unwritten::default();
        dispatch
    }

    /// All that must outlive a restart.
    pub fn kept(&self) -> Kept {
        let workers = self.workers.all().clone();
        let mut kept = Kept { next_queue: self.next_queue, workers, ..Kept::default() };
        for (id, line) in &self.lines {
            kept.queues.insert(*id, line.queue.clone());
            kept.running.extend(line.running.iter().map(|(key, jobs)| ((*id, key.clone()), *jobs)));
            for priority in Priority::SERVED {
                for (key, image, waiting) in line.rank(priority).lanes() {
                    let lane = Lane { queue: *id, priority, image, key: key.into() };
                    kept.lanes.insert(lane, waiting.mark());
                    let served = line.rank(priority).served(key);
                    if served > 0 {
                        kept.turns.insert((*id, priority, key.into()), served);
                    }
                }
            }
        }
        kept
    }

    /// What has changed of it since this was last called.
    pub fn changes(&mut self) -> Changes {
        let Unwritten { queues, lanes, turns, running, workers, held } = std::mem::take(&mut self.unwritten);
        let worker = |name: &str| self.workers.all().get(name);
        let heard = workers.into_iter().map(|name| {
            let heard = worker(&name).map(|worker| worker.heard);
            (name, heard)
        });
        let held = held.into_iter().map(|(name, job)| {
            let holds = worker(&name).is_some_and(|worker| worker.jobs.contains(&job));
            ((name, job), holds)
        });
        let queue = |id: QueueId| (id, self.queue(id).cloned());
        let running = running.into_iter().map(|(queue, key)| {
            let jobs = self.lines.get(&queue).and_then(|line| line.running.get(&key)).copied();
            ((queue, key), jobs.unwrap_or(0))
        });
        let turns = turns.into_iter().map(|(queue, priority, key)| {
            let line = self.lines.get(&queue);
            let served = line.map_or(0, |line| line.rank(priority).served(&key));
            ((queue, priority, key), served)
        });
        Changes {
            turns: turns.collect(),
            queues: queues.into_iter().map(queue).collect(),
            running: running.collect(),
            workers: heard.collect(),
            held: held.collect(),
            lanes: lanes
                .into_iter()
                .map(|lane| {
                    let mark = self.mark(&lane);
                    (lane, mark)
                })
                .collect(),
        }
    }

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

    /// All queues, with since when the job waits that has waited longest.
    pub fn queues(&self) -> impl Iterator<Item = (&Queue, Option<Timestamp>)> {
        self.lines.values().map(|line| (&line.queue, line.oldest()))
    }

    /// Since when the job of a queue waits that has waited longest.
    pub fn oldest(&self, queue: QueueId) -> Option<Timestamp> {
        self.lines.get(&queue)?.oldest()
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

    /// Whether other jobs wait where this one will.
    pub(crate) fn has_lane_for(&self, job: &NewJob) -> bool {
        let lane = |queue| Lane { queue, priority: job.priority, image: job.image_id, key: job.key.clone() };
        self.named(&job.queue).is_some_and(|queue| self.waiting(&lane(queue)).is_some())
    }

    /// The log time at which time alone lets a consumer have something.
    pub fn next_refill(&self) -> Option<Timestamp> {
        self.refills.first().map(|(at, _)| *at)
    }

    /// How much a consumer could have now, of every queue.
    pub fn availability(&self) -> Vec<Availability> {
        self.lines.values().map(|line| self.available(line, line.images().collect())).collect()
    }
}

/// Which one a consumer gets.
impl Dispatch {
    /// The lane whose first job a consumer gets next. Where chance decides, it is that of the request, so that every replica
    /// draws the same: for its `nth` job.
    pub(crate) fn next(&self, take: &Take, request: RequestId, nth: usize) -> Option<Lane> {
        let point = mix(request.folded() ^ nth as u64);
        match &take.from {
            Source::InOrder(names) => names.iter().find_map(|name| self.next_of(self.named(name)?, take)),
            Source::ByWeight(names) => {
                let with_jobs = names.iter().filter_map(|(name, weight)| {
                    Some((self.next_of(self.named(name)?, take)?, u64::from(*weight)))
                });
                let with_jobs: Vec<(Lane, u64)> = with_jobs.collect();
                let all: u64 = with_jobs.iter().map(|(_, weight)| weight).sum();
                let mut drawn = point.checked_rem(all)?;
                with_jobs.into_iter().find_map(|(lane, weight)| match drawn.checked_sub(weight) {
                    None => Some(lane),
                    Some(rest) => {
                        drawn = rest;
                        None
                    }
                })
            }
            Source::All if take.images.is_empty() => self.next_of(self.open.drawn(point)?, take),
            Source::All => {
                let of_images: Vec<&Open> =
                    take.images.iter().filter_map(|image| self.open_by_image.get(image)).collect();
                let all: u64 = of_images.iter().map(|open| open.len()).sum();
                let mut drawn = point.checked_rem(all)?;
                let queue = of_images.into_iter().find_map(|open| match drawn.checked_sub(open.len()) {
                    None => open.drawn(drawn),
                    Some(rest) => {
                        drawn = rest;
                        None
                    }
                })?;
                self.next_of(queue, take)
            }
        }
    }

    fn next_of(&self, queue: QueueId, take: &Take) -> Option<Lane> {
        let line = self.lines.get(&queue).filter(|line| line.open)?;
        let (priority, key, image) = line.next(&take.images)?;
        Some(Lane { queue, priority, image, key: key.into() })
    }

    /// True where others wait for their turn beside this lane's key.
    pub(crate) fn is_shared(&self, lane: &Lane) -> bool {
        self.lines.get(&lane.queue).is_some_and(|line| line.rank(lane.priority).is_shared())
    }
}

/// What happens to it.
impl Dispatch {
    /// Time has gone on.
    pub(crate) fn go_on(&mut self, now: Timestamp) {
        self.now = now;
        while let Some((at, queue)) = self.refills.first().copied()
            && at <= now
        {
            self.settle(queue, &[]);
            assert!(self.refills.first() != Some(&(at, queue)), "a rate has something left when it says");
            self.untold.queues.insert(queue);
        }
    }

    /// A job came, went, or has another status. A queued one stands last in its lane, and one that was queued still has to
    /// leave it.
    pub(crate) fn moved(&mut self, before: Option<&Job>, after: Option<&Job>) {
        let Some(job) = after.or(before) else { return };
        let (id, now) = (job.queue, self.now);
        let line = self.line_mut(id);
        line.queue.counts.moved(before, after, now);
        let mut changed = Vec::new();
        let is_running = |job: Option<&Job>| job.is_some_and(|job| job.status() == Status::Running);
        let (was, is) = (is_running(before), is_running(after));
        if is
            && !was
            && let Some(rate) = line.queue.settings.rate
        {
            line.queue.bucket.take(rate, now);
        }
        if was != is && !job.worker.is_empty() {
            if is {
                self.workers.took(&job.worker, job.id, now);
            } else {
                self.workers.lost(&job.worker, job.id);
            }
            self.unwritten.workers.insert(job.worker.clone());
            self.unwritten.held.insert((job.worker.clone(), job.id));
        }
        let line = self.lines.get_mut(&id).expect("a job's queue is there");
        if was != is && !job.key.is_empty() {
            let room = line.room(&job.key);
            let jobs = line.running.entry(job.key.clone()).or_default();
            *jobs = jobs.checked_add_signed(if is { 1 } else { -1 }).expect("a job that ends has run");
            if *jobs == 0 {
                line.running.remove(&job.key);
            }
            changed = line.room_changed(&job.key, room);
            self.unwritten.running.insert((id, job.key.clone()));
        }
        self.unwritten.queues.insert(id);
        if let Some(after) = after
            && let State::Queued { seq, since } = after.state
        {
            let lane = Lane::of(after);
            let waiting = match self.waiting(&lane) {
                Some(waiting) => Waiting { jobs: waiting.jobs + 1, ..waiting },
                None => Waiting { first: seq, since, jobs: 1, served: 0 },
            };
            self.set(&lane, Some(waiting));
            self.settle(id, &[lane.image]);
        }
        // What its limits say has changed where it runs or does not any more.
        if was != is {
            self.settle(id, &changed);
        }
        self.untold.images.extend(changed.into_iter().map(|image| (id, image)));
        if self.line(id).queue.is_limited() {
            self.untold.queues.insert(id);
        }
        if self.line(id).queue.is_over() {
            self.remove(id);
        }
    }

    /// True for the first job of its lane.
    pub(crate) fn is_first(&self, lane: &Lane, seq: u64) -> bool {
        self.waiting(lane).is_some_and(|waiting| waiting.first == seq)
    }

    /// A job has left its lane; where it was the first, `first` is the one that is it now.
    pub(crate) fn left(&mut self, lane: &Lane, first: Option<(u64, Timestamp)>) {
        let before = self.waiting(lane).expect("a queued job is in its lane");
        let (first, since) = first.unwrap_or((before.first, before.since));
        let jobs = before.jobs.checked_sub(1).expect("a job that leaves was counted");
        self.set(lane, (jobs > 0).then_some(Waiting { first, since, jobs, ..before }));
        self.settle(lane.queue, &[lane.image]);
    }

    /// A lane had its turn, and so had its key, at that place in the order of the log.
    pub(crate) fn served(&mut self, lane: &Lane, at: u64) {
        self.line_mut(lane.queue).serve(lane.priority, &lane.key, lane.image, at);
        self.unwritten.lanes.insert(lane.clone());
        self.unwritten.turns.insert((lane.queue, lane.priority, lane.key.clone()));
    }

    /// A worker was heard.
    pub(crate) fn heard(&mut self, worker: &str) {
        if self.workers.heard(worker, self.now) {
            self.unwritten.workers.insert(worker.into());
        }
    }

    /// The queue of that name, which is made where there is none.
    pub(crate) fn queue_or_new(&mut self, name: &QueueName) -> QueueId {
        if let Some(id) = self.named(name) {
            return id;
        }
        let id = QueueId(self.next_queue);
        self.next_queue = id.0.checked_add(1).expect("fewer than 2^64 queues were ever made");
        self.add(Queue::new(id, name.clone()));
        self.unwritten.queues.insert(id);
        self.untold.queues.insert(id);
        id
    }

    /// Changes what a queue is like, but not what is counted of it. It is gone then, where nothing keeps it.
    pub(crate) fn configure(&mut self, id: QueueId, change: impl FnOnce(&mut Queue)) {
        let line = self.line_mut(id);
        let before = line.queue.settings.max_running_per_key;
        change(&mut line.queue);
        let mut changed = Vec::new();
        if line.queue.settings.max_running_per_key != before {
            for key in line.keys() {
                let room = line.room_by(before, &key);
                changed.extend(line.room_changed(&key, room));
            }
        }
        self.settle(id, &changed);
        self.untold.images.extend(changed.into_iter().map(|image| (id, image)));
        self.unwritten.queues.insert(id);
        self.untold.queues.insert(id);
        if self.line(id).queue.is_over() {
            self.remove(id);
        }
    }

    /// Tells what somebody may wait for.
    pub(crate) fn tell(&mut self) -> impl Iterator<Item = Effect> + use<> {
        let Untold { queues, gone, images } = std::mem::take(&mut self.untold);
        let mut told: BTreeMap<QueueId, Vec<(ImageId, u64)>> =
            queues.into_iter().map(|queue| (queue, Vec::new())).collect();
        for (queue, image) in images {
            let jobs = self.lines.get(&queue).map_or(0, |line| line.grantable(image));
            told.entry(queue).or_default().push((image, jobs));
        }
        // Of one that is gone nothing else is said; another one may have its name already.
        let available = told.into_iter().filter_map(|(queue, images)| {
            Some(Effect::Available(self.available(self.lines.get(&queue)?, images)))
        });
        let effects: Vec<Effect> = gone.into_iter().map(Effect::QueueGone).chain(available).collect();
        effects.into_iter()
    }

    fn add(&mut self, queue: Queue) {
        self.names.insert(queue.name.clone(), queue.id);
        self.lines.insert(queue.id, Line::new(queue));
    }

    fn remove(&mut self, id: QueueId) {
        let Some(line) = self.lines.remove(&id) else { return };
        assert!(
            line.is_empty() && line.running.is_empty() && line.refill.is_none(),
            "a queue that goes is empty"
        );
        self.names.remove(&line.queue.name);
        self.unwritten.queues.insert(id);
        self.untold.gone.push(id);
    }

    fn set(&mut self, lane: &Lane, waiting: Option<Waiting>) {
        let before = self.waiting(lane);
        let line = self.line_mut(lane.queue);
        line.set(lane.priority, &lane.key, lane.image, waiting);
        match (before.is_some(), waiting.is_some()) {
            (false, true) => self.lanes += 1,
            (true, false) => {
                self.lanes -= 1;
                // Its key's turn may go with it.
                self.unwritten.turns.insert((lane.queue, lane.priority, lane.key.clone()));
            }
            (true, true) | (false, false) => {}
        }
        self.unwritten.lanes.insert(lane.clone());
        self.untold.images.insert((lane.queue, lane.image));
    }

    /// Puts a queue where it belongs, after something of it has changed, and of these images.
    fn settle(&mut self, id: QueueId, images: &[ImageId]) {
        let now = self.now;
        let line = self.line_mut(id);
        let waits = line.has_grantable();
        let open = waits && line.queue.places(now) > 0;
        let refill = if waits && !open { line.queue.refill(now) } else { None };
        let (was_open, before) = (line.open, line.refill);
        (line.open, line.refill) = (open, refill);
        if before != refill {
            if let Some(at) = before {
                self.refills.remove(&(at, id));
            }
            if let Some(at) = refill {
                self.refills.insert((at, id));
            }
        }
        if was_open != open {
            self.open.put(id, open);
            let all: Vec<ImageId> = self.line(id).images().map(|(image, _)| image).collect();
            for image in all {
                self.put_image(image, id, open);
            }
        }
        for image in images {
            let is_in = open && self.line(id).grantable(*image) > 0;
            self.put_image(*image, id, is_in);
        }
    }

    fn put_image(&mut self, image: ImageId, queue: QueueId, is_in: bool) {
        let ring = self.open_by_image.entry(image).or_default();
        ring.put(queue, is_in);
        if ring.is_empty() {
            self.open_by_image.remove(&image);
        }
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

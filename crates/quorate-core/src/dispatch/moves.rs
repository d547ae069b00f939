use std::collections::BTreeMap;

use super::line::Line;
use super::rank::Waiting;
use super::{Dispatch, Lane, Untold};
use crate::{Effect, ImageId, Job, Queue, QueueId, QueueName, State, Status, Timestamp};

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

    pub(super) fn add(&mut self, queue: Queue) {
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
        let had_turn = line.rank(lane.priority).served(&lane.key) > 0;
        line.set(lane.priority, &lane.key, lane.image, waiting);
        match (before.is_some(), waiting.is_some()) {
            (false, true) => self.lanes += 1,
            (true, false) => {
                self.lanes -= 1;
                // Its key's turn may go with it.
                if had_turn {
                    self.unwritten.turns.insert((lane.queue, lane.priority, lane.key.clone()));
                }
            }
            (true, true) | (false, false) => {}
        }
        self.unwritten.lanes.insert(lane.clone());
        self.untold.images.insert((lane.queue, lane.image));
    }

    /// Puts a queue where it belongs, after something of it has changed, and of these images.
    pub(super) fn settle(&mut self, id: QueueId, images: &[ImageId]) {
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
        let open = self.open_by_image.entry(image).or_default();
        open.put(queue, is_in);
        if open.is_empty() {
            self.open_by_image.remove(&image);
        }
    }
}

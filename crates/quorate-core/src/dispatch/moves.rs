use std::collections::BTreeMap;

use super::line::Line;
use super::rank::{Turn, Waiting};
use super::{Dispatch, Lane, Untold};
use crate::{Effect, ImageId, Job, Queue, QueueId, QueueName, Status, Timestamp};

/// What happens to it.
impl Dispatch {
    /// Time has gone on.
    pub(crate) fn go_on(&mut self, now: Timestamp) {
        self.now = now;
        while let Some((at, queue)) = self.refills.first().copied()
            && at <= now
        {
            self.settle(queue, []);
            assert!(self.refills.first() != Some(&(at, queue)), "a rate has something left when it says");
            self.untold.queues.insert(queue);
        }
    }

    /// A job came, went, or has another status. Where it was the first of its lane, `first` is the one that is it now.
    pub(crate) fn moved(
        &mut self,
        before: Option<&Job>,
        after: Option<&Job>,
        first: Option<(u64, Timestamp)>,
    ) {
        let Some(job) = after.or(before) else { return };
        let (id, now) = (job.queue, self.now);
        self.unwritten.queues.insert(id);
        let line = self.line_mut(id);
        line.queue.counts.moved(before, after, now);
        let is_running = |job: Option<&Job>| job.is_some_and(|job| job.status() == Status::Running);
        let (was, is) = (is_running(before), is_running(after));
        if is
            && !was
            && let Some(rate) = line.queue.settings.rate
        {
            line.queue.bucket.take(rate, now);
        }
        let mut changed = Vec::new();
        if was != is && !job.key.is_empty() {
            let room = line.room(&job.key);
            let jobs = line.running.of(&job.key).checked_add_signed(if is { 1 } else { -1 });
            line.running.set(&job.key, jobs.expect("a job that ends has run"));
            changed = line.room_changed(&job.key, room);
            self.unwritten.running.insert((id, job.key.clone()));
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
        let place = |job: Option<&Job>| job.and_then(|job| job.state.place());
        let (left, came) = (place(before), place(after));
        if left.is_some() {
            self.left(Lane::of(job), first);
        }
        if let Some((seq, since)) = came {
            self.came(Lane::of(job), seq, since);
        }
        let image = (left.is_some() || came.is_some()).then_some(job.image_id);
        self.settle(id, changed.iter().copied().chain(image));
        self.untold.images.extend(changed.into_iter().chain(image).map(|image| (id, image)));
        let queue = &self.line(id).queue;
        let (is_limited, is_over) = (queue.is_limited(), queue.is_over());
        if is_limited {
            self.untold.queues.insert(id);
        }
        if is_over {
            self.remove(id);
        }
    }

    /// True for the first job of its lane.
    pub(crate) fn is_first(&self, lane: &Lane, seq: u64) -> bool {
        self.waiting(lane).is_some_and(|waiting| waiting.first == seq)
    }

    /// A job stands last in its lane.
    fn came(&mut self, lane: Lane, seq: u64, since: Timestamp) {
        let before = self.waiting(&lane);
        let after = match before {
            Some(before) => Waiting { jobs: before.jobs + 1, ..before },
            None => Waiting { first: seq, since, jobs: 1, served: 0 },
        };
        self.set(lane, before, Some(after));
    }

    /// A job has left its lane; where it was the first, `first` is the one that is it now.
    fn left(&mut self, lane: Lane, first: Option<(u64, Timestamp)>) {
        let before = self.waiting(&lane).expect("a queued job is in its lane");
        let (first, since) = first.unwrap_or((before.first, before.since));
        let jobs = before.jobs.checked_sub(1).expect("a job that leaves was counted");
        let after = (jobs > 0).then_some(Waiting { first, since, jobs, ..before });
        self.set(lane, Some(before), after);
    }

    /// A job of a lane was granted, at that place in the order of the log, since its key had this turn.
    pub(crate) fn served(&mut self, lane: &Lane, turn: Turn, at: u64) {
        let Lane { queue, priority, image, key } = lane;
        let line = self.line_mut(*queue);
        line.serve_lane(*priority, key, *image, at);
        match turn {
            Turn::Any => line.serve_key(*priority, key, at),
            Turn::Of(image) => line.serve_lane(*priority, key, image, at),
        }
        self.unwritten.lanes.insert(lane.clone());
        match turn {
            Turn::Any => drop(self.unwritten.turns.insert((*queue, *priority, key.clone()))),
            Turn::Of(image) => drop(self.unwritten.lanes.insert(Lane { image, ..lane.clone() })),
        }
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
        self.settle(id, changed.iter().copied());
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

    fn set(&mut self, lane: Lane, before: Option<Waiting>, after: Option<Waiting>) {
        match (before.is_some(), after.is_some()) {
            (false, true) => self.lanes += 1,
            (true, false) => {
                self.lanes -= 1;
                // Its key's turn may go with it.
                if self.line(lane.queue).rank(lane.priority).served(&lane.key) > 0 {
                    self.unwritten.turns.insert((lane.queue, lane.priority, lane.key.clone()));
                }
            }
            (true, true) | (false, false) => {}
        }
        let line = self.line_mut(lane.queue);
        line.set(lane.priority, &lane.key, lane.image, before, after);
        self.unwritten.lanes.insert(lane);
    }

    /// Puts a queue where it belongs, after something of it has changed, and of these images.
    pub(super) fn settle(&mut self, id: QueueId, images: impl IntoIterator<Item = ImageId>) {
        let (now, most) = (self.now, self.bounds.images_listed);
        let line = self.line_mut(id);
        let waits = line.images_grantable() > 0;
        let open = waits && line.queue.places(now) > 0;
        let listed = open && line.images_grantable() <= most;
        let refill = if waits && !open { line.queue.refill(now) } else { None };
        let (was_listed, before) = (line.listed, line.refill);
        (line.open, line.listed, line.refill) = (open, listed, refill);
        if before != refill {
            if let Some(at) = before {
                self.refills.remove(&(at, id));
            }
            if let Some(at) = refill {
                self.refills.insert((at, id));
            }
        }
        self.open.put(id, open);
        self.open_crowded.put(id, open && !listed);
        if was_listed != listed {
            let all: Vec<ImageId> = self.line(id).images().map(|(image, _)| image).collect();
            for image in all {
                self.put_image(image, id, listed);
            }
        }
        for image in images {
            let is_in = listed && self.line(id).grantable(image) > 0;
            self.put_image(image, id, is_in);
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

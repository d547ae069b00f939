use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use openraft::EntryPayload;
use quorate_core::{
    AnswerRecord, Applied, Dispatch, Image, ImageId, Job, JobId, KeyRecord, Lane, Operations, RequestId,
    State, Timestamp,
};
use quorate_proto::Malformed;
use rocksdb::WriteBatch;

use super::AppliedEntry;
use super::tuning::Tuning;
use crate::rows::answers::{self, EntryAnswers};
use crate::rows::codec::{self, WHAT};
use crate::rows::db::Family;
use crate::rows::generation::{Generation, Next, Published};
use crate::rows::ids::IdMap;
use crate::rows::keys::{self, Prefix};
use crate::rows::lane::LaneJobs;
use crate::rows::latest_ids::LatestIds;
use crate::rows::meta::{Fronts, Meta};
use crate::rows::operations;
use crate::rows::place::Place;
use crate::rows::queues::{self, Queues};
use crate::rows::window::{Decode, Window};
use crate::rows::workers::Workers;
use crate::{Entry, StoreError, StoredMembership};

/// The only one that changes a generation: applies log entries to it, many in one write.
///
/// Between two calls of [`Applier::write`] it holds what the write under way changes, because the disk does not show
/// it yet. See [`quorate_core::Table`], which it is, in `core_table.rs`.
pub(crate) struct Applier {
    pub(super) generation: Arc<Generation>,
    pub(super) tuning: Tuning,
    pub(super) meta: Meta,
    pub(super) dispatch: Dispatch,
    /// Of the lanes that were used lately.
    pub(super) lanes: BTreeMap<Lane, LaneJobs>,
    /// So often one was used.
    pub(super) uses: u64,
    /// The lanes in which lists look for queued jobs: few, by [`quorate_core::limits::LANES_IN_LISTS`].
    pub(super) plain_lanes: BTreeSet<Lane>,
    pub(super) timers: Window<JobId>,
    pub(super) ended: Window<JobId>,
    pub(super) kept: Window<JobId>,
    pub(super) images_named: Window<ImageId>,
    pub(super) keys_used: Window<Box<str>>,
    /// Records of running jobs, so that ending one reads nothing.
    pub(super) running: IdMap<JobId, Arc<Job>>,
    /// Every enqueue asks whether its ids are new.
    pub(super) latest_ids: LatestIds,
    /// Images that were looked for lately: every enqueue asks.
    pub(super) images: IdMap<ImageId, Image>,
    pub(super) operations: Operations,
    pub(super) unwritten: Unwritten,
}

/// What a write changes, before it is written.
#[derive(Default)]
pub(crate) struct Unwritten {
    pub(super) rows: WriteBatch,
    pub(super) jobs: IdMap<JobId, Option<Arc<Job>>>,
    pub(super) images: IdMap<ImageId, Option<Image>>,
    pub(super) keys: HashMap<Box<str>, Option<KeyRecord>>,
    /// Jobs that keep others away, by their rows' keys.
    pub(super) unique: HashMap<Vec<u8>, Option<JobId>>,
    /// How many jobs hold a payload; 0 where it is gone.
    pub(super) holders: IdMap<JobId, u64>,
    pub(super) answers: IdMap<RequestId, AnswerRecord>,
    /// Whether any work on many jobs has changed.
    pub(super) operations: bool,
    /// Of the entry under way.
    pub(super) entry_answers: Vec<RequestId>,
    /// Of the entries before it.
    answered: Vec<EntryAnswers>,
}

const LOG: &str = "the Raft log";

impl Applier {
    /// Takes up a generation where its last write left it. Reads no more than the windows hold, however many jobs
    /// there are.
    pub(crate) fn load(generation: Arc<Generation>, tuning: Tuning) -> Result<Applier, StoreError> {
        let meta = Meta::read(&generation.db)?;
        let kept = queues::kept(&generation.db, meta.next_queue)?;
        *generation.workers.write() = Workers::new(kept.workers.clone());
        let mut applier = Applier {
            timers: by_time(Prefix::Timer, meta.fronts.timers, tuning.timers, |key, _| job_of(key)),
            ended: by_time(Prefix::Ended, meta.fronts.ended, tuning.index, |key, _| job_of(key)),
            images_named: by_time(Prefix::ImageNamed, meta.fronts.images, tuning.index, |key, _| {
                image_of(key)
            }),
            keys_used: by_time(Prefix::KeyUsed, meta.fronts.keys, tuning.index, |key, _| text_of(key)),
            kept: by_time(Prefix::Kept, meta.fronts.kept, tuning.index, |key, _| job_of(key)),
            dispatch: Dispatch::restore(meta.clock, kept),
            lanes: BTreeMap::new(),
            uses: 0,
            plain_lanes: meta.lanes.iter().map(|(lane, _)| lane.clone()).collect(),
            running: IdMap::default(),
            latest_ids: LatestIds::load(&generation.db, tuning.latest_ids)?,
            images: IdMap::default(),
            operations: operations::load(&generation.db)?,
            unwritten: Unwritten::default(),
            meta,
            tuning,
            generation,
        };
        applier.dispatch.bound(tuning.bounds);
        let views = applier.dispatch.views();
        *applier.generation.queues.write() = Queues::new(views, applier.dispatch.availability());
        *applier.generation.operations.write() = applier.operations.clone();
        let next = applier.next()?;
        applier.publish(next);
        Ok(applier)
    }

    /// What openraft asks for at a start.
    pub(crate) fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Applies an entry. [`Applier::write`] makes it visible.
    pub(crate) fn apply(&mut self, entry: &Entry) -> Result<AppliedEntry, StoreError> {
        let index = entry.log_id.index;
        if let Some(last) = self.meta.last_applied {
            let follows = last.index < index && last < entry.log_id;
            assert!(follows, "{} is applied after {last}: an entry is applied once, in order", entry.log_id);
        }
        let Applied { answers: answered, effects } = match &entry.payload {
            EntryPayload::Blank => Applied::default(),
            EntryPayload::Membership(membership) => {
                self.meta.membership = StoredMembership::new(Some(entry.log_id), membership.clone());
                Applied::default()
            }
            EntryPayload::Normal(bytes) => {
                let batch = quorate_proto::decode_batch(bytes.0.clone()).map_err(|malformed| {
                    let reason = format!("entry {index}: {malformed}");
                    match malformed {
                        Malformed::Undecodable { .. } => StoreError::Damaged { what: LOG, reason },
                        // The log's checksums have seen to damage: another version wrote it so.
                        Malformed::Newer { .. } | Malformed::NewerField { .. } | Malformed::Field { .. } => {
                            StoreError::Newer { what: LOG, reason }
                        }
                    }
                })?;
                let applied = quorate_core::apply(self, index, &batch)?;
                StoreError::check_level(LOG, self.meta.level, self.tuning.level)?;
                applied
            }
        };
        self.note_answers(index);
        self.meta.last_applied = Some(entry.log_id);
        Ok(AppliedEntry { index, clock: self.meta.clock, answered, effects })
    }

    /// Puts the answers of an entry into what is unwritten, as one value.
    fn note_answers(&mut self, index: u64) {
        let Applier { generation, unwritten, .. } = self;
        let requests = std::mem::take(&mut unwritten.entry_answers);
        let answers = || requests.iter().filter_map(|id| Some((*id, unwritten.answers.get(id)?)));
        let Some(until) = answers().map(|(_, answer)| answer.deadline).max() else { return };
        let value = answers::encode(answers());
        generation.db.put(&mut unwritten.rows, Family::Default, &keys::answers(index), &value);
        unwritten.answered.push(EntryAnswers { index, until, requests });
    }

    /// Writes what was applied since the last write, all or nothing, and lets the readers see it.
    pub(crate) fn write(&mut self) -> Result<(), StoreError> {
        let next = self.next()?;
        let now = self.meta.clock;
        let generation = Arc::clone(&self.generation);
        let db = &generation.db;

        let changes = self.dispatch.changes();
        queues::write(db, &mut self.unwritten.rows, &changes);
        {
            let answers = generation.answers.read();
            for index in answers.outlived(now) {
                db.delete(&mut self.unwritten.rows, Family::Default, &keys::answers(index));
            }
            let oldest_unwritten = self.unwritten.answered.first().map(|entry| entry.index);
            let next = self.meta.last_applied.map_or(0, |last| last.index + 1);
            self.meta.answers_front = answers.front(now).or(oldest_unwritten).unwrap_or(next);
        }
        self.meta.fronts = Fronts {
            timers: front(&self.timers, now),
            ended: front(&self.ended, now),
            kept: front(&self.kept, now),
            images: front(&self.images_named, now),
            keys: front(&self.keys_used, now),
        };
        self.meta.next_queue = self.dispatch.next_queue();
        self.plain_lanes.retain(|lane| self.dispatch.mark(lane).is_some());
        let first = |lane: &Lane| Some((lane.clone(), self.dispatch.mark(lane)?.first));
        self.meta.lanes = self.plain_lanes.iter().filter_map(first).collect();

        {
            // Whoever sees a job knows what its queue is called.
            let mut queues = generation.queues.write();
            for (id, _) in &changes.queues {
                if queues.name(*id).is_none() {
                    queues.set(*id, self.dispatch.view(*id));
                }
            }
        }
        let mut unwritten = std::mem::take(&mut self.unwritten);
        db.put(&mut unwritten.rows, Family::Default, &keys::meta(), &self.meta.to_value());
        db.write(unwritten.rows)?;

        self.keep(unwritten.jobs, unwritten.images);
        self.bound_lanes();
        self.timers.written();
        self.ended.written();
        self.kept.written();
        self.images_named.written();
        self.keys_used.written();
        {
            let mut answers = generation.answers.write();
            // In this order: those that were unwritten are on the disk now, hence forgotten with a later write.
            answers.forget_outlived(now);
            answers.add(unwritten.answered, unwritten.answers);
        }
        generation.workers.write().update(&changes);
        if unwritten.operations {
            *generation.operations.write() = self.operations.clone();
        }
        {
            let mut queues = generation.queues.write();
            for (id, _) in changes.queues {
                queues.set(id, self.dispatch.view(id));
            }
        }
        self.publish(next);
        Ok(())
    }

    /// One budget for all lanes: those that were used longest ago go, and each keeps its share.
    fn bound_lanes(&mut self) {
        let mut jobs = 0;
        for lane in self.lanes.values_mut() {
            lane.written();
            jobs += lane.in_memory();
        }
        if self.lanes.len() > self.tuning.lanes {
            let mut uses: Vec<u64> = self.lanes.values().map(|lane| lane.used).collect();
            // Some at once, so that this is seldom done.
            let go = uses.len() - self.tuning.lanes / 2;
            let (_, latest_that_goes, _) = uses.select_nth_unstable(go - 1);
            let since = *latest_that_goes;
            self.lanes.retain(|_, lane| lane.used > since);
        }
        if jobs > self.tuning.lane_jobs && !self.lanes.is_empty() {
            let share = self.tuning.lane_jobs / self.lanes.len();
            for lane in self.lanes.values_mut() {
                lane.trim(share);
            }
        }
    }

    /// Keeps in memory what will soon be asked for.
    fn keep(&mut self, jobs: IdMap<JobId, Option<Arc<Job>>>, images: IdMap<ImageId, Option<Image>>) {
        for (id, job) in jobs {
            match job {
                Some(job) if matches!(job.state, State::Running { .. }) => {
                    if self.running.len() < self.tuning.running || self.running.contains_key(&id) {
                        self.running.insert(id, job);
                    }
                }
                Some(_) | None => {
                    self.running.remove(&id);
                }
            }
        }
        for (id, image) in images {
            match image {
                Some(image) => self.images.insert(id, image),
                None => self.images.remove(&id),
            };
        }
        if self.images.len() > self.tuning.images {
            self.images.clear();
        }
    }

    fn next(&mut self) -> Result<Next, StoreError> {
        Ok(Next { work: quorate_core::next_due_at(self)?, timer: quorate_core::next_timer_at(self)? })
    }

    /// Lets the readers see what is known without reading.
    fn publish(&self, next: Next) {
        let applied = self.meta.last_applied.map_or(0, |last| last.index);
        let last = self.generation.published.load();
        assert!(
            last.applied <= applied && last.clock <= self.meta.clock,
            "what readers see does not go back"
        );
        self.generation.published.store(Arc::new(Published {
            applied,
            clock: self.meta.clock,
            settings: self.meta.settings,
            level: self.meta.level,
            next,
            lanes: self.dispatch.lane_count(),
        }));
    }

    /// A job as the write under way or memory has it; `None` when the disk must be asked.
    pub(super) fn known_job(&self, id: JobId) -> Option<Option<&Job>> {
        match self.unwritten.jobs.get(&id) {
            Some(changed) => Some(changed.as_deref()),
            None if self.latest_ids.is_new(id) => Some(None),
            None => self.running.get(&id).map(|job| Some(&**job)),
        }
    }

    /// A job as the write under way, memory or the disk has it.
    pub(super) fn find_job(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        if let Some(known) = self.known_job(id) {
            return Ok(known.cloned());
        }
        let db = &self.generation.db;
        let Some(value) = db.get(Family::Default, &keys::job(id))? else { return Ok(None) };
        match Place::of_value(&value) {
            None => codec::decode_job(&value).map(Some),
            Some(place) => {
                let record = db.get(place.family(), &place.key())?;
                codec::decode_job(&codec::intact(record, "the place of a job's record")?).map(Some)
            }
        }
    }

    /// The job that an index names.
    pub(super) fn indexed_job(&self, id: JobId) -> Result<Job, StoreError> {
        self.find_job(id)?
            .ok_or_else(|| StoreError::damaged(WHAT, format!("an index names {id}, which is not there")))
    }

    /// An image as the write under way or memory has it; `None` when the disk must be asked.
    pub(super) fn known_image(&self, id: ImageId) -> Option<Option<&Image>> {
        match self.unwritten.images.get(&id) {
            Some(changed) => Some(changed.as_ref()),
            None => self.images.get(&id).map(Some),
        }
    }

    /// An image as the write under way, memory or the disk has it.
    pub(super) fn find_image(&mut self, id: ImageId) -> Result<Option<Image>, StoreError> {
        if let Some(known) = self.known_image(id) {
            return Ok(known.cloned());
        }
        let Some(value) = self.generation.db.get(Family::Default, &keys::by_id(Prefix::Image, &id.0))? else {
            return Ok(None);
        };
        let image = codec::decode_image(&value)?;
        self.images.insert(id, image.clone());
        Ok(Some(image))
    }
}

fn by_time<V: Clone>(prefix: Prefix, front: Timestamp, capacity: usize, decode: Decode<V>) -> Window<V> {
    Window::new(keys::at(prefix, front), prefix.end(), capacity, decode)
}

/// The time before which an index has nothing. What is put later is not earlier than now.
fn front<V: Clone>(index: &Window<V>, now: Timestamp) -> Timestamp {
    index.front().and_then(keys::time_of).map_or(now, |first| first.min(now))
}

fn job_of(key: &[u8]) -> Result<JobId, StoreError> {
    codec::intact(keys::id_behind_time(key).map(JobId), "the key of a timer or of a finished job")
}

fn image_of(key: &[u8]) -> Result<ImageId, StoreError> {
    codec::intact(keys::id_behind_time(key).map(ImageId), "the key of a named image")
}

fn text_of(key: &[u8]) -> Result<Box<str>, StoreError> {
    let text = keys::behind_time(key).and_then(|text| std::str::from_utf8(text).ok());
    codec::intact(text.map(Box::from), "the key of an Idempotency-Key")
}

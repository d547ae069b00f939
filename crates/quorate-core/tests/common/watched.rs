use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use bytes::Bytes;
use quorate_core::lifecycle::leads;
use quorate_core::model::Model;
use quorate_core::{
    AnswerRecord, Applied, Backoff, Batch, Command, Counts, Dispatch, Dump, EndedBy, FeatureLevel, Image,
    ImageId, Job, JobId, Kept, KeyRecord, Lane, LaneMark, Operation, OperationId, OperationState, Operations,
    QueueId, Reason, RequestId, Settings, State, Status, Table, Timestamp, Until, WaitBounds, apply, limits,
};

use super::turns::Turns;

/// A model that looks at every write of `apply` while it happens, and panics at one that must not be.
///
/// It judges by the records alone, never by the model's indexes.
#[derive(Default)]
pub struct Watched {
    /// The table.
    pub model: Model,
    /// Idempotency keys that the table pretends to hold besides those that it holds.
    pub pretended_keys: u64,
    /// Every job that was ever granted to a consumer.
    granted: BTreeSet<JobId>,
    /// Every id that there ever was.
    ids: BTreeSet<JobId>,
    /// The number of the newest job.
    newest: Option<u64>,
    turns: Turns,
    /// How much may wait, where that was bounded.
    bounds: Option<WaitBounds>,
    /// How often a job found no lane whose time had come.
    pub turned_away: usize,
}

impl Watched {
    /// How many jobs were granted so far.
    pub fn granted(&self) -> usize {
        self.granted.len()
    }

    /// Has jobs wait in fewer lanes.
    pub fn bound_lanes(&mut self, lanes: usize) {
        self.bound(WaitBounds { lanes, ..WaitBounds::default() });
    }

    /// Has less wait.
    pub fn bound(&mut self, bounds: WaitBounds) {
        self.bounds = Some(bounds);
        self.dispatch_mut().bound(bounds);
    }

    /// Carries an entry out.
    pub fn apply(&mut self, index: u64, batch: &Batch) -> Applied {
        // Who asked for what is not said where it is written.
        let takes = |command: &Command| matches!(command, Command::Consume { .. } | Command::Finish { .. });
        if batch.envelopes.iter().any(|envelope| takes(&envelope.command)) {
            let Ok(foreseen) = apply(&mut self.model.clone(), index, batch);
            self.turns.foresee(&batch.envelopes, &foreseen.answers);
        }
        let Ok(applied) = apply(self, index, batch);
        applied
    }

    /// What must hold between batches, of the whole table, which it gives.
    pub fn check(&mut self) -> Dump {
        let dump = self.model.dump();
        let mut restored = Model::restore(dump.clone());
        if let Some(bounds) = self.bounds {
            restored.dispatch_mut().bound(bounds);
        }
        assert_eq!(restored, self.model, "an index differs from the records");

        let mut holders: BTreeMap<JobId, u64> = BTreeMap::new();
        let mut logs = BTreeSet::new();
        for job in dump.jobs.values() {
            if job.payload.bytes > 0 {
                *holders.entry(job.payload.owner).or_default() += 1;
                let (_, payload) = &dump.payloads[&job.payload.owner];
                assert_eq!(payload.len(), job.payload.bytes as usize, "the payload of {}", job.id);
            }
            if job.log_parts > 0 {
                let parts = &dump.log_parts[&job.id];
                let bytes = parts.iter().map(Bytes::len).sum::<usize>();
                assert_eq!(
                    (parts.len(), bytes),
                    (job.log_parts as usize, job.log_bytes as usize),
                    "the log of {}",
                    job.id
                );
            } else if job.log_bytes > 0 {
                logs.insert(job.id);
                assert_eq!(dump.logs[&job.id].len(), job.log_bytes as usize, "the log of {}", job.id);
            }
            check_record(job);
        }
        let held: BTreeMap<JobId, u64> =
            dump.payloads.iter().map(|(owner, (holders, _))| (*owner, *holders)).collect();
        assert_eq!(held, holders, "holders of payloads");
        let in_parts = dump.jobs.values().filter(|job| job.log_parts > 0).count();
        assert_eq!(dump.log_parts.len(), in_parts, "parts of a log without its job");
        assert_eq!(dump.logs.keys().copied().collect::<BTreeSet<_>>(), logs, "a log without its job");
        let queued: BTreeSet<JobId> = self.turns.queued().collect();
        assert_eq!(dump.queued.iter().copied().collect::<BTreeSet<_>>(), queued);
        check_dispatch(&dump);
        dump
    }

    fn check_new(&self, job: &Job) {
        assert!(!self.ids.contains(&job.id), "{} is not a new id", job.id);
        assert!(self.newest < Some(job.number), "{} is newer than the number {:?}", job.id, self.newest);
        assert_eq!(job.created_at, self.clock());
        assert_eq!((job.started_at, job.completed_at, job.retry_id, job.log_bytes), (None, None, None, 0));
        let Some(predecessor) = job.retry_of else {
            assert_eq!((job.payload.owner, job.attempt), (job.id, 1));
            assert_eq!(job.all_retries, job.max_retries);
            assert!(job.status() == Status::Delayed || self.has_room(job, false), "a lane too many: {job:?}");
            return;
        };
        let of = &self.model.jobs()[&predecessor];
        assert_eq!(job.all_retries, of.all_retries, "what goes on from a job was enqueued as it was");
        if job.releases > 0 && job.releases == of.releases + 1 {
            assert_eq!(of.status(), Status::Running, "only what runs is given back");
            assert_eq!((job.max_retries, job.attempt), (of.max_retries, of.attempt), "that is no attempt");
            assert!(job.releases <= limits::RELEASES, "a job is not given back for ever");
            return;
        }
        assert_eq!(job.payload, of.payload, "a retry shares the payload");
        assert_eq!(
            (job.queue, job.priority, &job.key, &job.image),
            (of.queue, of.priority, &of.key, &of.image)
        );
        assert_eq!((job.timeout, job.retries_delay, job.delay), (of.timeout, of.retries_delay, 0));
        if of.status() == Status::Running {
            assert_eq!(
                Some(job.max_retries),
                of.max_retries.checked_sub(1),
                "a chain of automatic retries is bounded"
            );
            assert_eq!(job.attempt, of.attempt + 1);
            let until = match job.state {
                State::Delayed { due } => due,
                State::Queued { .. } => self.clock(),
                _ => panic!("an automatic retry waits: {job:?}"),
            };
            let [least, most] = backoff(&self.model.dump().dispatch.queues[&of.queue].settings.backoff, of);
            let bounds = self.clock().plus_millis(least)..=self.clock().plus_millis(most);
            let no_lane = least == 0 && !self.has_room(job, true) && until == self.looks_again_at();
            assert!(
                bounds.contains(&until) || no_lane,
                "an automatic retry waits as its queue says: {job:?}"
            );
        } else {
            assert!(of.status().is_final());
            assert_eq!(job.attempt, 1);
            assert!(
                [of.max_retries, of.all_retries].contains(&job.max_retries),
                "as many as were left, or all"
            );
            // A retry of many takes what is spare of its key, too.
            match job.state {
                State::Queued { .. } => assert!(self.has_room(job, true), "a lane too many: {job:?}"),
                State::Delayed { due } => {
                    assert!(due == self.looks_again_at() && !self.has_room(job, true), "{job:?}");
                }
                _ => panic!("a retry waits: {job:?}"),
            }
            let latest = of.retry_id.and_then(|latest| self.model.jobs().get(&latest));
            let went_on_by_itself = match of.state {
                State::Error { .. } => of.max_retries > 0,
                State::Cancelled { released, .. } => released,
                _ => false,
            };
            assert!(
                !went_on_by_itself || latest.is_none(),
                "a job was retried by hand beside what goes on from it by itself"
            );
            let on = self.that_go_on_from(predecessor);
            assert!(
                on.iter().all(|job| job.status().is_final()),
                "two retries of one job are active: {on:?}"
            );
            let behind = |latest: &Job| on.iter().any(|job| job.retry_of == Some(latest.id));
            assert!(
                !latest.is_some_and(behind),
                "a job was retried by hand beside what goes on from its retry"
            );
        }
    }

    /// What retries a job, and what goes on from these by itself, by their links back.
    fn that_go_on_from(&self, id: JobId) -> Vec<&Job> {
        let all = || self.model.jobs().values();
        let mut found: Vec<&Job> = all().filter(|job| job.retry_of == Some(id)).collect();
        let mut place = 0;
        while let Some(job) = found.get(place).map(|job| job.id) {
            let by_itself = |next: &&Job| next.attempt > 1 || next.releases > 0;
            found.extend(all().filter(|next| next.retry_of == Some(job)).filter(by_itself));
            place += 1;
        }
        found
    }

    fn check_change(&self, before: &Job, after: &Job) {
        let now = self.clock();
        // Only these change, ever.
        let same = Job {
            state: before.state.clone(),
            started_at: before.started_at,
            worker: if after.status() == Status::Running {
                before.worker.clone()
            } else {
                after.worker.clone()
            },
            // What fails for good may be retried by hand at once.
            max_retries: if after.max_retries == 0 { before.max_retries } else { after.max_retries },
            completed_at: before.completed_at,
            keep_until: before.keep_until,
            log_bytes: before.log_bytes,
            log_parts: before.log_parts,
            progress: if before.status() == Status::Running {
                before.progress.clone()
            } else {
                after.progress.clone()
            },
            retry_id: before.retry_id,
            ..after.clone()
        };
        assert_eq!(&same, before, "a field changed that never does");
        let (from, to) = (before.status(), after.status());
        assert!(leads(Some(from), Some(to)), "{:?} became {:?}", before.state, after.state);

        if before.status().is_final() {
            assert_eq!(after, &Job { retry_id: after.retry_id, ..before.clone() }, "a finished job changed");
            let retry =
                &self.model.jobs()[&after.retry_id.expect("a finished job changes only by its retry")];
            assert_eq!(retry.retry_of, Some(before.id), "retry_id and retry_of belong together");
        } else if after.status().is_final() {
            assert_eq!(after.completed_at, Some(now));
        }
        if let State::Delayed { due } = before.state {
            // One that goes on from another does not wait where that is retried.
            let may_be_early = after.status() == Status::Cancelled || after.retry_of.is_some();
            assert!(due <= now || may_be_early, "released before it was due");
            if after.status() == Status::Delayed {
                assert!(
                    due <= now && !self.has_room(after, true),
                    "it is due, and there is a lane: {after:?}"
                );
                assert_eq!(after.state, State::Delayed { due: self.looks_again_at() });
            }
        }
        if let State::Running { deadline } = before.state {
            let timed_out =
                matches!(after.state, State::Error { by: EndedBy::Cluster, reason: Reason::Timeout, .. });
            assert_eq!(
                timed_out,
                deadline <= now,
                "a timeout is neither early nor overtaken: {after:?} at {now}"
            );
            if after.status() != Status::Cancelled {
                let retried = after.status() == Status::Error && after.max_retries > 0;
                assert_eq!(after.retry_id.is_some(), retried, "a failed job with retries left is retried");
            }
            assert!(after.max_retries == before.max_retries || after.status() == Status::Error);
        }
        if let Some(retry) = after.retry_id {
            assert_eq!(
                self.model.jobs()[&retry].retry_of,
                Some(after.id),
                "retry_id and retry_of belong together"
            );
        }
        if let State::Running { deadline } = after.state
            && before.state != after.state
        {
            assert_eq!(deadline, now.plus_seconds(after.timeout));
        }
    }

    fn watch_lanes(&mut self, before: Option<&Job>, after: &Job) {
        if before.is_some_and(|job| job.status() == Status::Queued) {
            if after.status() == Status::Running {
                assert!(self.granted.insert(after.id), "{} is granted twice", after.id);
                assert_eq!(after.started_at, Some(self.clock()));
                self.turns.check_grant(&self.model, after);
            }
            self.turns.left(after.id);
        } else if after.status() == Status::Queued {
            assert!(self.has_room(after, true), "a lane too many: {after:?}");
            self.turns.arrived(after.id);
        } else if after.status() == Status::Delayed && before.is_some() {
            self.turned_away += 1;
        }
    }

    /// Whether others wait where this job would, or there is a lane for it, a spare one if it was taken before.
    fn has_room(&self, job: &Job, was_taken: bool) -> bool {
        let Some(bounds) = self.bounds else { return true };
        let most = |most: usize| if was_taken { most + most / 10 } else { most };
        let queued = self.model.jobs().values().filter(|other| other.status() == Status::Queued);
        let lanes: BTreeSet<Lane> = queued.map(Lane::of).collect();
        let of_key = lanes.iter().filter(|lane| (lane.queue, &lane.key) == (job.queue, &job.key)).count();
        let key_has_room = job.key.is_empty() || of_key < most(bounds.lanes_of_key);
        lanes.contains(&Lane::of(job)) || lanes.len() < most(bounds.lanes) && key_has_room
    }

    fn looks_again_at(&self) -> Timestamp {
        self.clock().plus_seconds(600)
    }
}

/// How long an automatic retry waits at least and at most, in milliseconds: by a formula of its own.
fn backoff(backoff: &Backoff, of: &Job) -> [u64; 2] {
    let seconds = match backoff {
        Backoff::Fixed => of.retries_delay,
        Backoff::List(delays) => *delays
            .iter()
            .chain(delays.iter().rev().take(1).cycle())
            .nth(of.attempt as usize - 1)
            .expect("a list has delays"),
        Backoff::Exponential { cap, jitter_percent } => {
            let doubled = f64::from(of.retries_delay) * 2f64.powi(of.attempt as i32 - 1);
            let millis = doubled.min(f64::from(*cap)) * 1_000.;
            let spread = millis * f64::from(*jitter_percent) / 100.;
            return [(millis - spread).floor() as u64, (millis + spread).ceil() as u64];
        }
    };
    [u64::from(seconds) * 1_000; 2]
}

/// Exactly the jobs that keep others away stand for their keys, but for those whose time has passed, and no key has two.
fn check_unique(dump: &Dump) {
    let mut holders = BTreeMap::new();
    for job in dump.jobs.values() {
        let Some(unique) = &job.unique else { continue };
        let holds = match unique.until {
            Until::Started => matches!(job.status(), Status::Delayed | Status::Queued),
            Until::Finished => !job.status().is_final(),
            Until::Elapsed(seconds) => dump.clock < job.created_at.plus_seconds(seconds),
        };
        let of = (job.queue, unique.key.clone());
        if holds {
            assert_eq!(holders.insert(of, job.id), None, "two jobs of one key: {job:?}");
        }
    }
    for (of, id) in &dump.unique {
        let job = dump.jobs.get(id).expect("a job that keeps others away is there");
        assert_eq!((of.0, Some(&of.1)), (job.queue, job.unique.as_ref().map(|unique| &unique.key)));
        holders.remove(of);
    }
    assert_eq!(holders, BTreeMap::new(), "these keep nobody away");
}

/// What is known of queues without looking at jobs is what jobs say.
fn check_dispatch(dump: &Dump) {
    let Kept { queues, lanes, running, workers, .. } = &dump.dispatch;
    let mut held = BTreeMap::<Box<str>, BTreeSet<JobId>>::new();
    for job in dump.jobs.values().filter(|job| job.status() == Status::Running && !job.worker.is_empty()) {
        held.entry(job.worker.clone()).or_default().insert(job.id);
    }
    let known = workers.iter().map(|(name, worker)| (name.clone(), worker.jobs.clone())).collect();
    assert_eq!(held, known, "who runs what");
    check_unique(dump);
    let (mut counted, mut marks) = (BTreeMap::<QueueId, Counts>::new(), BTreeMap::<Lane, LaneMark>::new());
    let mut of_keys = BTreeMap::new();
    for job in dump.jobs.values() {
        let counts = counted.entry(job.queue).or_default();
        counts.by_status[Status::ALL.iter().position(|status| *status == job.status()).expect("a status")] +=
            1;
        match job.state {
            State::Queued { seq, since } => {
                counts.queued[usize::from(job.priority.get())] += 1;
                let mark =
                    marks.entry(Lane::of(job)).or_insert(LaneMark { first: seq, since, jobs: 0, served: 0 });
                (mark.first, mark.since) = (mark.first, mark.since).min((seq, since));
                mark.jobs += 1;
            }
            State::Running { .. } if !job.key.is_empty() => {
                *of_keys.entry((job.queue, job.key.clone())).or_insert(0) += 1;
            }
            _ => {}
        }
    }
    for (id, queue) in queues {
        let counted = counted.remove(id).unwrap_or_default();
        let kept = (queue.counts.by_status, queue.counts.queued);
        assert_eq!(kept, (counted.by_status, counted.queued), "the counts of {}", queue.name);
        assert!(queue.kept || queue.counts.all() > 0, "{} has no reason to be there", queue.name);
    }
    assert_eq!(counted.len(), 0, "every job's queue is there");
    for (of, served) in &dump.dispatch.turns {
        let waits = lanes.keys().any(|lane| (lane.queue, lane.priority, &lane.key) == (of.0, of.1, &of.2));
        assert!(waits && *served > 0 && *served < dump.next_seq, "a turn of nobody: {of:?}");
    }
    let known = lanes.iter().map(|(lane, mark)| (lane.clone(), LaneMark { served: 0, ..*mark })).collect();
    assert_eq!(marks, known, "where lanes begin");
    assert_eq!(&of_keys, running, "how many jobs of a key run");
}

/// What holds of every record.
fn check_record(job: &Job) {
    let status = job.status();
    assert_eq!(job.completed_at.is_some(), status.is_final(), "{job:?}");
    assert!(job.worker.is_empty() || job.started_at.is_some(), "{job:?}");
    let has_log = job.log_parts > 0 || matches!(status, Status::Success | Status::Error);
    assert!(job.log_bytes == 0 || has_log, "{job:?}");
    let started = match status {
        Status::Delayed | Status::Queued => Some(false),
        Status::Running | Status::Success | Status::Error => Some(true),
        Status::Cancelled => None,
    };
    assert!(started.is_none_or(|started| started == job.started_at.is_some()), "{job:?}");
    assert!(
        job.started_at.is_none_or(|at| at >= job.created_at)
            && job.completed_at >= job.started_at.filter(|_| status.is_final())
    );
}

impl Table for Watched {
    type Error = Infallible;

    fn put_job(&mut self, before: Option<&Job>, after: &Job) -> Result<(), Infallible> {
        assert_eq!(self.model.jobs().get(&after.id), before, "a write starts from the present record");
        match before {
            None => {
                self.check_new(after);
                self.newest = Some(after.number);
            }
            Some(before) => self.check_change(before, after),
        }
        self.ids.insert(after.id);
        self.watch_lanes(before, after);
        self.model.put_job(before, after)
    }

    fn delete_job(&mut self, job: &Job) -> Result<(), Infallible> {
        assert!(job.status().is_final(), "an active job is deleted: {job:?}");
        self.model.delete_job(job)
    }

    fn put_log(&mut self, id: JobId, log: Bytes) -> Result<(), Infallible> {
        assert!(!log.is_empty());
        self.model.put_log(id, log)
    }

    fn put_payload(&mut self, owner: JobId, payload: Bytes) -> Result<(), Infallible> {
        assert!(!payload.is_empty());
        self.model.put_payload(owner, payload)
    }

    fn has_payload(&mut self, owner: JobId) -> Result<bool, Infallible> {
        self.model.has_payload(owner)
    }

    fn set_clock(&mut self, now: Timestamp) {
        assert!(now >= self.clock(), "log time goes back");
        self.model.set_clock(now);
    }

    fn key_count(&self) -> u64 {
        self.model.key_count() + self.pretended_keys
    }

    fn clock(&self) -> Timestamp {
        self.model.clock()
    }
    fn settings(&self) -> Settings {
        self.model.settings()
    }
    fn put_settings(&mut self, settings: Settings) {
        self.model.put_settings(settings);
    }
    fn level(&self) -> FeatureLevel {
        self.model.level()
    }
    fn put_level(&mut self, level: FeatureLevel) {
        self.model.put_level(level);
    }
    fn next_seq(&mut self) -> u64 {
        self.model.next_seq()
    }
    fn job(&mut self, id: JobId) -> Result<Option<Job>, Infallible> {
        self.model.job(id)
    }
    fn put_log_part(&mut self, id: JobId, part: u32, log: Bytes) -> Result<(), Infallible> {
        assert!(!log.is_empty());
        self.model.put_log_part(id, part, log)
    }
    fn delete_log_parts(&mut self, id: JobId, parts: u32) -> Result<(), Infallible> {
        assert!(parts > 0);
        self.model.delete_log_parts(id, parts)
    }
    fn unique(&mut self, queue: QueueId, key: &str) -> Result<Option<JobId>, Infallible> {
        self.model.unique(queue, key)
    }
    fn put_unique(&mut self, queue: QueueId, key: &str, job: Option<JobId>) -> Result<(), Infallible> {
        self.model.put_unique(queue, key, job)
    }
    fn dispatch(&self) -> &Dispatch {
        self.model.dispatch()
    }
    fn dispatch_mut(&mut self) -> &mut Dispatch {
        self.model.dispatch_mut()
    }
    fn first_in(&mut self, lane: &Lane) -> Result<Option<&Job>, Infallible> {
        self.model.first_in(lane)
    }
    fn next_kept(&mut self, now: Timestamp) -> Result<Option<Job>, Infallible> {
        self.model.next_kept(now)
    }
    fn next_due(&mut self, now: Timestamp) -> Result<Option<Job>, Infallible> {
        self.model.next_due(now)
    }
    fn next_outlived(&mut self, until: Timestamp) -> Result<Option<Job>, Infallible> {
        self.model.next_outlived(until)
    }
    fn image(&mut self, id: ImageId) -> Result<Option<Image>, Infallible> {
        self.model.image(id)
    }
    fn put_image(&mut self, before: Option<&Image>, after: &Image) -> Result<(), Infallible> {
        self.model.put_image(before, after)
    }
    fn delete_image(&mut self, image: &Image) -> Result<(), Infallible> {
        self.model.delete_image(image)
    }
    fn next_unnamed_image(&mut self, until: Timestamp) -> Result<Option<Image>, Infallible> {
        self.model.next_unnamed_image(until)
    }
    fn operations(&self) -> &Operations {
        self.model.operations()
    }
    fn put_operation(&mut self, operation: Operation) {
        let running = self.operations().values().filter(|known| known.is_running());
        let running = running.filter(|known| known.action == operation.action).count();
        match self.operations().get(&operation.id) {
            None => assert!(running < limits::OPERATIONS_RUNNING, "more operations go on than may"),
            Some(before) => {
                assert!(before.is_running(), "one that has ended changes");
                assert!(before.done <= operation.done && before.skipped <= operation.skipped);
                assert_eq!((&before.selection, before.number), (&operation.selection, operation.number));
            }
        }
        assert_eq!(operation.ended_at.is_some(), operation.state != OperationState::Running);
        self.model.put_operation(operation);
        assert!(self.operations().len() <= limits::OPERATIONS);
    }
    fn delete_operation(&mut self, id: OperationId) {
        assert!(!self.operations()[&id].is_running(), "one that goes on is forgotten");
        self.model.delete_operation(id);
    }
    fn key(&mut self, key: &str) -> Result<Option<KeyRecord>, Infallible> {
        self.model.key(key)
    }
    fn put_key(&mut self, record: &KeyRecord) -> Result<(), Infallible> {
        self.model.put_key(record)
    }
    fn delete_key(&mut self, record: &KeyRecord) -> Result<(), Infallible> {
        self.model.delete_key(record)
    }
    fn oldest_key(&mut self) -> Result<Option<KeyRecord>, Infallible> {
        self.model.oldest_key()
    }
    fn answer(&self, request_id: RequestId) -> Option<AnswerRecord> {
        self.model.answer(request_id)
    }
    fn remember(&mut self, request_id: RequestId, record: AnswerRecord) {
        self.model.remember(request_id, record);
    }
}

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::Rng;
use crate::model::Model;
use crate::{
    Action, Applied, Backoff, Batch, Command, Ending, Envelope, Failure, FeatureLevel, Filter,
    IdempotencyKey, ImageId, JobId, NewJob, NewOperation, Operation, OperationId, Period, Priority, Progress,
    QueueId, QueueName, Rate, Reason, RequestId, Selection, Setting, Settings, Source, Status, Table, Take,
    Timestamp, Unique, Until, WaitBounds, apply, limits, next_due_at,
};

/// A batch with what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The log index, from 1 on without gaps.
    pub index: u64,
    /// The log entry.
    pub batch: Batch,
    /// The model's answers, and what it did.
    pub applied: Applied,
}

/// An endless history. It is applied to a model as it grows, so that its commands name jobs that exist, in every
/// status, and times at which something is due.
#[derive(Clone, Debug)]
pub struct Workload {
    rng: Rng,
    model: Model,
    index: u64,
    /// The latest envelopes: some are proposed again.
    envelopes: VecDeque<Envelope>,
    /// The jobs of the model, after the last batch.
    ids: Vec<JobId>,
}

/// The log time at which a history begins, give or take some seconds.
const START: Timestamp = Timestamp(1_700_000_000_000);
/// Above so many jobs the history finishes and deletes more than it adds, so that checks of the whole stay quick.
const MANY_JOBS: usize = 120;
/// Most commands in a batch.
const COMMANDS: u64 = 8;
/// Latest envelopes that may be proposed again.
const ENVELOPES: usize = 64;

impl Workload {
    /// The history of that seed.
    pub fn new(seed: u64) -> Workload {
        let rng = Rng::new(seed);
        Workload { rng, model: Model::new(), index: 0, envelopes: VecDeque::new(), ids: Vec::new() }
    }

    /// The same where less may wait: jobs are refused that need a lane more, and work on many jobs has to wait for one. Whatever follows
    /// it is told so, too: [`crate::Dispatch::bound`].
    pub fn crowded(seed: u64, bounds: WaitBounds) -> Workload {
        let mut workload = Workload::new(seed);
        workload.model.dispatch_mut().bound(bounds);
        workload
    }

    fn is_crowded(&self) -> bool {
        self.model.dispatch().most_lanes() < limits::LANES
    }

    /// The table after the last batch.
    pub fn model(&self) -> &Model {
        &self.model
    }

    fn batch(&mut self) -> Batch {
        let stamp = self.stamp();
        let now = stamp.max(self.model.clock());
        let commands = if self.rng.one_in(8) { 0 } else { 1 + self.rng.below(COMMANDS) };
        let envelopes = (0..commands).map(|_| self.envelope(now)).collect();
        Batch { stamp, envelopes }
    }

    /// Mostly a little later than the last one; also earlier, much later, and just when something is due.
    fn stamp(&mut self) -> Timestamp {
        let clock = self.model.clock().max(START);
        let Ok(due) = next_due_at(&mut self.model);
        match (self.rng.below(40), due) {
            (0, _) => clock.minus_millis(self.rng.below(100_000)),
            (1, _) => clock.plus_millis(self.rng.below(100_000)),
            (2, _) if self.rng.one_in(20) => clock.plus_millis(limits::IDEMPOTENCY_MILLIS),
            (3..6, Some(due)) if due > clock => due,
            (6, Some(due)) if due > clock => due.minus_millis(1),
            (7..20, _) => clock,
            _ => clock.plus_millis(self.rng.below(300)),
        }
    }

    fn envelope(&mut self, now: Timestamp) -> Envelope {
        if self.rng.one_in(12)
            && let Some(earlier) = self.rng.pick(self.envelopes.make_contiguous())
        {
            return earlier.clone();
        }
        let deadline = match self.rng.below(30) {
            0 => now.minus_millis(1 + self.rng.below(1_000)),
            1 => now,
            2 => now.plus_millis(limits::REQUEST_MILLIS),
            3 => now.plus_millis(limits::REQUEST_MILLIS + 1 + self.rng.below(2 * limits::REQUEST_MILLIS)),
            _ => now.plus_millis(self.rng.below(limits::REQUEST_MILLIS)),
        };
        let envelope =
            Envelope { request_id: RequestId(self.rng.bytes16()), deadline, command: self.command(now) };
        self.envelopes.push_back(envelope.clone());
        if self.envelopes.len() > ENVELOPES {
            self.envelopes.pop_front();
        }
        envelope
    }

    fn command(&mut self, now: Timestamp) -> Command {
        let full = self.ids.len() > MANY_JOBS;
        if self.is_crowded() && self.rng.one_in(6) {
            return self.operation_command(now);
        }
        match self.rng.below(100) {
            0..25 if !full => self.enqueue(now),
            0..43 => Command::Consume { take: self.take(), key: self.key(b'c') },
            43..45 => self.queue_command(),
            45..50 => self.finish(),
            50..57 => Command::Succeed { id: self.id(Status::Running), log: self.text() },
            57..67 => Command::Fail {
                id: self.id(Status::Running),
                reason: self.reason(),
                details: self.details(),
                log: self.text(),
                for_good: self.rng.one_in(8),
            },
            67..69 => {
                let id = self.id(Status::Running);
                let new_id = self.id_of_next(id, now);
                let delay = if self.rng.one_in(2) { self.seconds(20) } else { 0 };
                Command::Release { id, new_id, delay }
            }
            69 => Command::WorkerGone { worker: self.worker() },
            70..73 => Command::Touch { id: self.id(Status::Running), progress: self.progress() },
            73..75 => Command::AppendLog {
                id: self.id(Status::Running),
                log: self.text(),
                offset: if self.rng.one_in(2) { None } else { Some(self.seconds(30)) },
            },
            75..82 => Command::Cancel { id: self.id(Status::Queued), details: self.details() },
            82..89 if !full => {
                let status = [Status::Success, Status::Error, Status::Cancelled];
                let status = self.rng.pick(&status).copied().unwrap_or(Status::Error);
                let id = self.id(status);
                let new_id = self.id_of_next(id, now);
                Command::Retry { id, new_id, anew: self.rng.one_in(2), key: self.key(b'r') }
            }
            89..94 => self.operation_command(now),
            98 => Command::Raise { level: self.level() },
            99 => Command::Configure { settings: self.settings() },
            _ => Command::Delete { id: self.id(Status::Success) },
        }
    }

    /// Begins work on many jobs, goes on with some, or stops it.
    fn operation_command(&mut self, now: Timestamp) -> Command {
        let known: Vec<Arc<Operation>> = self.model.operations().values().cloned().collect();
        let running: Vec<_> = known.iter().filter(|operation| operation.is_running()).collect();
        match (self.rng.below(9), self.rng.pick(&running), self.rng.pick(&known)) {
            (0, _, Some(any)) => Command::StopOperation { id: any.id },
            (1, _, _) => Command::StopOperation { id: OperationId(self.rng.bytes16()) },
            (2..6, Some(running), _) => self.step(running),
            (6, _, Some(any)) => self.step(any),
            (_, _, any) => {
                let retries = self.is_crowded() && self.rng.one_in(2);
                let action =
                    self.rng.pick(&Action::ALL).copied().filter(|_| !retries).unwrap_or(Action::Retry);
                let taken = any.filter(|_| self.rng.one_in(20)).map(|any| any.id);
                let operation = NewOperation {
                    id: taken.unwrap_or(OperationId(self.rng.bytes16())),
                    action,
                    details: self.details(),
                    selection: self.selection(action, now),
                    words: self.details(),
                };
                Command::StartOperation { operation, key: self.key(b'o') }
            }
        }
    }

    /// The next step of an operation as a leader proposes it; also one that was done before, and one with jobs that it is not for.
    fn step(&mut self, operation: &Operation) -> Command {
        let n = 1 + usize::try_from(self.rng.below(4)).unwrap_or(0);
        let place = usize::try_from(operation.cursor).unwrap_or(0);
        let (mut jobs, mut to) = match &operation.selection {
            Selection::Ids(ids) => {
                let jobs: Vec<JobId> = ids.iter().skip(place).take(n).copied().collect();
                let next = place + jobs.len();
                (jobs, (next < ids.len()).then_some(next as u64))
            }
            Selection::Filter(_) => {
                let all = self.model.jobs().values();
                let mut left: Vec<_> =
                    all.filter(|job| job.number >= operation.cursor && operation.is_for(job)).collect();
                left.sort_by_key(|job| job.number);
                let to = left.get(n).map(|job| job.number);
                (left.iter().take(n).map(|job| job.id).collect(), to)
            }
        };
        match self.rng.below(12) {
            0 => jobs = (0..n).map(|_| self.id(Status::Error)).collect(),
            1 => to = to.or(Some(operation.cursor)),
            2 if self.rng.one_in(4) => jobs = vec![JobId([0; 16]); limits::OPERATION_JOBS_PER_STEP + 1],
            _ => {}
        }
        let from = if self.rng.one_in(6) { self.rng.below(4) } else { operation.cursor };
        Command::StepOperation { id: operation.id, action: operation.action, from, to, jobs }
    }

    fn selection(&mut self, action: Action, now: Timestamp) -> Selection {
        if self.rng.one_in(4) {
            let n = self.rng.below(6);
            return Selection::Ids((0..n).map(|_| self.id(Status::Error)).collect());
        }
        let mut filter = Filter { statuses: action.usual_statuses().to_vec(), ..Filter::default() };
        match self.rng.below(8) {
            0 => filter.queue = Some(QueueId(self.rng.below(4))),
            1 => filter.reason = Some(self.reason()),
            2 => filter.dead = Some(self.rng.one_in(2)),
            3 => filter.key = Some(self.job_key()),
            4 => {
                filter.created = Period { from: Some(now.minus_millis(self.rng.below(60_000))), until: None }
            }
            5 => filter.statuses = self.rng.pick(&Status::ALL).copied().into_iter().collect(),
            6 if self.rng.one_in(8) => filter.key = Some("k".repeat(limits::JOB_KEY_BYTES + 1).into()),
            _ => {}
        }
        Selection::Filter(filter)
    }

    fn finish(&mut self) -> Command {
        let n = if self.rng.one_in(40) { 0 } else { 1 + self.rng.below(4) };
        let endings = (0..n).map(|_| Ending {
            id: self.id(Status::Running),
            failure: self.rng.one_in(2).then(|| Failure {
                reason: self.reason(),
                details: self.details(),
                for_good: self.rng.one_in(8),
            }),
            log: self.text(),
        });
        let endings = endings.collect();
        let take = if self.rng.one_in(2) { None } else { Some(self.take()) };
        Command::Finish { endings, take, key: self.key(b'f') }
    }

    fn reason(&mut self) -> Reason {
        let reasons = [Reason::BadExit, Reason::Killed, Reason::Timeout];
        self.rng.pick(&reasons).copied().unwrap_or(Reason::BadExit)
    }

    fn enqueue(&mut self, now: Timestamp) -> Command {
        let n = if self.rng.one_in(40) { 0 } else { 1 + self.rng.below(4) };
        let mut jobs: Vec<NewJob> = (0..n).map(|_| self.new_job(now)).collect();
        if self.rng.one_in(30)
            && let [first, .., last] = jobs.as_mut_slice()
        {
            last.id = first.id;
        }
        Command::Enqueue { jobs, key: self.key(b'e') }
    }

    fn new_job(&mut self, now: Timestamp) -> NewJob {
        let image = u8::try_from(self.rng.below(6)).unwrap_or(0);
        let mut job = NewJob {
            id: self.new_id(now),
            queue: self.queue(),
            priority: self.priority(),
            key: self.job_key(),
            tags: self.tags(),
            unique: self.unique(),
            image: format!("image-{image}").into(),
            image_id: ImageId([image; 16]),
            payload: self.text(),
            delay: if self.rng.one_in(3) { self.seconds(20) } else { 0 },
            timeout: self.or_none(60).map(|seconds| 1 + seconds),
            max_retries: self.or_none(4),
            retries_delay: if self.rng.one_in(2) { self.or_none(20) } else { Some(0) },
        };
        match self.rng.below(280) {
            0 => job.image = "".into(),
            1 => job.image = "i".repeat(limits::IMAGE_NAME_BYTES + 1).into(),
            2 => job.delay = limits::DELAY_SECONDS + 1,
            3 => job.timeout = Some(0),
            4 => job.timeout = Some(limits::TIMEOUT_SECONDS + 1),
            5 => job.max_retries = Some(limits::MAX_RETRIES + 1),
            6 => job.retries_delay = Some(limits::RETRIES_DELAY_SECONDS + 1),
            8 => job.key = "k".repeat(limits::JOB_KEY_BYTES + 1).into(),
            9 => job.tags = ["a,b".into()].into(),
            7 => job.payload = vec![0; limits::PAYLOAD_BYTES + 1].into(),
            _ => {}
        }
        job
    }

    /// A job, more often than not one in that status, sometimes one that there is not.
    fn id(&mut self, status: Status) -> JobId {
        if self.rng.one_in(40) {
            return JobId(self.rng.bytes16());
        }
        let (rng, ids) = (&mut self.rng, &self.ids);
        let any = rng.pick(ids).copied();
        let fitting = (0..8)
            .filter_map(|_| rng.pick(ids))
            .find(|id| self.model.jobs().get(*id).is_some_and(|job| job.status() == status));
        let chosen = if self.rng.one_in(4) { any } else { fitting.copied().or(any) };
        chosen.unwrap_or_else(|| JobId(self.rng.bytes16()))
    }

    /// A fresh UUIDv7, seldom the id of a job that there is: an active one, since what is finished may be deleted earlier in
    /// the same batch, and ids are drawn, so that one which was used never comes as a new one.
    fn new_id(&mut self, now: Timestamp) -> JobId {
        if self.rng.one_in(60)
            && let Some(taken) = self.rng.pick(&self.ids)
            && self.model.jobs().get(taken).is_some_and(|job| !job.status().is_final())
        {
            return *taken;
        }
        JobId::v7(now, self.rng.number(), self.rng.number(), 0)
    }

    /// The same of a job that goes on from this one, seldom the id whose payload this one holds: of a job that may be gone.
    fn id_of_next(&mut self, id: JobId, now: Timestamp) -> JobId {
        let payload = self.model.jobs().get(&id).map(|job| job.payload);
        match payload.filter(|payload| payload.bytes > 0) {
            Some(payload) if self.rng.one_in(10) => payload.owner,
            Some(_) | None => self.new_id(now),
        }
    }

    /// The default one, or one of a few others.
    fn queue(&mut self) -> QueueName {
        let names = ["a", "b", "c"];
        let name = if self.rng.one_in(3) { self.rng.pick(&names).copied() } else { None };
        name.and_then(QueueName::new).unwrap_or_default()
    }

    fn job_key(&mut self) -> Box<str> {
        let keys = ["", "", "", "k1", "k2", "k3"];
        self.rng.pick(&keys).copied().unwrap_or_default().into()
    }

    fn tags(&mut self) -> Box<[Box<str>]> {
        ["t1", "t2", "t3"].into_iter().filter(|_| self.rng.one_in(6)).map(Box::from).collect()
    }

    fn take(&mut self) -> Take {
        let n = self.rng.below(4);
        let from = match self.rng.below(8) {
            0 => Source::All,
            1 => {
                let weight = self.seconds(limits::WEIGHT + 2);
                Source::ByWeight((0..n).map(|_| (self.queue(), weight)).collect())
            }
            2 => Source::InOrder((0..n).map(|_| self.queue()).collect()),
            _ => Source::InOrder(vec![self.queue()]),
        };
        let images = if self.rng.one_in(4) { self.rng.below(4) } else { 0 };
        let images = (0..images).map(|_| ImageId([u8::try_from(self.rng.below(6)).unwrap_or(0); 16]));
        let images = images.collect();
        Take { from, images, n: self.jobs_wanted(), worker: self.worker() }
    }

    fn progress(&mut self) -> Option<Progress> {
        let percent = u8::try_from(self.rng.below(105)).unwrap_or(0);
        self.rng.one_in(2).then(|| Progress { percent, text: "on".into() })
    }

    fn worker(&mut self) -> Box<str> {
        let names = ["", "", "w1", "w2"];
        self.rng.pick(&names).copied().unwrap_or_default().into()
    }

    fn unique(&mut self) -> Option<Unique> {
        if !self.rng.one_in(4) {
            return None;
        }
        let until = match self.rng.below(3) {
            0 => Until::Started,
            1 => Until::Finished,
            _ => Until::Elapsed(self.seconds(30)),
        };
        Some(Unique { key: format!("u{}", self.rng.below(5)).into(), until })
    }

    fn queue_command(&mut self) -> Command {
        if self.rng.one_in(3) {
            let names = ["a", "b", "c", "idle", "idle", "default", "never"];
            let name = self.rng.pick(&names).copied().and_then(QueueName::new);
            return Command::DeleteQueue { name: name.unwrap_or_default() };
        }
        let idle = QueueName::new("idle").filter(|_| self.rng.one_in(4));
        let name = idle.unwrap_or_else(|| self.queue());
        let n = 1 + self.rng.below(2);
        let settings = (0..n).map(|_| self.setting()).collect();
        Command::ConfigureQueue { name, settings }
    }

    /// A setting, seldom one outside of its limits.
    fn setting(&mut self) -> Setting {
        match self.rng.below(10) {
            0 => Setting::Paused(self.rng.one_in(3)),
            1 => Setting::Timeout(self.or_none(30)),
            2 => Setting::MaxRetries(self.or_none(limits::MAX_RETRIES + 2)),
            3 => Setting::RetriesDelay(self.or_none(10)),
            4 => Setting::KeepSuccess(self.or_none(500).map(u64::from)),
            5 => Setting::KeepError(self.or_none(500).map(u64::from)),
            6 => Setting::Backoff(match self.rng.below(3) {
                0 => Backoff::Fixed,
                1 => Backoff::Exponential { cap: self.seconds(30), jitter_percent: self.seconds(110) },
                _ => Backoff::List(
                    (0..self.rng.below(4)).map(|delay| u32::try_from(delay * 3).unwrap_or(0)).collect(),
                ),
            }),
            7 => Setting::MaxRunning(self.or_none(5)),
            8 => Setting::MaxRunningPerKey(self.or_none(3)),
            _ => Setting::Rate(self.or_none(4).map(|jobs| Rate { jobs, seconds: 1 + self.seconds(2) })),
        }
    }

    fn or_none(&mut self, bound: u32) -> Option<u32> {
        if self.rng.one_in(2) { None } else { Some(self.seconds(bound)) }
    }

    fn priority(&mut self) -> Priority {
        self.rng.pick(&Priority::SERVED).copied().unwrap_or_default()
    }

    fn jobs_wanted(&mut self) -> u32 {
        if self.rng.one_in(100) { self.seconds(3_000) } else { 1 + self.seconds(4) }
    }

    /// One of a few keys, mostly none. The hash of a request covers what it calls, here by a letter.
    fn key(&mut self, call: u8) -> Option<IdempotencyKey> {
        if !self.rng.one_in(4) {
            return None;
        }
        let mut key = format!("key-{}", self.rng.below(30));
        if self.rng.one_in(50) {
            key = key.repeat(limits::IDEMPOTENCY_KEY_BYTES);
        }
        let body = if self.rng.one_in(6) { call.to_ascii_uppercase() } else { call };
        Some(IdempotencyKey { key: key.into(), body_hash: [body; 32] })
    }

    /// About as high as it is.
    fn level(&mut self) -> FeatureLevel {
        let now = self.model.level().0;
        FeatureLevel((now + u32::from(self.rng.one_in(3))).saturating_sub(u32::from(self.rng.one_in(3))))
    }

    fn settings(&mut self) -> Settings {
        Settings { retention: self.rng.below(2_000) }
    }

    fn details(&mut self) -> Box<str> {
        match self.rng.below(60) {
            0 => "d".repeat(limits::DETAILS_BYTES + 1).into(),
            1..10 => "".into(),
            n => format!("details {n}").into(),
        }
    }

    /// A payload or a log: small, often empty.
    fn text(&mut self) -> Bytes {
        let length = self.rng.below(24);
        let from = self.rng.number();
        (0..length).map(|offset| from.wrapping_add(offset).to_le_bytes()[0]).collect()
    }

    fn seconds(&mut self, bound: u32) -> u32 {
        u32::try_from(self.rng.below(u64::from(bound))).unwrap_or(0)
    }
}

impl Iterator for Workload {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        let batch = self.batch();
        self.index += 1;
        let Ok(applied) = apply(&mut self.model, self.index, &batch);
        self.ids = self.model.jobs().keys().copied().collect();
        Some(Entry { index: self.index, batch, applied })
    }
}

//! Long random histories: every write of `apply` is watched, and the whole table is checked after every batch.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::Watched;
use quorate_core::limits::{DUE_PER_BATCH, IDEMPOTENCY_MILLIS};
use quorate_core::testing::{Entry, Workload};
use quorate_core::{
    Change, Command, Dispatch, Dump, Effect, FeatureLevel, IdempotencyKey, ImageId, Job, JobId, OperationId,
    QueueId, Reason, Refusal, Reply, RequestId, Settings, State, Status, Table, Timestamp, WaitBounds,
    next_due_at,
};

/// Commands in all, over all seeds.
const STEPS: usize = 120_000;
const SEEDS: u64 = 24;
/// Less than would wait.
const CROWDED: WaitBounds = WaitBounds { lanes: 12, lanes_of_key: 4, images_listed: 2 };

#[test]
fn random_histories_keep_every_invariant() {
    let mut seen = Seen::default();
    for seed in 0..SEEDS {
        // Of some there is no room for all that would wait.
        let bounds = if seed % 4 == 0 { CROWDED } else { WaitBounds::default() };
        let mut workload = Workload::crowded(seed, bounds);
        let mut table = Watched::default();
        table.bound(bounds);
        let (mut grants, mut told) = (Grants::default(), Told::default());
        let mut steps = 0;
        let mut clock = Timestamp::ZERO;
        let mut before = Dump::default();
        while steps < STEPS.div_ceil(SEEDS as usize) {
            let entry = workload.next().expect("a history has no end");
            let applied = table.apply(entry.index, &entry.batch);
            assert_eq!(applied, entry.applied, "seed {seed}, entry {}", entry.index);
            assert_eq!(table.clock(), clock.max(entry.batch.stamp), "log time is the latest stamp");
            clock = table.clock();
            let pieces = due(&before, clock);
            before = table.check();
            grants.check(&entry);
            told.follow(&entry.applied.effects, entry.batch.envelopes.is_empty());
            seen.count(&entry);
            let configured =
                entry.batch.envelopes.iter().any(|e| matches!(e.command, Command::Configure { .. }));
            let Ok(next) = next_due_at(&mut table);
            let left_over = next.is_some_and(|due| due <= clock);
            assert!(
                !left_over || configured || pieces > DUE_PER_BATCH,
                "seed {seed}: due work was left over"
            );
            steps += entry.batch.envelopes.len().max(1);
        }
        *seen.0.entry("no lane for a job that is due").or_default() += table.turned_away;
        told.check(&table.model.dump());
        assert_eq!(table.model.dump(), workload.model().dump(), "seed {seed}");
    }
    seen.check();
}

/// How many pieces of work are due.
fn due(dump: &Dump, now: Timestamp) -> usize {
    let outlived = |ended: Timestamp| ended.plus_millis(dump.settings.retention * 1_000) <= now;
    let timers = dump.timers.iter().filter(|(due, _)| *due <= now).count();
    let finished = dump.finished.iter().filter(|(ended, _)| outlived(*ended)).count();
    let keys = dump.keys.values().filter(|key| key.at.plus_millis(IDEMPOTENCY_MILLIS) <= now).count();
    let images = dump.images.values().filter(|image| outlived(image.named_at)).count();
    let finished = finished + dump.kept.iter().filter(|(until, _)| *until <= now).count();
    timers + finished + keys + images
}

/// Which jobs were given to which request: none to two.
#[derive(Default)]
struct Grants(BTreeMap<JobId, (RequestId, Option<IdempotencyKey>)>);

impl Grants {
    fn check(&mut self, entry: &Entry) {
        for (envelope, answer) in entry.batch.envelopes.iter().zip(&entry.applied.answers) {
            assert_eq!(envelope.request_id, answer.request_id, "answers stand in the order of the envelopes");
            let (key, jobs) = match (&envelope.command, &answer.outcome) {
                (Command::Consume { key, .. }, Ok(Reply::Jobs(jobs))) => (key, jobs),
                (Command::Finish { key, .. }, Ok(Reply::Finished { taken, .. })) => (key, taken),
                _ => continue,
            };
            for job in jobs {
                let (first, first_key) = self.0.entry(job.id).or_insert((envelope.request_id, key.clone()));
                let again = *first == envelope.request_id || (key.is_some() && first_key == key);
                assert!(again, "{} was granted to two requests", job.id);
            }
        }
    }
}

/// The table as somebody knows it who hears of effects alone.
#[derive(Default)]
struct Told {
    jobs: BTreeMap<JobId, (QueueId, Status, Option<Reason>)>,
    goes_on: BTreeMap<JobId, bool>,
    settings: Settings,
    level: FeatureLevel,
    keys: BTreeSet<Box<str>>,
    operations: BTreeSet<OperationId>,
    available: BTreeMap<QueueId, (u64, BTreeMap<ImageId, u64>)>,
}

impl Told {
    fn follow(&mut self, effects: &[Effect], no_commands: bool) {
        for effect in effects {
            match effect {
                Effect::Job(Change { id, queue, from, to, reason, goes_on, by_time }) => {
                    assert!(from != to && (reason.is_some() == (*to == Some(Status::Error))), "{effect:?}");
                    let before = match to {
                        Some(to) => self.jobs.insert(*id, (*queue, *to, *reason)),
                        None => self.jobs.remove(id),
                    };
                    assert_eq!(before.map(|(_, status, _)| status), *from, "{effect:?}");
                    // Who retries the job that it goes on from does not let it wait.
                    let is_due = (*from, *to) == (Some(Status::Delayed), Some(Status::Queued)) && !goes_on;
                    let by_time_alone = no_commands || is_due;
                    assert!(*by_time || !by_time_alone, "{effect:?}");
                    let by_command_alone = match (from, to) {
                        (None, _) => !goes_on,
                        (_, Some(Status::Running | Status::Success | Status::Cancelled)) => true,
                        (_, Some(Status::Delayed | Status::Queued | Status::Error) | None) => false,
                    };
                    assert!(!(*by_time && by_command_alone), "{effect:?}");
                    match from {
                        None => drop(self.goes_on.insert(*id, *goes_on)),
                        Some(_) => assert_eq!(self.goes_on.get(id), Some(goes_on), "{effect:?}"),
                    }
                }
                Effect::Operation(id) => drop(self.operations.insert(*id)),
                Effect::KeySpent(key) => drop(self.keys.insert(key.clone())),
                Effect::Configured(settings) => self.settings = *settings,
                Effect::Raised(level) => self.level = *level,
                Effect::Available(of) => {
                    let (places, images) = self.available.entry(of.queue).or_default();
                    *places = of.places;
                    images.extend(of.images.iter().copied());
                    images.retain(|_, jobs| *jobs > 0);
                }
                Effect::QueueGone(queue) => drop(self.available.remove(queue)),
            }
        }
    }

    fn check(&self, dump: &Dump) {
        let job = |job: &Job| match job.state {
            State::Error { reason, .. } => (job.queue, job.status(), Some(reason)),
            _ => (job.queue, job.status(), None),
        };
        assert_eq!(self.jobs, dump.jobs.iter().map(|(id, record)| (*id, job(record))).collect());
        assert!(dump.jobs.iter().all(|(id, job)| self.goes_on.get(id) == Some(&job.retry_of.is_some())));
        assert_eq!((self.settings, self.level), (dump.settings, dump.level));
        assert!(dump.keys.keys().all(|key| self.keys.contains(key)));
        assert!(dump.operations.keys().all(|id| self.operations.contains(id)));
        for of in Dispatch::restore(dump.clock, dump.dispatch.clone()).availability() {
            let (places, images) = self.available.get(&of.queue).cloned().unwrap_or_default();
            assert_eq!(images, of.images.into_iter().collect(), "what waits in {}", of.name);
            // More may have become free with time; where jobs wait and none was, that was told.
            let rate = dump.dispatch.queues[&of.queue].settings.rate;
            let with_time = rate.is_some() && (places > 0 || images.is_empty());
            assert!(places == of.places || (with_time && places < of.places), "places of {}", of.name);
        }
    }
}

/// What a history came across: a generator that misses something must not pass unseen.
#[derive(Default)]
struct Seen(BTreeMap<&'static str, usize>);

impl Seen {
    fn count(&mut self, entry: &Entry) {
        for (envelope, answer) in entry.batch.envelopes.iter().zip(&entry.applied.answers) {
            let what = match (&answer.outcome, &envelope.command) {
                (Err(Refusal::NoSuchJob), _) => "no such job",
                (Err(Refusal::WrongStatus { .. }), _) => "wrong status",
                (Err(Refusal::RetriedAutomatically), _) => "retried automatically",
                (Err(Refusal::KeyReused), _) => "key reused",
                (Err(Refusal::OutsideDeadline), _) => "outside deadline",
                (Err(Refusal::Invalid { .. }), _) => "invalid",
                (Err(Refusal::IdTaken), _) => "id taken",
                (Err(Refusal::ReleasedTooOften), _) => "released too often",
                (Err(Refusal::NoSuchQueue), _) => "no such queue",
                (Err(Refusal::QueueInUse), _) => "queue in use",
                // Seldom, if ever.
                (Err(Refusal::TooManyQueues | Refusal::TooManyOperations), _) => continue,
                (Err(Refusal::TooManyLanes), Command::Enqueue { .. }) => "no lane for a new job",
                (Err(Refusal::TooManyLanes), Command::Retry { .. }) => "no lane for a retry",
                (Err(Refusal::TooManyLanes), _) => "no lane for a step of an operation",
                (Err(Refusal::NoSuchOperation), _) => "no such operation",
                (Ok(_), _) if answer.position.index != entry.index => "repeated",
                (Ok(Reply::Enqueued { duplicates, .. }), _) if !duplicates.is_empty() => "duplicate",
                (Ok(_), Command::Enqueue { .. }) => "enqueue",
                (Ok(_), Command::Consume { .. }) => "consume",
                (Ok(_), Command::Succeed { .. }) => "succeed",
                (Ok(_), Command::Fail { .. }) => "fail",
                (Ok(_), Command::Release { .. }) => "release",
                (Ok(Reply::Jobs(jobs)), Command::WorkerGone { .. }) if jobs.is_empty() => "nobody is gone",
                (Ok(_), Command::WorkerGone { .. }) => "a worker is gone",
                (Ok(_), Command::Finish { .. }) => "finish",
                (Ok(_), Command::Cancel { .. }) => "cancel",
                (Ok(_), Command::Touch { .. }) => "touch",
                (Ok(_), Command::AppendLog { .. }) => "append to a log",
                (Ok(_), Command::Retry { .. }) => "retry",
                (Ok(_), Command::Delete { .. }) => "delete",
                (Ok(_), Command::Configure { .. }) => "configure",
                (Ok(_), Command::StartOperation { .. }) => "start an operation",
                (Ok(_), Command::StepOperation { .. }) => "step of an operation",
                (Ok(_), Command::StopOperation { .. }) => "stop an operation",
                (Ok(_), Command::Raise { .. }) => "raise",
                (Ok(_), Command::ConfigureQueue { .. }) => "configure a queue",
                (Ok(_), Command::DeleteQueue { .. }) => "delete a queue",
            };
            *self.0.entry(what).or_default() += 1;
        }
    }

    fn check(&self) {
        println!("{:#?}", self.0);
        assert_eq!(self.0.len(), 36, "all outcomes were met: {:?}", self.0);
        for (what, times) in &self.0 {
            assert!(*times >= 100, "{what} was met only {times} times");
        }
    }
}

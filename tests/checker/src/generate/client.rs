use std::collections::{BTreeMap, VecDeque};

use rand::Rng;
use rand::rngs::StdRng;

use crate::body_hash::body_hash;
use crate::call::Call;
use crate::finish::Ending;
use crate::job::{NewJob, Reason, Status, Unique, Until};
use crate::operation::{Action, Selection};
use crate::queue::{QueueLimits, Rate};

/// A client with at most one open request, which knows jobs by what it was answered.
pub(super) struct Client {
    pub(super) number: u32,
    /// When it can send its next request.
    pub(super) free_at: u64,
    /// The attempt to send again, under its key.
    pub(super) again: Option<(Call, Option<Box<str>>)>,
    /// Jobs that were granted to it.
    pub(super) held: VecDeque<Box<str>>,
    /// Jobs that it once saw.
    pub(super) known: VecDeque<Box<str>>,
    /// Work on many jobs that it has begun.
    pub(super) begun: VecDeque<Box<str>>,
    sent: u64,
}

/// A queue of which few jobs run at once.
const FEW: &str = "few";
/// A queue of which few jobs of one key run at once.
const BY_KEY: &str = "by-key";

/// A queue of which few jobs are granted in a time.
const SLOW: &str = "slow";
/// A queue that is paused and resumed, and limited now and then.
const SET: &str = "set";
/// A queue whose jobs are cancelled, retried and deleted many at a time.
pub(super) const SWEPT: &str = "swept";
/// Two queues that are only taken from by weight.
const WEIGHED: [&str; 2] = ["heavy", "light"];

/// What limits queues from the start. Jobs that clients forget take up some of it.
pub(super) fn settings() -> BTreeMap<Box<str>, QueueLimits> {
    let none = QueueLimits::default();
    let few = QueueLimits { max_running: Some(12), ..none };
    let by_key = QueueLimits { max_running_per_key: Some(6), ..none };
    let slow = QueueLimits { rate: Some(Rate { jobs: 10, seconds: 1 }), ..none };
    [(FEW, few), (BY_KEY, by_key), (SLOW, slow), (SWEPT, none)]
        .map(|(name, limits)| (name.into(), limits))
        .into()
}

/// Jobs that a client remembers.
const KNOWN: usize = 16;

impl Client {
    pub(super) fn new(number: u32) -> Client {
        Client {
            number,
            free_at: 0,
            again: None,
            held: VecDeque::new(),
            known: VecDeque::new(),
            begun: VecDeque::new(),
            sent: 0,
        }
    }

    pub(super) fn remember(&mut self, id: &str) {
        self.known.push_back(id.into());
        if self.known.len() > KNOWN {
            self.known.pop_front();
        }
    }

    /// Its next request, with the key if it has one.
    pub(super) fn next(&mut self, rng: &mut StdRng, drains: bool) -> (Call, Option<Box<str>>) {
        if let Some(again) = self.again.take() {
            return again;
        }
        self.sent += 1;
        let key: Box<str> = format!("c{}-{}", self.number, self.sent).into();
        if rng.random_bool(0.3)
            && let Some(id) = self.begun.pop_front()
        {
            // Seldom more than once.
            if rng.random_bool(0.5) {
                self.begun.push_back(id.clone());
            }
            let stops = rng.random_bool(0.1);
            return (if stops { Call::Stop { id } } else { Call::Watch { id, wait: 0 } }, None);
        }
        if rng.random_bool(0.008) {
            return (self.operate(rng), rng.random_bool(0.7).then_some(key));
        }
        if rng.random_bool(0.6)
            && let Some(id) = self.held.pop_front()
        {
            return self.work(rng, id, key);
        }
        let known =
            (!self.known.is_empty()).then(|| self.known[rng.random_range(0..self.known.len())].clone());
        match (rng.random_range(0..100), known) {
            (0..32, _) if !drains => (self.enqueue(rng, &key), rng.random_bool(0.7).then_some(key)),
            (0..56, _) | (_, None) => {
                let wait = if rng.random_bool(0.3) { rng.random_range(1..=9) } else { 0 };
                (
                    Call::Consume { n: rng.random_range(1..=4), wait, queue: queues(rng) },
                    rng.random_bool(0.5).then_some(key),
                )
            }
            (56..80, Some(id)) => (Call::Get { id, linearizable: rng.random_bool(0.3) }, None),
            (80..84, Some(_)) => (Call::List { linearizable: rng.random_bool(0.3) }, None),
            (84..88, Some(id)) => (Call::Retry { id }, rng.random_bool(0.5).then_some(key)),
            (88..89, Some(id)) => (Call::Cancel { id }, None),
            (89..92, Some(_)) => (Call::Set { queue: SET.into(), limits: limits(rng) }, None),
            (92..96, Some(id)) => (Call::Success { id, log: None }, None),
            (_, Some(id)) => (Call::Delete { id }, None),
        }
    }

    /// What it does with a job that it holds: mostly it succeeds, sometimes it forgets it.
    fn work(&mut self, rng: &mut StdRng, id: Box<str>, key: Box<str>) -> (Call, Option<Box<str>>) {
        let call = match rng.random_range(0..100) {
            0..54 => Call::Success { id, log: None },
            54..60 => Call::Release { id, delay: rng.random_range(0..=1) },
            60..84 => return (self.finish(rng, id), rng.random_bool(0.6).then_some(key)),
            84..90 => Call::Fail { id, reason: Reason::BadExit, log: None },
            90..92 => Call::Fail { id, reason: Reason::Killed, log: None },
            92..96 => {
                self.held.push_back(id.clone());
                Call::Touch { id }
            }
            _ => Call::Get { id, linearizable: false },
        };
        (call, None)
    }

    /// Ends the job, maybe with others that it holds or once saw, and takes the next.
    fn finish(&mut self, rng: &mut StdRng, id: Box<str>) -> Call {
        let alone = rng.random_bool(0.5);
        let more = if alone { 0 } else { rng.random_range(0..=3) };
        let others = (0..more).filter_map(|_| match rng.random_bool(0.8) {
            true => self.held.pop_front(),
            false => self.known.back().cloned(),
        });
        let ids: Vec<Box<str>> = [id].into_iter().chain(others).collect();
        let ending = |id| Ending { id, reason: rng.random_bool(0.1).then_some(Reason::BadExit), log: None };
        let endings = ids.into_iter().map(ending).collect();
        let take = rng.random_range(0..=3);
        let queue = if take > 0 { queues(rng) } else { Vec::new() };
        Call::Finish { endings, take, wait: 0, queue, alone }
    }

    /// Work on the jobs of a key that is new, or on some jobs that it knows.
    fn operate(&self, rng: &mut StdRng) -> Call {
        let action = [Action::Retry, Action::Cancel, Action::Delete][rng.random_range(0..3)];
        if rng.random_bool(0.2) && !self.known.is_empty() {
            let ids = self.known.iter().rev().take(rng.random_range(1..=4)).cloned().collect();
            return Call::Operate { action, selection: Selection { ids, ..Selection::default() } };
        }
        let statuses: &[&[Status]] = match action {
            Action::Retry => &[&[], &[Status::Error, Status::Cancelled], &[Status::Cancelled]],
            Action::Cancel => &[&[], &[Status::Queued], &[Status::Delayed, Status::Queued]],
            Action::Delete => &[&[], &[Status::Cancelled]],
        };
        let status = statuses[rng.random_range(0..statuses.len())].into();
        let key = swept_key(self.sent.saturating_sub(rng.random_range(0..KEY_LASTS)));
        let selection = Selection { queue: Some(SWEPT.into()), key: Some(key), status, ids: Vec::new() };
        Call::Operate { action, selection }
    }

    fn enqueue(&self, rng: &mut StdRng, key: &str) -> Call {
        let jobs = (0..rng.random_range(1..=4)).map(|place| {
            let queue = match rng.random_range(0..23) {
                20.. => SWEPT,
                0..9 => "default",
                9..12 => FEW,
                12..15 => BY_KEY,
                15 => SLOW,
                16 | 17 => SET,
                _ => WEIGHED[rng.random_range(0..2)],
            };
            let until = [Until::Started, Until::Finished, Until::For(1)][rng.random_range(0..3)];
            let name = format!("u{}", rng.random_range(0..20)).into();
            let tag: Box<str> = format!("{key}-{place}").into();
            let hash = body_hash(tag.as_bytes());
            NewJob {
                tag,
                hash,
                queue: queue.into(),
                key: match queue {
                    SWEPT => swept_key(self.sent),
                    _ => ["", "", "a", "b", "c"][rng.random_range(0..5)].into(),
                },
                unique: rng.random_bool(0.1).then_some(Unique { key: name, until }),
                priority: rng.random_range(0..=2),
                delay: if rng.random_bool(0.1) { rng.random_range(1..=2) } else { 0 },
                timeout: if rng.random_bool(0.3) { rng.random_range(1..=2) } else { 60 },
                max_retries: rng.random_range(0..=3),
                retries_delay: rng.random_range(0..=2),
            }
        });
        Call::Enqueue { jobs: jobs.collect() }
    }
}

/// A client's requests use one key of the queue of which many are worked on for so long: so each work is for few jobs.
const KEY_LASTS: u64 = 40;

fn swept_key(sent: u64) -> Box<str> {
    (sent / KEY_LASTS).to_string().into()
}

/// Where a client takes jobs from.
fn queues(rng: &mut StdRng) -> Vec<Box<str>> {
    let names: &[&str] = match rng.random_range(0..23) {
        21.. => &[SWEPT],
        0..7 => &[],
        7..10 => &[FEW],
        10..13 => &[BY_KEY],
        13 => &["default", BY_KEY],
        14 => &[SLOW],
        15 | 16 => &[SET],
        17 => &["heavy:3", "light:1"],
        18 => &["*"],
        _ => &[FEW, "default", BY_KEY, SLOW],
    };
    names.iter().map(|name| (*name).into()).collect()
}

/// What the queue is set to next.
fn limits(rng: &mut StdRng) -> QueueLimits {
    let max_running = rng.random_bool(0.5).then(|| rng.random_range(2..=8));
    QueueLimits { max_running, paused: rng.random_bool(0.4), ..QueueLimits::default() }
}

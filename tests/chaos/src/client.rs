use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use quorate_check::{Call, NewJob, Op, Outcome, Reason, body_hash};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::convert::{log_of, payload};
use crate::hosts::Node;
use crate::limits;
use crate::recorder::Recorder;
use crate::rest::Rest;

/// What all clients of a run share.
pub(crate) struct Shared {
    pub(crate) recorder: Recorder,
    pub(crate) nodes: Vec<Node>,
    /// Nodes that clients leave alone: a wiped one, until it has caught up with what its predecessor had answered.
    pub(crate) closed: Vec<AtomicBool>,
    phase: AtomicU8,
}

/// What the clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// All kinds of requests.
    Work,
    /// Only what empties the queue.
    Drain,
    Stop,
}

impl Shared {
    pub(crate) fn new(recorder: Recorder, nodes: &[Node]) -> Shared {
        Shared {
            recorder,
            nodes: nodes.to_vec(),
            closed: nodes.iter().map(|_| AtomicBool::new(false)).collect(),
            phase: AtomicU8::new(Phase::Work as u8),
        }
    }

    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Release);
    }

    fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            phase if phase == Phase::Work as u8 => Phase::Work,
            phase if phase == Phase::Drain as u8 => Phase::Drain,
            _ => Phase::Stop,
        }
    }
}

/// How many of the requests with a key are sent again although they were answered.
const REPEATED: f64 = 0.05;

/// A client with at most one open request, which knows jobs by what it was answered.
pub(crate) struct Client {
    number: u32,
    rng: StdRng,
    rest: Rest,
    shared: Arc<Shared>,
    /// The node that it asks while that answers.
    home: usize,
    /// The attempt to send again, under its key.
    again: Option<(Call, Box<str>)>,
    /// Jobs that were granted to it.
    held: VecDeque<Box<str>>,
    /// Jobs that it once saw.
    known: VecDeque<Box<str>>,
    sent: u64,
}

impl Client {
    pub(crate) fn new(number: u32, seed: u64, rest: Rest, shared: Arc<Shared>) -> Client {
        Client {
            number,
            rng: StdRng::seed_from_u64(seed ^ (u64::from(number) << 32)),
            rest,
            home: number as usize % shared.nodes.len(),
            shared,
            again: None,
            held: VecDeque::new(),
            known: VecDeque::new(),
            sent: 0,
        }
    }

    /// Sends one request after the other until all clients are to stop.
    ///
    /// # Errors
    /// An answer is not of this API, or the history cannot be written.
    pub(crate) async fn run(mut self) -> anyhow::Result<()> {
        loop {
            let phase = self.shared.phase();
            if phase == Phase::Stop {
                return Ok(());
            }
            let Some(node) = self.choose() else {
                tokio::time::sleep(limits::POLL).await;
                continue;
            };
            let (call, key) = self.next(phase);
            let shared = Arc::clone(&self.shared);
            let op = self.rest.attempt(self.number, &shared.nodes[node], call, key).await?;
            self.shared.recorder.op(&op)?;
            let idle = matches!(op.call, Call::Consume { .. }) && op.jobs.is_empty();
            let pause = if is_answered(&op) && !idle { 1..15 } else { 20..80 };
            self.learn(op);
            tokio::time::sleep(Duration::from_millis(self.rng.random_range(pause))).await;
        }
    }

    /// Its home mostly, any other sometimes.
    fn choose(&mut self) -> Option<usize> {
        let open = |node: &usize| !self.shared.closed[*node].load(Ordering::Acquire);
        if self.rng.random_bool(0.1) {
            self.home = self.rng.random_range(0..self.shared.nodes.len());
        }
        let count = self.shared.nodes.len();
        (0..count).map(|step| (self.home + step) % count).find(open)
    }

    fn learn(&mut self, op: Op) {
        if !is_answered(&op) {
            self.home = (self.home + 1) % self.shared.nodes.len();
            // Whoever sent a key may repeat the request, so it does.
            self.again = op.key.map(|key| (op.call, key));
            return;
        }
        // As one who ended before he had noted the answer.
        if self.rng.random_bool(REPEATED)
            && let Some(key) = &op.key
        {
            self.again = Some((op.call.clone(), key.clone()));
        }
        for job in &op.jobs {
            self.known.push_back(job.id.clone());
            if self.known.len() > limits::KNOWN {
                self.known.pop_front();
            }
        }
        if matches!(op.call, Call::Consume { .. }) {
            self.held.extend(op.jobs.into_iter().map(|job| job.id));
        }
    }

    fn next(&mut self, phase: Phase) -> (Call, Option<Box<str>>) {
        if let Some((call, key)) = self.again.take() {
            return (call, Some(key));
        }
        self.sent += 1;
        let key: Box<str> = format!("c{}-{}", self.number, self.sent).into();
        if (phase == Phase::Drain || self.rng.random_bool(0.6))
            && let Some(id) = self.held.pop_front()
        {
            return (self.work(id, phase), None);
        }
        if phase == Phase::Drain {
            return (Call::Consume { n: 5 }, None);
        }
        let rng = &mut self.rng;
        let known =
            (!self.known.is_empty()).then(|| self.known[rng.random_range(0..self.known.len())].clone());
        match (rng.random_range(0..100), known) {
            (0..35, _) => (enqueue(rng, &key), rng.random_bool(0.7).then_some(key)),
            (35..65, _) | (_, None) => {
                (Call::Consume { n: rng.random_range(1..=4) }, rng.random_bool(0.4).then_some(key))
            }
            (65..82, Some(id)) => (Call::Get { id, linearizable: rng.random_bool(0.4) }, None),
            (82..88, Some(_)) => (Call::List { linearizable: rng.random_bool(0.4) }, None),
            (88..92, Some(id)) => (Call::Retry { id }, rng.random_bool(0.5).then_some(key)),
            (92..96, Some(id)) => (Call::Cancel { id }, None),
            (96..99, Some(id)) => (success(id), None),
            (_, Some(id)) => (Call::Delete { id }, None),
        }
    }

    /// What it does with a job that it holds: mostly it succeeds; sometimes it forgets it, which ends in a timeout.
    fn work(&mut self, id: Box<str>, phase: Phase) -> Call {
        let log = || Some(body_hash(log_of(&id).as_bytes()));
        match self.rng.random_range(0..100) {
            _ if phase == Phase::Drain => success(id),
            0..80 => success(id),
            80..88 => Call::Fail { log: log(), id, reason: Reason::BadExit },
            88..91 => Call::Fail { log: log(), id, reason: Reason::Killed },
            91..96 => {
                self.held.push_back(id.clone());
                Call::Touch { id }
            }
            _ => Call::Get { id, linearizable: false },
        }
    }
}

fn success(id: Box<str>) -> Call {
    Call::Success { log: Some(body_hash(log_of(&id).as_bytes())), id }
}

/// A single job or a few, with all parameters, under tags made from the key.
fn enqueue(rng: &mut StdRng, key: &str) -> Call {
    let count = if rng.random_bool(0.7) { 1 } else { rng.random_range(2..=6) };
    let jobs = (0..count).map(|place| NewJob {
        priority: rng.random_range(0..=2),
        delay: if rng.random_bool(0.1) { rng.random_range(1..=2) } else { 0 },
        timeout: if rng.random_bool(0.2) { rng.random_range(1..=3) } else { 20 },
        max_retries: rng.random_range(0..=2),
        retries_delay: rng.random_range(0..=1),
        ..new_job(&format!("{key}-{place}"))
    });
    Call::Enqueue { jobs: jobs.collect() }
}

/// A job of which only the tag matters.
pub(crate) fn new_job(tag: &str) -> NewJob {
    NewJob {
        tag: tag.into(),
        hash: body_hash(payload(tag).as_bytes()),
        priority: 0,
        delay: 0,
        timeout: 20,
        max_retries: 0,
        retries_delay: 0,
    }
}

/// True where the cluster decided. False for no answer, and for one that says that the cluster cannot.
pub(crate) fn is_answered(op: &Op) -> bool {
    match op.outcome {
        Outcome::Ok => true,
        Outcome::Fail => op.status.is_some_and(|status| (400..500).contains(&status) && status != 429),
        Outcome::Info => false,
    }
}

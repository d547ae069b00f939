use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use quorate_check::{Call, JobRecord, NewJob, Op, Outcome, Reason};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::draw::{enqueue, failure, finish, new_job, success};
use crate::limits;
use crate::queues::{self, KEYS, Uses};
use crate::rest::{Rest, UNAUTHORIZED};
use crate::shared::{Phase, Shared};

/// How many of the requests with a key are sent again although they were answered.
const REPEATED: f64 = 0.05;

/// A client with at most one open request, which knows jobs by what it was answered.
pub(crate) struct Client {
    number: u32,
    uses: Uses,
    seed: u64,
    rng: StdRng,
    rest: Rest,
    shared: Arc<Shared>,
    /// The node that it asks while that answers.
    home: usize,
    /// The attempt to send again, under its key.
    again: Option<Next>,
    /// Jobs that were granted to it.
    held: VecDeque<Box<str>>,
    /// Jobs with a long timeout that were granted to it: it touches them, and ends them when all is over.
    kept: VecDeque<Box<str>>,
    /// Jobs that it once saw.
    known: VecDeque<Box<str>>,
    /// Jobs that it has put into each of two queues and not taken out, as far as it knows.
    piles: [usize; 2],
    /// Requests that were answered with jobs to run, with their keys.
    spent: VecDeque<Next>,
    /// The last round in which it took part.
    round: u32,
    sent: u64,
}

/// A request, as it is to be sent.
#[derive(Clone)]
struct Next {
    call: Call,
    key: Option<Box<str>>,
    /// To a certain node.
    node: Option<usize>,
    /// Goes away after so long.
    leaves: Option<Duration>,
}

impl Next {
    fn new(call: Call, key: Option<Box<str>>) -> Next {
        Next { call, key, node: None, leaves: None }
    }
}

impl Client {
    pub(crate) fn new(number: u32, seed: u64, rest: Rest, shared: Arc<Shared>) -> Client {
        Client {
            number,
            uses: Uses::of(number),
            seed,
            rng: StdRng::seed_from_u64(seed ^ (u64::from(number) << 32)),
            rest,
            home: number as usize % shared.nodes.len(),
            shared,
            again: None,
            held: VecDeque::new(),
            kept: VecDeque::new(),
            known: VecDeque::new(),
            piles: [0; 2],
            spent: VecDeque::new(),
            round: 0,
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
            let (Some(home), Some(next)) = (self.choose(), self.next(phase)) else {
                tokio::time::sleep(limits::POLL).await;
                continue;
            };
            let Next { call, key, node, leaves } = next;
            let node = node.filter(|node| self.shared.is_open(*node)).unwrap_or(home);
            let waits = call.wait() > 0;
            let shared = Arc::clone(&self.shared);
            shared.waiting.fetch_add(u32::from(waits), Ordering::Relaxed);
            let op = self.rest.attempt(self.number, &shared.nodes[node], call, key, leaves).await?;
            shared.waiting.fetch_sub(u32::from(waits), Ordering::Relaxed);
            shared.recorder.op(&op)?;
            let idle = matches!(op.call, Call::Consume { .. }) && op.jobs.is_empty();
            let pause = if is_answered(&op) && !idle { 1..15 } else { 20..80 };
            self.learn(op);
            tokio::time::sleep(Duration::from_millis(self.rng.random_range(pause))).await;
        }
    }

    /// Its home mostly, any other sometimes.
    fn choose(&mut self) -> Option<usize> {
        if self.rng.random_bool(0.1) {
            self.home = self.rng.random_range(0..self.shared.nodes.len());
        }
        let count = self.shared.nodes.len();
        (0..count).map(|step| (self.home + step) % count).find(|node| self.shared.is_open(*node))
    }

    fn learn(&mut self, op: Op) {
        // Nothing came of it, and it has another token now. A job that is not enqueued again must never show.
        if op.status == Some(UNAUTHORIZED) {
            let is_enqueue = matches!(op.call, Call::Enqueue { .. });
            self.again = (op.key.is_some() || !is_enqueue).then(|| Next::new(op.call, op.key));
            return;
        }
        if !is_answered(&op) {
            // Who goes away is not always one who comes back.
            if op.left && self.rng.random_bool(0.5) {
                return;
            }
            self.home = (self.home + usize::from(!op.left)) % self.shared.nodes.len();
            // What finds no room now finds none at once either; there are jobs to end meanwhile.
            if op.status == Some(507) {
                return;
            }
            // Whoever sent a key may repeat the request, so it does.
            self.again = op.key.map(|key| Next::new(op.call, Some(key)));
            return;
        }
        // As one who ended before he had noted the answer.
        if self.rng.random_bool(REPEATED) && op.key.is_some() {
            self.again = Some(Next::new(op.call.clone(), op.key.clone()));
        }
        for (name, pile) in queues::WEIGHED.iter().zip(&mut self.piles) {
            let jobs = op.jobs.iter().filter(|job| *job.queue == **name).count();
            if matches!(op.call, Call::Enqueue { .. }) {
                *pile += jobs;
            } else if op.call.takes() {
                *pile = if op.jobs.is_empty() { 0 } else { pile.saturating_sub(jobs) };
            }
        }
        for job in &op.jobs {
            push(&mut self.known, job.id.clone(), limits::KNOWN);
        }
        if op.call.takes() {
            if op.key.is_some() && !op.jobs.is_empty() {
                push(&mut self.spent, Next::new(op.call, op.key), limits::KNOWN);
            }
            for JobRecord { id, queue, timeout, .. } in op.jobs {
                // So it is given back as often as may be, whoever takes it.
                if *queue == *queues::GIVEN_BACK && self.shared.phase() == Phase::Work {
                    self.again = Some(Next::new(Call::Release { id, delay: 0 }, None));
                    continue;
                }
                let keeps = limits::LONG_TIMEOUT.contains(&timeout) && self.kept.len() < limits::KEPT;
                if keeps { self.kept.push_back(id) } else { self.held.push_back(id) }
            }
        }
    }

    fn next(&mut self, phase: Phase) -> Option<Next> {
        if !matches!(phase, Phase::Wait | Phase::Count)
            && let Some(next) = self.again.take()
        {
            return Some(next);
        }
        self.sent += 1;
        let key: Box<str> = format!("c{}-{}", self.number, self.sent).into();
        let chance = match phase {
            Phase::Work => 0.6,
            Phase::Empty | Phase::Gather(_) | Phase::Wait | Phase::Repeat(_) | Phase::Drain => 1.0,
            Phase::Count | Phase::Stop => 0.0,
        };
        if self.rng.random_bool(chance)
            && let Some(id) = self.held.pop_front()
        {
            return Some(self.work(id, phase, key));
        }
        match phase {
            Phase::Work => Some(self.anything(key)),
            Phase::Empty => Some(Next::new(Call::Consume { n: 5, wait: 0, queue: Vec::new() }, None)),
            Phase::Gather(round) => Some(self.wait(round, key)),
            Phase::Repeat(round) => self.repeat(round),
            Phase::Drain => Some(match self.kept.pop_front() {
                Some(id) => Next::new(success(id), None),
                None => Next::new(Call::Consume { n: 5, wait: 0, queue: queues::all() }, None),
            }),
            Phase::Wait | Phase::Count | Phase::Stop => None,
        }
    }

    fn anything(&mut self, key: Box<str>) -> Next {
        if self.uses == Uses::ByWeight {
            return self.weigh(key);
        }
        let rng = &mut self.rng;
        let known =
            (!self.known.is_empty()).then(|| self.known[rng.random_range(0..self.known.len())].clone());
        let (call, key) = match (rng.random_range(0..100), known) {
            (0..35, _) => {
                let mut call = enqueue(rng, &key);
                self.uses.spread(rng, &mut call);
                (call, rng.random_bool(0.7).then_some(key))
            }
            (35..63, _) | (_, None) => {
                let wait = if rng.random_bool(0.2) { rng.random_range(1..=3) } else { 0 };
                let call = Call::Consume { n: rng.random_range(1..=4), wait, queue: self.uses.draw(rng) };
                let leaves = (wait > 0 && rng.random_bool(0.2))
                    .then(|| Duration::from_millis(rng.random_range(5..1_500)));
                return Next { leaves, ..Next::new(call, rng.random_bool(0.4).then_some(key)) };
            }
            (63..65, Some(id)) => match self.late(0..=3) {
                Some(repeat) => return repeat,
                None => (Call::Get { id, linearizable: true }, None),
            },
            (65..80, Some(id)) => (Call::Get { id, linearizable: rng.random_bool(0.4) }, None),
            (80..82, Some(id)) => (Call::Touch { id: self.kept.front().cloned().unwrap_or(id) }, None),
            (82..88, Some(_)) => (Call::List { linearizable: rng.random_bool(0.4) }, None),
            (88..92, Some(id)) => (Call::Retry { id }, rng.random_bool(0.5).then_some(key)),
            (92..96, Some(id)) => (Call::Cancel { id }, None),
            (96..99, Some(id)) => (success(id), None),
            (_, Some(id)) => (Call::Delete { id }, None),
        };
        Next::new(call, key)
    }

    /// Takes by weight from queues of which none is ever empty, but by chance.
    fn weigh(&mut self, key: Box<str>) -> Next {
        let rng = &mut self.rng;
        let (least, pile) =
            if self.piles[0] <= self.piles[1] { (0, self.piles[0]) } else { (1, self.piles[1]) };
        if pile >= limits::PILE {
            let call = Call::Consume { n: rng.random_range(1..=4), wait: 0, queue: self.uses.draw(rng) };
            return Next::new(call, rng.random_bool(0.4).then_some(key));
        }
        // Several of a key behind each other, so that in turns is not in the order in which they came.
        let job = |place: usize| NewJob {
            queue: queues::WEIGHED[least].into(),
            key: KEYS[place * KEYS.len() / limits::PILE].into(),
            timeout: limits::SHORT_TIMEOUT,
            ..new_job(&format!("{key}-{place}"))
        };
        Next::new(Call::Enqueue { jobs: (0..limits::PILE).map(job).collect() }, Some(key))
    }

    /// Waits for a job.
    fn wait(&mut self, round: u32, key: Box<str>) -> Next {
        let is_first = self.round != round;
        self.round = round;
        // All clients draw alike: in most rounds they wait at one node.
        let mut all = StdRng::seed_from_u64(self.seed ^ (u64::from(round) << 40));
        let node = all.random_bool(0.7).then(|| all.random_range(0..self.shared.nodes.len()));
        // Two neighbours draw alike: some of them are two attempts under one key, at one node.
        let pair = self.number / 2;
        let mut pairs = StdRng::seed_from_u64(self.seed ^ (u64::from(round) << 40) ^ u64::from(pair + 1));
        if is_first && pairs.random_bool(0.5) {
            let node = node.or(Some(pairs.random_range(0..self.shared.nodes.len())));
            let call = Call::Consume { n: 1, wait: pairs.random_range(limits::LONG_WAIT), queue: Vec::new() };
            return Next { node, ..Next::new(call, Some(format!("r{round}-{pair}").into())) };
        }
        let rng = &mut self.rng;
        let call = Call::Consume { n: 1, wait: rng.random_range(limits::LONG_WAIT), queue: Vec::new() };
        let next = match rng.random_range(0..100) {
            0..15 => {
                let leaves = Some(Duration::from_millis(rng.random_range(5..3_000)));
                let key = rng.random_bool(0.5).then_some(key);
                Next { leaves, ..Next::new(call, key) }
            }
            15..60 => Next::new(call, Some(key)),
            _ => Next::new(call, None),
        };
        Next { node, ..next }
    }

    /// Sends a key that had its jobs again, once in a round.
    fn repeat(&mut self, round: u32) -> Option<Next> {
        let takes_part = self.round != round && self.rng.random_bool(0.5);
        self.round = round;
        if takes_part { self.late(limits::LONG_WAIT) } else { None }
    }

    /// A request that was answered with jobs to run once, as one who never learned of that sends it again.
    fn late(&mut self, wait: std::ops::RangeInclusive<u32>) -> Option<Next> {
        let Next { call, key, .. } = self.spent.pop_front()?;
        let wait = self.rng.random_range(wait);
        let call = match call {
            Call::Consume { n, queue, .. } => Call::Consume { n, wait, queue },
            // Its wait stands beside what the key is for.
            Call::Finish { endings, take, queue, alone: true, .. } => {
                Call::Finish { endings, take, wait, queue, alone: true }
            }
            other => other,
        };
        Some(Next::new(call, key))
    }

    /// What it does with a job that it holds: mostly it succeeds; sometimes it forgets it, which ends in a timeout.
    fn work(&mut self, id: Box<str>, phase: Phase, key: Box<str>) -> Next {
        let call = match self.rng.random_range(0..100) {
            0..40 if phase == Phase::Work => return self.finish(id, key),
            0..40 if phase == Phase::Empty => finish(vec![id], 5, 0, Vec::new(), true),
            0..40 if phase == Phase::Drain => finish(vec![id], 5, 0, queues::all(), true),
            // A failure brings a retry, and who waits is to see no other jobs than those of the round.
            _ if phase != Phase::Work => success(id),
            40..80 => success(id),
            80..86 => failure(id, Reason::BadExit),
            86..88 => failure(id, Reason::Killed),
            88..91 => Call::Release { id, delay: self.rng.random_range(0..=1) },
            91..98 => {
                self.held.push_back(id.clone());
                Call::Touch { id }
            }
            _ => Call::Get { id, linearizable: false },
        };
        Next::new(call, None)
    }

    /// Ends the job and takes others; or ends several, of which some may not be its own.
    fn finish(&mut self, id: Box<str>, key: Box<str>) -> Next {
        let alone = self.rng.random_bool(0.6);
        let more = if alone { 0 } else { self.rng.random_range(0..=4) };
        let mut ids = vec![id];
        for _ in 0..more {
            let known = self.rng.random_bool(0.2);
            ids.extend(if known { self.known.back().cloned() } else { self.held.pop_front() });
        }
        let take = if alone || self.rng.random_bool(0.6) { self.rng.random_range(1..=3) } else { 0 };
        let wait = if take > 0 && self.rng.random_bool(0.15) { self.rng.random_range(1..=3) } else { 0 };
        let queue = if take > 0 { self.uses.draw(&mut self.rng) } else { Vec::new() };
        let mut call = finish(ids, take, wait, queue, alone);
        if let Call::Finish { endings, .. } = &mut call {
            for ending in endings {
                ending.reason = self.rng.random_bool(0.1).then_some(Reason::BadExit);
            }
        }
        let leaves = (wait > 0 && self.rng.random_bool(0.2))
            .then(|| Duration::from_millis(self.rng.random_range(5..1_500)));
        Next { leaves, ..Next::new(call, self.rng.random_bool(0.6).then_some(key)) }
    }
}

fn push<T>(queue: &mut VecDeque<T>, item: T, most: usize) {
    queue.push_back(item);
    if queue.len() > most {
        queue.pop_front();
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

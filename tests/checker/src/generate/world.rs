use std::collections::BTreeMap;
use std::io::{self, Write};

use quorate_core::{
    Answered, Envelope, Job, Operation, OperationId, QueueName, QueueView, Refusal, Reply, RequestId, Table,
    Timestamp,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::client::{self, Client};
use super::cluster::{Cluster, NAMES};
use super::command::{Commands, job_id, name};
use super::record::{code, ended, operation, record};
use crate::call::Call;
use crate::event::{Counts, Op, Outcome, Tally};
use crate::job::JobRecord;
use crate::log_index::LogIndex;
use crate::map::Map;
use crate::operation::OperationRecord;
use crate::writer::HistoryWriter;

/// Clients.
const CLIENTS: u32 = 16;
/// Log time when the harness's clock is 0, in milliseconds.
const EPOCH: u64 = 1_800_000_000_000;

/// The simulation: rounds in which clients send requests, the cluster commits an entry and the nodes apply.
pub(super) struct World {
    rng: StdRng,
    /// The harness's clock, in microseconds.
    now: u64,
    faults: bool,
    /// True while clients only empty the queue: it is long and empty by turns.
    drains: bool,
    cluster: Cluster,
    clients: Vec<Client>,
    /// Requests under way.
    open: Vec<Open>,
    /// Commands that reach the leader late, and when.
    late: Vec<(u64, Envelope)>,
    commands: Commands,
    written: usize,
}

/// A request under way.
struct Open {
    op: Op,
    node: usize,
    waits_for: WaitsFor,
}

#[derive(PartialEq, Eq)]
enum WaitsFor {
    /// Its command, applied by the node that took it.
    Apply(RequestId),
    /// The node to have applied this much.
    Applied(u64),
}

impl World {
    pub(super) fn new(seed: u64) -> World {
        let mut world = World {
            rng: StdRng::seed_from_u64(seed),
            now: 0,
            faults: true,
            drains: false,
            cluster: Cluster::new(),
            clients: (0..CLIENTS).map(Client::new).collect(),
            open: Vec::new(),
            late: Vec::new(),
            commands: Commands::default(),
            written: 0,
        };
        for (name, limits) in client::settings() {
            let envelope = world.commands.set(&name, limits, world.log_time());
            world.cluster.proposed.push(envelope);
        }
        world.cluster.commit(world.log_time(), 0);
        for node in 0..NAMES.len() {
            world.cluster.advance(node, usize::MAX);
        }
        let queues = world.cluster.nodes[0].model.dispatch();
        world.commands.swept = queues.named(&name(client::SWEPT)).expect("it was just set");
        world
    }

    /// Lines that the history has, if it ends now.
    pub(super) fn events(&self) -> usize {
        self.written + NAMES.len() * (1 + self.cluster.nodes[0].model.jobs().len())
    }

    pub(super) fn round(&mut self, writer: &mut HistoryWriter<impl Write>) -> io::Result<()> {
        self.drains ^= self.rng.random_bool(0.005);
        for number in 0..self.clients.len() {
            if self.clients[number].free_at < self.now && self.rng.random_bool(0.5) {
                self.send(number, writer)?;
            }
        }
        self.step(writer)
    }

    /// Ends the faults: what is under way gets there.
    pub(super) fn heal(&mut self, writer: &mut HistoryWriter<impl Write>) -> io::Result<()> {
        self.faults = false;
        self.rest(writer)?;
        writer.healed(self.now)
    }

    /// Waits until nothing is under way and every node has applied everything.
    pub(super) fn rest(&mut self, writer: &mut HistoryWriter<impl Write>) -> io::Result<()> {
        while !(self.open.is_empty()
            && self.late.is_empty()
            && self.cluster.proposed.is_empty()
            && self.is_level()
            && self.operations().all(|operation| !operation.is_running()))
        {
            self.step(writer)?;
        }
        let free = self.clients.iter().map(|client| client.free_at).max();
        self.now = self.now.max(free.unwrap_or(0)) + 1;
        Ok(())
    }

    /// Looks at all work on many jobs, at rest: it has ended.
    pub(super) fn watch(&mut self, writer: &mut HistoryWriter<impl Write>) -> io::Result<()> {
        let ids: Vec<Box<str>> = self.operations().map(|operation| operation.id.to_string().into()).collect();
        for id in ids {
            let mut op = Op::sent(0, NAMES[0], self.now, Call::Watch { id, wait: 0 }, None);
            self.now += 1;
            (op.returned, op.index) =
                (self.now, Some(LogIndex { index: self.cluster.nodes[0].applied, offset: None }));
            self.read(&mut op, 0);
            self.finish(op, writer)?;
            self.now += 1;
        }
        Ok(())
    }

    fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.cluster.nodes[0].model.operations().values().map(|operation| &**operation)
    }

    /// The leader's clock.
    fn log_time(&self) -> Timestamp {
        Timestamp(EPOCH + self.now / 1_000)
    }

    fn is_level(&self) -> bool {
        self.cluster.nodes.iter().all(|node| node.applied == self.cluster.committed)
    }

    pub(super) fn scans(&self) -> impl Iterator<Item = (&'static str, u64, Vec<JobRecord>)> {
        self.cluster.nodes.iter().zip(NAMES).map(|(node, name)| {
            let jobs =
                node.model.jobs().values().map(|job| record(job, &node.model, &self.commands.payloads));
            (name, node.applied, jobs.collect())
        })
    }

    /// What the queues of each node say of how many jobs they have, beside what there is.
    pub(super) fn counts(&self) -> impl Iterator<Item = Counts> {
        self.cluster.nodes.iter().zip(NAMES).map(|(node, name)| {
            let mut listed: BTreeMap<Box<str>, Tally> = BTreeMap::new();
            for job in node.model.jobs().values().map(|job| record(job, &node.model, &self.commands.payloads))
            {
                let tally = listed.entry(job.queue.clone()).or_default();
                *tally.entry(job.status.word().into()).or_default() += 1;
            }
            let said = node.model.dispatch().views().map(|QueueView { queue, .. }| {
                let jobs = |of: quorate_core::Status| (of.as_str().into(), queue.counts.of(of));
                (queue.name.as_str().into(), quorate_core::Status::ALL.map(jobs).into())
            });
            Counts { node: name.into(), index: node.applied, queues: said.collect(), listed }
        })
    }

    /// Lets a client send its next request, which may get lost.
    fn send(&mut self, number: usize, writer: &mut HistoryWriter<impl Write>) -> io::Result<()> {
        let node = self.rng.random_range(0..NAMES.len());
        let (call, key) = self.clients[number].next(&mut self.rng, self.drains);
        let sent = self.now + self.rng.random_range(0..200);
        let op = Op::sent(self.clients[number].number, NAMES[node], sent, call, key);
        let envelope = self.commands.envelope(&op, self.log_time());
        if self.faults && self.rng.random_bool(0.02) {
            // The client hears nothing. The command is lost, or in time, or late; a retry goes to another node.
            match (envelope, self.rng.random_range(0..3)) {
                (Some(envelope), 0) => self.cluster.proposed.push(envelope),
                (Some(envelope), 1) => {
                    self.late.push((self.now + self.rng.random_range(10_000..3_000_000), envelope))
                }
                (Some(_), _) | (None, _) => {}
            }
            if op.key.is_some() || (!op.call.is_read() && self.rng.random_bool(0.5)) {
                let repeats = op.key.is_some() || matches!(op.call, Call::Success { .. } | Call::Fail { .. });
                self.clients[number].again = repeats.then(|| (op.call.clone(), op.key.clone()));
            }
            let waited = self.rng.random_range(50_000..500_000);
            return self.finish(Op { returned: op.invoke + waited, ..op }, writer);
        }
        self.clients[number].free_at = u64::MAX;
        let finds_nothing = matches!(op.call, Call::Consume { .. })
            && op.key.is_none()
            && finds_nothing(&op, &self.offers(node));
        let applied = self.cluster.nodes[node].applied;
        let waits_for = match envelope {
            Some(envelope) if !finds_nothing => {
                let id = envelope.request_id;
                self.cluster.proposed.push(envelope);
                WaitsFor::Apply(id)
            }
            Some(_) => WaitsFor::Applied(self.cluster.committed),
            None if op.call.is_linearizable() => WaitsFor::Applied(self.cluster.committed),
            None => WaitsFor::Applied(applied),
        };
        self.open.push(Open { op, node, waits_for });
        Ok(())
    }

    /// Lets time pass, the leader commit and the nodes apply and answer.
    fn step(&mut self, writer: &mut HistoryWriter<impl Write>) -> io::Result<()> {
        let outage = self.faults && self.rng.random_bool(0.000_5);
        self.now += if outage {
            self.rng.random_range(300_000..2_000_000)
        } else {
            self.rng.random_range(300..2_500)
        };
        let due =
            self.late.extract_if(.., |(at, _)| *at <= self.now || !self.faults).map(|(_, envelope)| envelope);
        self.cluster.proposed.extend(due);
        self.go_on();
        let gap = u64::from(self.rng.random_bool(0.01));
        self.cluster.commit(self.log_time(), gap);
        for node in 0..NAMES.len() {
            let entries = if self.faults { self.rng.random_range(0..6) } else { usize::MAX };
            let answers = self.cluster.advance(node, entries);
            let answers: Map<RequestId, Answered> =
                answers.into_iter().map(|answer| (answer.request_id, answer)).collect();
            self.answer(node, answers, writer)?;
        }
        Ok(())
    }

    /// Lets the leader propose the next steps of work on many jobs, some of them again.
    fn go_on(&mut self) {
        let (now, nodes) = (self.log_time(), &self.cluster.nodes);
        let newest = nodes.iter().max_by_key(|node| node.applied).expect("there are nodes");
        for operation in newest.model.operations().values().filter(|operation| operation.is_running()) {
            if self.rng.random_bool(0.3) {
                self.cluster.proposed.push(self.commands.step(operation, &newest.model, now));
            }
        }
    }

    /// Answers what waited for this node.
    fn answer(
        &mut self,
        node: usize,
        mut answers: Map<RequestId, Answered>,
        writer: &mut HistoryWriter<impl Write>,
    ) -> io::Result<()> {
        let applied = self.cluster.nodes[node].applied;
        let (now, offers) = (self.now, self.offers(node));
        let ready = |open: &mut Open| match open.waits_for {
            WaitsFor::Apply(id) => open.node == node && answers.contains_key(&id),
            WaitsFor::Applied(index) => {
                let goes_on = finds_nothing(&open.op, &offers) && now < waits_until(&open.op);
                open.node == node && applied >= index && !goes_on
            }
        };
        for mut open in self.open.extract_if(.., ready).collect::<Vec<_>>() {
            open.op.returned = self.now + self.rng.random_range(1..800);
            match open.waits_for {
                WaitsFor::Apply(id) => {
                    let Answered { position, outcome, replayed, .. } =
                        answers.remove(&id).expect("it was there");
                    open.op.index = Some(LogIndex { index: position.index, offset: Some(position.offset) });
                    open.op.replayed = replayed;
                    self.fill(&mut open.op, node, outcome);
                }
                WaitsFor::Applied(_)
                    if matches!(open.op.call, Call::Consume { .. }) && !finds_nothing(&open.op, &offers) =>
                {
                    // A job has come meanwhile.
                    if let Some(envelope) = self.commands.envelope(&open.op, self.log_time()) {
                        open.waits_for = WaitsFor::Apply(envelope.request_id);
                        self.cluster.proposed.push(envelope);
                        self.open.push(open);
                    }
                    continue;
                }
                WaitsFor::Applied(committed) => {
                    open.op.index = Some(LogIndex { index: applied, offset: None });
                    if self.misses(&open, committed) {
                        // Before it says that something is not there, the node makes sure.
                        open.waits_for = WaitsFor::Applied(self.cluster.committed);
                        self.open.push(open);
                        continue;
                    }
                    self.read(&mut open.op, node);
                }
            }
            self.finish(open.op, writer)?;
        }
        Ok(())
    }

    /// True where a read finds nothing and was not certain.
    fn misses(&self, open: &Open, waited_for: u64) -> bool {
        let model = &self.cluster.nodes[open.node].model;
        let found = match &open.op.call {
            Call::Get { id, .. } => model.jobs().contains_key(&job_id(id)),
            Call::Watch { id, .. } => model.operations().contains_key(&OperationId(job_id(id).0)),
            _ => return false,
        };
        !found && waited_for < self.cluster.committed
    }

    fn read(&mut self, op: &mut Op, node: usize) {
        if let Call::Watch { id, .. } = &op.call {
            op.operation = self.operation(node, OperationId(job_id(id).0));
            let found = op.operation.is_some();
            (op.outcome, op.status) =
                if found { (Outcome::Ok, Some(200)) } else { (Outcome::Fail, Some(404)) };
            return;
        }
        let jobs = self.cluster.nodes[node].model.jobs();
        let named = op.call.id().and_then(|id| jobs.get(&job_id(id)));
        let listed = matches!(op.call, Call::List { .. });
        let shown: Vec<&Job> = if listed {
            jobs.values().rev().take(20).filter(|job| !job.status().is_final()).collect()
        } else {
            named.into_iter().collect()
        };
        let found = !shown.is_empty() || !matches!(op.call, Call::Get { .. });
        let model = &self.cluster.nodes[node].model;
        op.jobs = shown.into_iter().map(|job| record(job, model, &self.commands.payloads)).collect();
        op.outcome = if found { Outcome::Ok } else { Outcome::Fail };
        op.status = Some(if found { 200 } else { 404 });
    }

    fn fill(&mut self, op: &mut Op, node: usize, outcome: Result<Reply, Refusal>) {
        let mut duplicates = Vec::new();
        let (outcome, status, jobs) = match outcome {
            Ok(Reply::Jobs(jobs)) => (Outcome::Ok, 200, jobs),
            Ok(Reply::Enqueued { jobs, duplicates: kept_away }) => {
                duplicates = kept_away;
                (Outcome::Ok, 200, jobs)
            }
            Ok(Reply::Job(job)) => (Outcome::Ok, 200, vec![*job]),
            Ok(Reply::Done) => {
                if let Call::Stop { id } = &op.call {
                    op.operation = self.operation(node, OperationId(job_id(id).0));
                }
                (Outcome::Ok, 204, Vec::new())
            }
            Ok(Reply::Operation(id)) => {
                op.operation = self.operation(node, id);
                (Outcome::Ok, 202, Vec::new())
            }
            Ok(Reply::Finished { ended: all, taken }) => {
                let Call::Finish { endings, alone, .. } = &op.call else {
                    panic!("this is the answer to a finish")
                };
                match &all[..] {
                    [Err(refusal)] if *alone => (Outcome::Fail, code(refusal), Vec::new()),
                    all => {
                        op.ended =
                            endings.iter().zip(all).map(|(ending, one)| ended(&ending.id, one)).collect();
                        (Outcome::Ok, 200, taken)
                    }
                }
            }
            Err(refusal) => (Outcome::Fail, code(&refusal), Vec::new()),
        };
        let model = &self.cluster.nodes[node].model;
        op.jobs = jobs.iter().map(|job| record(job, model, &self.commands.payloads)).collect();
        for place in duplicates {
            op.jobs[place as usize].duplicate = true;
        }
        (op.outcome, op.status) = (outcome, Some(status));
    }

    fn operation(&self, node: usize, id: OperationId) -> Option<OperationRecord> {
        self.cluster.nodes[node].model.operations().get(&id).map(|found| operation(found))
    }

    /// Writes a request and gives its client what it learned.
    fn finish(&mut self, op: Op, writer: &mut HistoryWriter<impl Write>) -> io::Result<()> {
        let client = &mut self.clients[op.client as usize];
        client.free_at = op.returned;
        if op.outcome == Outcome::Ok && op.key.is_some() && self.rng.random_bool(0.05) {
            client.again = Some((op.call.clone(), op.key.clone()));
        }
        if let (Call::Operate { .. }, Some(begun)) = (&op.call, &op.operation) {
            client.begun.push_back(begun.id.clone());
        }
        for job in &op.jobs {
            client.remember(&job.id);
            if op.call.takes() && !client.held.contains(&job.id) {
                client.held.push_back(job.id.clone());
            }
        }
        self.written += 1;
        writer.op(&op)
    }

    /// The queues of which a consumer would get something, as a node sees them.
    fn offers(&self, node: usize) -> Vec<QueueName> {
        let queues = self.cluster.nodes[node].model.dispatch().availability();
        let offers = queues.into_iter().filter(|queue| queue.places > 0 && !queue.images.is_empty());
        offers.map(|queue| queue.name).collect()
    }
}

fn finds_nothing(op: &Op, offers: &[QueueName]) -> bool {
    !offers.iter().any(|offer| op.call.takes_from(offer.as_str()))
}

/// When it is answered though it finds nothing.
fn waits_until(op: &Op) -> u64 {
    let Call::Consume { wait, .. } = op.call else { return 0 };
    op.invoke + u64::from(wait) * 1_000_000
}

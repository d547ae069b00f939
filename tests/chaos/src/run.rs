use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, ensure};
use quorate_check::{Call, FORMAT, History, Run, check};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::availability::{failures, tell};
use crate::bulk::{BulkClient, FIRST_BULK};
use crate::client::Client;
use crate::clock::Clock;
use crate::draw::new_job;
use crate::hosts::{Compose, Host, Processes, Snapshots};
use crate::injected::Injected;
use crate::keys::{self, Who};
use crate::limits;
use crate::nemesis::Nemesis;
use crate::observe::Stuck;
use crate::queues;
use crate::rated::Rated;
use crate::recorder::Recorder;
use crate::report::Summary;
use crate::rest::Rest;
use crate::returner::Returner;
use crate::rounds::Rounds;
use crate::runner::{Runner, tell_unfinished, unfinished};
use crate::scan::{counts, scan};
use crate::schedule::{Plan, Schedule};
use crate::setter::Setter;
use crate::shared::{Phase, Shared};
use crate::sweeper::Sweeper;

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the nodes are.
    pub host: HostKind,
    /// Where history, logs and data go; made if it is not there.
    pub dir: PathBuf,
    /// Draws the schedule and what the clients do.
    pub seed: u64,
    /// What happens.
    pub plan: Plan,
    /// Whether large jobs pass through nodes that have small disks.
    pub bulk: bool,
    /// Clients that send requests all the time.
    pub clients: u32,
    /// Requests that must succeed for the run to prove something.
    pub min_ok: usize,
    /// Writes may stop for so long where leaders hand over (p99 of each fault), if that is to be judged.
    pub max_pause: Option<Duration>,
}

/// Where the nodes are.
#[derive(Clone, Debug)]
pub enum HostKind {
    /// Processes of this binary on this machine.
    Processes {
        /// `quorate`
        binary: PathBuf,
        /// What the nodes are at first, where that is another build: each is `binary` once it has been stopped in order.
        before: Option<PathBuf>,
        /// The bug that they are to have, if that is a build which can have one.
        planted_bug: Option<String>,
    },
    /// The stack of this compose file.
    Compose {
        /// `deploy/compose.yaml`
        file: PathBuf,
        /// What its nodes run.
        image: String,
        /// The name that keeps it apart from other stacks.
        project: String,
    },
}

/// What came out.
#[derive(Debug)]
pub enum Verdict {
    /// Every rule holds.
    Good(Summary),
    /// The history, in this file, breaks rules: what was found, in words.
    Broken(Summary, PathBuf, String),
    /// The cluster did not do in time what it must.
    Stuck(String),
    /// This cannot be run here, for this reason.
    Skipped(String),
}

/// Rules for which something must have been at stake.
const RULES_OF_QUEUES: [&str; 11] = [
    "limits",
    "paused",
    "rates",
    "turns",
    "in-order",
    "weights",
    "unique",
    "release",
    "operations",
    "operation-ends",
    "counts",
];

/// Runs a cluster under faults and judges it.
///
/// # Errors
/// The run proves nothing: the harness failed, a fault did not take hold, or too few requests succeeded.
pub async fn run(options: &Options) -> anyhow::Result<Verdict> {
    tokio::fs::create_dir_all(&options.dir).await?;
    let dir = tokio::fs::canonicalize(&options.dir).await?;
    match &options.host {
        HostKind::Processes { binary, before, planted_bug } => {
            let disks = match &options.plan {
                _ if options.bulk => Some(limits::SMALL_DISK_BYTES),
                Plan::Each(faults) if !faults.iter().any(|fault| fault.action.needs_disks()) => None,
                Plan::For(_) | Plan::Each(_) => Some(limits::DISK_BYTES),
            };
            let snapshots = if options.bulk { Snapshots::AsUsual } else { Snapshots::Often };
            let before = before.as_deref();
            let host =
                Processes::new(binary, before, planted_bug.as_deref(), &dir, 3, disks, snapshots).await?;
            if options.bulk && host.skipped().iter().any(|what| what.contains("disks")) {
                return Ok(Verdict::Skipped(host.skipped().join("; ")));
            }
            let token = host.runner_token();
            run_on(host, Some((binary, token)), options).await
        }
        HostKind::Compose { file, image, project } => {
            run_on(Compose::new(file, image, project).await?, None, options).await
        }
    }
}

/// `runner`: the binary of a runner that there can be, and the file with its token.
async fn run_on(
    host: impl Host,
    runner: Option<(&Path, PathBuf)>,
    options: &Options,
) -> anyhow::Result<Verdict> {
    for skipped in host.skipped() {
        eprintln!("{skipped}");
    }
    if let Plan::Each(faults) = &options.plan {
        let possible = host.faults();
        for fault in faults {
            ensure!(possible.contains(fault), "{fault} is not possible on this host");
        }
    }
    let path = options.dir.join("history.jsonl");
    let run = Run {
        format: FORMAT,
        nodes: host.nodes().iter().map(|node| node.name.as_str().into()).collect(),
        skew_ms: 1_000,
        late_ms: 10_000,
        prompt_ms: 5_000,
        write_ms: limits::WRITE_MILLIS,
        retention: 7 * 24 * 60 * 60,
        queues: queues::settings(),
        about: format!("seed {}", options.seed),
    };
    let clock = Clock::start();
    let shared = Arc::new(Shared::new(Recorder::new(&path, &run)?, host.nodes()));
    let mut nemesis = Nemesis::new(host, Arc::clone(&shared), clock, options.seed)?;
    let ran = harm_and_heal(&mut nemesis, runner, shared, clock, options).await;
    // Also when it failed, so that nothing is left behind; that failure is the one to tell of.
    let shut_down = nemesis.host.shut_down().await;
    let injected = match ran {
        Ok(injected) => injected,
        Err(error) if error.is::<Stuck>() => return Ok(Verdict::Stuck(format!("{error:#}"))),
        Err(error) => return Err(error),
    };
    shut_down?;
    let history = History::read(BufReader::new(File::open(&path)?)).context("the history")?;
    let report = check(&history);
    ensure!(
        report.ok >= options.min_ok,
        "only {} requests succeeded, {} are needed to prove something",
        report.ok,
        options.min_ok
    );
    let failures = failures(&history.ops, &injected);
    let unfinished = unfinished(&history);
    let summary = Summary::new(&history, &report, &injected, &failures, &unfinished, options.max_pause);
    if !summary.broken.is_empty() {
        let told = format!("{report}{}{}", tell(&failures), tell_unfinished(&unfinished));
        return Ok(Verdict::Broken(summary, path, told));
    }
    ensure!(summary.waited > 0, "no consume had to wait for a job");
    ensure!(summary.repeated > 0, "no key that had had its jobs was sent again");
    ensure!(summary.took > 0, "no job was taken with the end of another");
    for rule in RULES_OF_QUEUES {
        let judged = report.rules.iter().any(|one| one.name == rule && one.checked > 0);
        ensure!(judged, "nothing was at stake for the rule {rule}");
    }
    Ok(Verdict::Good(summary))
}

/// The run itself, up to the last line of the history.
async fn harm_and_heal(
    nemesis: &mut Nemesis<impl Host>,
    runner: Option<(&Path, PathBuf)>,
    shared: Arc<Shared>,
    clock: Clock,
    options: &Options,
) -> anyhow::Result<Vec<Injected>> {
    let nodes = nemesis.host.nodes().to_vec();
    let all: Vec<usize> = (0..nodes.len()).collect();
    nemesis.host.start(&all).await?;
    nemesis.observer.healed(&mut nemesis.host).await?;

    queues::set_up(&Rest::new(clock, &shared.nodes, Who::Admin)?, &nodes[0]).await?;
    if let Some((binary, token)) = runner {
        let runner = Runner::start(binary, &options.dir, token, Arc::clone(&shared), clock).await?;
        nemesis.runner = Some(runner);
    }
    let mut clients = JoinSet::new();
    for number in 0..options.clients {
        let rest = Rest::of_client(clock, &shared.nodes, number)?;
        let client = Client::new(number, options.seed, rest, Arc::clone(&shared));
        clients.spawn(client.run());
    }
    let rest = |who| Rest::new(clock, &shared.nodes, who);
    clients.spawn(Setter::new(options.seed, rest(Who::Admin)?, Arc::clone(&shared)).run());
    clients.spawn(Rated::new(options.seed, rest(Who::Client)?, Arc::clone(&shared)).run());
    clients.spawn(Sweeper::new(options.seed, rest(Who::Admin)?, Arc::clone(&shared)).run());
    clients.spawn(Returner::new(options.seed, rest(Who::Client)?, Arc::clone(&shared)).run());
    let mut rounds = Rounds::new(Arc::clone(&shared), clock, options.clients, options.seed)?;
    let harmed = async {
        let harmed = harm(nemesis, &shared, clock, options, &mut clients).await;
        shared.end_rounds();
        harmed
    };
    let (injected, ()) = tokio::try_join!(harmed, rounds.run())?;

    shared.recorder.healed(clock.now())?;
    shared.enter(Phase::Drain);
    greet(&shared, clock, options.clients).await?;
    rounds.release().await?;
    let deadline = Instant::now() + limits::DRAIN;
    loop {
        rounds.end_long_jobs().await?;
        let what = match nemesis.observer.is_drained(&nodes[0]).await {
            Ok(true) => break,
            Ok(false) => "jobs are left".to_owned(),
            Err(error) => format!("no answer whether jobs are left ({error:#})"),
        };
        if Instant::now() >= deadline {
            let what = format!("{what} {} s after the last fault", limits::DRAIN.as_secs());
            return Err(Stuck(what).into());
        }
        sleep(limits::POLL).await;
    }
    shared.enter(Phase::Stop);
    while let Some(ended) = clients.join_next().await {
        ended??;
    }
    if let Some(mut runner) = nemesis.runner.take() {
        runner.stop().await?;
    }
    nemesis.observer.healed(&mut nemesis.host).await?;
    let scans = scan(&nodes, clock).await?;
    for (node, scan) in nodes.iter().zip(&scans) {
        shared.recorder.scan(&node.name, scan.index, scan.at, &scan.jobs)?;
    }
    let http = keys::http(&nodes, Who::Reader).timeout(limits::REST).build()?;
    for node in &nodes {
        let counts = counts(&http, node, u64::MAX).await?.context("a node at rest applies something")?;
        shared.recorder.counts(&counts)?;
    }
    shared.recorder.finish()?;
    Ok(injected)
}

/// All faults, one after the other.
async fn harm(
    nemesis: &mut Nemesis<impl Host>,
    shared: &Arc<Shared>,
    clock: Clock,
    options: &Options,
    clients: &mut JoinSet<anyhow::Result<()>>,
) -> anyhow::Result<Vec<Injected>> {
    for number in 0..if options.bulk { limits::BULK_CLIENTS } else { 0 } {
        let number = FIRST_BULK + number;
        let client = BulkClient::new(
            number,
            options.seed,
            Rest::new(clock, &shared.nodes, Who::Client)?,
            Arc::clone(shared),
        );
        clients.spawn(client.run());
    }
    let mut injected = Vec::new();
    let mut schedule = Schedule::new(&options.plan, &nemesis.host.faults(), options.seed);
    while let Some(step) = schedule.next() {
        sleep(step.quiet).await;
        let one = nemesis.inject(step).await.with_context(|| format!("{}", step.fault))?;
        eprintln!(
            "{:7.1} s  {} {}: {:.1} s, well again after {:.1} s",
            one.from as f64 / 1e6,
            one.fault,
            one.victims.join(" "),
            (one.over - one.from) as f64 / 1e6,
            (one.healed - one.over) as f64 / 1e6,
        );
        shared.recorder.fault(&one.record())?;
        injected.push(one);
        // A client that ended has met an error, and the run is worth nothing without it.
        if let Some(ended) = clients.try_join_next() {
            ended??;
        }
    }
    if options.bulk {
        bulk_passes(nemesis, shared).await?;
    }
    Ok(injected)
}

/// Waits until as much as a disk holds has come and gone.
async fn bulk_passes(nemesis: &mut Nemesis<impl Host>, shared: &Shared) -> anyhow::Result<()> {
    let mut last = (0, Instant::now());
    loop {
        let bytes = shared.bulk.load(Ordering::Relaxed);
        if bytes >= limits::SMALL_DISK_BYTES {
            return Ok(());
        }
        if bytes > last.0 {
            last = (bytes, Instant::now());
        }
        if let Some(ended) = nemesis.host.ended().await? {
            return Err(Stuck(ended).into());
        }
        if last.1.elapsed() > limits::BULK_SILENCE {
            let (bytes, disk) = (bytes >> 20, limits::SMALL_DISK_BYTES >> 20);
            let what = format!("large jobs do not pass any more, after {bytes} MiB on disks of {disk} MiB");
            return Err(Stuck(what).into());
        }
        sleep(limits::POLL).await;
    }
}

/// One write and one read through every node, now that the faults are over.
async fn greet(shared: &Shared, clock: Clock, client: u32) -> anyhow::Result<()> {
    let rest = Rest::new(clock, &shared.nodes, Who::Client)?;
    for node in &shared.nodes {
        let tag = format!("greeting-{}", node.name);
        let op = rest.attempt(client, node, Call::Enqueue { jobs: vec![new_job(&tag)] }, None, None).await?;
        shared.recorder.op(&op)?;
        let Some(job) = op.jobs.first() else { continue };
        let call = Call::Get { id: job.id.clone(), linearizable: true };
        shared.recorder.op(&rest.attempt(client, node, call, None, None).await?)?;
    }
    Ok(())
}

//! The runner with a cluster that is played.

mod live_log;
mod next_job;

use std::sync::Arc;
use std::time::Duration;

use quorate_client::api::Reason;
use quorate_client::{Client, ClientConfig};
use quorate_runner::{Event, Outcome, Process, Programs, Runner, RunnerConfig, Shutdown};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::played_cluster::{PlayedCluster, error, job_with};
use crate::scripts::{Scripts, WAIT};
use crate::soon;

/// Longer than any test, so that it plays no part.
const LONG: u32 = 3_600;

/// A runner at work.
struct AtWork {
    shutdown: Shutdown,
    events: UnboundedReceiver<Event>,
    runner: JoinHandle<()>,
}

impl AtWork {
    /// Jobs that must end are killed at once.
    fn start(cluster: &PlayedCluster, entries: &[String], config: RunnerConfig) -> AtWork {
        AtWork::with_grace(Duration::ZERO, cluster, entries, config)
    }

    fn with_grace(
        grace: Duration,
        cluster: &PlayedCluster,
        entries: &[String],
        config: RunnerConfig,
    ) -> AtWork {
        let programs = entries.iter().map(|entry| entry.parse().expect("a good entry"));
        let driver = Process::new(Programs::new(programs).expect("no name twice"), grace);
        let (sender, events) = unbounded_channel();
        let runner = Runner::new(cluster.client(), vec![Arc::new(driver)], config).on_event(move |event| {
            let _ = sender.send(event); // the test may have ended
        });
        let shutdown = Shutdown::new();
        let runner = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { runner.run(&shutdown).await }
        });
        AtWork { shutdown, events, runner }
    }

    async fn started(&mut self) -> String {
        match soon("an event", self.events.recv()).await.expect("the runner runs") {
            Event::Started { job_id, .. } => job_id,
            Event::Finished { .. } => panic!("finished before it started"),
        }
    }

    async fn finished(&mut self) -> Outcome {
        loop {
            match soon("an event", self.events.recv()).await.expect("the runner runs") {
                Event::Started { .. } => {}
                Event::Finished { outcome, .. } => return outcome,
            }
        }
    }

    async fn end(self) {
        self.shutdown.drain();
        soon("the end", self.runner).await.expect("the runner does not panic");
    }
}

fn failed(reason: Reason, details: &str) -> Outcome {
    Outcome::Failed { reason, details: details.into() }
}

fn often() -> RunnerConfig {
    RunnerConfig { poll: Duration::from_millis(20), ..RunnerConfig::default() }
}

#[tokio::test]
async fn a_job_is_taken_run_and_reported() {
    let (mut cluster, scripts) = (PlayedCluster::start().await, Scripts::new());
    let entry = scripts.entry("it", "cat; echo \" of $JOB_ID\"", &[]);
    let mut at_work = AtWork::start(&cluster, &[entry], RunnerConfig::default());
    cluster.queue("a", "it", LONG);
    let report = cluster.next("POST /v1/job/a/success").await;
    assert!(report.has("the payload of a\n"), "{report:?}");
    assert_eq!(at_work.finished().await, Outcome::Success);
    at_work.end().await;
}

#[tokio::test]
async fn failures_say_what_went_wrong() {
    let (mut cluster, scripts) = (PlayedCluster::start().await, Scripts::new());
    let entries =
        [scripts.entry("three", "echo out; exit 3", &[]), scripts.entry("killed", "kill -KILL $$", &[])];
    let mut at_work = AtWork::start(&cluster, &entries, RunnerConfig::default());

    cluster.queue("a", "three", LONG);
    let report = cluster.next("POST /v1/job/a/fail").await;
    assert!(report.has("bad_exit") && report.has("exit status 3") && report.has("out\n"), "{report:?}");
    assert_eq!(at_work.finished().await, failed(Reason::BadExit, "exit status 3"));

    cluster.queue("b", "killed", LONG);
    let report = cluster.next("POST /v1/job/b/fail").await;
    assert!(report.has("\r\n\r\nkilled\r\n"), "{report:?}");
    assert_eq!(at_work.finished().await, failed(Reason::Killed, "killed by SIGKILL"));

    cluster.queue("c", "unknown", LONG);
    cluster.next("POST /v1/job/c/fail").await;
    let why = "this runner runs no jobs of the image \"unknown\"";
    assert_eq!(at_work.finished().await, failed(Reason::BadExit, why));
    at_work.end().await;
}

#[tokio::test]
async fn as_many_jobs_run_at_once_as_there_are_slots() {
    let (mut cluster, scripts) = (PlayedCluster::start().await, Scripts::new());
    let pipe = scripts.pipe("go");
    let entry = scripts.entry("it", WAIT, &[&pipe]);
    for id in ["a", "b", "c", "d"] {
        cluster.queue_silently(id, "it", LONG);
    }
    let config = RunnerConfig { concurrency: 3, ..RunnerConfig::default() };
    let mut at_work = AtWork::start(&cluster, &[entry], config);
    assert_eq!(cluster.next("POST /v1/jobs/consume").await.query, "n=3&wait=20");
    let mut started = [at_work.started().await, at_work.started().await, at_work.started().await];
    started.sort_unstable();
    assert_eq!(started, ["a", "b", "c"]);
    assert_eq!(cluster.queue_length(), 1, "the fourth was taken without a slot for it");
    for _ in 0..4 {
        pipe.release().await;
    }
    for _ in 0..4 {
        assert_eq!(at_work.finished().await, Outcome::Success);
    }
    at_work.end().await;
}

#[tokio::test]
async fn a_job_is_touched_for_as_long_as_it_runs() {
    let (mut cluster, scripts) = (PlayedCluster::start().await, Scripts::new());
    let pipe = scripts.pipe("go");
    let entry = scripts.entry("it", WAIT, &[&pipe]);
    let config = RunnerConfig { extend_timeout: true, ..RunnerConfig::default() };
    let mut at_work = AtWork::start(&cluster, &[entry], config);
    cluster.queue("a", "it", 3);
    // Three halves are more than its timeout.
    for _ in 0..3 {
        cluster.next("POST /v1/job/a/touch").await;
    }
    pipe.release().await;
    assert_eq!(at_work.finished().await, Outcome::Success);
    at_work.end().await;
}

#[tokio::test]
async fn a_job_that_runs_longer_than_its_timeout_is_stopped_and_reported() {
    let (mut cluster, scripts) = (PlayedCluster::start().await, Scripts::new());
    let mut pipe = scripts.pipe("family");
    let entry = scripts.entry("it", "exec 9>$1; echo so far; echo started >&9; sleep 3600", &[&pipe]);
    let mut at_work = AtWork::start(&cluster, &[entry], RunnerConfig::default());
    cluster.queue("a", "it", 1);
    pipe.line().await;
    let report = cluster.next("POST /v1/job/a/fail").await;
    assert!(report.has("\r\n\r\ntimeout\r\n") && report.has("so far\n"), "{report:?}");
    assert_eq!(at_work.finished().await, failed(Reason::Timeout, "stopped after its timeout of 1 s"));
    pipe.all_dead().await;
    at_work.end().await;
}

/// A program that cleans up when it is told to end, which takes until a line comes.
const CLEANER: &str = "exec 8>$1 9<>$2
    trap 'trap \"\" TERM; echo cleaning >&8; read line <&9; echo cleaned; exit 0' TERM
    echo started >&8; while :; do read line <&9; done";
/// Far beyond any test.
const GRACE: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn a_job_is_touched_while_it_is_stopped_and_its_log_is_reported() {
    let timeout = failed(Reason::Timeout, "stopped after its timeout of 2 s");
    for (extend_timeout, outcome) in [(false, timeout), (true, Outcome::Released)] {
        let (mut cluster, scripts) = (PlayedCluster::start().await, Scripts::new());
        let (mut said, go) = (scripts.pipe("said"), scripts.pipe("go"));
        let entry = scripts.entry("it", CLEANER, &[&said, &go]);
        let config = RunnerConfig { extend_timeout, ..RunnerConfig::default() };
        let mut at_work = AtWork::with_grace(GRACE, &cluster, &[entry], config);
        cluster.queue("a", "it", 2);
        assert_eq!(said.line().await, "started");
        if extend_timeout {
            at_work.shutdown.stop();
        }
        assert_eq!(said.line().await, "cleaning");
        cluster.rest();
        // Three halves are more than its timeout.
        for _ in 0..3 {
            cluster.next("POST /v1/job/a/touch").await;
        }
        go.release().await;
        if extend_timeout {
            cluster.next("POST /v1/job/a/release").await;
        } else {
            let report = cluster.next("POST /v1/job/a/fail").await;
            assert!(report.has("cleaned\n"), "{report:?}");
        }
        assert_eq!(at_work.finished().await, outcome);
        at_work.end().await;
    }
}

#[tokio::test]
async fn a_job_is_touched_until_its_outcome_is_answered() {
    let (mut cluster, scripts) = (PlayedCluster::start().await, Scripts::new());
    let line = "POST /v1/job/a/success";
    cluster.answer(line, 503, r#"{"error":{"message":"no leader","outcome":"unknown"}}"#);
    let entry = scripts.entry("it", "exit 0", &[]);
    let mut at_work = AtWork::start(&cluster, &[entry], RunnerConfig::default());
    cluster.queue("a", "it", 2);
    cluster.next(line).await;
    for _ in 0..3 {
        cluster.next("POST /v1/job/a/touch").await;
    }
    // It took effect, but no answer said so: that is no reason to give it up.
    cluster.answer("POST /v1/job/a/touch", 409, error("the job is success"));
    cluster.next("POST /v1/job/a/touch").await;
    cluster.forget_answer(line);
    assert_eq!(at_work.finished().await, Outcome::Success);
    at_work.end().await;
}

#[tokio::test]
async fn a_job_that_is_called_off_while_it_is_stopped_is_dropped() {
    let (mut cluster, scripts) = (PlayedCluster::start().await, Scripts::new());
    cluster.answer("POST /v1/job/a/fail", 409, error("the job is cancelled"));
    let (mut said, go) = (scripts.pipe("said"), scripts.pipe("go"));
    let entry = scripts.entry("it", CLEANER, &[&said, &go]);
    let mut at_work = AtWork::with_grace(GRACE, &cluster, &[entry], RunnerConfig::default());
    cluster.queue("a", "it", 2);
    assert_eq!(said.line().await, "started");
    assert_eq!(said.line().await, "cleaning");
    cluster.answer("POST /v1/job/a/touch", 409, error("the job is cancelled"));
    cluster.rest();
    cluster.next("POST /v1/job/a/touch").await;
    go.release().await;
    assert_eq!(at_work.finished().await, Outcome::Dropped("the job is cancelled".into()));
    at_work.end().await;
}

#[tokio::test]
async fn a_cluster_that_comes_back_while_work_is_stopped_gets_the_report() {
    let (mut cluster, scripts) = (PlayedCluster::start().await, Scripts::new());
    let (mut said, go) = (scripts.pipe("said"), scripts.pipe("go"));
    let entry = scripts.entry("it", CLEANER, &[&said, &go]);
    let (touch, away) = ("POST /v1/job/a/touch", r#"{"error":{"message":"no leader","outcome":"unknown"}}"#);
    cluster.answer(touch, 503, away);
    let config = RunnerConfig { extend_timeout: true, ..RunnerConfig::default() };
    let mut at_work = AtWork::with_grace(GRACE, &cluster, &[entry], config);
    cluster.queue("a", "it", 2);
    assert_eq!(said.line().await, "started");
    assert_eq!(said.line().await, "cleaning");
    cluster.forget_answer(touch);
    cluster.rest();
    for _ in 0..3 {
        cluster.next(touch).await;
    }
    go.release().await;
    assert!(cluster.next("POST /v1/job/a/fail").await.has("cleaned\n"));
    let why = "its runner did not reach the cluster for 2 s";
    assert_eq!(at_work.finished().await, failed(Reason::Timeout, why));
    at_work.end().await;
}

#[tokio::test]
async fn a_job_that_was_granted_before_is_touched_at_once() {
    let (mut cluster, scripts) = (PlayedCluster::start().await, Scripts::new());
    let pipe = scripts.pipe("go");
    let entry = scripts.entry("it", WAIT, &[&pipe]);
    cluster.replay();
    let mut at_work = AtWork::start(&cluster, &[entry], RunnerConfig::default());
    cluster.queue("a", "it", LONG);
    cluster.next("POST /v1/job/a/touch").await;
    pipe.release().await;
    assert_eq!(at_work.finished().await, Outcome::Success);
    at_work.end().await;
}

#[tokio::test]
async fn a_touch_that_is_refused_stops_the_work_without_a_report() {
    let (mut cluster, scripts) = (PlayedCluster::start().await, Scripts::new());
    let mut pipe = scripts.pipe("family");
    let entry = scripts.entry("it", "exec 9>$1; echo started >&9; sleep 3600", &[&pipe]);
    cluster.answer("POST /v1/job/a/touch", 409, error("the job is cancelled"));
    let mut at_work = AtWork::start(&cluster, &[entry], RunnerConfig::default());
    cluster.queue("a", "it", 3);
    pipe.line().await;
    assert_eq!(at_work.finished().await, Outcome::Dropped("the job is cancelled".into()));
    pipe.all_dead().await;
    at_work.end().await;
    let reports = cluster
        .rest()
        .into_iter()
        .map(|call| call.line)
        .filter(|line| line.ends_with("success") || line.ends_with("fail"));
    assert_eq!(reports.collect::<Vec<_>>(), [""; 0]);
}

#[tokio::test]
async fn a_cancelled_job_is_stopped_long_before_its_next_touch() {
    let (mut cluster, scripts) = (PlayedCluster::start().await, Scripts::new());
    let mut pipe = scripts.pipe("family");
    let entry = scripts.entry("it", "exec 9>$1; echo started >&9; sleep 3600", &[&pipe]);
    // The node that is asked may be behind: that is no reason to stop.
    cluster.answer("GET /v1/job/a", 200, job_with("queued"));
    let mut at_work = AtWork::start(&cluster, &[entry], often());
    cluster.queue("a", "it", LONG);
    pipe.line().await;
    for _ in 0..3 {
        let query = cluster.next("GET /v1/job/a").await.query;
        assert!(query.contains("status") && !query.contains("payload"), "{query}");
    }
    cluster.answer("GET /v1/job/a", 200, job_with("cancelled"));
    assert_eq!(at_work.finished().await, Outcome::Dropped("the job was cancelled".into()));
    pipe.all_dead().await;
    at_work.end().await;
}

#[tokio::test]
async fn an_outcome_is_reported_until_it_is_answered() {
    let (mut cluster, scripts) = (PlayedCluster::start().await, Scripts::new());
    let line = "POST /v1/job/a/success";
    cluster.answer(line, 503, r#"{"error":{"message":"no leader","outcome":"unknown"}}"#);
    let entry = scripts.entry("it", "exit 0", &[]);
    let mut at_work = AtWork::start(&cluster, &[entry], RunnerConfig::default());
    cluster.queue("a", "it", LONG);
    // More than one call of the client makes before it gives up.
    for _ in 0..12 {
        cluster.next(line).await;
    }
    cluster.forget_answer(line);
    assert_eq!(at_work.finished().await, Outcome::Success);
    at_work.end().await;
}

#[tokio::test]
async fn an_outcome_that_comes_too_late_is_dropped() {
    let (cluster, scripts) = (PlayedCluster::start().await, Scripts::new());
    cluster.answer("POST /v1/job/a/success", 409, error("the job is error"));
    let entry = scripts.entry("it", "exit 0", &[]);
    let mut at_work = AtWork::start(&cluster, &[entry], RunnerConfig::default());
    cluster.queue("a", "it", LONG);
    assert_eq!(at_work.finished().await, Outcome::Dropped("the job is error".into()));
    at_work.end().await;
}

#[tokio::test]
async fn an_outcome_is_worth_more_than_its_log() {
    let (mut cluster, scripts) = (PlayedCluster::start().await, Scripts::new());
    let line = "POST /v1/job/a/fail";
    cluster.answer(line, 413, error("a log has at most 10 bytes"));
    let entry = scripts.entry("it", "echo a log of more than that; exit 1", &[]);
    let mut at_work = AtWork::start(&cluster, &[entry], RunnerConfig::default());
    cluster.queue("a", "it", LONG);
    assert!(cluster.next(line).await.has("more than that"));
    let second = cluster.next(line).await;
    assert!(!second.has("more than that") && second.has("exit status 1"), "{second:?}");
    assert!(matches!(at_work.finished().await, Outcome::Unreported(_)));
    at_work.end().await;
}

#[tokio::test]
async fn a_drained_runner_finishes_its_work_and_takes_nothing_new() {
    let (cluster, scripts) = (PlayedCluster::start().await, Scripts::new());
    let pipe = scripts.pipe("go");
    let entry = scripts.entry("it", WAIT, &[&pipe]);
    cluster.queue_silently("a", "it", LONG);
    cluster.queue_silently("b", "it", LONG);
    let mut at_work = AtWork::start(&cluster, &[entry], RunnerConfig::default());
    assert_eq!(at_work.started().await, "a");
    at_work.shutdown.signal();
    pipe.release().await;
    assert_eq!(at_work.finished().await, Outcome::Success);
    at_work.end().await;
    assert_eq!(cluster.queue_length(), 1, "a job was taken after the drain began");
}

#[tokio::test]
async fn a_second_signal_stops_the_work_and_gives_it_back() {
    let killed = failed(Reason::Killed, "its runner was stopped");
    for (is_refused, outcome) in [(false, Outcome::Released), (true, killed)] {
        let (mut cluster, scripts) = (PlayedCluster::start().await, Scripts::new());
        if is_refused {
            cluster.answer("POST /v1/job/a/release", 409, error("it was given back too often"));
        }
        let mut pipe = scripts.pipe("family");
        let entry = scripts.entry("it", "exec 9>$1; echo started >&9; sleep 3600", &[&pipe]);
        cluster.queue_silently("a", "it", LONG);
        let mut at_work = AtWork::start(&cluster, &[entry], RunnerConfig::default());
        pipe.line().await;
        at_work.shutdown.signal();
        at_work.shutdown.signal();
        cluster.next("POST /v1/job/a/release").await;
        assert_eq!(at_work.finished().await, outcome);
        assert_eq!(cluster.rest().iter().any(|call| call.line == "POST /v1/job/a/fail"), is_refused);
        pipe.all_dead().await;
        at_work.end().await;
    }
}

#[tokio::test]
async fn a_runner_with_a_name_of_its_own_gives_back_what_its_predecessor_held() {
    let (mut cluster, scripts) = (PlayedCluster::start().await, Scripts::new());
    let gone = "POST /v1/worker/w/gone";
    cluster.answer(gone, 503, r#"{"error":{"message":"no leader"},"outcome":"not_applied"}"#);
    let entry = scripts.entry("it", "exit 0", &[]);
    let config = RunnerConfig { worker: Some("w".into()), replaces: true, ..RunnerConfig::default() };
    let at_work = AtWork::start(&cluster, &[entry], config);
    cluster.next(gone).await;
    assert!(cluster.rest().iter().all(|call| call.line == gone), "it takes nothing before");
    cluster.answer(gone, 200, r#"{"left":0,"jobs":[]}"#);
    let consume = cluster.next("POST /v1/jobs/consume").await;
    assert!(consume.selection.contains("worker=w"), "{consume:?}");
    at_work.end().await;
}

#[tokio::test]
async fn it_asks_again_while_some_is_left_that_gets_less() {
    let (mut cluster, scripts) = (PlayedCluster::start().await, Scripts::new());
    let gone = "POST /v1/worker/w/gone";
    // Another runner has this name, and takes what is given back.
    cluster.answer(gone, 200, r#"{"left":1,"jobs":[]}"#);
    let entry = scripts.entry("it", "exit 0", &[]);
    let config = RunnerConfig { worker: Some("w".into()), replaces: true, ..RunnerConfig::default() };
    let at_work = AtWork::start(&cluster, &[entry], config);
    cluster.next(gone).await;
    cluster.next(gone).await;
    cluster.next("POST /v1/jobs/consume").await;
    assert!(cluster.rest().iter().all(|call| call.line != gone));
    at_work.end().await;
}

#[tokio::test]
async fn a_drain_learns_what_an_interrupted_consume_took() {
    let (mut cluster, scripts) = (PlayedCluster::start().await, Scripts::new());
    let entry = scripts.entry("it", "exit 0", &[]);
    let mut at_work = AtWork::start(&cluster, &[entry], RunnerConfig::default());
    let held = cluster.next("POST /v1/jobs/consume").await;
    // As if the answer to the consume that is held were on its way when the signal came.
    cluster.queue_silently("a", "it", LONG);
    at_work.shutdown.signal();
    let asked = cluster.next("POST /v1/jobs/consume").await;
    assert_eq!((asked.query.as_str(), &asked.key), ("n=1&wait=0", &held.key));
    assert_eq!(at_work.finished().await, Outcome::Success);
    at_work.end().await;
}

#[tokio::test]
async fn no_key_is_used_after_it_was_answered() {
    let (mut cluster, scripts) = (PlayedCluster::start().await, Scripts::new());
    let line = "POST /v1/jobs/consume";
    let entry = scripts.entry("it", "exit 0", &[]);
    cluster.answer(line, 200, r#"{"jobs":[]}"#);
    let mut at_work = AtWork::start(&cluster, &[entry], RunnerConfig { wait: 0, ..RunnerConfig::default() });
    let mut keys = vec![cluster.next(line).await.key, cluster.next(line).await.key];
    cluster.answer(line, 409, error("this Idempotency-Key was used for another request"));
    keys.extend([cluster.next(line).await.key, cluster.next(line).await.key, cluster.next(line).await.key]);
    cluster.queue_silently("a", "it", LONG);
    cluster.forget_answer(line);
    assert_eq!(at_work.finished().await, Outcome::Success);
    keys.push(cluster.next(line).await.key);
    let different: std::collections::BTreeSet<_> = keys.iter().collect();
    assert_eq!(different.len(), keys.len(), "{keys:?}");
    at_work.end().await;
}

/// A program that is there, and can't be run: the kernel refuses it.
const BROKEN: &str = "broken=/proc/version";

#[tokio::test]
async fn a_runner_that_can_not_start_jobs_leaves_them_to_others() {
    let (mut cluster, scripts) = (PlayedCluster::start().await, Scripts::new());
    for n in 0..300 {
        cluster.queue_silently(&n.to_string(), "broken", LONG);
    }
    let entries = [BROKEN.to_owned(), scripts.entry("it", "exit 0", &[])];
    let config = RunnerConfig { concurrency: 4, ..RunnerConfig::default() };
    let mut at_work = AtWork::start(&cluster, &entries, config);
    // Four at once, and then one at a time, each after a longer while (src/starts.rs).
    for _ in 0..5 {
        let Outcome::Failed { reason: Reason::BadExit, details } = at_work.finished().await else {
            panic!("it can't have run")
        };
        assert!(details.starts_with("/proc/version could not be run: "), "{details}");
    }
    let calls = cluster.rest();
    assert!(calls.iter().all(|call| !call.query.contains("take")), "{calls:?}");
    let mut consumes = calls.into_iter().filter(|call| call.line == "POST /v1/jobs/consume");
    assert_eq!(consumes.next().map(|call| call.query).as_deref(), Some("n=4&wait=20"));
    assert!(consumes.all(|call| call.query == "n=1&wait=20"));

    // One that can be started, and all is well again.
    cluster.clear_queue();
    cluster.queue("good", "it", LONG);
    while at_work.finished().await != Outcome::Success {}
    while cluster.next("POST /v1/jobs/consume").await.query.starts_with("n=1&") {}
    at_work.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_runner_ends_soon_when_no_node_answers() {
    // The kernel takes connections for it, and nobody reads them.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", silent.local_addr().expect("it is bound"));
    let client = Client::new(ClientConfig::new([url])).expect("a good configuration");
    let runner = Runner::new(client, Vec::new(), RunnerConfig::default());
    let shutdown = Shutdown::new();
    let run = runner.run(&shutdown);
    let signal = async {
        tokio::time::sleep(Duration::from_secs(5)).await; // of a clock that is played: in the middle of a consume
        shutdown.signal();
        Instant::now()
    };
    let ((), signalled) = tokio::join!(run, signal);
    assert!(signalled.elapsed() < Duration::from_secs(1), "it took {:?}", signalled.elapsed());
}

#[tokio::test]
async fn a_cluster_that_is_away_is_asked_again_under_the_same_key() {
    let (mut cluster, scripts) = (PlayedCluster::start().await, Scripts::new());
    let line = "POST /v1/jobs/consume";
    cluster.answer(line, 503, r#"{"error":{"message":"no leader","outcome":"unknown"}}"#);
    let entry = scripts.entry("it", "exit 0", &[]);
    let mut at_work = AtWork::start(&cluster, &[entry], RunnerConfig { wait: 0, ..RunnerConfig::default() });
    let first = cluster.next(line).await;
    // More than one call of the client makes before it gives up.
    for _ in 0..12 {
        assert_eq!(cluster.next(line).await.key, first.key);
    }
    cluster.queue_silently("a", "it", LONG);
    cluster.forget_answer(line);
    assert_eq!(at_work.finished().await, Outcome::Success);
    at_work.end().await;
}

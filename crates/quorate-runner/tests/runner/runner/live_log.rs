//! The log of a job while it runs.

use std::time::Duration;

use quorate_runner::{Outcome, RunnerConfig};

use super::{AtWork, LONG};
use crate::played_cluster::{PlayedCluster, error};
use crate::scripts::{Pipe, Scripts};

const APPEND: &str = "POST /v1/job/a/log";
/// A line, and another one for each that comes, up to two.
const TALKER: &str = "exec 3<>$1; echo one; read line <&3; echo two; read line <&3; echo three";
const AT_ONCE: Duration = Duration::from_millis(1);
/// Far beyond any test.
const NEVER: Duration = Duration::from_secs(3_600);

/// A runner that runs jobs of `it` by this script.
async fn at_work(script: &str, log_every: Duration) -> (PlayedCluster, Scripts, Pipe, AtWork) {
    let (cluster, scripts) = (PlayedCluster::start().await, Scripts::new());
    let pipe = scripts.pipe("go");
    let entry = scripts.entry("it", script, &[&pipe]);
    let config = RunnerConfig { log_every, ..RunnerConfig::default() };
    let at_work = AtWork::start(&cluster, &[entry], config);
    (cluster, scripts, pipe, at_work)
}

/// What is added next, and where.
async fn appended(cluster: &mut PlayedCluster) -> (String, String) {
    let append = cluster.next(APPEND).await;
    (append.query, String::from_utf8(append.body.into()).expect("it is text"))
}

fn part(query: &str, body: &str) -> (String, String) {
    (query.to_owned(), body.to_owned())
}

#[tokio::test]
async fn what_a_job_writes_is_sent_while_it_runs() {
    let (mut cluster, _scripts, pipe, mut at_work) = at_work(TALKER, AT_ONCE).await;
    cluster.queue("a", "it", LONG);
    assert_eq!(appended(&mut cluster).await, part("offset=0", "one\n"));
    pipe.release().await;
    assert_eq!(appended(&mut cluster).await, part("offset=4", "two\n"));
    // It takes no more of it: then the end brings all.
    cluster.answer(APPEND, 413, error("a log has at most 8 bytes"));
    pipe.release().await;
    let report = cluster.next("POST /v1/job/a/success").await;
    assert!(report.has("one\ntwo\nthree\n"), "{report:?}");
    assert_eq!(at_work.finished().await, Outcome::Success);
    at_work.end().await;
}

#[tokio::test]
async fn a_part_of_a_log_is_repeated_as_it_was_until_it_is_answered() {
    let (mut cluster, _scripts, pipe, mut at_work) = at_work(TALKER, AT_ONCE).await;
    cluster.answer(APPEND, 503, r#"{"error":{"message":"no leader","outcome":"unknown"}}"#);
    cluster.queue("a", "it", LONG);
    assert_eq!(appended(&mut cluster).await, part("offset=0", "one\n"));
    pipe.release().await;
    // More than one call of the client makes before it gives up.
    for _ in 0..12 {
        assert_eq!(appended(&mut cluster).await, part("offset=0", "one\n"));
    }
    cluster.forget_answer(APPEND);
    while appended(&mut cluster).await != part("offset=4", "two\n") {}
    cluster.answer(APPEND, 400, error("the log has 5 bytes"));
    pipe.release().await;
    let report = cluster.next("POST /v1/job/a/success").await;
    assert!(report.has("one\ntwo\nthree\n"), "{report:?}");
    assert_eq!(at_work.finished().await, Outcome::Success);
    at_work.end().await;
}

#[tokio::test]
async fn who_writes_little_or_nothing_costs_no_call_more() {
    for (script, log) in [("exit 0", ""), ("echo all", "all\n")] {
        let (mut cluster, _scripts, _pipe, mut at_work) = at_work(script, NEVER).await;
        cluster.queue("a", "it", LONG);
        let report = cluster.next("POST /v1/job/a/success").await;
        assert!(report.has(log), "{report:?}");
        assert_eq!(at_work.finished().await, Outcome::Success);
        assert!(cluster.rest().iter().all(|call| call.line != APPEND));
        at_work.end().await;
    }
}

#[tokio::test]
async fn a_lot_is_sent_at_once() {
    let script = "exec 3<>$1; head -c 100000 /dev/zero | tr '\\0' x; read line <&3";
    let (mut cluster, _scripts, pipe, mut at_work) = at_work(script, NEVER).await;
    cluster.queue("a", "it", LONG);
    let (place, much) = appended(&mut cluster).await;
    assert!(place == "offset=0" && much.len() >= 64 << 10, "{place}: {} bytes", much.len());
    pipe.release().await;
    assert_eq!(at_work.finished().await, Outcome::Success);
    at_work.end().await;
}

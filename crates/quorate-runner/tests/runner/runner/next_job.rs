//! The job that is taken with the report of the one before.

use super::*;

/// What a runner sent to take and end jobs, with the query.
fn sent(cluster: &mut PlayedCluster) -> Vec<String> {
    let calls = cluster.rest().into_iter();
    let calls =
        calls.filter(|call| ["/consume", "/success", "/fail"].iter().any(|end| call.line.ends_with(end)));
    calls.map(|call| format!("{}?{}", call.line.trim_start_matches("POST /v1/"), call.query)).collect()
}

#[tokio::test]
async fn the_next_job_comes_with_the_report_of_the_one_before() {
    let (mut cluster, scripts) = (PlayedCluster::start().await, Scripts::new());
    let entries = [scripts.entry("well", "exit 0", &[]), scripts.entry("badly", "exit 3", &[])];
    // The last two are for no driver: such a job has a report, too.
    for (id, image) in [("a", "well"), ("b", "badly"), ("c", "unknown"), ("d", "unknown")] {
        cluster.queue_silently(id, image, LONG);
    }
    let mut at_work = AtWork::start(&cluster, &entries, RunnerConfig::default());
    assert_eq!(at_work.finished().await, Outcome::Success);
    assert_eq!(at_work.finished().await, failed(Reason::BadExit, "exit status 3"));
    let unknown = failed(Reason::BadExit, "this runner runs no jobs of the image \"unknown\"");
    assert_eq!([at_work.finished().await, at_work.finished().await], [unknown.clone(), unknown]);
    // Where none comes, it waits for one.
    cluster.queue("e", "well", LONG);
    assert_eq!(at_work.finished().await, Outcome::Success);
    at_work.end().await;
    let expected = [
        "jobs/consume?n=1&wait=20",
        "job/a/success?take=1&wait=0",
        "job/b/fail?take=1&wait=0",
        "job/c/fail?take=1&wait=0",
        "job/d/fail?take=1&wait=0",
        "jobs/consume?n=1&wait=20",
        "job/e/success?take=1&wait=0",
    ];
    let sent = sent(&mut cluster);
    assert_eq!(sent[..expected.len()], expected, "{sent:?}");
}

#[tokio::test]
async fn a_job_that_is_not_its_own_any_more_brings_no_other() {
    let (mut cluster, scripts) = (PlayedCluster::start().await, Scripts::new());
    cluster.answer("POST /v1/job/a/success", 409, error("the job is error"));
    cluster.queue_silently("a", "it", LONG);
    cluster.queue_silently("b", "it", LONG);
    let entry = scripts.entry("it", "exit 0", &[]);
    let mut at_work = AtWork::start(&cluster, &[entry], RunnerConfig::default());
    assert_eq!(at_work.finished().await, Outcome::Dropped("the job is error".into()));
    assert_eq!(at_work.finished().await, Outcome::Success);
    at_work.end().await;
    let expected = ["jobs/consume?n=1&wait=20", "job/a/success?take=1&wait=0", "jobs/consume?n=1&wait=20"];
    assert_eq!(sent(&mut cluster)[..3], expected);
}

#[tokio::test]
async fn a_runner_never_runs_more_jobs_than_it_may() {
    let (cluster, scripts) = (PlayedCluster::start().await, Scripts::new());
    for n in 0..12 {
        cluster.queue_silently(&n.to_string(), "it", LONG);
    }
    let entry = scripts.entry("it", "exit 0", &[]);
    let config = RunnerConfig { concurrency: 3, ..RunnerConfig::default() };
    let mut at_work = AtWork::start(&cluster, &[entry], config);
    let (mut running, mut most, mut ended) = (0, 0, 0);
    while ended < 12 {
        match soon("an event", at_work.events.recv()).await.expect("the runner runs") {
            Event::Started { .. } => running += 1,
            Event::Finished { .. } => (running, ended) = (running - 1, ended + 1),
        }
        most = most.max(running);
    }
    assert_eq!(most, 3);
    at_work.end().await;
}

#[tokio::test]
async fn a_job_that_came_with_a_lost_answer_is_run_also_by_a_runner_that_ends() {
    let (mut cluster, scripts) = (PlayedCluster::start().await, Scripts::new());
    let line = "POST /v1/job/a/success";
    cluster.answer(line, 503, r#"{"error":{"message":"no leader","outcome":"unknown"}}"#);
    cluster.queue_silently("a", "it", LONG);
    let pipe = scripts.pipe("go");
    let entries = [scripts.entry("it", "exit 0", &[]), scripts.entry("waits", WAIT, &[&pipe])];
    let mut at_work = AtWork::start(&cluster, &entries, RunnerConfig::default());
    let first = cluster.next(line).await;
    assert_eq!(first.query, "take=1&wait=0");
    at_work.shutdown.signal();
    // More than one call of the client makes before it gives up.
    for _ in 0..8 {
        let again = cluster.next(line).await;
        assert_eq!((again.query, again.key), (first.query.clone(), first.key.clone()));
    }
    cluster.queue_silently("b", "waits", LONG);
    cluster.replay();
    cluster.forget_answer(line);
    // Nobody knows how much of its time is left; and it is the last one.
    cluster.next("POST /v1/job/b/touch").await;
    pipe.release().await;
    assert_eq!(cluster.next("POST /v1/job/b/success").await.query, "");
    assert_eq!([at_work.finished().await, at_work.finished().await], [Outcome::Success, Outcome::Success]);
    at_work.end().await;
}

#[tokio::test]
async fn where_nothing_was_done_a_runner_that_ends_takes_nothing() {
    let (mut cluster, scripts) = (PlayedCluster::start().await, Scripts::new());
    let line = "POST /v1/job/a/success";
    cluster.answer(line, 503, r#"{"error":{"message":"no leader"},"outcome":"not_applied"}"#);
    cluster.queue_silently("a", "it", LONG);
    cluster.queue_silently("b", "it", LONG);
    let entry = scripts.entry("it", "exit 0", &[]);
    let mut at_work = AtWork::start(&cluster, &[entry], RunnerConfig::default());
    cluster.next(line).await;
    at_work.shutdown.signal();
    while !cluster.next(line).await.query.is_empty() {}
    cluster.forget_answer(line);
    assert_eq!(at_work.finished().await, Outcome::Success);
    at_work.end().await;
    assert_eq!(cluster.queue_length(), 1, "a job was taken after the drain began");
}

#[tokio::test]
async fn it_asks_only_for_what_it_can_run_also_with_a_report() {
    let (mut cluster, scripts) = (PlayedCluster::start().await, Scripts::new());
    let entries = [scripts.entry("c:1", "exit 0", &[]), scripts.entry("a", "exit 0", &[])];
    cluster.queue_silently("j", "a", LONG);
    let config = RunnerConfig { queue: Some("mails:5,default:1".into()), ..RunnerConfig::default() };
    let mut at_work = AtWork::start(&cluster, &entries, config);
    assert_eq!(at_work.finished().await, Outcome::Success);
    at_work.end().await;
    let selection = "queue=mails%3A5%2Cdefault%3A1&image=a%2Cc%3A1";
    assert_eq!(cluster.next("POST /v1/jobs/consume").await.selection, selection);
    assert_eq!(cluster.next("POST /v1/job/j/success").await.selection, selection);
}

//! What is sent again after an answer was lost, and what is not.

use bytes::Bytes;
use quorate_client::api::{Ending, FinishRequest, Reason, SettingsRequest, Status};
use quorate_client::{Client, ClientConfig, Consume, Error, JobFailure, RefusedKind};

use crate::support::{Answer, Cluster, error, job, jobs, one_job, unavailable};

/// All the ways in which it stays unknown what became of a request.
fn lost_answers() -> Vec<Answer> {
    vec![
        unavailable("unknown"),
        Answer::CutShort,
        error(500, "a panic"),
        Answer::Says(502, "<html>bad gateway</html>".into()),
        Answer::Says(503, "<html>no backend</html>".into()),
    ]
}

fn kind(result: Result<impl std::fmt::Debug, Error>) -> RefusedKind {
    match result {
        Err(Error::Refused(refused)) => refused.kind,
        other => panic!("not refused: {other:?}"),
    }
}

fn failure() -> JobFailure {
    JobFailure {
        reason: Reason::Killed,
        details: "out of memory".into(),
        log: Bytes::from_static(b"x"),
        retry: true,
    }
}

#[tokio::test]
async fn enqueue_consume_and_retry_repeat_under_one_key() {
    for lost in lost_answers() {
        let cluster = Cluster::start(1, [lost.clone(), jobs(&["a"])]).await;
        cluster.client().enqueue(&[], None).await.expect("repeated");
        same_key(&cluster);

        let cluster = Cluster::start(1, [lost.clone(), jobs(&["a"])]).await;
        cluster.client().consume(&Consume::default()).await.expect("repeated");
        same_key(&cluster);

        let finished = r#"{"ended":[{"id":"a","status":"success"}],"jobs":[]}"#;
        let cluster = Cluster::start(1, [lost.clone(), Answer::Says(200, finished.into())]).await;
        let ending = Ending { id: "a".into(), status: "success".into(), ..Ending::default() };
        let finish = FinishRequest { jobs: vec![ending], take: Some(1), ..FinishRequest::default() };
        let finished = cluster.client().finish(&finish, None).await.expect("repeated").answer;
        assert_eq!((finished.ended[0].status, finished.jobs.len()), (Some(Status::Success), 0));
        same_key(&cluster);

        // Nothing is in the body: a form has another boundary each time.
        let taken = format!(r#"{{"job":{},"jobs":[{}]}}"#, job("a", "success"), job("b", "running"));
        let cluster = Cluster::start(1, [lost.clone(), Answer::Repeats(200, taken)]).await;
        let finished = cluster
            .client()
            .success_and_take("a", Bytes::new(), &Consume::default())
            .await
            .expect("repeated");
        assert_eq!((finished.answer.jobs.expect("it took")[0].id.as_str(), finished.replayed), ("b", true));
        same_key(&cluster);

        let cluster = Cluster::start(1, [lost, one_job("b", "queued")]).await;
        cluster.client().retry("a", None).await.expect("repeated");
        same_key(&cluster);
    }
}

#[tokio::test]
async fn a_repeated_answer_is_told_from_a_first_one() {
    let cluster = Cluster::start(1, [jobs(&["a"]), Answer::Repeats(200, r#"{"jobs":[]}"#.into())]).await;
    let client = cluster.client();
    let consume = Consume { key: Some("k".into()), ..Consume::default() };
    let [first, again] = [client.consume(&consume).await, client.consume(&consume).await].map(Result::unwrap);
    assert_eq!((first.answer.len(), first.replayed), (1, false));
    assert_eq!((again.answer.len(), again.replayed), (0, true));
}

fn same_key(cluster: &Cluster) {
    let seen = cluster.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].key(), seen[1].key());
    assert_eq!(seen[0].uri, seen[1].uri);
    assert_eq!(seen[0].body, seen[1].body);
}

#[tokio::test]
async fn two_calls_have_two_keys_and_a_given_key_is_kept() {
    let cluster = Cluster::start(1, [jobs(&["a"]), jobs(&["b"]), jobs(&["c"])]).await;
    let client = cluster.client();
    client.enqueue(&[], None).await.expect("an answer");
    client.enqueue(&[], None).await.expect("an answer");
    client.enqueue(&[], Some("mine")).await.expect("an answer");
    let seen = cluster.seen();
    assert_ne!(seen[0].key(), seen[1].key());
    assert_eq!(seen[2].key(), "mine");
}

#[tokio::test]
async fn without_a_key_what_may_have_been_done_is_not_done_again() {
    for lost in lost_answers() {
        let cluster = Cluster::start(2, [lost, jobs(&["a"])]).await;
        let client = keyless(&cluster);
        let result = client.enqueue(&[], None).await;
        assert!(matches!(result, Err(Error::Unknown(_))), "{result:?}");
        assert!(cluster.only().headers.get("idempotency-key").is_none());
    }
}

#[tokio::test]
async fn without_a_key_what_was_not_done_is_tried_elsewhere() {
    let cluster = Cluster::start(2, [unavailable("not_applied"), jobs(&["a"])]).await;
    keyless(&cluster).enqueue(&[], None).await.expect("the second node takes it");
}

fn keyless(cluster: &Cluster) -> Client {
    Client::new(ClientConfig { draw_keys: false, ..cluster.config() }).expect("a good configuration")
}

#[tokio::test]
async fn settings_are_not_put_again() {
    for lost in lost_answers() {
        let cluster = Cluster::start(1, [lost, Answer::Says(200, r#"{"retention":60}"#.into())]).await;
        let result = cluster.client().put_settings(&SettingsRequest { retention: 60 }).await;
        assert!(matches!(result, Err(Error::Unknown(_))), "{result:?}");
        cluster.only();
    }
}

#[tokio::test]
async fn after_a_lost_answer_only_the_word_of_the_cluster_settles_what_became_of_it() {
    let proxy = Answer::Says(404, "<html>not found</html>".into());
    for lost in lost_answers() {
        for second in [400, 401, 403, 404, 405, 413, 415, 431].map(|status| error(status, "no")) {
            let result = after(&lost, second).await;
            assert!(matches!(&result, Err(Error::Unknown(said)) if said.contains("no")), "{result:?}");
        }
        let result = after(&lost, proxy.clone()).await;
        assert!(matches!(result, Err(Error::Unknown(_))), "{result:?}");
        // The key is of another call, which that attempt was told, too.
        assert_eq!(kind(after(&lost, error(409, "the key is taken")).await), RefusedKind::Conflict);
        let cluster = Cluster::start(2, [lost, error(404, "no such job")]).await;
        assert_eq!(kind(cluster.client().retry("a", None).await), RefusedKind::NotFound);
    }
    // Without a doubt they are what they are.
    assert_eq!(kind(after(&unavailable("not_applied"), error(401, "no")).await), RefusedKind::Unauthorized);
    let result = after(&unavailable("not_applied"), proxy).await;
    assert!(matches!(result, Err(Error::Protocol(_))), "{result:?}");
}

async fn after(first: &Answer, second: Answer) -> Result<(), Error> {
    let cluster = Cluster::start(2, [first.clone(), second.clone(), second.clone(), second]).await;
    cluster.client().enqueue(&[], None).await.map(|_| ())
}

#[tokio::test]
async fn a_write_that_went_well_in_words_of_something_else_may_have_been_done() {
    for body in ["<html>hello</html>", "[5]", ""] {
        let answer = || [Answer::Says(200, body.into())];
        let results = [
            Cluster::start(1, answer()).await.client().enqueue(&[], None).await.map(|_| ()),
            Cluster::start(1, answer()).await.client().cancel("a", "").await.map(|_| ()),
            Cluster::start(1, answer()).await.client().success("a", Bytes::new()).await.map(|_| ()),
        ];
        for result in results {
            assert!(matches!(result, Err(Error::Unknown(_))), "{body}: {result:?}");
        }
    }
}

#[tokio::test]
async fn outcomes_and_touches_repeat() {
    for lost in lost_answers() {
        let script = [lost.clone(), one_job("a", "success")];
        let cluster = Cluster::start(1, script).await;
        cluster.client().success("a", Bytes::from_static(b"log")).await.expect("repeated");
        assert_eq!(cluster.seen().len(), 2);

        let cluster = Cluster::start(1, [lost.clone(), one_job("a", "error")]).await;
        cluster.client().fail("a", failure()).await.expect("repeated");
        assert_eq!(cluster.seen().len(), 2);

        let cluster = Cluster::start(1, [lost, Answer::Says(204, String::new())]).await;
        cluster.client().touch("a").await.expect("repeated");
        assert_eq!(cluster.seen().len(), 2);
    }
}

#[tokio::test]
async fn a_cancel_that_finds_its_own_doing_is_done() {
    for lost in lost_answers() {
        let script = [lost, error(409, "the job is cancelled"), one_job("a", "cancelled")];
        let cluster = Cluster::start(1, script).await;
        let job = cluster.client().cancel("a", "").await.expect("the first attempt did it");
        assert_eq!(job.status, Status::Cancelled);
        assert_eq!(cluster.seen()[2].line(), "GET /v1/job/a");
    }
}

#[tokio::test]
async fn a_cancel_that_finds_another_status_is_refused() {
    let script = [unavailable("unknown"), error(409, "the job is success"), one_job("a", "success")];
    let cluster = Cluster::start(1, script).await;
    assert_eq!(kind(cluster.client().cancel("a", "").await), RefusedKind::Conflict);
}

#[tokio::test]
async fn a_cancel_that_was_never_in_doubt_takes_no_credit() {
    for first in [None, Some(unavailable("not_applied"))] {
        let script = first.into_iter().chain([error(409, "cancelled"), one_job("a", "cancelled")]);
        let cluster = Cluster::start(1, script).await;
        assert_eq!(kind(cluster.client().cancel("a", "").await), RefusedKind::Conflict);
    }
}

#[tokio::test]
async fn a_delete_that_finds_its_own_doing_is_done() {
    for lost in lost_answers() {
        let cluster = Cluster::start(1, [lost, error(404, "no such job")]).await;
        cluster.client().delete("a").await.expect("the first attempt did it");
    }
    for first in [None, Some(unavailable("not_applied"))] {
        let cluster = Cluster::start(1, first.into_iter().chain([error(404, "no such job")])).await;
        assert_eq!(kind(cluster.client().delete("a").await), RefusedKind::NotFound);
    }
}

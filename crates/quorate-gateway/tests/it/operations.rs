//! Work on many jobs.

use quorate_core::limits::OPERATIONS;
use quorate_core::{Action, Command, JobId, NewOperation, OperationId, Selection};
use quorate_gateway::Backend;
use serde_json::{Value, json};

use crate::api::{Api, request};

/// Two jobs of the queue `mails` that have failed, and one that waits. Their ids.
async fn some(api: &Api) -> [String; 3] {
    let job = |max_retries| json!({"image": "a", "queue": "mails", "max_retries": max_retries});
    let enqueue = async |jobs: Value| {
        let enqueued = api.post("/v1/jobs", jobs.to_string()).await.expect(201).json();
        let ids =
            enqueued["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().to_owned());
        ids.collect::<Vec<_>>()
    };
    let failed = enqueue(json!([job(0), job(1)])).await;
    api.get("/v1/jobs/consume?n=2&queue=mails").await.expect(200);
    for id in &failed {
        api.post(&format!("/v1/job/{id}/fail"), "").await.expect(200);
    }
    let queued = enqueue(json!([job(0)])).await;
    [failed[0].clone(), failed[1].clone(), queued[0].clone()]
}

/// The bytes of an id.
fn bytes(id: &str) -> [u8; 16] {
    u128::from_str_radix(&id.replace('-', ""), 16).unwrap().to_be_bytes()
}

/// What a leader does: the only step of an operation.
async fn carry_out(api: &Api, operation: &Value, action: Action, jobs: &[&str]) {
    let id = OperationId(bytes(operation["id"].as_str().unwrap()));
    let jobs = jobs.iter().map(|id| JobId(bytes(id))).collect();
    let step = Command::StepOperation { id, action, from: 0, to: None, jobs };
    api.backend.submit(step, std::time::Duration::from_secs(5)).await.unwrap().outcome.unwrap();
}

async fn status(api: &Api, id: &str) -> String {
    api.get(&format!("/v1/job/{id}")).await.expect(200).json()["job"]["status"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn it_is_begun_watched_and_ends() {
    let api = Api::new();
    let [dead, retried, _] = some(&api).await;
    let body = r#"{"filter":{"queue":"mails","reason":"bad_exit"}}"#;
    let started = api.post("/v1/jobs/retry", body).await.expect(202).json()["operation"].clone();
    assert_eq!(
        (&started["action"], &started["status"], &started["done"]),
        (&json!("retry"), &json!("running"), &json!(0))
    );
    let path = format!("/v1/operation/{}", started["id"].as_str().unwrap());
    assert_eq!(api.get(&path).await.expect(202).json()["operation"], started);
    let jobs = [&*dead, &*retried];
    let ends = async { api.get(&format!("{path}?wait=60")).await.expect(200).json()["operation"].clone() };
    let ((), ended) = tokio::join!(carry_out(&api, &started, Action::Retry, &jobs), ends);
    assert_eq!((&ended["status"], &ended["done"], &ended["skipped"]), (&json!("done"), &json!(2), &json!(0)));
    assert!(ended["ended_at"].is_string(), "{ended}");
    assert_eq!(api.get("/v1/operations").await.expect(200).json(), json!({"operations": [ended.clone()]}));
    let stopped = api.post(&format!("{path}/stop"), "").await.expect(200).json();
    assert_eq!(stopped["operation"], ended, "it has ended already");
}

#[tokio::test]
async fn a_stop_ends_it() {
    let api = Api::new();
    let [dead, _, queued] = some(&api).await;
    let body = json!({"ids": [queued, dead], "details": "no more"}).to_string();
    let started = api.post("/v1/jobs/cancel", body).await.expect(202).json()["operation"].clone();
    assert_eq!(started["ids"], 2);
    let path = format!("/v1/operation/{}", started["id"].as_str().unwrap());
    let stopped = api.post(&format!("{path}/stop"), "").await.expect(200).json()["operation"].clone();
    assert_eq!((&stopped["status"], &stopped["done"]), (&json!("stopped"), &json!(0)));
    carry_out(&api, &started, Action::Cancel, &[&queued]).await;
    assert_eq!(status(&api, &queued).await, "queued");
}

#[tokio::test]
async fn it_shows_what_it_is_for() {
    let api = Api::new();
    let [dead, ..] = some(&api).await;
    let asked = json!({"queue": "mails", "reason": "bad_exit", "tags": ["a"]});
    let started = api.post("/v1/jobs/retry", json!({"filter": asked}).to_string()).await.expect(202).json();
    let mut shown = asked.clone();
    shown["status"] = json!(["error"]);
    assert_eq!((&started["operation"]["filter"], &started["operation"]["ids"]), (&shown, &Value::Null));
    let by_ids = api.post("/v1/jobs/delete", json!({"ids": [dead]}).to_string()).await.expect(202).json();
    assert_eq!((&by_ids["operation"]["filter"], &by_ids["operation"]["ids"]), (&Value::Null, &json!(1)));
    let listed = api.get("/v1/operations").await.expect(200).json();
    assert_eq!(listed["operations"][1]["filter"], shown);
    let image = "i".repeat(5_000);
    let long = api.post("/v1/jobs/delete", json!({"filter": {"image": image}}).to_string()).await.expect(400);
    assert_eq!(long.fields().as_deref(), Some("filter"));
}

/// A call under an Idempotency-Key.
async fn under_key(api: &Api, body: &str) -> crate::api::Answered {
    let request = request("POST", "/v1/jobs/cancel", &[("idempotency-key", "once")], body.to_owned());
    api.call(request).await
}

#[tokio::test]
async fn what_was_begun_under_a_key_is_answered_again_though_its_queue_is_gone() {
    let api = Api::new();
    let body = r#"{"filter":{"queue":"mails"}}"#;
    let none = under_key(&api, body).await.expect(404).json();
    assert_eq!(none["error"]["message"], "there is no such queue");
    let [dead, retried, queued] = some(&api).await;
    let first = under_key(&api, body).await.expect(202).json()["operation"].clone();
    carry_out(&api, &first, Action::Cancel, &[&queued]).await;
    let again = retried_as(&api, &retried).await;
    api.post(&format!("/v1/job/{again}/cancel"), "").await.expect(200);
    for id in [dead, retried, queued, again] {
        api.send("DELETE", &format!("/v1/job/{id}"), "").await.expect(204);
    }
    api.get("/v1/queue/mails").await.expect(404);
    let repeated = under_key(&api, body).await.expect(200);
    assert_eq!(repeated.header("idempotent-replayed"), Some("true"));
    let repeated = repeated.json()["operation"].clone();
    assert_eq!(
        (&repeated["id"], &repeated["done"], &repeated["filter"]["queue"]),
        (&first["id"], &json!(1), &json!("mails"))
    );
    under_key(&api, r#"{"filter":{"queue":"gone"}}"#).await.expect(409);
}

/// The automatic retry of a job.
async fn retried_as(api: &Api, id: &str) -> String {
    let job = api.get(&format!("/v1/job/{id}")).await.expect(200).json();
    job["job"]["retry_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_was_begun_under_a_key_and_is_remembered_no_more_says_so() {
    let api = Api::new();
    let [_, _, queued] = some(&api).await;
    let body = json!({"ids": [queued]}).to_string();
    let first = under_key(&api, &body).await.expect(202).json()["operation"].clone();
    carry_out(&api, &first, Action::Cancel, &[&queued]).await;
    for number in 1..=OPERATIONS as u128 {
        let id = OperationId(number.to_be_bytes());
        let selection = Selection::Ids(vec![JobId([1; 16])]);
        let (action, details, words) = (Action::Delete, "".into(), "".into());
        let operation = NewOperation { id, action, details, selection, words };
        for command in [Command::StartOperation { operation, key: None }, Command::StopOperation { id }] {
            api.backend.submit(command, std::time::Duration::from_secs(5)).await.unwrap().outcome.unwrap();
        }
    }
    let forgotten = under_key(&api, &body).await.expect(409).json();
    let message = forgotten["error"]["message"].as_str().unwrap();
    assert!(message.contains("has ended, and is not known any more: look at the jobs"), "{message}");
    assert_eq!(status(&api, &queued).await, "cancelled", "and nothing else was begun");
}

#[tokio::test]
async fn a_dry_run_counts_and_does_nothing() {
    let api = Api::new();
    let [dead, retried, queued] = some(&api).await;
    let again = api.post(&format!("/v1/job/{dead}/retry"), "").await.expect(200).json();
    let again = again["job"]["id"].as_str().unwrap();
    let submitted = api.backend.submitted();
    let waits = retried_as(&api, &retried).await;
    for (action, asked, first) in [
        ("retry", json!({"filter": {"queue": "mails"}}), vec![&*retried]),
        ("retry", json!({"ids": [dead, retried, queued]}), vec![&*retried]),
        ("cancel", json!({"filter": {"queue": "mails"}}), vec![&*waits, &*queued, again]),
        ("cancel", json!({"filter": {"queue": "mails", "status": ["queued"]}}), vec![&*queued, again]),
        ("delete", json!({"filter": {"queue": "mails"}}), vec![&*dead, &*retried]),
        ("delete", json!({"ids": [again]}), vec![]),
        ("delete", json!({"filter": {"image": "b"}}), vec![]),
    ] {
        let mut body = asked.clone();
        body["dry_run"] = json!(true);
        let counted = api.post(&format!("/v1/jobs/{action}"), body.to_string()).await.expect(200).json();
        let expected = json!({"matches": first.len(), "more": false, "first": first});
        assert_eq!(counted, expected, "{action} {asked}");
    }
    assert_eq!(api.backend.submitted(), submitted);
}

#[tokio::test]
async fn a_dry_run_agrees_with_what_is_done_where_a_retry_is_gone() {
    let api = Api::new();
    let [dead, retried, _] = some(&api).await;
    api.post(&format!("/v1/job/{dead}/retry"), "").await.expect(200);
    for id in [&dead, &retried] {
        let retry = retried_as(&api, id).await;
        api.post(&format!("/v1/job/{retry}/cancel"), "").await.expect(200);
        api.send("DELETE", &format!("/v1/job/{retry}"), "").await.expect(204);
    }
    for (asked, jobs) in [(json!({"filter": {"queue": "mails"}}), 0), (json!({"ids": [dead, retried]}), 2)] {
        let mut body = asked.clone();
        body["dry_run"] = json!(true);
        let counted = api.post("/v1/jobs/retry", body.to_string()).await.expect(200).json();
        assert_eq!(counted["matches"], jobs, "{asked}");
        let operation = api.post("/v1/jobs/retry", asked.to_string()).await.expect(202).json();
        carry_out(&api, &operation["operation"], Action::Retry, &[&dead, &retried]).await;
        let id = operation["operation"]["id"].as_str().unwrap();
        let ended = api.get(&format!("/v1/operation/{id}")).await.expect(200).json();
        assert_eq!(ended["operation"]["done"], jobs, "{asked}");
    }
}

#[tokio::test]
async fn a_dry_run_counts_no_stale_copy() {
    let api = Api::new();
    for (before, asked) in [
        json!({"filter": {"image": "a"}}),
        json!({"filter": {"queue": "default"}}),
        json!({"ids": ["0198c0de-0000-7000-8000-000000000001"]}),
    ]
    .into_iter()
    .enumerate()
    {
        let mut body = asked;
        body["dry_run"] = json!(true);
        api.post("/v1/jobs/delete", body.to_string()).await.expect(200);
        assert_eq!(api.backend.barriers(), before as u64 + 1);
    }
}

#[tokio::test]
async fn a_dry_run_looks_up_so_many_jobs_that_go_on_from_others() {
    let api = Api::new();
    for n in [1_000, 200] {
        let jobs = vec![json!({"image": "a", "max_retries": 1}); n];
        api.post("/v1/jobs", json!({"jobs": jobs}).to_string()).await.expect(201);
        let taken = api.get(&format!("/v1/jobs/consume?n={n}")).await.expect(200).json();
        let taken = taken["jobs"].as_array().unwrap().iter();
        let failed = taken.map(|job| json!({"id": job["id"], "status": "error"}));
        let failed = json!({"jobs": failed.collect::<Vec<_>>()}).to_string();
        api.post("/v1/jobs/finish", failed).await.expect(200);
    }
    let counted = async |action: &str| {
        let body = r#"{"filter":{"status":["error"]},"dry_run":true}"#;
        api.post(&format!("/v1/jobs/{action}"), body).await.expect(200).json()
    };
    for (action, matches, more) in [("retry", 1_000, true), ("delete", 1_200, false)] {
        let counted = counted(action).await;
        assert_eq!((&counted["matches"], &counted["more"]), (&json!(matches), &json!(more)));
        assert_eq!(counted["first"].as_array().unwrap().len(), 5, "of so many the first");
    }
}

#[tokio::test]
async fn what_is_not_understood_is_named() {
    let api = Api::new();
    some(&api).await;
    let submitted = api.backend.submitted();
    let many = json!({"ids": vec!["x"; 1_001]}).to_string();
    for (action, body, fields, says) in [
        ("retry", "", "body", r#"send {"filter":"#),
        ("retry", "{}", "filter", "by filter or by ids"),
        ("delete", r#"{"filter":{}}"#, "filter", "name at least one thing"),
        ("retry", r#"{"filter":{"queue":"mails"},"ids":[]}"#, "ids", "send one of them"),
        ("retry", r#"{"ids":[]}"#, "ids", "1 to 1000"),
        ("retry", r#"{"ids":["x"]}"#, "ids[0]", "must be a job's id"),
        ("retry", &many, "ids", "more than 1000"),
        ("retry", r#"{"filter":{"queue":"Mails"}}"#, "filter.queue", "no name of a queue"),
        (
            "retry",
            r#"{"filter":{"status":["queued"]}}"#,
            "filter.status",
            "success, error, cancelled, not queued",
        ),
        (
            "cancel",
            r#"{"filter":{"reason":"timeout"}}"#,
            "filter.status",
            "delayed, queued, running, not error",
        ),
        ("delete", r#"{"filter":{"queue":"mails"},"details":"x"}"#, "details", "for cancel alone"),
        ("delete", r#"{"fliter":{"queue":"mails"}}"#, "fliter", "filter"),
    ] {
        let refused = api.post(&format!("/v1/jobs/{action}"), body.to_owned()).await.expect(400);
        assert_eq!(refused.fields().as_deref(), Some(fields), "{body}");
        let message = refused.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(says), "{body}: {message}");
    }
    api.post("/v1/jobs/delete", r#"{"filter":{"queue":"none"}}"#).await.expect(404);
    api.get("/v1/operation/01234567-89ab-7000-8000-000000000000").await.expect(404);
    api.get("/v1/operation/x").await.expect(404);
    assert_eq!(api.backend.submitted(), submitted);
    api.post("/v1/operation/01234567-89ab-7000-8000-000000000000/stop", "").await.expect(404);
}

#[tokio::test]
async fn so_much_goes_on_at_once() {
    let api = Api::new();
    some(&api).await;
    let body = r#"{"filter":{"queue":"mails"}}"#;
    for _ in 0..16 {
        api.post("/v1/jobs/cancel", body).await.expect(202);
    }
    let refused = api.post("/v1/jobs/cancel", body).await.expect(429).json();
    assert_eq!(refused["outcome"], "not_applied");
    assert_eq!(
        api.get("/v1/operations?n=5").await.expect(200).json()["operations"].as_array().unwrap().len(),
        5
    );
}

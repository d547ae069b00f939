//! Workers that say their names, and jobs that are given back.

use quorate_core::Unavailable;
use serde_json::{Value, json};

use crate::api::Api;

async fn job(api: &Api, id: &Value) -> Value {
    api.get(&format!("/v1/job/{}", id.as_str().unwrap())).await.expect(200).json()["job"].clone()
}

/// Enqueues so many jobs and has this worker take them.
async fn taken(api: &Api, worker: &str, n: usize) -> Vec<Value> {
    let jobs = vec![r#"{"image":"a"}"#; n].join(",");
    api.post("/v1/jobs", format!("[{jobs}]")).await.expect(201);
    let body = json!({"n": n, "worker": worker}).to_string();
    let jobs = api.post("/v1/jobs/consume", body).await.expect(200).json()["jobs"].clone();
    jobs.as_array().unwrap().clone()
}

#[tokio::test]
async fn a_worker_is_known_while_it_holds_jobs() {
    let api = Api::new();
    let jobs = taken(&api, "w", 101).await;
    assert_eq!(jobs[0]["worker"], "w");
    taken(&api, "a b/ü", 1).await;
    let workers = api.get("/v1/workers").await.expect(200).json();
    assert_eq!(workers.get("cursor"), None);
    let [b, w] = [0, 1].map(|place| workers["workers"][place].clone());
    assert_eq!((&b["name"], &b["holds"]), (&json!("a b/ü"), &json!(1)));
    assert_eq!((&w["name"], &w["holds"]), (&json!("w"), &json!(101)));
    assert_eq!(w["jobs"].as_array().unwrap().len(), 100);
    assert_eq!(w["heard_at"], "2026-01-01T00:00:00.000Z");

    let page = api.get("/v1/workers?n=1").await.expect(200).json();
    let cursor = page["cursor"].as_str().unwrap();
    assert_eq!(cursor, "a b/ü");
    let page = api.get("/v1/workers?n=1&cursor=a%20b%2F%C3%BC").await.expect(200).json();
    assert_eq!(page["workers"][0]["name"], "w");
}

#[tokio::test]
async fn what_it_holds_is_given_back_when_it_is_gone() {
    let api = Api::new();
    let jobs = taken(&api, "a b/ü", 3).await;
    taken(&api, "w", 1).await;
    let path = "/v1/worker/a%20b%2F%C3%BC/gone";
    let new = api.post(path, "").await.expect(200).json()["jobs"].clone();
    let of: Vec<&Value> = new.as_array().unwrap().iter().map(|job| &job["retry_of"]).collect();
    assert_eq!(of, jobs.iter().map(|job| &job["id"]).collect::<Vec<_>>());
    assert_eq!((&new[0]["status"], new[0].get("worker")), (&json!("queued"), None));
    let old = job(&api, &jobs[0]["id"]).await;
    assert_eq!((&old["status"], &old["details"]), (&json!("cancelled"), &json!("its worker is gone")));
    assert_eq!(api.post(path, "").await.expect(200).json(), json!({"left": 0, "jobs": []}));
    assert_eq!(api.get("/v1/workers").await.expect(200).json()["workers"][0]["name"], "w");
}

/// Says that it is gone: how many were given back, and are left.
async fn gone(api: &Api) -> (usize, u64) {
    let answer = api.post("/v1/worker/w/gone", "").await.expect(200).json();
    (answer["jobs"].as_array().unwrap().len(), answer["left"].as_u64().unwrap())
}

#[tokio::test]
async fn what_is_left_is_said_where_a_part_fails() {
    let api = Api::new();
    taken(&api, "w", 1_000).await;
    taken(&api, "w", 1).await;
    api.backend.fail_after(1, Unavailable::NotApplied);
    assert_eq!(gone(&api).await, (1_000, 1));
    api.post("/v1/worker/w/gone", "").await.expect(503);
    api.backend.fail_after(usize::MAX, Unavailable::NotApplied);
    assert_eq!(gone(&api).await, (1, 0));
}

#[tokio::test]
async fn a_node_that_lags_gives_all_back() {
    let api = Api::new();
    // It has not seen that they were taken.
    api.backend.lag();
    taken(&api, "w", 1_000).await;
    taken(&api, "w", 1).await;
    assert_eq!(gone(&api).await, (1_001, 0));
}

#[tokio::test]
async fn what_takes_with_an_ending_says_its_name_too() {
    let api = Api::new();
    let first = taken(&api, "w", 1).await[0]["id"].as_str().unwrap().to_owned();
    let second = api.enqueue(r#"{"image":"a"}"#).await;
    let success = format!("/v1/job/{first}/success?take=1&worker=w");
    let answered = api.post(&success, "").await.expect(200).json();
    assert_eq!(answered["jobs"][0]["worker"], "w");
    api.enqueue(r#"{"image":"a"}"#).await;
    let finish = json!({"jobs": [{"id": second, "status": "success"}], "take": 1, "worker": "v"});
    let answered = api.post("/v1/jobs/finish?worker=x", finish.to_string()).await.expect(200).json();
    assert_eq!(answered["jobs"][0]["worker"], "v", "the body wins");
}

#[tokio::test]
async fn names_are_refused_that_are_too_long_or_say_nothing() {
    let api = Api::new();
    let long = "w".repeat(129);
    let id = api.enqueue(r#"{"image":"a"}"#).await;
    for (path, says) in [
        (format!("/v1/jobs/consume?worker={long}"), "must have 1 to 128 bytes, not 129"),
        (format!("/v1/worker/{long}/gone"), "must have 1 to 128 bytes, not 129"),
        ("/v1/worker/%ff/gone".into(), "is not UTF-8"),
        (format!("/v1/job/{id}/success?worker=w"), "how many is missing: add take=1"),
    ] {
        let refused = api.post(&path, "").await.expect(400);
        assert_eq!(refused.fields().as_deref(), Some("worker"), "{path}");
        let message = refused.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(says), "{path}: {message}");
    }
}

#[tokio::test]
async fn a_job_that_is_given_back_goes_on_as_a_new_one() {
    let api = Api::new();
    let id = api.running(r#"{"image":"a","max_retries":1}"#).await;
    let release = format!("/v1/job/{id}/release?delay=5");
    let new = api.post(&release, "").await.expect(200).json()["job"].clone();
    assert_eq!(
        (&new["status"], &new["retry_of"], &new["attempt"]),
        (&json!("delayed"), &json!(id), &json!(1))
    );
    let again = api.post(&release, "").await.expect(200).json()["job"].clone();
    assert_eq!(again["id"], new["id"], "said again, it answers the same one");
    let refused = api.post(&format!("/v1/job/{id}/release?delay=31536001"), "").await.expect(400);
    assert_eq!(refused.fields().as_deref(), Some("delay"));
    let refused = api.post(&format!("/v1/job/{}/release", new["id"].as_str().unwrap()), "").await.expect(409);
    assert_eq!(refused.json()["error"]["message"], "the job's status does not allow it: it is delayed");
}

#[tokio::test]
async fn a_job_that_fails_for_good_is_not_retried() {
    let api = Api::new();
    let mut answers = Vec::new();
    for (form, body) in
        [("application/json", r#"{"retry":false}"#), ("application/x-www-form-urlencoded", "retry=false")]
    {
        let id = api.running(r#"{"image":"a","max_retries":3}"#).await;
        let request =
            crate::api::request("POST", &format!("/v1/job/{id}/fail"), &[("content-type", form)], body);
        answers.push(api.call(request).await.expect(200).json()["job"].clone());
    }
    let id = api.running(r#"{"image":"a","max_retries":3}"#).await;
    let finish = json!({"jobs": [{"id": id, "status": "error", "retry": false}]}).to_string();
    api.post("/v1/jobs/finish", finish).await.expect(200);
    answers.push(job(&api, &json!(id)).await);
    for job in answers {
        assert_eq!(
            (&job["status"], job.get("retry_id"), &job["max_retries"]),
            (&json!("error"), None, &json!(0))
        );
    }
    let id = api.running(r#"{"image":"a"}"#).await;
    for (body, says) in
        [(r#"{"retry":1}"#, "must be a boolean"), ("retry=no", "must be true or false, not no")]
    {
        let form =
            if body.starts_with('{') { "application/json" } else { "application/x-www-form-urlencoded" };
        let request =
            crate::api::request("POST", &format!("/v1/job/{id}/fail"), &[("content-type", form)], body);
        let refused = api.call(request).await.expect(400);
        assert_eq!(refused.fields().as_deref(), Some("retry"));
        assert!(refused.json()["error"]["message"].as_str().unwrap().contains(says), "{body}");
    }
    let finish = json!({"jobs": [{"id": id, "status": "success", "retry": true}]}).to_string();
    assert_eq!(
        api.post("/v1/jobs/finish", finish).await.expect(400).fields().as_deref(),
        Some("jobs[0].retry")
    );
}

//! Waiting for what becomes of a job.

use std::time::{Duration, Instant};

use quorate_gateway::GatewayConfig;
use serde_json::json;
use tokio::time::timeout;

use crate::api::Api;

#[tokio::test]
async fn it_answers_when_the_job_has_finished() {
    let api = Api::new();
    let id = api.running(r#"{"image":"a"}"#).await;
    let (waits, path) = (api.clone(), format!("/v1/job/{id}?wait=60"));
    assert!(timeout(Duration::from_millis(100), api.get(&path)).await.is_err(), "it runs");
    let waiting = tokio::spawn(async move { waits.get(&path).await });
    api.post(&format!("/v1/job/{id}/success"), "").await.expect(200);
    assert_eq!(waiting.await.unwrap().expect(200).json()["job"]["status"], "success");
    let again = timeout(Duration::from_secs(30), api.get(&format!("/v1/job/{id}?wait=60"))).await;
    again.expect("it has finished already").expect(200);
}

#[tokio::test]
async fn of_a_chain_it_is_the_last_that_counts() {
    let api = Api::new();
    let id = api.running(r#"{"image":"a","max_retries":1,"retries_delay":0}"#).await;
    api.post(&format!("/v1/job/{id}/fail"), "").await.expect(200);
    let alone = api.get(&format!("/v1/job/{id}?wait=60")).await.expect(200).json()["job"].clone();
    assert_eq!((&alone["id"], &alone["status"]), (&json!(id), &json!("error")));
    let (waits, path) = (api.clone(), format!("/v1/job/{id}?wait=60&chain=true"));
    let waiting = tokio::spawn(async move { waits.get(&path).await });
    let taken = api.get("/v1/jobs/consume").await.expect(200).json();
    assert_eq!(taken["jobs"][0]["id"], alone["retry_id"]);
    let retry = alone["retry_id"].as_str().unwrap();
    api.post(&format!("/v1/job/{retry}/success"), "").await.expect(200);
    let last = waiting.await.unwrap().expect(200).json()["job"].clone();
    assert_eq!((&last["id"], &last["status"]), (&alone["retry_id"], &json!("success")));
}

#[tokio::test]
async fn a_linearizable_read_follows_the_whole_chain() {
    let api = Api::new();
    let id = api.running(r#"{"image":"a","max_retries":1,"retries_delay":0}"#).await;
    api.backend.lag();
    let failed = api.post(&format!("/v1/job/{id}/fail"), "").await.expect(200).json();
    let path = format!("/v1/job/{id}?chain=true");
    assert_eq!(api.get(&path).await.expect(200).json()["job"]["id"], id, "the copy here lags behind");
    let last = api.get(&format!("{path}&consistency=linearizable")).await.expect(200).json();
    assert_eq!(last["job"]["id"], failed["job"]["retry_id"]);
    assert_eq!(api.backend.barriers(), 1);
}

#[tokio::test]
async fn after_the_time_the_job_is_answered_as_it_is() {
    let api = Api::new();
    let id = api.enqueue(r#"{"image":"a"}"#).await;
    let at = Instant::now();
    let job = api.get(&format!("/v1/job/{id}?wait=1&fields=status")).await.expect(200).json();
    assert_eq!(job, json!({"job": {"status": "queued"}}));
    assert!(at.elapsed() >= Duration::from_secs(1));
    api.get("/v1/job/0198c0de-0000-7000-8000-000000000000?wait=60").await.expect(404);
    assert_eq!(api.get(&format!("/v1/job/{id}?wait=61")).await.expect(400).fields().as_deref(), Some("wait"));
    assert_eq!(
        api.get(&format!("/v1/job/{id}?chain=yes")).await.expect(400).fields().as_deref(),
        Some("chain")
    );
    let full = GatewayConfig { waiting_consumes: 0, ..GatewayConfig::default() };
    let api = Api::with(full);
    let id = api.enqueue(r#"{"image":"a"}"#).await;
    api.get(&format!("/v1/job/{id}?wait=1")).await.expect(429);
}

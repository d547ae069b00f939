use std::time::Duration;

use quorate_core::Status;
use quorate_gateway::{ConnectionLimits, GatewayConfig};
use serde_json::json;

use crate::api::{Api, request};
use crate::wire::Server;

#[tokio::test]
async fn an_empty_consume_appends_nothing_and_makes_sure() {
    let api = Api::new();
    let empty = api.get("/v1/jobs/consume").await.expect(200);
    assert_eq!((empty.json(), empty.header("quorate-index")), (json!({"jobs": []}), Some("0")));
    assert_eq!(empty.header("cache-control"), Some("no-store"));
    assert_eq!((api.backend.submitted(), api.backend.barriers()), (0, 1));
}

#[tokio::test]
async fn a_job_posted_through_another_node_is_found() {
    let api = Api::new();
    api.backend.lag();
    api.enqueue(r#"{"image":"a"}"#).await;
    let taken = api.get("/v1/jobs/consume").await.expect(200).json();
    assert_eq!(taken["jobs"].as_array().unwrap().len(), 1, "the copy here was stale, the barrier mended it");
}

#[tokio::test]
async fn n_jobs_by_priority_then_first_in_first_out() {
    let api = Api::new();
    api.post(
        "/v1/jobs",
        r#"[{"image":"a"},{"image":"b","priority":1},{"image":"c","priority":2},{"image":"d"}]"#,
    )
    .await
    .expect(201);
    let taken = api.get("/v1/jobs/consume?n=3&wait=0").await.expect(200).json();
    let images: Vec<&str> =
        taken["jobs"].as_array().unwrap().iter().map(|job| job["image"].as_str().unwrap()).collect();
    assert_eq!(images, ["c", "b", "a"]);
    assert_eq!(
        api.post("/v1/jobs/consume", "{\"n\":5,\"wait\":0}").await.expect(200).json()["jobs"][0]["image"],
        "d"
    );
}

#[tokio::test]
async fn a_job_deleted_before_its_payload_was_read_is_left_out() {
    let api = Api::new();
    api.enqueue(r#"{"image":"a","payload":"p"}"#).await;
    api.backend.delete_payloads();
    assert_eq!(api.get("/v1/jobs/consume").await.expect(200).json(), json!({"jobs": []}));
}

#[tokio::test]
async fn head_takes_no_job() {
    let api = Api::new();
    let id = api.enqueue(r#"{"image":"a"}"#).await;
    let refused = api.call(request("HEAD", "/v1/jobs/consume", &[], "")).await.expect(405);
    assert_eq!(refused.header("allow"), Some("GET, POST"));
    assert_eq!(api.backend.status(&id), Some(Status::Queued));
}

#[tokio::test]
async fn a_waiting_consume_wakes_when_a_job_comes() {
    let server = Server::start().await;
    let mut waiting = server.connect().await;
    waiting.write("GET /v1/jobs/consume?wait=60 HTTP/1.1\r\nHost: q\r\n\r\n").await;
    server.backend.somebody_waits().await;
    let posted = server
        .exchange("POST /v1/jobs HTTP/1.1\r\nHost: q\r\nContent-Length: 15\r\n\r\n[{\"image\":\"a\"}]")
        .await
        .expect(201);
    let taken = waiting.answer().await.expect(200).json();
    assert_eq!(taken["jobs"][0]["id"], posted.json()["jobs"][0]["id"]);
}

#[tokio::test]
async fn a_waiting_consume_ends_empty_after_its_time() {
    let api = Api::new();
    let empty = api.get("/v1/jobs/consume?wait=1").await.expect(200);
    assert_eq!(empty.json(), json!({"jobs": []}));
    assert_eq!(api.backend.submitted(), 0);
}

#[tokio::test]
async fn two_who_wait_get_a_job_each() {
    let server = Server::start().await;
    let mut both = [server.connect().await, server.connect().await];
    for waiting in &mut both {
        waiting.write("POST /v1/jobs/consume?wait=60 HTTP/1.1\r\nHost: q\r\nContent-Length: 0\r\n\r\n").await;
        server.backend.somebody_waits().await;
    }
    let body = r#"[{"image":"a"},{"image":"a"}]"#;
    let post = format!("POST /v1/jobs HTTP/1.1\r\nHost: q\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    server.exchange(post).await.expect(201);
    let [first, second] = &mut both;
    let (first, second) = (first.answer().await.json(), second.answer().await.json());
    assert_eq!((first["jobs"].as_array().unwrap().len(), second["jobs"].as_array().unwrap().len()), (1, 1));
    assert_ne!(first["jobs"][0]["id"], second["jobs"][0]["id"]);
}

#[tokio::test]
async fn a_client_that_went_away_takes_no_job() {
    let server = Server::start().await;
    let mut waiting = server.connect().await;
    waiting.write("GET /v1/jobs/consume?wait=60 HTTP/1.1\r\nHost: q\r\n\r\n").await;
    server.backend.somebody_waits().await;
    drop(waiting);
    server.backend.somebody_left().await;
    let posted = server
        .exchange("POST /v1/jobs HTTP/1.1\r\nHost: q\r\nContent-Length: 15\r\n\r\n[{\"image\":\"a\"}]")
        .await
        .expect(201);
    let id = posted.json()["jobs"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(server.backend.submitted(), 1, "only the enqueue");
    assert_eq!(server.backend.status(&id), Some(Status::Queued));
}

#[tokio::test]
async fn shutdown_answers_those_who_wait() {
    let server = Server::start().await;
    let mut waiting = server.connect().await;
    waiting.write("GET /v1/jobs/consume?wait=60 HTTP/1.1\r\nHost: q\r\n\r\n").await;
    server.backend.somebody_waits().await;
    server.shutdown.cancel();
    assert_eq!(waiting.answer().await.expect(200).json(), json!({"jobs": []}));
    server.served.await.unwrap();
}

#[tokio::test]
async fn there_is_a_bound_to_those_who_wait() {
    let config = GatewayConfig { waiting_consumes: 1, ..GatewayConfig::default() };
    let server = Server::with(config, ConnectionLimits::default()).await;
    let mut waiting = server.connect().await;
    waiting.write("GET /v1/jobs/consume?wait=60 HTTP/1.1\r\nHost: q\r\n\r\n").await;
    server.backend.somebody_waits().await;
    let refused =
        server.exchange("GET /v1/jobs/consume?wait=60 HTTP/1.1\r\nHost: q\r\n\r\n").await.expect(429);
    assert_eq!(refused.header("retry-after"), Some("1"));
    server.exchange("GET /v1/jobs/consume HTTP/1.1\r\nHost: q\r\n\r\n").await.expect(200);
}

/// The clock stands still while there is anything else to do: had the wakeup been missed, it would show 60 seconds.
#[tokio::test(start_paused = true)]
async fn who_waits_wakes_at_once() {
    let api = Api::new();
    let started = tokio::time::Instant::now();
    for headers in [&[][..], &[("idempotency-key", "k")]] {
        let consume = request("POST", "/v1/jobs/consume?wait=60", headers, "");
        let (taken, id) = tokio::join!(api.call(consume), async {
            api.backend.somebody_waits().await;
            api.enqueue(r#"{"image":"a"}"#).await
        });
        assert_eq!(taken.expect(200).json()["jobs"][0]["id"], id.as_str());
    }
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn shutdown_wakes_at_once() {
    let config = GatewayConfig::default();
    let shutdown = config.shutdown.clone();
    let api = Api::with(config);
    let started = tokio::time::Instant::now();
    let (empty, ()) = tokio::join!(api.get("/v1/jobs/consume?wait=60"), async {
        api.backend.somebody_waits().await;
        shutdown.cancel();
    });
    assert_eq!((empty.expect(200).json(), started.elapsed()), (json!({"jobs": []}), Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn waiting_costs_one_barrier_however_long() {
    let api = Api::new();
    let started = tokio::time::Instant::now();
    api.get("/v1/jobs/consume?wait=60").await.expect(200);
    assert_eq!(started.elapsed(), Duration::from_secs(60), "of the paused clock");
    assert_eq!((api.backend.barriers(), api.backend.submitted()), (1, 0));
}

/// Another consumer or a limit was faster.
#[tokio::test(start_paused = true)]
async fn who_gets_nothing_although_there_was_something_waits_for_its_turn() {
    let api = Api::new();
    api.backend.mislead();
    let started = tokio::time::Instant::now();
    let (taken, id) = tokio::join!(api.get("/v1/jobs/consume?wait=60"), async {
        api.backend.somebody_waits().await;
        assert_eq!(api.backend.submitted(), 1, "it asked once");
        api.enqueue(r#"{"image":"a"}"#).await
    });
    assert_eq!(taken.expect(200).json()["jobs"][0]["id"], id.as_str());
    assert_eq!((api.backend.submitted(), started.elapsed()), (3, Duration::ZERO));
}

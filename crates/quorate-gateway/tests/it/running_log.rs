//! What a worker says while its job runs: how far it has come, and its log.

use std::time::Duration;

use axum::body::Body;
use futures::StreamExt;
use quorate_gateway::{ConnectionLimits, GatewayConfig};
use serde_json::json;
use tower::ServiceExt;

use crate::api::{Api, request};
use crate::frames::{Frames, HEADERS};
use crate::wire::Server;

/// Long enough for whatever is waited for here, on a machine that is busy.
const DEADLINE: Duration = Duration::from_secs(120);

#[tokio::test]
async fn progress_comes_with_a_touch() {
    let api = Api::new();
    let id = api.running(r#"{"image":"a"}"#).await;
    let touch = format!("/v1/job/{id}/touch");
    api.post(&touch, r#"{"progress":{"percent":40,"text":"half"}}"#).await.expect(204);
    api.post(&touch, "").await.expect(204);
    let job = api.get(&format!("/v1/job/{id}")).await.expect(200).json()["job"].clone();
    assert_eq!(job["progress"], json!({"percent": 40, "text": "half"}));
    let long = format!(r#"{{"progress":{{"percent":1,"text":"{}"}}}}"#, "t".repeat(257));
    for (body, field, says) in [
        (r#"{"progress":{"percent":101}}"#, "progress.percent", "must be 0 to 100, not 101"),
        (r#"{"progress":{"text":"x"}}"#, "progress.percent", "is required"),
        (r#"{"progres":{}}"#, "progres", "did you mean progress?"),
        (&*long, "progress.text", "must have at most 256 bytes, not 257"),
    ] {
        let refused = api.post(&touch, body.to_owned()).await.expect(400);
        assert_eq!(refused.fields().as_deref(), Some(field), "{body}");
        assert!(refused.json()["error"]["message"].as_str().unwrap().contains(says), "{body}");
    }
    for other in ["application/x-www-form-urlencoded", "text/plain"] {
        let other = [("content-type", other)];
        api.call(request("POST", &touch, &other, "still here")).await.expect(204);
        let json = r#"{"progress":{"percent":1}}"#;
        let refused = api.call(request("POST", &touch, &other, json)).await.expect(400).json();
        let says = "body: is JSON, but the Content-Type says otherwise; send Content-Type: application/json";
        assert_eq!(refused["error"]["message"], says, "not swallowed");
    }
}

#[tokio::test]
async fn a_log_is_there_while_it_grows() {
    let api = Api::new();
    let id = api.running(r#"{"image":"a"}"#).await;
    let log = format!("/v1/job/{id}/log");
    api.get(&log).await.expect(404);
    api.post(&log, "one-").await.expect(204);
    api.post(&format!("{log}?offset=4"), Body::from(vec![0xff])).await.expect(204);
    api.post(&format!("{log}?offset=4"), Body::from(vec![0xff])).await.expect(204);
    assert_eq!(api.get(&log).await.expect(200).body, b"one-\xff", "sent again, it is added once");
    assert_eq!(
        api.post(&format!("{log}?offset=9"), "x").await.expect(400).fields().as_deref(),
        Some("offset")
    );
    assert_eq!(
        api.post(&format!("{log}?offset=-1"), "x").await.expect(400).fields().as_deref(),
        Some("offset")
    );
    assert_eq!(api.post(&log, "").await.expect(400).fields().as_deref(), Some("body"));
    api.post(&log, vec![b'x'; (1 << 20) + 1]).await.expect(413);
    api.post(&format!("/v1/job/{id}/success"), "").await.expect(200);
    assert_eq!(api.get(&log).await.expect(200).body, b"one-\xff");
    api.post(&log, "x").await.expect(409);
}

/// What a refusal says, and of what.
async fn refusal(api: &Api, path: &str, body: impl Into<Body>, status: u16) -> String {
    let refused = api.post(path, body).await.expect(status);
    refused.json()["error"]["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_can_not_be_added_says_how_long_the_log_is() {
    let api = Api::new();
    let id = api.running(r#"{"image":"a"}"#).await;
    let log = format!("/v1/job/{id}/log");
    api.post(&log, "one").await.expect(204);
    for offset in [2, 4] {
        let says = "offset: the log has 3 bytes: go on from there, or repeat what is in it";
        assert_eq!(refusal(&api, &format!("{log}?offset={offset}"), "xx", 400).await, says);
    }
    let says = "offset: the log has other bytes there; it has 3 in all";
    assert_eq!(refusal(&api, &format!("{log}?offset=0"), "two", 400).await, says);
    assert_eq!(refusal(&api, &format!("{log}?offset=1"), "nn", 400).await, says);
    api.post(&format!("{log}?offset=1"), "ne").await.expect(204);
    assert_eq!(api.get(&log).await.expect(200).body, b"one");
}

#[tokio::test]
async fn of_two_that_add_to_one_place_one_is_refused() {
    let api = Api::new();
    let id = api.running(r#"{"image":"a"}"#).await;
    let log = format!("/v1/job/{id}/log");
    api.backend.hold(true);
    let add = |part: &'static str| {
        let (router, request) = (api.router.clone(), request("POST", &format!("{log}?offset=0"), &[], part));
        tokio::spawn(async move { router.oneshot(request).await.unwrap().status().as_u16() })
    };
    let one = add("one");
    api.backend.holds().await;
    let two = add("two");
    api.backend.holds().await;
    api.backend.hold(false);
    let answered = [one.await.unwrap(), two.await.unwrap()];
    let there = api.get(&log).await.expect(200).body;
    assert_eq!(answered, if there == b"one" { [204, 400] } else { [400, 204] });
}

#[tokio::test]
async fn a_log_that_is_full_says_so() {
    let api = Api::new();
    let id = api.running(r#"{"image":"a"}"#).await;
    let log = format!("/v1/job/{id}/log");
    api.post(&log, vec![b'x'; 1 << 20]).await.expect(204);
    assert_eq!(refusal(&api, &log, "x", 413).await, "the log is over its limit of 1048576 bytes");
    let id = api.running(r#"{"image":"a"}"#).await;
    let log = format!("/v1/job/{id}/log");
    for _ in 0..4_096 {
        api.post(&log, "x").await.expect(204);
    }
    assert_eq!(refusal(&api, &log, "x", 413).await, "the log is over its limit of 4096 parts");
}

#[tokio::test]
async fn who_follows_sees_all_of_it_until_the_job_has_finished() {
    let api = Api::new();
    let id = api.running(r#"{"image":"a"}"#).await;
    let log = format!("/v1/job/{id}/log");
    let follow = request("GET", &format!("{log}?follow=true"), &[], "");
    let response = api.router.clone().oneshot(follow).await.unwrap();
    assert_eq!(response.status(), 200);
    let mut pieces = response.into_body().into_data_stream();
    let nothing = tokio::time::timeout(Duration::from_millis(100), pieces.next()).await;
    assert!(nothing.is_err(), "it waits for the first piece");
    let long = "l".repeat(100_000);
    for part in ["one", &*long] {
        api.post(&log, part.to_owned()).await.expect(204);
        let mut came = Vec::new();
        while came.len() < part.len() {
            came.extend(pieces.next().await.unwrap().unwrap());
        }
        assert_eq!(came, part.as_bytes());
    }
    api.post(&format!("/v1/job/{id}/success"), "").await.expect(200);
    assert!(pieces.next().await.is_none(), "it ends with the job");
    let all = api.get(&format!("{log}?follow=true")).await.expect(200).body;
    assert_eq!(all.len(), 3 + long.len());
    api.get("/v1/job/0198c0de-0000-7000-8000-000000000000/log?follow=true").await.expect(404);
    assert_eq!(api.get(&format!("{log}?follow=1")).await.expect(400).fields().as_deref(), Some("follow"));
}

#[tokio::test]
async fn who_follows_holds_no_memory_while_nothing_comes_and_none_for_long_that_others_need() {
    let config =
        GatewayConfig { answer_memory: 8 << 20, answer_memory_small: 1 << 20, ..GatewayConfig::default() };
    let never = 10 * DEADLINE;
    let limits = ConnectionLimits { write_stall: never, header_read: never, ..ConnectionLimits::default() };
    let server = Server::with(config, limits).await;
    let send = async |method: &str, path: &str, body: &str| {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: q\r\nContent-Length: {}\r\n\r\n", body.len());
        let mut connection = server.connect_from(2).await;
        connection.write(head + body).await;
        connection.answer().await
    };
    let job = format!(r#"[{{"image":"a","payload":"{}"}}]"#, "x".repeat(500_000));
    send("POST", "/v1/jobs", &job).await.expect(201);
    let taken = send("GET", "/v1/jobs/consume", "").await.expect(200).json();
    let log = format!("/v1/job/{}/log", taken["jobs"][0]["id"].as_str().unwrap());
    let follow = format!("{log}?follow=true");
    let stalled = async || {
        let mut clients = Vec::new();
        for _ in 0..4 {
            let mut client = Frames::without_window(server.connect().await).await;
            for stream in 0..90 {
                client.get(2 * stream + 1, &follow).await;
            }
            assert!(client.answers(90).await.iter().all(|answer| answer.kind == HEADERS));
            clients.push(client);
        }
        clients
    };
    let list = async || send("GET", "/v1/jobs?n=100", "").await.status;
    let silent = stalled().await;
    assert_eq!(list().await, 200, "hundreds who wait for a log hold nothing");
    drop(silent);
    // Now each has a piece in hand, and nobody takes it.
    let part = "l".repeat(100_000);
    send("POST", &log, &part).await.expect(204);
    let _stalled = stalled().await;
    let served = async { while list().await == 429 {} };
    tokio::time::timeout(DEADLINE, served).await.expect("the slow have lost their room");
    let mut reader = server.connect_from(2).await;
    reader.write(format!("GET {follow} HTTP/1.1\r\nHost: q\r\n\r\n")).await;
    reader.head().await.expect(200);
    let read = async {
        while reader.seen().iter().filter(|byte| **byte == b'l').count() < part.len() {
            assert!(reader.more().await, "who reads is not slow");
        }
    };
    tokio::time::timeout(DEADLINE, read).await.expect("who reads sees all of it");
}

#[tokio::test]
async fn what_its_end_brings_is_followed_too() {
    let api = Api::new();
    let id = api.running(r#"{"image":"a"}"#).await;
    let follow = request("GET", &format!("/v1/job/{id}/log?follow=true"), &[], "");
    let response = api.router.clone().oneshot(follow).await.unwrap();
    let following = tokio::spawn(axum::body::to_bytes(response.into_body(), usize::MAX));
    api.post(&format!("/v1/job/{id}/success"), r#"{"log":"all"}"#).await.expect(200);
    assert_eq!(following.await.unwrap().unwrap(), "all");
}

#[tokio::test]
async fn two_logs_do_not_become_one_for_who_follows() {
    for (end, seen) in [("one, and two", "one, and two"), ("only this, and more", "one"), ("on", "one")] {
        let api = Api::new();
        let id = api.running(r#"{"image":"a"}"#).await;
        let log = format!("/v1/job/{id}/log");
        api.post(&log, "one").await.expect(204);
        let follow = request("GET", &format!("{log}?follow=true"), &[], "");
        let response = api.router.clone().oneshot(follow).await.unwrap();
        let mut pieces = response.into_body().into_data_stream();
        let mut came = pieces.next().await.unwrap().unwrap().to_vec();
        api.post(&format!("/v1/job/{id}/success"), format!(r#"{{"log":"{end}"}}"#)).await.expect(200);
        while let Some(piece) = pieces.next().await {
            came.extend(piece.unwrap());
        }
        assert_eq!(String::from_utf8(came).unwrap(), seen);
    }
}

//! Answers in memory: how much they hold, and how long a client may hold them.

use std::time::Duration;

use axum::body::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use quorate_gateway::{ConnectionLimits, GatewayConfig};
use serde_json::Value;
use tokio::net::TcpStream;

use crate::api::{Answered, Api, request};
use crate::frames::Frames;
use crate::wire::Server;

/// Long enough for whatever is waited for here, on a machine that is busy.
const DEADLINE: Duration = Duration::from_secs(120);

/// Enqueues so many jobs with this payload, one by one.
async fn enqueue(api: &Api, count: usize, payload: &str) {
    let body = serde_json::json!([{"image": "a", "payload": payload}]).to_string();
    for _ in 0..count {
        api.call(request("POST", "/v1/jobs", &[], body.clone())).await.expect(201);
    }
}

fn jobs(answered: &Answered) -> Vec<Value> {
    answered.json()["jobs"].as_array().unwrap().clone()
}

#[tokio::test]
async fn long_answers_say_the_same_as_short_ones() {
    let api = Api::new();
    let payloads: Vec<String> = (0..100u32)
        .map(|number| match number % 4 {
            0 => String::new(),
            1 => "äß€😀\u{1}\"\\\n".repeat(1_000 + number as usize),
            2 => "x".repeat(number as usize),
            _ => "\u{1f}".repeat(40_000),
        })
        .collect();
    let new: Vec<Value> =
        payloads.iter().map(|payload| serde_json::json!({"image": "a", "payload": payload})).collect();
    let enqueued = api.post("/v1/jobs", serde_json::to_vec(&new).unwrap()).await.expect(201);
    let of = |jobs: &[Value]| -> Vec<String> {
        jobs.iter().map(|job| job["payload"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(of(&jobs(&enqueued)), payloads);

    let mut listed = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = api.get(&format!("/v1/jobs?n=70&cursor={cursor}")).await.expect(200);
        listed.extend(jobs(&page));
        match page.json()["cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    listed.reverse();
    assert_eq!(listed, jobs(&enqueued));
    for job in jobs(&enqueued) {
        let one = api.get(&format!("/v1/job/{}", job["id"].as_str().unwrap())).await.expect(200);
        assert_eq!(one.json()["job"], job);
    }
    let taken = api.get("/v1/jobs/consume?n=1000").await.expect(200);
    assert_eq!(of(&jobs(&taken)), payloads);
    assert_eq!(taken.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn a_page_stops_short_at_the_bytes_that_its_payloads_have_as_json() {
    let api = Api::new();
    enqueue(&api, 8, &"\u{1}".repeat(1 << 20)).await;
    let page = api.get("/v1/jobs?n=8").await.expect(200);
    assert_eq!(jobs(&page).len(), 5, "five times six MiB");
    let next = api.get(&format!("/v1/jobs?n=8&cursor={}", page.json()["cursor"].as_str().unwrap())).await;
    assert_eq!((jobs(&next).len(), next.json().get("cursor")), (3, None));
    // What was taken cannot be cut.
    assert_eq!(jobs(&api.get("/v1/jobs/consume?n=8").await.expect(200)).len(), 8);
}

#[tokio::test]
async fn details_count_too() {
    let api = Api::new();
    let body = format!("[{}]", vec![r#"{"image":"a"}"#; 1_000].join(","));
    for job in jobs(&api.post("/v1/jobs", body).await.expect(201)) {
        let path = format!("/v1/job/{}/cancel", job["id"].as_str().unwrap());
        api.call(request("POST", &path, &[("content-type", "text/plain")], "\u{1}".repeat(16 << 10))).await;
    }
    let page = api.get("/v1/jobs?n=1000&status=cancelled").await.expect(200);
    assert_eq!((jobs(&page).len(), page.json()["cursor"].is_string()), ((32 << 20) / (6 * (16 << 10)), true));
}

#[tokio::test(start_paused = true)]
async fn reads_without_room_are_refused_and_writes_without_room_are_unknown() {
    let config =
        GatewayConfig { answer_memory: 64 << 10, answer_memory_small: 64 << 10, ..GatewayConfig::default() };
    let api = Api::with(config);
    enqueue(&api, 2, "p").await;
    let posted =
        api.post("/v1/jobs", format!("[{{\"image\":\"a\",\"payload\":\"{}\"}}]", "x".repeat(100_000))).await;
    assert_eq!(posted.expect(503).json()["outcome"], "unknown");
    for path in ["/v1/jobs?n=3", "/v1/images?n=1000"] {
        let refused = api.get(path).await.expect(429);
        assert_eq!(refused.header("retry-after"), Some("1"), "{path}");
    }
    // What is small still has room.
    let taken = api.get("/v1/jobs/consume?n=2").await.expect(200);
    assert_eq!(jobs(&taken).len(), 2);
    assert_eq!(api.get("/v1/jobs/consume").await.expect(503).json()["outcome"], "unknown");
}

#[tokio::test]
async fn who_reads_nothing_takes_nothing_from_others() {
    let config =
        GatewayConfig { answer_memory: 8 << 20, answer_memory_small: 1 << 20, ..GatewayConfig::default() };
    let limits = ConnectionLimits { write_stall: 10 * DEADLINE, ..ConnectionLimits::default() };
    let server = Server::with(config, limits).await;
    let body = format!("[{{\"image\":\"a\",\"payload\":\"{}\"}}]", "x".repeat(1 << 20));
    let post = format!("POST /v1/jobs HTTP/1.1\r\nHost: q\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    for _ in 0..16 {
        server.exchange(&post).await.expect(201);
    }
    let list = "GET /v1/jobs?n=100 HTTP/1.1\r\nHost: q\r\n\r\n";
    let mut idle = Vec::new();
    for _ in 0..20 {
        let mut client = Frames::without_window(server.connect().await).await;
        client.get(1, "/v1/jobs?n=100").await;
        idle.push(client);
    }
    // Who needs little has room all the time; who needs much comes again until the others are found to be slow.
    let served = async {
        while server.exchange(list).await.status == 429 {
            server.exchange("GET /v1/images HTTP/1.1\r\nHost: q\r\n\r\n").await.expect(200);
        }
    };
    tokio::time::timeout(DEADLINE, served).await.expect("the slow have lost their room");
}

#[tokio::test]
async fn who_takes_no_byte_of_an_answer_is_cut_off_over_http_2_too() {
    let limits = ConnectionLimits { write_stall: Duration::from_millis(400), ..ConnectionLimits::default() };
    for path in ["/healthz", "/openapi.json", "/v1/jobs?n=1000", "/nowhere"] {
        let server = Server::with(GatewayConfig::default(), limits.clone()).await;
        let mut client = Frames::without_window(server.connect().await).await;
        for stream in 0..100 {
            client.get(2 * stream + 1, path).await;
        }
        tokio::time::timeout(DEADLINE, client.until_the_end()).await.expect("it is cut off");
    }
}

#[tokio::test]
async fn who_idles_is_cut_off_over_http_2_too() {
    let limits = ConnectionLimits { header_read: Duration::from_millis(300), ..ConnectionLimits::default() };
    let server = Server::with(GatewayConfig::default(), limits).await;
    let stream = TcpStream::connect(server.addr).await.unwrap();
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut get = async |path: &str| {
        let request = hyper::Request::get(format!("http://{}{path}", server.addr));
        let answered = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
        assert_eq!(answered.status(), 200);
        answered.into_body().collect().await.unwrap();
    };
    // Not while a request waits.
    get("/v1/jobs/consume?wait=1").await;
    tokio::time::timeout(DEADLINE, connection).await.expect("it is cut off").unwrap().unwrap();
}

#[tokio::test]
async fn no_stalled_client_holds_the_end_up() {
    let limits = ConnectionLimits { drain: Duration::from_secs(3_600), ..ConnectionLimits::default() };
    let server = Server::with(GatewayConfig::default(), limits).await;
    let body = format!("[{{\"image\":\"a\",\"payload\":\"{}\"}}]", "x".repeat(1 << 20));
    let post = format!("POST /v1/jobs HTTP/1.1\r\nHost: q\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    for _ in 0..20 {
        server.exchange(&post).await.expect(201);
    }
    let mut stalled = Vec::new();
    for request in [
        "GET /v1/jobs?n=20 HTTP/1.1\r\nHost: q\r\n\r\n",
        "POST /v1/jobs HTTP/1.1\r\nHost: q\r\nContent-Length: 100000\r\n\r\n[{\"image\":",
        "POST /nowhere HTTP/1.1\r\nHost: q\r\nContent-Length: 100000\r\n\r\n[{\"image\":",
        "GET /v1/jobs HTTP/1.1\r\nHos",
        "",
    ] {
        let mut connection = server.connect().await;
        connection.write(request).await;
        stalled.push(connection);
    }
    stalled[0].stream.readable().await.unwrap();
    let mut client = Frames::without_window(server.connect().await).await;
    client.get(1, "/v1/jobs?n=20").await;
    server.exchange("GET /healthz HTTP/1.1\r\nHost: q\r\n\r\n").await.expect(200);
    server.shutdown.cancel();
    tokio::time::timeout(DEADLINE, server.served).await.expect("it ends").unwrap();
    drop((stalled, client));
}

//! What one caller may have of what is there for all.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::response::Response;
use futures::StreamExt;
use quorate_gateway::tokens::{Entry, Hash, Tokens};
use quorate_gateway::{Access, ConnectionLimits, GatewayConfig};
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::api::{Answered, Api, request};
use crate::wire::Server;

/// Long enough for whatever is waited for here, on a machine that is busy.
const DEADLINE: Duration = Duration::from_secs(120);

const JOB: &str = r#"[{"image":"a"}]"#;

/// Tokens that are called as they are written: `shop` has a rate of its own.
fn access() -> Access {
    let line = |name: &str, rate: Option<u32>| {
        let hash = Hash::of(name.as_bytes());
        format!("{}\n", Entry { name: name.into(), roles: "submit,run,read".parse().unwrap(), hash, rate })
    };
    let access = Access::open();
    access
        .tokens
        .store(Arc::new(Tokens::parse(&[line("shop", Some(5)), line("lab", None)].concat()).unwrap()));
    access
}

async fn ask(api: &Api, token: &str, call: &str, body: impl Into<String>) -> Answered {
    let (method, path) = call.split_once(' ').unwrap();
    let authorization = format!("Bearer {token}");
    let headers = [("content-type", "application/json"), ("authorization", authorization.as_str())];
    api.call(request(method, path, &headers, body.into())).await
}

/// That many jobs in one request.
fn batch(jobs: usize) -> String {
    format!("[{}]", vec![r#"{"image":"a"}"#; jobs].join(","))
}

#[tokio::test(start_paused = true)]
async fn who_floods_a_node_with_jobs_waits_and_nobody_else_does() {
    let config = GatewayConfig { access: access(), caller_rate: Some(50), ..GatewayConfig::default() };
    let api = Api::with(config);
    ask(&api, "lab", "POST /v1/jobs", batch(4)).await.expect(201);
    let taken = ask(&api, "shop", "POST /v1/jobs/consume?n=3", "").await.expect(200).json();
    let [first, second, third] = [0, 1, 2].map(|at| taken["jobs"][at]["id"].as_str().unwrap().to_owned());

    let (mut let_in, before) = (0, api.backend.submitted());
    for _ in 0..100 {
        let answered = ask(&api, "shop", "POST /v1/jobs", JOB).await;
        if answered.status == 201 {
            let_in += 1;
            continue;
        }
        assert_eq!((answered.status, answered.header("retry-after")), (429, Some("1")));
        let said = answered.json();
        assert_eq!(said["outcome"], "not_applied");
        let message = said["error"]["message"].as_str().unwrap();
        assert!(message.contains("5 jobs a second") && message.ends_with("wait 1 s"), "{message}");
    }
    assert_eq!(let_in, 5, "a second's");
    assert_eq!(api.backend.submitted() - before, 5, "what is refused reaches no log");
    // What it has to work on goes on, and so does everybody else.
    ask(&api, "shop", &format!("POST /v1/job/{first}/touch"), "").await.expect(204);
    ask(&api, "shop", &format!("POST /v1/job/{first}/success"), "").await.expect(200);
    let ended = format!(r#"{{"jobs":[{{"id":"{second}","status":"success"}}]}}"#);
    ask(&api, "shop", "POST /v1/jobs/finish", ended).await.expect(200);
    ask(&api, "shop", &format!("POST /v1/job/{third}/release"), "").await.expect(200);
    ask(&api, "shop", "POST /v1/jobs/consume", "").await.expect(200);
    ask(&api, "shop", &format!("GET /v1/job/{first}"), "").await.expect(200);
    for _ in 0..20 {
        ask(&api, "lab", "POST /v1/jobs", JOB).await.expect(201);
    }
    // What was ended is a job again that has been enqueued.
    for _ in 0..5 {
        ask(&api, "lab", &format!("POST /v1/job/{first}/retry"), "").await.expect(200);
    }
    let before = api.backend.submitted();
    ask(&api, "shop", &format!("POST /v1/job/{first}/retry"), "").await.expect(429);
    assert_eq!(api.backend.submitted(), before, "what is refused reaches no log");
    // All of a batch, whose debt is waited for; what is malformed costs nothing.
    tokio::time::advance(Duration::from_secs(1)).await;
    ask(&api, "shop", "POST /v1/jobs", batch(1_000).replacen("image", "imag", 1)).await.expect(400);
    ask(&api, "shop", "POST /v1/jobs", batch(100)).await.expect(201);
    let refused = ask(&api, "shop", "POST /v1/jobs", JOB).await.expect(429);
    assert_eq!(refused.header("retry-after"), Some("20"));
    tokio::time::advance(Duration::from_secs(20)).await;
    ask(&api, "shop", "POST /v1/jobs", JOB).await.expect(201);
}

#[tokio::test]
async fn who_has_no_token_is_known_by_the_address() {
    let config = GatewayConfig { caller_rate: Some(1), ..GatewayConfig::default() };
    let server = Server::with(config, ConnectionLimits::default()).await;
    let enqueue = async |from: u8| {
        let mut connection = server.connect_from(from).await;
        let body = batch(1_000);
        let length = body.len();
        connection
            .write(format!("POST /v1/jobs HTTP/1.1\r\nHost: q\r\nContent-Length: {length}\r\n\r\n{body}"))
            .await;
        connection.answer().await
    };
    enqueue(2).await.expect(201);
    let wait: u64 = enqueue(2).await.expect(429).header("retry-after").unwrap().parse().unwrap();
    assert!((900..=1_000).contains(&wait), "{wait}");
    enqueue(3).await.expect(201);
}

/// Retries are jobs again, one by one as together; what a filter fits is known once it is done.
#[tokio::test(start_paused = true)]
async fn retries_count_as_what_they_bring() {
    let line =
        Entry { name: "ops".into(), roles: "admin".parse().unwrap(), hash: Hash::of(b"ops"), rate: Some(5) };
    let access = Access::open();
    access.tokens.store(Arc::new(Tokens::parse(&line.to_string()).unwrap()));
    let api = Api::with(GatewayConfig { access, ..GatewayConfig::default() });
    let retry = async |body: String| ask(&api, "ops", "POST /v1/jobs/retry", body).await;
    let ids =
        format!("{:?}", (0..100).map(|n| format!("0198c0de-0000-7000-8000-{n:012}")).collect::<Vec<_>>());
    retry(format!(r#"{{"ids":{ids},"dry_run":true}}"#)).await.expect(200);
    retry(format!(r#"{{"ids":{ids}}}"#)).await.expect(202);
    let refused = retry(r#"{"filter":{"key":"k"}}"#.to_owned()).await.expect(429);
    assert_eq!(refused.header("retry-after"), Some("20"));
    ask(&api, "ops", "POST /v1/jobs/cancel", format!(r#"{{"ids":{ids}}}"#)).await.expect(202);
    tokio::time::advance(Duration::from_secs(20)).await;
    for _ in 0..5 {
        retry(r#"{"filter":{"key":"k"}}"#.to_owned()).await.expect(202);
    }
    retry(r#"{"filter":{"key":"k"}}"#.to_owned()).await.expect(429);
}

/// A long answer holds some of the memory for answers until its client has taken it.
#[tokio::test(start_paused = true)]
async fn one_caller_has_a_part_of_the_memory() {
    let (answer_memory, answer_memory_small) = (8 << 20, 1 << 20);
    let config =
        GatewayConfig { access: access(), answer_memory, answer_memory_small, ..GatewayConfig::default() };
    let api = Api::with(config);
    let payload = "x".repeat(900_000);
    let jobs = format!(r#"{{"jobs":[{{"image":"a","payload":"{payload}"}},{{"image":"a"}}]}}"#);
    let enqueued = ask(&api, "lab", "POST /v1/jobs", jobs).await.expect(201).json();
    let id = |at: usize| enqueued["jobs"][at]["id"].as_str().unwrap().to_owned();
    let (long, short) = (id(0), id(1));
    let look = async |token: &str| -> Response {
        let authorization = format!("Bearer {token}");
        let headers = [("authorization", authorization.as_str())];
        let request = request("GET", &format!("/v1/job/{long}"), &headers, "");
        api.router.clone().oneshot(request).await.unwrap()
    };
    let mut held = Vec::new();
    let refused = loop {
        let response = look("shop").await;
        if response.status() != 200 {
            break response;
        }
        held.push(response);
        assert!(held.len() < 100);
    };
    let part = held.len();
    assert!((1..=3).contains(&part), "a quarter of 7 MiB: {part}");
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["retry-after"], "1");
    let said = axum::body::to_bytes(refused.into_body(), 1_000).await.unwrap();
    assert!(String::from_utf8_lossy(&said).contains("of yours are in flight"), "{said:?}");
    // It is told how its jobs are all the same, and others have theirs.
    ask(&api, "shop", &format!("GET /v1/job/{short}"), "").await.expect(200);
    for _ in 0..part {
        let response = look("lab").await;
        assert_eq!(response.status(), 200);
        held.push(response);
    }
    held.remove(0);
    assert_eq!(look("shop").await.status(), 200);
}

/// On one thread, so that all of a caller's requests are in line before the other's comes.
#[tokio::test]
async fn who_reads_much_keeps_nobody_waiting() {
    let api = Api::with(GatewayConfig { access: access(), ..GatewayConfig::default() });
    let jobs = vec![format!(r#"{{"image":"a","payload":"{}"}}"#, "x".repeat(40_000)); 30];
    ask(&api, "lab", "POST /v1/jobs", format!("[{}]", jobs.join(","))).await.expect(201);
    let taken = Arc::new(AtomicUsize::new(0));
    let read = |token: &str, taken: Arc<AtomicUsize>| {
        let authorization = format!("Bearer {token}");
        let request = request("GET", "/v1/jobs?n=30", &[("authorization", &authorization)], "");
        let router = api.router.clone();
        async move {
            let response = router.oneshot(request).await.unwrap();
            assert_eq!(response.status(), 200);
            let mut pieces = response.into_body().into_data_stream();
            while let Some(piece) = pieces.next().await {
                piece.unwrap();
                taken.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    let much: JoinSet<()> = (0..20).map(|_| read("shop", Arc::clone(&taken))).collect();
    let own = Arc::new(AtomicUsize::new(0));
    read("lab", Arc::clone(&own)).await;
    let (taken, own) = (taken.load(Ordering::Relaxed), own.load(Ordering::Relaxed));
    assert!(own >= 30, "{own} pieces");
    assert!(taken < 8 * own, "{taken} pieces before {own} of another one, where 20 wait");
    much.join_all().await;
}

#[tokio::test]
async fn who_has_the_list_scanned_keeps_nobody_waiting() {
    let api = Api::with(GatewayConfig { access: access(), ..GatewayConfig::default() });
    api.backend.hold_scans(true);
    // As many as there are pieces of heavy work at once, on any machine.
    let scans: JoinSet<Answered> = (0..4)
        .map(|_| {
            let api = api.clone();
            async move { ask(&api, "shop", "GET /v1/jobs?n=1000", "").await }
        })
        .collect();
    api.backend.holds_a_scan().await;
    let large = format!(r#"[{{"image":"a","payload":"{}"}}]"#, "x".repeat(1 << 20));
    for token in ["lab", "shop"] {
        let enqueued = ask(&api, token, "POST /v1/jobs", large.clone());
        tokio::time::timeout(DEADLINE, enqueued).await.expect("it does not wait for scans").expect(201);
    }
    api.backend.hold_scans(false);
    assert!(scans.join_all().await.iter().all(|answered| answered.status == 200));
}

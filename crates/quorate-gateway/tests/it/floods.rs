//! Who asks for much and takes nothing, over real sockets.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use quorate_gateway::tokens::{Hash, Tokens};
use quorate_gateway::{Access, ConnectionLimits, GatewayConfig, Roles};

use crate::frames::{
    CANCEL, CONTINUATION, END_STREAM, ENHANCE_YOUR_CALM, Frames, HEADERS, REFUSED_STREAM, RST_STREAM, frame,
    get,
};
use crate::wire::{Connection, Server};

/// As in `limits.rs`.
const H2_RESETS_WAITING: u32 = 50;

/// Long enough for whatever is waited for here, on a machine that is busy.
const DEADLINE: Duration = Duration::from_secs(120);

async fn limited(limits: ConnectionLimits) -> Server {
    Server::with(GatewayConfig::default(), limits).await
}

/// The answer to a GET over HTTP/1, on a connection that may go on.
async fn ask(connection: &mut Connection, path: &str) -> u16 {
    connection.write(format!("GET {path} HTTP/1.1\r\nHost: q\r\n\r\n")).await;
    connection.answer().await.status
}

#[tokio::test]
async fn who_takes_no_answer_has_his_share_of_the_requests_and_no_more() {
    let access = Access { anonymous: Roles::default(), ..Access::open() };
    let tokens = format!("known read {}\n", Hash::of(b"known"));
    access.tokens.store(Arc::new(Tokens::parse(&tokens).unwrap()));
    let config = GatewayConfig { access, ..GatewayConfig::default() };
    let limits = ConnectionLimits { requests: 150, caller_requests: 40, ..ConnectionLimits::default() };
    let server = Server::with(config, limits).await;
    let (mut strangers, mut held) = (Vec::new(), 0);
    // For some he needs no token, for others he would.
    for path in ["/", "/nowhere", "/v1/jobs", "/openapi.json", "/healthz"] {
        let mut client = Frames::without_window(server.connect().await).await;
        for stream in 0..80 {
            client.get(2 * stream + 1, path).await;
        }
        let answers = client.answers(80).await;
        assert!(answers.iter().all(|answer| answer.kind == HEADERS), "{path}: others have room");
        held += answers.iter().filter(|answer| answer.flags & END_STREAM == 0).count();
        strangers.push(client);
    }
    assert_eq!(held, 40 + 64, "his share, and that for health checks");
    let mut other = server.connect_from(2).await;
    for path in ["/", "/healthz", "/openapi.json"] {
        assert_eq!(ask(&mut other, path).await, 200, "{path}");
    }
    let known = "GET /v1/queues HTTP/1.1\r\nHost: q\r\nAuthorization: Bearer known\r\n\r\n";
    server.exchange(known).await.expect(200);
    let refused = server.exchange("GET / HTTP/1.1\r\nHost: q\r\n\r\n").await.expect(429);
    assert_eq!((refused.header("retry-after"), refused.fields()), (Some("1"), None));
    drop(strangers);
    let again = async { while ask(&mut server.connect().await, "/").await != 200 {} };
    tokio::time::timeout(DEADLINE, again).await.expect("his share is there again");
}

#[tokio::test]
async fn who_has_his_share_is_told_that_the_node_is_well() {
    let server = limited(ConnectionLimits { caller_requests: 2, ..ConnectionLimits::default() }).await;
    let mut waiting = Vec::new();
    for _ in 0..2 {
        let mut connection = server.connect().await;
        connection.write("GET /v1/jobs/consume?wait=60 HTTP/1.1\r\nHost: q\r\n\r\n").await;
        server.backend.somebody_waits().await;
        waiting.push(connection);
    }
    let mut connection = server.connect().await;
    for (path, status) in
        [("/v1/jobs", 429), ("/", 429), ("/healthz", 200), ("/readyz", 200), ("/metrics", 200)]
    {
        assert_eq!(ask(&mut connection, path).await, status, "{path}");
    }
    // Over HTTP/2 without a body, which its head does not promise either.
    let stream = server.connect().await.stream;
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = hyper::Request::get(format!("http://{}/v1/jobs", server.addr));
    let refused = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (429, &"1".parse().unwrap()));
    assert!(refused.into_body().collect().await.unwrap().to_bytes().is_empty());
}

#[tokio::test]
async fn where_all_requests_are_taken_http_1_is_told_so() {
    // On a usual connection, and on one that is reserved.
    for connections in [2, 1] {
        let limits = ConnectionLimits { connections, requests: 2, ..ConnectionLimits::default() };
        let server = limited(limits).await;
        let mut full = Frames::without_window(server.connect().await).await;
        full.send(&[get(1, "/"), get(3, "/")].concat()).await;
        assert!(full.answers(2).await.iter().all(|answer| answer.kind == HEADERS));
        for (path, status) in
            [("/v1/jobs", 503), ("/healthz", 200), ("/readyz", 200), ("/metrics", 200), ("/", 503)]
        {
            assert_eq!(ask(&mut server.connect_from(2).await, path).await, status, "{path}");
        }
        full.get(5, "/").await;
        let refused = full.answers(1).await;
        assert_eq!((refused[0].kind, refused[0].reason()), (RST_STREAM, REFUSED_STREAM));
    }
}

#[tokio::test]
async fn a_long_head_counts_as_a_request_until_it_is_understood() {
    let server = limited(ConnectionLimits { requests: 2, ..ConnectionLimits::default() }).await;
    let stream = server.connect().await.stream;
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let get = |path: &str, bytes: usize| {
        let request =
            hyper::Request::get(format!("http://{}{path}", server.addr)).header("x", "x".repeat(bytes));
        sender.clone().send_request(request.body(Empty::<Bytes>::new()).unwrap())
    };
    let waiting = tokio::spawn(get("/v1/jobs/consume?wait=60", 8 << 10));
    server.backend.somebody_waits().await;
    let answered = get("/v1/jobs", 0).await.expect("who waits does so without the head");
    assert_eq!(answered.status(), 200);
    answered.into_body().collect().await.unwrap();
    let refused = get("/v1/jobs", 8 << 10).await.unwrap_err();
    let reason = std::error::Error::source(&refused).and_then(|source| source.downcast_ref::<h2::Error>());
    assert_eq!(reason.and_then(h2::Error::reason), Some(h2::Reason::REFUSED_STREAM));
    server.shutdown.cancel();
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
}

/// CVE-2023-44487.
#[tokio::test]
async fn who_asks_and_takes_it_back_again_and_again_is_sent_away() {
    let server = limited(ConnectionLimits { requests: 4, ..ConnectionLimits::default() }).await;
    let mut client = Frames::without_window(server.connect().await).await;
    let taken_back = |stream: u32| {
        let reset = frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes());
        [get(stream, "/v1/jobs/consume?wait=60"), reset].concat()
    };
    client.send(&(0..1_000).flat_map(|stream| taken_back(2 * stream + 1)).collect::<Vec<u8>>()).await;
    assert_eq!(client.until_the_end().await, Some(ENHANCE_YOUR_CALM));
    server.exchange("GET /v1/jobs HTTP/1.1\r\nHost: q\r\n\r\n").await.expect(200);
}

/// Nor is a client sent away that drops all of what it has just asked for: h2's own bound is 20.
#[tokio::test]
async fn who_takes_some_of_it_back_goes_on() {
    let server = Server::start().await;
    let mut client = Frames::without_window(server.connect().await).await;
    let taken_back = |stream: u32| {
        let reset = frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes());
        [get(stream, "/v1/jobs/consume?wait=60"), reset].concat()
    };
    let all: Vec<u8> = (0..H2_RESETS_WAITING).flat_map(|stream| taken_back(2 * stream + 1)).collect();
    client.send(&[all, get(2 * H2_RESETS_WAITING + 1, "/v1/jobs")].concat()).await;
    let answered = tokio::time::timeout(DEADLINE, client.answer()).await.expect("it is answered");
    assert_eq!(answered.map(|frame| frame.kind), Some(HEADERS));
}

#[tokio::test]
async fn a_connection_of_http_2_has_so_many_requests_at_once() {
    let server = limited(ConnectionLimits { streams: 2, ..ConnectionLimits::default() }).await;
    let mut client = Frames::without_window(server.connect().await).await;
    let wait = |stream| get(stream, "/v1/jobs/consume?wait=60");
    client.send(&[wait(1), wait(3), wait(5)].concat()).await;
    let refused = client.answers(1).await;
    assert_eq!((refused[0].kind, refused[0].reason()), (RST_STREAM, REFUSED_STREAM));
    server.backend.wait(2).await;
    client.send(&frame(RST_STREAM, 0, 1, &CANCEL.to_be_bytes())).await;
    server.backend.somebody_left().await;
    client.get(7, "/v1/jobs").await;
    assert_eq!(client.answers(1).await[0].kind, HEADERS);
}

#[tokio::test]
async fn what_is_taken_back_holds_nothing() {
    let server = limited(ConnectionLimits { requests: 1, ..ConnectionLimits::default() }).await;
    let mut client = Frames::without_window(server.connect().await).await;
    for request in 0..10 {
        client.get(2 * request + 1, "/v1/jobs/consume?wait=60").await;
        let waits = server.backend.somebody_waits();
        tokio::time::timeout(DEADLINE, waits).await.expect("there is room again");
        client.send(&frame(RST_STREAM, 0, 2 * request + 1, &CANCEL.to_be_bytes())).await;
        server.backend.somebody_left().await;
    }
    // Nor what is taken back of an answer that has begun.
    for request in 10..20 {
        client.get(2 * request + 1, "/").await;
        assert_eq!(client.answers(1).await[0].kind, HEADERS);
        client.send(&frame(RST_STREAM, 0, 2 * request + 1, &CANCEL.to_be_bytes())).await;
        let free = async { while ask(&mut server.connect().await, "/v1/jobs").await != 200 {} };
        tokio::time::timeout(DEADLINE, free).await.expect("there is room again");
    }
}

/// CVE-2024-27316.
#[tokio::test]
async fn a_head_that_never_ends_is_cut_off() {
    let server = Server::start().await;
    let mut client = Frames::without_window(server.connect().await).await;
    // A field with a value of 127 + 0x19 + (0x74 << 7) bytes.
    let field = [&[0x00, 1, b'x', 0x7f, 0x99, 0x74][..], &[b'y'; 15_000]].concat();
    client.send(&frame(HEADERS, END_STREAM, 1, &[0x82, 0x86, 0x84])).await;
    let mut frames = 0;
    while frames < 60 && client.may_send(&frame(CONTINUATION, 0, 1, &field)).await {
        frames += 1;
    }
    assert_eq!(client.until_the_end().await, Some(ENHANCE_YOUR_CALM));
}

#[tokio::test]
async fn so_many_connections_speak_http_2_and_the_others_http_1() {
    let server = limited(ConnectionLimits { http2: 1, ..ConnectionLimits::default() }).await;
    let mut first = server.connect().await;
    assert_eq!(
        ask(&mut first, "/v1/jobs").await,
        200,
        "it has chosen HTTP/1, and leaves the other to others"
    );
    let mut second = Frames::without_window(server.connect().await).await;
    second.get(1, "/v1/jobs").await;
    assert_eq!(second.answers(1).await[0].kind, HEADERS);
    let mut third = Frames::without_window(server.connect().await).await;
    assert!(!third.may_send(&get(1, "/v1/jobs")).await || third.answer().await.is_none());
    assert_eq!(ask(&mut server.connect().await, "/v1/jobs").await, 200);
    drop(second);
    let again = async {
        loop {
            let mut client = Frames::without_window(server.connect().await).await;
            if client.may_send(&get(1, "/v1/jobs")).await && client.answer().await.is_some() {
                break;
            }
        }
    };
    tokio::time::timeout(DEADLINE, again).await.expect("there is room again");
}

//! The accept loop and its limits, over real sockets.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use http_body_util::Empty;
use hyper::Request;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use quorate_gateway::{ConnectionLimits, GatewayConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::wire::{Connection, Server};

const GET: &str = "GET /v1/jobs HTTP/1.1\r\nHost: q\r\n\r\n";

/// A connection over which somebody waits: it keeps its place.
async fn waiting(server: &Server) -> Connection {
    let mut connection = server.connect().await;
    connection.write("GET /v1/jobs/consume?wait=60 HTTP/1.1\r\nHost: q\r\n\r\n").await;
    server.backend.somebody_waits().await;
    connection
}

/// One over which somebody has asked and been answered.
async fn idle(server: &Server, from: u8) -> Connection {
    let mut connection = server.connect_from(from).await;
    connection.write(GET).await;
    connection.answer().await.expect(200);
    connection
}

async fn impatient() -> Server {
    let limits = ConnectionLimits { header_read: Duration::from_millis(200), ..ConnectionLimits::default() };
    Server::with(GatewayConfig::default(), limits).await
}

#[tokio::test]
async fn a_connection_takes_one_request_after_the_other() {
    let server = Server::start().await;
    let mut connection = server.connect().await;
    for _ in 0..3 {
        connection.write(GET).await;
        connection.answer().await.expect(200);
    }
    connection.write([GET, GET].concat()).await;
    connection.answer().await.expect(200);
    connection.answer().await.expect(200);
    let refused = "POST /v1/jobs HTTP/1.1\r\nHost: q\r\nContent-Length: 1\r\n\r\nx";
    connection.write([refused, GET].concat()).await;
    connection.answer().await.expect(400);
    connection.answer().await.expect(200);
}

#[tokio::test]
async fn who_says_nothing_is_cut_off() {
    let server = impatient().await;
    assert!(server.connect().await.is_cut_off().await);
}

#[tokio::test]
async fn who_never_ends_the_header_is_cut_off() {
    let server = impatient().await;
    for beginning in [
        "P",
        "PRI * HTTP/2.0\r\n",
        "GET /v1/jobs HTTP/1.1\r\nHost:",
        "GET /v1/jobs HTTP/1.1\r\nHost: q\r\nX: y\r\n",
    ] {
        let mut connection = server.connect().await;
        connection.write(beginning).await;
        assert!(connection.is_cut_off().await, "{beginning}");
    }
}

#[tokio::test]
async fn who_idles_after_an_answer_is_cut_off() {
    let server = impatient().await;
    let mut connection = server.connect().await;
    connection.write(GET).await;
    connection.answer().await.expect(200);
    assert!(connection.is_cut_off().await);
}

#[tokio::test]
async fn who_waits_for_a_job_is_not_cut_off() {
    let server = impatient().await;
    let mut waiting = server.connect().await;
    waiting.write("GET /v1/jobs/consume?wait=1 HTTP/1.1\r\nHost: q\r\n\r\n").await;
    waiting.answer().await.expect(200);
}

#[tokio::test]
async fn a_body_that_never_ends_is_a_408() {
    let config = GatewayConfig { body_read: Duration::from_millis(200), ..GatewayConfig::default() };
    let server = Server::with(config, ConnectionLimits::default()).await;
    server
        .exchange("POST /v1/jobs HTTP/1.1\r\nHost: q\r\nContent-Length: 15\r\n\r\n[{\"ima")
        .await
        .expect(408)
        .fields();
}

#[tokio::test]
async fn a_body_over_its_limit_is_a_413_even_for_who_writes_before_reading() {
    let server = Server::start().await;
    let size = (8 << 20) + 1;
    let announced = format!("POST /v1/jobs HTTP/1.1\r\nHost: q\r\nContent-Length: {size}\r\n\r\n");
    let answered = server.exchange([announced.into_bytes(), vec![b'['; size]].concat()).await.expect(413);
    assert_eq!(answered.json()["error"]["message"], "the body is over its limit of 8388608 bytes");

    let mut chunked = b"POST /v1/jobs HTTP/1.1\r\nHost: q\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..129 {
        chunked.extend_from_slice(b"10000\r\n");
        chunked.extend_from_slice(&[b' '; 0x10000]);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    server.exchange(&chunked).await.expect(413);

    let at_the_limit = format!("POST /v1/jobs HTTP/1.1\r\nHost: q\r\nContent-Length: {}\r\n\r\n", 8 << 20);
    server.exchange([at_the_limit.into_bytes(), vec![b' '; 8 << 20]].concat()).await.expect(400);
}

#[tokio::test]
async fn who_asks_before_sending_is_refused_before_sending() {
    let server = Server::start().await;
    let ask = "POST /v1/jobs HTTP/1.1\r\nHost: q\r\nContent-Length: 9000000\r\nExpect: 100-continue\r\n\r\n";
    server.exchange(ask).await.expect(413);

    let mut connection = server.connect().await;
    connection
        .write("POST /v1/jobs HTTP/1.1\r\nHost: q\r\nContent-Length: 15\r\nExpect: 100-continue\r\n\r\n")
        .await;
    connection.answer().await.expect(100);
    connection.write("[{\"image\":\"a\"}]").await;
    connection.answer().await.expect(201);
}

#[tokio::test]
async fn headers_are_bounded() {
    let server = Server::start().await;
    let long = format!("GET /v1/jobs HTTP/1.1\r\nHost: q\r\nX: {}\r\n\r\n", "x".repeat(70_000));
    let mut connection = server.connect().await;
    connection.write(long).await;
    connection.answer().await.expect(431);
    let many = format!("GET /v1/jobs HTTP/1.1\r\nHost: q\r\n{}\r\n", "X: y\r\n".repeat(101));
    server.exchange(many).await.expect(431);
}

/// Above hyper's own bound for HTTP/2, 16 KiB, and below it.
#[tokio::test]
async fn headers_are_as_long_over_http_2_as_they_may_be() {
    for (header_bytes, sent, status) in [
        (8 << 10, 12 << 10, 431),
        (8 << 10, 4 << 10, 200),
        (32 << 10, 24 << 10, 200),
        (32 << 10, 40 << 10, 431),
    ] {
        let limits = ConnectionLimits { header_bytes, ..ConnectionLimits::default() };
        let server = Server::with(GatewayConfig::default(), limits).await;
        let stream = TokioIo::new(server.connect().await.stream);
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        tokio::spawn(connection);
        let request = Request::get(format!("http://{}/v1/jobs", server.addr)).header("x", "x".repeat(sent));
        let answered = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
        assert_eq!(answered.status(), status, "{sent} of {header_bytes}");
    }
}

#[tokio::test]
async fn connections_are_bounded_and_their_places_return() {
    let limits = ConnectionLimits { connections: 2, reserved: 0, ..ConnectionLimits::default() };
    let server = Server::with(GatewayConfig::default(), limits).await;
    let inside = [waiting(&server).await, waiting(&server).await];
    assert!(server.connect().await.is_cut_off().await);
    let [first, mut second] = inside;
    drop(first);
    // The place is free once the server has seen the end of the first.
    loop {
        let mut connection = server.connect().await;
        if connection.stream.write_all(GET.as_bytes()).await.is_ok()
            && !connection.is_cut_off().await
            && connection.answer().await.status == 200
        {
            break;
        }
    }
    server.shutdown.cancel();
    second.answer().await.expect(200);
}

#[tokio::test]
async fn who_opens_all_connections_keeps_nobody_out() {
    let limits = ConnectionLimits { connections: 6, ..ConnectionLimits::default() };
    let server = Server::with(GatewayConfig::default(), limits).await;
    let mut few = idle(&server, 2).await;
    let mut busy = waiting(&server).await;
    let mut many = Vec::new();
    for _ in 0..4 {
        many.push(idle(&server, 1).await);
    }
    // One more of them takes the place of one of them.
    let mut first = many.remove(0);
    let mut silent = server.connect().await;
    assert!(first.is_cut_off().await, "it has been idle for the longest time");
    let mut others = Vec::new();
    for from in [3, 4, 5] {
        others.push(idle(&server, from).await);
        assert!(many.remove(0).is_cut_off().await, "of the address that has most");
    }
    others.push(idle(&server, 6).await);
    assert!(silent.is_cut_off().await, "nor is it kept for who says nothing");
    for connection in others.iter_mut().chain([&mut few]) {
        connection.write(GET).await;
        connection.answer().await.expect(200);
    }
    server.shutdown.cancel();
    busy.answer().await.expect(200);
}

#[tokio::test]
async fn many_at_one_address_may_have_all_connections() {
    let limits = ConnectionLimits { connections: 50, ..ConnectionLimits::default() };
    let server = Server::with(GatewayConfig::default(), limits).await;
    let mut fleet = Vec::new();
    for _ in 0..50 {
        fleet.push(idle(&server, 1).await);
    }
    for connection in &mut fleet {
        connection.write(GET).await;
        connection.answer().await.expect(200);
    }
}

#[tokio::test]
async fn health_is_told_when_all_places_are_taken() {
    let limits = ConnectionLimits { connections: 2, reserved: 64, ..ConnectionLimits::default() };
    let server = Server::with(GatewayConfig::default(), limits).await;
    let _inside = [waiting(&server).await, waiting(&server).await];
    for _ in 0..5 {
        for (head, status) in [
            ("GET /healthz", 200),
            ("GET /readyz", 200),
            ("HEAD /healthz", 200),
            ("GET /metrics", 200),
            ("GET /v1/jobs", 503),
            ("GET /nowhere", 503),
        ] {
            let mut connection = server.connect().await;
            connection.write(format!("{head} HTTP/1.1\r\nHost: q\r\n\r\n")).await;
            let answered = connection.head().await.expect(status);
            assert_eq!(answered.header("connection"), Some("close"));
            assert_eq!(answered.header("retry-after"), (status == 503).then_some("1"));
            assert_eq!(answered.header("quorate-node"), Some("quorate"));
        }
    }
    let post = format!("POST /v1/jobs HTTP/1.1\r\nHost: q\r\nContent-Length: {}\r\n\r\n", 1 << 20);
    let refused = server.exchange([post.into_bytes(), vec![b' '; 1 << 20]].concat()).await.expect(503);
    assert_eq!(refused.json()["outcome"], "not_applied");
    // Who stays without a word is not let stay.
    let mut silent = [server.connect().await, server.connect().await];
    for connection in &mut silent {
        assert!(connection.is_cut_off().await);
    }
    server.exchange("GET /healthz HTTP/1.1\r\nHost: q\r\n\r\n").await.expect(200);
}

#[tokio::test]
async fn shutdown_finishes_what_is_in_flight_and_takes_no_more() {
    let server = Server::start().await;
    let mut half = server.connect().await;
    half.write("POST /v1/jobs HTTP/1.1\r\nHost: q\r\nContent-Length: 15\r\nExpect: 100-continue\r\n\r\n")
        .await;
    half.answer().await.expect(100);
    let mut idle = server.connect().await;
    idle.write(GET).await;
    idle.answer().await.expect(200);
    server.shutdown.cancel();
    assert!(idle.is_cut_off().await, "an idle connection ends");
    half.write("[{\"image\":\"a\"}]").await;
    half.answer().await.expect(201);
    server.served.await.unwrap();
    assert!(TcpStream::connect(server.addr).await.is_err());
}

#[tokio::test]
async fn who_stays_in_flight_for_too_long_does_not_hold_the_shutdown_up() {
    let limits = ConnectionLimits { drain: Duration::from_millis(100), ..ConnectionLimits::default() };
    let server = Server::with(GatewayConfig::default(), limits).await;
    let mut half = server.connect().await;
    half.write("POST /v1/jobs HTTP/1.1\r\nHost: q\r\nContent-Length: 15\r\nExpect: 100-continue\r\n\r\n")
        .await;
    half.answer().await.expect(100);
    server.shutdown.cancel();
    server.served.await.unwrap();
}

#[tokio::test]
async fn http_2_is_spoken_too() {
    let server = Server::start().await;
    let stream = TcpStream::connect(server.addr).await.unwrap();
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(executor, hyper_util::rt::TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for _ in 0..3 {
        let uri = format!("http://{}/v1/jobs", server.addr);
        let request = hyper::Request::get(uri).body(String::new()).unwrap();
        let answered = sender.send_request(request).await.unwrap();
        assert_eq!((answered.status().as_u16(), answered.version()), (200, hyper::Version::HTTP_2));
    }
}

#[tokio::test]
async fn requests_are_bounded_over_all_connections() {
    let limits = ConnectionLimits { requests: 2, ..ConnectionLimits::default() };
    let server = Server::with(GatewayConfig::default(), limits).await;
    let stream = TcpStream::connect(server.addr).await.unwrap();
    let executor = hyper_util::rt::TokioExecutor::new();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(executor, hyper_util::rt::TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let get = |path: &str| {
        let request =
            hyper::Request::get(format!("http://{}{path}", server.addr)).body(String::new()).unwrap();
        sender.clone().send_request(request)
    };
    let mut waiting = Vec::new();
    for _ in 0..2 {
        waiting.push(tokio::spawn(get("/v1/jobs/consume?wait=60")));
        server.backend.somebody_waits().await;
    }
    let refused = get("/v1/jobs").await.unwrap_err();
    let reason = std::error::Error::source(&refused).and_then(|source| source.downcast_ref::<h2::Error>());
    assert_eq!(reason.and_then(h2::Error::reason), Some(h2::Reason::REFUSED_STREAM));
    server.shutdown.cancel();
    for answered in waiting {
        assert_eq!(answered.await.unwrap().unwrap().status(), 200);
    }
}

#[tokio::test]
async fn who_stops_reading_is_cut_off() {
    let limits = ConnectionLimits { write_stall: Duration::from_millis(200), ..ConnectionLimits::default() };
    let server = Server::with(GatewayConfig::default(), limits).await;
    let body = format!("[{{\"image\":\"a\",\"payload\":\"{}\"}}]", "x".repeat(1 << 20));
    let post = format!("POST /v1/jobs HTTP/1.1\r\nHost: q\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    for _ in 0..20 {
        server.exchange(&post).await.expect(201);
    }
    let mut connection = server.connect().await;
    connection.write("GET /v1/jobs?n=20 HTTP/1.1\r\nHost: q\r\n\r\n").await;
    // Its shutdown ends only once the connection has: nobody reads the answer of 20 MiB.
    connection.stream.readable().await.unwrap();
    server.shutdown.cancel();
    server.served.await.unwrap();
    let mut got = Vec::new();
    let _reset = connection.stream.read_to_end(&mut got).await;
    assert!(got.len() < 20 << 20, "the answer was not finished");
}

/// Run by [`accepting_survives_the_last_file_descriptor`], in a process of its own with few descriptors.
#[tokio::test]
#[ignore = "runs inside accepting_survives_the_last_file_descriptor, in a process with few file descriptors"]
async fn with_few_file_descriptors() {
    let heard = Heard::default();
    let _hearing = tracing::subscriber::set_default(heard.clone());
    let server = Server::start().await;
    let mut files: Vec<_> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
    // Room for the client's end of a connection, none for the server's.
    files.pop();
    let mut waiting = server.connect().await;
    waiting.write(GET).await;
    heard.0.notified().await;
    drop(files);
    waiting.answer().await.expect(200);
}

/// Hears when something is logged.
#[derive(Clone, Default)]
struct Heard(Arc<Notify>);

impl tracing::Subscriber for Heard {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN
    }
    fn new_span(&self, _span: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _span: &tracing::span::Id, _values: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _span: &tracing::span::Id, _follows: &tracing::span::Id) {}
    fn event(&self, _event: &tracing::Event<'_>) {
        self.0.notify_one();
    }
    fn enter(&self, _span: &tracing::span::Id) {}
    fn exit(&self, _span: &tracing::span::Id) {}
}

#[test]
fn accepting_survives_the_last_file_descriptor() {
    let ended = std::process::Command::new("sh")
        .args(["-c", "ulimit -n 48 && exec \"$0\" --ignored --exact server::with_few_file_descriptors"])
        .arg(std::env::current_exe().unwrap())
        .output()
        .unwrap();
    assert!(ended.status.success(), "{ended:?}");
}

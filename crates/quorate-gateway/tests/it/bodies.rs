//! Request bodies in memory: who waits, who loses, and that a refusal arrives.

use axum::body::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use quorate_gateway::{ConnectionLimits, GatewayConfig};
use tokio::net::TcpStream;

use crate::wire::{Connection, Server};

const SMALL: usize = 64 << 10;

async fn with_memory(body_memory: usize, body_memory_small: usize) -> Server {
    let config = GatewayConfig { body_memory, body_memory_small, ..GatewayConfig::default() };
    Server::with(config, ConnectionLimits::default()).await
}

/// An enqueue whose body has so many bytes.
fn enqueue(bytes: usize) -> (String, Vec<u8>) {
    let job = r#"[{"image":"a"}]"#;
    let head = format!("POST /v1/jobs HTTP/1.1\r\nHost: q\r\nContent-Length: {bytes}\r\n\r\n");
    (head, format!("{job}{}", " ".repeat(bytes - job.len())).into_bytes())
}

/// Sends all of an enqueue but its last byte, from there.
async fn stalled(server: &Server, from: u8, bytes: usize) -> Connection {
    let mut connection = server.connect_from(from).await;
    let (head, body) = enqueue(bytes);
    connection.write(head).await;
    connection.write(&body[..bytes - 1]).await;
    connection
}

#[tokio::test]
async fn stalled_uploads_take_nothing_from_those_that_come() {
    // Each of its own caller; all of one, who has a quarter.
    stalled_uploads(with_memory(64 * SMALL, 4 * SMALL).await, |upload| upload + 2).await;
    stalled_uploads(with_memory(4 * 64 * SMALL, 4 * 4 * SMALL).await, |_| 1).await;
}

async fn stalled_uploads(server: Server, from: impl Fn(u8) -> u8) {
    // More than there is room for.
    let mut large = Vec::new();
    for upload in 0..4 {
        large.push(stalled(&server, from(upload), 32 * SMALL).await);
    }
    for _ in 0..10 {
        let (head, body) = enqueue(SMALL);
        server.exchange([head.as_bytes(), &body].concat()).await.expect(201);
    }
    // Nor do stalled small ones hold up others, nor stalled large ones another large one.
    let mut small = Vec::new();
    for upload in 4..12 {
        small.push(stalled(&server, from(upload), SMALL).await);
    }
    for bytes in [SMALL, 48 * SMALL] {
        let (head, body) = enqueue(bytes);
        server.exchange([head.as_bytes(), &body].concat()).await.expect(201);
    }
    // Each of the others has lost its memory and is told so, or has it still and ends well.
    let mut ends = Vec::new();
    for mut connection in large.into_iter().chain(small) {
        connection.write(" ").await;
        ends.push(connection.answer().await.status);
    }
    assert!(ends.iter().all(|status| [201, 408, 429].contains(status)), "{ends:?}");
    assert!(ends.contains(&408), "{ends:?}");
}

#[tokio::test]
async fn a_refusal_arrives_at_who_writes_before_it_reads() {
    let server = with_memory(SMALL, SMALL).await;
    let size = 4 << 20;
    for (head, status) in [
        ("POST /v1/jobs HTTP/1.1", 429),
        ("POST /v1/jobs HTTP/1.1\r\nConnection: close", 429),
        ("POST /v1/jobs HTTP/1.0", 429),
        ("POST /v1/jobs HTTP/1.1\r\nContent-Type: text/xml", 415),
        ("POST /v1/jobs HTTP/1.1\r\nContent-Type: text/xml\r\nContent-Type: text/xml", 400),
        ("POST /v1/jobs?foo=1 HTTP/1.1", 400),
        ("POST /nowhere HTTP/1.1", 404),
        ("PUT /v1/jobs HTTP/1.1", 405),
        ("POST /v1/job/0198c0de-0000-7000-8000-000000000001/retry HTTP/1.1", 404),
        ("GET /v1/jobs HTTP/1.1", 200),
    ] {
        let attempt = async |_| {
            let mut connection = server.connect().await;
            connection.write(format!("{head}\r\nHost: q\r\nContent-Length: {size}\r\n\r\n")).await;
            connection.write(vec![b' '; size]).await;
            connection.answer().await.expect(status);
        };
        futures::future::join_all((0..20).map(attempt)).await;
    }
}

#[tokio::test]
async fn a_refusal_arrives_even_when_more_is_sent_than_is_read_away() {
    let server = Server::start().await;
    let size = 48 << 20;
    for close in ["", "Connection: close\r\n"] {
        let mut connection = server.connect().await;
        connection
            .write(format!("POST /v1/jobs HTTP/1.1\r\nHost: q\r\n{close}Content-Length: {size}\r\n\r\n"))
            .await;
        connection.write(vec![b' '; size]).await;
        connection.answer().await.expect(413);
        assert!(connection.is_cut_off().await);
    }
    // What is no HTTP is answered by hyper, which stops reading.
    let mut connection = server.connect().await;
    connection.write(format!("GET /{} HTTP/1.1\r\n", "x".repeat(4 << 20))).await;
    let status = connection.answer().await.status;
    assert!((400..500).contains(&status), "{status}");
}

#[tokio::test]
async fn what_is_not_wanted_is_read_away_and_the_connection_goes_on() {
    let server = with_memory(SMALL, SMALL).await;
    let mut connection = server.connect().await;
    for _ in 0..3 {
        let (head, body) = enqueue(2 * SMALL);
        connection.write([head.as_bytes(), &body].concat()).await;
        connection.answer().await.expect(429);
        let (head, body) = enqueue(SMALL);
        connection.write([head.as_bytes(), &body].concat()).await;
        connection.answer().await.expect(201);
    }
}

#[tokio::test]
async fn a_refusal_arrives_over_http_2() {
    let server = with_memory(SMALL, SMALL).await;
    let stream = TcpStream::connect(server.addr).await.unwrap();
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for (path, status) in [("/v1/jobs", 429), ("/nowhere", 404), ("/v1/jobs", 429)] {
        let request = hyper::Request::post(format!("http://{}{path}", server.addr));
        let body = Full::new(Bytes::from(vec![b' '; 4 << 20]));
        let answered = sender.send_request(request.body(body).unwrap()).await.unwrap();
        assert_eq!(answered.status(), status);
        answered.into_body().collect().await.unwrap();
    }
}

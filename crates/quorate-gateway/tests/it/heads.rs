//! Heads that are refused whatever they ask for, over real sockets.

use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use quorate_gateway::{ConnectionLimits, GatewayConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::wire::Server;

#[tokio::test]
async fn a_head_that_can_be_understood_in_two_ways_is_refused_and_the_connection_closed() {
    let server = Server::start().await;
    for (head, status, fields) in [
        ("GET /v1/jobs HTTP/1.1", 400, Some("Host")),
        ("GET /v1/jobs HTTP/1.1\r\nHost: q\r\nHost: q", 400, Some("Host")),
        ("GET /v1/jobs HTTP/1.1\r\nHost: a b", 400, Some("Host")),
        ("GET /v1/jobs HTTP/1.1\r\nHost: user@q", 400, Some("Host")),
        ("GET /v1/jobs HTTP/1.1\r\nHost: a,b", 400, Some("Host")),
        ("GET /v1/jobs HTTP/1.1\r\nHost: a:99999", 400, Some("Host")),
        ("GET /v1/jobs HTTP/1.1\r\nHost: a:b", 400, Some("Host")),
        ("GET /v1/jobs HTTP/1.1\r\nHost: a:+80", 400, Some("Host")),
        ("GET /v1/jobs HTTP/1.1\r\nHost: :80", 400, Some("Host")),
        ("GET /v1/jobs HTTP/1.1\r\nHost: ::1", 400, Some("Host")),
        ("GET /v1/jobs HTTP/1.1\r\nHost: [::1", 400, Some("Host")),
        ("GET /v1/jobs HTTP/1.1\r\nHost: [a]:80", 400, Some("Host")),
        ("GET /nowhere HTTP/1.1", 400, Some("Host")),
        (
            "POST /v1/jobs HTTP/1.1\r\nHost: q\r\nContent-Type: application/json\r\nContent-Type: text/plain\r\n\
             Content-Length: 0",
            400,
            Some("Content-Type"),
        ),
        (
            "POST /v1/jobs HTTP/1.1\r\nHost: q\r\nIdempotency-Key: a\r\nIdempotency-Key: a\r\nContent-Length: 0",
            400,
            Some("Idempotency-Key"),
        ),
        ("POST /v1/jobs HTTP/1.1\r\nHost: q\r\nTransfer-Encoding: gzip, chunked", 501, None),
        (
            "POST /v1/jobs HTTP/1.1\r\nHost: q\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
            501,
            None,
        ),
        ("POST /v1/jobs HTTP/1.1\r\nHost: q\r\nTransfer-Encoding: chunked, chunked", 501, None),
    ] {
        let mut connection = server.connect().await;
        connection.write(format!("{head}\r\n\r\n")).await;
        let refused = connection.answer().await.expect(status);
        assert_eq!(refused.fields().as_deref(), fields, "{head}");
        assert_eq!(refused.header("quorate-node"), Some("quorate"), "{head}");
        assert_eq!(refused.header("connection"), Some("close"), "{head}");
        assert!(connection.is_cut_off().await, "{head}");
    }
    assert_eq!(server.backend.submitted(), 0);
}

/// hyper answers these, without a body.
#[tokio::test]
async fn a_head_that_cannot_be_parsed_is_a_400() {
    let server = Server::start().await;
    for head in [
        "GET /v1/jobs HTTP/1.1\r\nHost: q\r\nX: y\r\n folded",
        "POST /v1/jobs HTTP/1.1\r\nHost: q\r\nContent-Length: 1\r\nContent-Length: 2",
        "POST /v1/jobs HTTP/1.1\r\nHost: q\r\nContent-Length: +1",
        "POST /v1/jobs HTTP/1.1\r\nHost: q\r\nTransfer-Encoding: gzip",
        "GET /v1/jobs HTTP/1.1\r\nHost : q",
    ] {
        let mut connection = server.connect().await;
        connection.write(format!("{head}\r\n\r\n")).await;
        connection.answer().await.expect(400);
        assert!(connection.is_cut_off().await, "{head}");
    }
}

#[tokio::test]
async fn heads_that_are_well() {
    let config = GatewayConfig { hosts: vec!["my_node-1.local".into()], ..GatewayConfig::default() };
    let server = Server::with(config, ConnectionLimits::default()).await;
    for head in [
        "GET /v1/jobs HTTP/1.0",
        "GET /v1/jobs HTTP/1.1\r\nHost:",
        "GET /v1/jobs HTTP/1.1\r\nHost: [::1]:8080",
        "GET /v1/jobs HTTP/1.1\r\nHost: [::1]",
        "GET /v1/jobs HTTP/1.1\r\nHost: my_node-1.local:65535",
        "GET /v1/jobs HTTP/1.1\r\nHost: q:",
        "GET http://elsewhere/v1/jobs HTTP/1.1\r\nHost: q",
    ] {
        server.exchange(format!("{head}\r\n\r\n")).await.expect(200);
    }
    let chunked = "POST /v1/jobs HTTP/1.1\r\nHost: q\r\nTransfer-Encoding: Chunked\r\n\r\n\
                   f\r\n[{\"image\":\"a\"}]\r\n0\r\n\r\n";
    server.exchange(chunked).await.expect(201);
}

/// hyper takes the Content-Length out of such a head before anybody here sees it (RFC 9112, 6.3: the coding wins, and the
/// connection must close).
#[tokio::test]
async fn a_chunked_body_that_has_a_length_too_is_the_last_of_its_connection() {
    let server = Server::start().await;
    for fields in
        ["Transfer-Encoding: chunked\r\nContent-Length: 5", "Content-Length: 5\r\nTransfer-Encoding: chunked"]
    {
        let mut connection = server.connect().await;
        let smuggled = "GET /v1/jobs HTTP/1.1\r\nHost: q\r\n\r\n";
        connection
            .write(format!(
                "POST /v1/jobs HTTP/1.1\r\nHost: q\r\n{fields}\r\n\r\n\
                 f\r\n[{{\"image\":\"a\"}}]\r\n0\r\n\r\n{smuggled}"
            ))
            .await;
        let answered = connection.answer().await.expect(201);
        assert_eq!(answered.header("connection"), Some("close"), "{fields}");
        assert!(connection.is_cut_off().await, "{fields}");
    }
    assert_eq!(server.backend.submitted(), 2);
}

#[tokio::test]
async fn the_same_holds_for_http_2() {
    let server = Server::start().await;
    let stream = TcpStream::connect(server.addr).await.unwrap();
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = || hyper::Request::get(format!("http://{}/v1/jobs", server.addr));
    let many =
        |count: usize| (0..count).fold(request(), |request, field| request.header(format!("x-{field}"), "y"));
    for (request, status) in [
        (request(), 200),
        (request().header("host", server.addr.to_string()), 200),
        (request().header("host", "elsewhere"), 400),
        (request().header("host", "q").header("host", "q"), 400),
        (request().header("content-type", "a/b").header("content-type", "a/b"), 400),
        (many(100), 200),
        (many(101), 431),
    ] {
        let answered =
            sender.send_request(request.body(Empty::<bytes::Bytes>::new()).unwrap()).await.unwrap();
        assert_eq!(answered.status(), status);
        let body = answered.into_body().collect().await.unwrap().to_bytes();
        assert!(serde_json::from_slice::<serde_json::Value>(&body).is_ok());
    }
}

/// The flood of CONTINUATION frames, CVE-2024-27316.
#[tokio::test]
async fn a_head_of_http_2_that_never_ends_ends_its_connection() {
    const LONG: Duration = Duration::from_secs(60);
    const GO_AWAY: u8 = 7;
    // Nothing else ends it.
    let limits = ConnectionLimits { header_read: 60 * LONG, ..ConnectionLimits::default() };
    let server = Server::with(GatewayConfig::default(), limits).await;
    let stream = TcpStream::connect(server.addr).await.unwrap();
    let (mut from, mut to) = stream.into_split();
    let frame = |kind: u8, payload: &[u8]| {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, 0, 0, 0, 0, u8::from(kind != 4)], payload].concat()
    };
    let begin =
        [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(4, b""), &frame(1, b"\x82\x86\x84")].concat();
    let goes_on = frame(9, &b"\0\x01x\x01y".repeat(3_000));
    let writer = tokio::spawn(async move {
        to.write_all(&begin).await.unwrap();
        while to.write_all(&goes_on).await.is_ok() {}
    });
    let mut said = Vec::new();
    // It may be reset.
    let _ = tokio::time::timeout(LONG, from.read_to_end(&mut said)).await.expect("it ends");
    let mut frames = &said[..];
    let mut code = None;
    while let [a, b, c, kind, _, _, _, _, _, rest @ ..] = frames {
        let (payload, next) = rest.split_at(u32::from_be_bytes([0, *a, *b, *c]) as usize);
        code = code.or((*kind == GO_AWAY).then(|| payload[4..8].to_vec()));
        frames = next;
    }
    assert!(code.is_some_and(|code| code != [0; 4]), "{said:?}");
    drop(from);
    tokio::time::timeout(LONG, writer).await.expect("nobody reads it").unwrap();
    server.exchange("GET /v1/jobs HTTP/1.1\r\nHost: q\r\n\r\n").await.expect(200);
}

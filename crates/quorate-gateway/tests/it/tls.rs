//! HTTPS, over real sockets.

use std::future::Future;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use quorate_gateway::{ConnectionLimits, GatewayConfig};
use quorate_tls::rustls::pki_types::ServerName;
use quorate_tls::testing::{Ca, ca, issue, open, trust};
use quorate_tls::{Identity, Trust};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::wire::{Connection, Server};

/// A gateway that speaks TLS, and who is to be trusted.
struct Secure {
    server: Server,
    identity: Identity,
    trust: Trust,
    ca: Ca,
    dir: TempDir,
}

impl Secure {
    async fn start(asks_clients: bool, limits: ConnectionLimits) -> Secure {
        let (dir, ca) = (tempfile::tempdir().unwrap(), ca());
        issue(dir.path(), &ca, "n1", None);
        let (identity, trust) = (open(dir.path(), "n1").unwrap(), trust(dir.path(), &[&ca]));
        let tls = quorate_tls::server(&identity, asks_clients.then_some(&trust), &[b"h2", b"http/1.1"]);
        let config = GatewayConfig { tls: Some(Arc::new(tls)), ..GatewayConfig::default() };
        let server = Server::with(config, limits).await;
        Secure { server, identity, trust, ca, dir }
    }

    async fn open() -> Secure {
        Secure::start(false, ConnectionLimits::default()).await
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Shakes hands as this client.
    async fn connect(&self, who: Option<&Identity>, alpn: &[&[u8]]) -> std::io::Result<TlsStream<TcpStream>> {
        let config = quorate_tls::client(Some(&self.trust), who, alpn);
        let stream = TcpStream::connect(self.server.addr).await?;
        let name = ServerName::try_from("n1").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    fn get(&self, path: &str) -> Request<String> {
        Request::get(format!("https://{}{path}", self.server.addr))
            .header("host", self.server.addr.to_string())
            .body(String::new())
            .unwrap()
    }
}

fn impatient() -> ConnectionLimits {
    ConnectionLimits { header_read: Duration::from_millis(200), ..ConnectionLimits::default() }
}

/// A client of HTTP/1 on such a connection.
async fn http1(stream: TlsStream<TcpStream>) -> hyper::client::conn::http1::SendRequest<String> {
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn status(answer: impl Future<Output = hyper::Result<Response<Incoming>>>) -> u16 {
    let answer = answer.await.unwrap();
    let status = answer.status().as_u16();
    answer.into_body().collect().await.unwrap();
    status
}

#[tokio::test]
async fn a_connection_takes_one_request_after_the_other() {
    let secure = Secure::open().await;
    let mut sender = http1(secure.connect(None, &[b"http/1.1"]).await.unwrap()).await;
    for _ in 0..3 {
        assert_eq!(status(sender.send_request(secure.get("/v1/jobs"))).await, 200);
    }
    assert_eq!(status(sender.send_request(secure.get("/v1/jobs/consume?wait=1"))).await, 200);
}

#[tokio::test]
async fn http_2_is_agreed_on() {
    let secure = Secure::open().await;
    let stream = secure.connect(None, &[b"h2", b"http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let io = TokioIo::new(stream);
    let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let waiting = tokio::spawn(sender.clone().send_request(secure.get("/v1/jobs/consume?wait=60")));
    secure.server.backend.somebody_waits().await;
    let answer = sender.clone().send_request(secure.get("/v1/jobs")).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.version()), (200, Version::HTTP_2));
    secure.server.shutdown.cancel();
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
}

#[tokio::test]
async fn where_only_health_is_told_http_1_is_agreed_on() {
    let limits = ConnectionLimits { connections: 1, reserved: 64, ..ConnectionLimits::default() };
    let secure = Secure::start(false, limits).await;
    let mut inside = http1(secure.connect(None, &[]).await.unwrap()).await;
    let waiting = tokio::spawn(inside.send_request(secure.get("/v1/jobs/consume?wait=60")));
    secure.server.backend.somebody_waits().await;
    let stream = secure.connect(None, &[b"h2", b"http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    assert_eq!(status(http1(stream).await.send_request(secure.get("/healthz"))).await, 200);
    secure.server.shutdown.cancel();
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
}

#[tokio::test]
async fn where_enough_speak_http_2_http_1_is_agreed_on() {
    let limits = ConnectionLimits { http2: 1, ..ConnectionLimits::default() };
    let secure = Secure::start(false, limits).await;
    let alpn: [&[u8]; 2] = [b"h2", b"http/1.1"];
    let first = secure.connect(None, &alpn).await.unwrap();
    assert_eq!(first.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let second = secure.connect(None, &alpn).await.unwrap();
    assert_eq!(second.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    assert_eq!(status(http1(second).await.send_request(secure.get("/v1/jobs"))).await, 200);
}

#[tokio::test]
async fn connections_are_bounded_before_they_are_secure() {
    let limits = ConnectionLimits { connections: 1, reserved: 0, ..ConnectionLimits::default() };
    let secure = Secure::start(false, limits).await;
    let mut silent = secure.server.connect().await;
    let mut first = http1(secure.connect(None, &[]).await.unwrap()).await;
    assert!(silent.is_cut_off().await, "who says nothing has no place that others need");
    let _waiting = tokio::spawn(first.send_request(secure.get("/v1/jobs/consume?wait=60")));
    secure.server.backend.somebody_waits().await;
    assert!(secure.server.connect().await.is_cut_off().await);
}

#[tokio::test]
async fn a_slow_handshake_is_cut_off() {
    let secure = Secure::start(false, impatient()).await;
    for beginning in [&b""[..], &[22], &[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]] {
        let mut connection = secure.server.connect().await;
        connection.write(beginning).await;
        assert!(connection.is_cut_off().await, "{beginning:?}");
    }
    // And who shakes hands, and then says nothing.
    let mut stream = secure.connect(None, &[]).await.unwrap();
    let ended = stream.read_u8().await.unwrap_err();
    assert_eq!(ended.kind(), ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn http_without_tls_is_told_so() {
    let secure = Secure::open().await;
    let body = "x".repeat(1 << 20);
    let post = format!("POST /v1/jobs HTTP/1.1\r\nHost: q\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    for request in ["GET /v1/jobs HTTP/1.1\r\nHost: q\r\n\r\n", &post] {
        let answered = secure.server.exchange(request).await.expect(400);
        assert_eq!(answered.header("connection"), Some("close"));
        assert_eq!(answered.header("x-content-type-options"), Some("nosniff"));
        assert!(String::from_utf8(answered.body).unwrap().contains("https://"));
    }
}

#[tokio::test]
async fn with_an_authority_of_clients_only_they_come_in() {
    let secure = Secure::start(true, ConnectionLimits::default()).await;
    issue(secure.path(), &secure.ca, "known", None);
    issue(secure.path(), &secure.ca, "old", Some(2000));
    issue(secure.path(), &ca(), "other", None);
    let asks = async |who: Option<&str>| {
        let who = who.map(|name| open(secure.path(), name).unwrap());
        let stream = secure.connect(who.as_ref(), &[b"http/1.1"]).await.unwrap();
        let answer = http1(stream).await.send_request(secure.get("/v1/jobs")).await;
        answer.map(|answer| answer.status().as_u16())
    };
    assert_eq!(asks(Some("known")).await.unwrap(), 200);
    for who in [None, Some("other"), Some("old")] {
        assert!(asks(who).await.is_err(), "{who:?}");
    }
}

#[tokio::test]
async fn a_new_certificate_is_for_new_connections_and_ends_no_old_one() {
    let secure = Secure::open().await;
    let first = secure.connect(None, &[]).await.unwrap();
    let certificate =
        |stream: &TlsStream<TcpStream>| stream.get_ref().1.peer_certificates().unwrap().to_vec();
    let before = certificate(&first);
    let mut sender = http1(first).await;
    assert_eq!(status(sender.send_request(secure.get("/v1/jobs"))).await, 200);
    issue(secure.path(), &secure.ca, "n1", None);
    assert!(secure.identity.reload().unwrap());
    assert_eq!(status(sender.send_request(secure.get("/v1/jobs"))).await, 200);
    let second = secure.connect(None, &[]).await.unwrap();
    assert_ne!(certificate(&second), before);
    assert_eq!(status(http1(second).await.send_request(secure.get("/v1/jobs"))).await, 200);
}

#[tokio::test]
async fn an_end_waits_for_nobody_who_has_not_shaken_hands() {
    let secure = Secure::open().await;
    let mut silent: Connection = secure.server.connect().await;
    silent.write([22]).await;
    // Its place was taken when a later one's is.
    let mut later = http1(secure.connect(None, &[]).await.unwrap()).await;
    assert_eq!(status(later.send_request(secure.get("/v1/jobs"))).await, 200);
    secure.server.shutdown.cancel();
    secure.server.served.await.unwrap();
    assert!(silent.is_cut_off().await);
}

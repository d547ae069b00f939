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
use quorate_tls::testing::{Ca, Watched, ca, issue, issue_for, open, trust};
use quorate_tls::{Identity, Trust};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
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
        let tls_clients = asks_clients.then(|| trust.clone());
        let tls = quorate_tls::server(&identity, tls_clients.as_ref(), &[b"h2", b"http/1.1"]);
        let config = GatewayConfig { tls: Some(Arc::new(tls)), tls_clients, ..GatewayConfig::default() };
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

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);

/// No connection ends by itself.
fn patient() -> ConnectionLimits {
    ConnectionLimits { header_read: Duration::from_secs(3_600), ..ConnectionLimits::default() }
}

#[tokio::test]
async fn who_would_not_be_let_in_any_more_has_to_leave() {
    let secure = Secure::start(true, patient()).await;
    issue(secure.path(), &secure.ca, "known", None);
    let known = open(secure.path(), "known").unwrap();
    let stream = secure.connect(Some(&known), &[b"h2"]).await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let ask = async || sender.clone().send_request(secure.get("/v1/jobs")).await;
    assert_eq!(ask().await.unwrap().status(), 200);
    let waiting = tokio::spawn(sender.clone().send_request(secure.get("/v1/jobs/consume?wait=60")));
    secure.server.backend.somebody_waits().await;

    // Others count as well: it stays.
    let other = ca();
    trust(secure.path(), &[&secure.ca, &other]);
    assert!(secure.trust.reload().unwrap());
    issue(secure.path(), &other, "other", None);
    let one_of_them = open(secure.path(), "other").unwrap();
    let trusting = Trust::open(secure.path().join("ca.pem")).unwrap();
    let config = quorate_tls::client(Some(&trusting), Some(&one_of_them), &[b"http/1.1"]);
    let stream = TcpStream::connect(secure.server.addr).await.unwrap();
    let name = ServerName::try_from("n1").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    assert_eq!(status(http1(stream).await.send_request(secure.get("/v1/jobs"))).await, 200);
    assert_eq!(ask().await.unwrap().status(), 200);

    // Others alone: it goes, and what is under way goes on.
    trust(secure.path(), &[&other]);
    assert!(secure.trust.reload().unwrap());
    let refused = async { while ask().await.is_ok() {} };
    tokio::time::timeout(LONG, refused).await.expect("it is asked to leave");
    assert!(!waiting.is_finished());
    secure.server.shutdown.cancel();
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
    let _ = tokio::time::timeout(LONG, connection).await.expect("it ends");
}

#[tokio::test]
async fn a_connection_ends_with_its_clients_certificate() {
    let secure = Secure::start(true, patient()).await;
    issue_for(secure.path(), &secure.ca, "brief", Duration::from_secs(3));
    let brief = open(secure.path(), "brief").unwrap();
    let mut stream = secure.connect(Some(&brief), &[b"http/1.1"]).await.unwrap();
    stream.write_all(b"GET /v1/jobs HTTP/1.1\r\nHost: q\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let ended = tokio::time::timeout(LONG, stream.read_to_end(&mut answer)).await.expect("it ends");
    assert!(ended.is_ok() && answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    assert!(quorate_tls::lasts(brief.expires_at()).is_zero(), "and not before");
}

/// A client that does not hear of the end, and asks on: it answers no ping.
#[tokio::test]
async fn nothing_is_taken_from_who_was_asked_to_leave() {
    const RESET: u8 = 3;
    let secure = Secure::start(true, patient()).await;
    issue(secure.path(), &secure.ca, "known", None);
    let known = open(secure.path(), "known").unwrap();
    let mut stream = secure.connect(Some(&known), &[b"h2"]).await.unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    // GET /v1/jobs, by the fields of HPACK's table.
    let head = [&[0x82, 0x87, 0x04, 8][..], b"/v1/jobs", &[0x01, 1], b"q"].concat();
    let mut request = async |id: u32| {
        let mut frame = vec![0, 0, u8::try_from(head.len()).unwrap(), 1, 0x5];
        frame.extend(id.to_be_bytes());
        frame.extend(&head);
        stream.write_all(&frame).await.unwrap();
        // Its head, or its end.
        loop {
            let mut frame = [0; 9];
            stream.read_exact(&mut frame).await.unwrap();
            let mut rest = vec![0; usize::from(u16::from_be_bytes([frame[1], frame[2]]))];
            stream.read_exact(&mut rest).await.unwrap();
            if frame[5..] == id.to_be_bytes() && [1, 3].contains(&frame[3]) {
                break frame[3];
            }
        }
    };
    assert_ne!(request(1).await, RESET);
    trust(secure.path(), &[&ca()]);
    assert!(secure.trust.reload().unwrap());
    let refused = async {
        let mut id = 3;
        while request(id).await != RESET {
            id += 2;
        }
    };
    tokio::time::timeout(LONG, refused).await.expect("it is refused");
    let mut rest = Vec::new();
    // As it does not end it itself, it is cut off.
    let _ = tokio::time::timeout(LONG, stream.read_to_end(&mut rest)).await.expect("the connection ends");
}

#[tokio::test]
async fn hands_are_shaken_beside_everything_else() {
    let (dir, ca) = (tempfile::tempdir().unwrap(), ca());
    issue(dir.path(), &ca, "n1", None);
    let watched = Watched::new(open(dir.path(), "n1").unwrap());
    let trust = trust(dir.path(), &[&ca]);
    let mut tls = quorate_tls::server(&open(dir.path(), "n1").unwrap(), None, &[b"http/1.1"]);
    tls.cert_resolver = Arc::new(watched.clone());
    let config = GatewayConfig { tls: Some(Arc::new(tls)), ..GatewayConfig::default() };
    let server = Server::with(config, ConnectionLimits::default()).await;
    let config = quorate_tls::client(Some(&trust), None, &[]);
    let stream = TcpStream::connect(server.addr).await.unwrap();
    let name = ServerName::try_from("n1").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    assert!(watched.thread().is_some_and(|thread| thread != std::thread::current().id()));
}

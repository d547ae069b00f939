use std::net::SocketAddr;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use quorate_gateway::{ConnectionLimits, Gateway, GatewayConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::api::Answered;
use crate::fake::Fake;

/// A gateway behind a real socket.
pub(crate) struct Server {
    pub(crate) backend: Fake,
    pub(crate) addr: SocketAddr,
    pub(crate) shutdown: CancellationToken,
    pub(crate) served: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start() -> Server {
        Server::with(GatewayConfig::default(), ConnectionLimits::default()).await
    }

    pub(crate) async fn with(config: GatewayConfig, limits: ConnectionLimits) -> Server {
        let backend = Fake::default();
        let shutdown = config.shutdown.clone();
        let gateway = Gateway::new(backend.clone(), config);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let served = tokio::spawn(gateway.serve(listener, limits));
        Server { backend, addr, shutdown, served }
    }

    pub(crate) async fn connect(&self) -> Connection {
        Connection { stream: TcpStream::connect(self.addr).await.unwrap(), read: Vec::new() }
    }

    /// The same from 127.0.0.N: another caller.
    pub(crate) async fn connect_from(&self, n: u8) -> Connection {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, n], 0).into()).unwrap();
        Connection { stream: socket.connect(self.addr).await.unwrap(), read: Vec::new() }
    }

    /// Sends these bytes on a connection of their own and reads the answer.
    pub(crate) async fn exchange(&self, bytes: impl AsRef<[u8]>) -> Answered {
        let mut connection = self.connect().await;
        connection.write(bytes).await;
        connection.answer().await
    }
}

/// A client's side of an HTTP/1 connection, byte by byte.
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Reads one answer; the connection may go on.
    pub(crate) async fn answer(&mut self) -> Answered {
        let Answered { status, headers, .. } = self.head().await;
        let body = if headers.contains_key("transfer-encoding") {
            self.chunks().await
        } else {
            let length = headers.get("content-length");
            self.take(length.map_or(0, |length| length.to_str().unwrap().parse().unwrap())).await
        };
        Answered { status, headers, body }
    }

    /// Reads an answer's head, without a body.
    pub(crate) async fn head(&mut self) -> Answered {
        let end = loop {
            if let Some(end) = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end;
            }
            assert!(self.more().await, "the connection ended within an answer: {:?}", self.read);
        };
        let head = String::from_utf8(self.read[..end].to_vec()).unwrap();
        self.read.drain(..end + 4);
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: HeaderMap = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap()))
            .collect();
        Answered { status, headers, body: Vec::new() }
    }

    async fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let end = loop {
                if let Some(end) = self.read.windows(2).position(|bytes| bytes == b"\r\n") {
                    break end;
                }
                assert!(self.more().await, "the connection ended within a body");
            };
            let line = self.take(end + 2).await;
            let length = usize::from_str_radix(std::str::from_utf8(&line[..end]).unwrap(), 16).unwrap();
            let chunk = self.take(length + 2).await;
            if length == 0 {
                return body;
            }
            body.extend_from_slice(&chunk[..length]);
        }
    }

    async fn take(&mut self, length: usize) -> Vec<u8> {
        while self.read.len() < length {
            assert!(self.more().await, "the connection ended within a body");
        }
        let rest = self.read.split_off(length);
        std::mem::replace(&mut self.read, rest)
    }

    /// True once the server has closed the connection without a further byte.
    pub(crate) async fn is_cut_off(&mut self) -> bool {
        !self.more().await && self.read.is_empty()
    }

    /// What was read and not looked at.
    pub(crate) fn seen(&self) -> &[u8] {
        &self.read
    }

    /// Reads some more; false at the end.
    pub(crate) async fn more(&mut self) -> bool {
        self.stream.read_buf(&mut self.read).await.unwrap_or(0) > 0
    }
}

//! A client of HTTP/2 that says frame by frame what it likes.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::wire::Connection;

pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// RST_STREAM's and GOAWAY's reasons: <https://www.rfc-editor.org/rfc/rfc9113#section-7>.
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const CANCEL: u32 = 8;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

/// A frame as it is sent.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head, payload].concat()
}

/// The head of a GET, as one frame.
pub(crate) fn get(stream: u32, path: &str) -> Vec<u8> {
    let path = [&[0x04, u8::try_from(path.len()).unwrap()], path.as_bytes()].concat();
    let fields = [&[0x82, 0x86], &path[..], &[0x01, 1, b'q']].concat();
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &fields)
}

/// A frame that came.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    payload: Vec<u8>,
}

impl Frame {
    /// Why a stream or a connection is ended.
    pub(crate) fn reason(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

/// The client.
pub(crate) struct Frames(TcpStream);

impl Frames {
    /// One that allows the server to send no byte of a body.
    pub(crate) async fn without_window(mut connection: Connection) -> Frames {
        // SETTINGS_INITIAL_WINDOW_SIZE = 0
        let settings = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
        connection.write([&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &settings].concat()).await;
        Frames(connection.stream)
    }

    pub(crate) async fn get(&mut self, stream: u32, path: &str) {
        self.send(&get(stream, path)).await;
    }

    pub(crate) async fn send(&mut self, frames: &[u8]) {
        assert!(self.may_send(frames).await, "the server has ended the connection");
    }

    /// False: the server has ended the connection.
    pub(crate) async fn may_send(&mut self, frames: &[u8]) -> bool {
        self.0.write_all(frames).await.is_ok()
    }

    /// What comes next, but what the server only wants to have acknowledged; `None` when it has ended the connection.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            let mut head = [0; 9];
            self.0.read_exact(&mut head).await.ok()?;
            let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
            self.0.read_exact(&mut payload).await.ok()?;
            let (kind, flags) = (head[3], head[4]);
            if !matches!(kind, SETTINGS | PING) || flags & ACK != 0 {
                return Some(Frame { kind, flags, payload });
            }
            let payload = if kind == PING { payload } else { Vec::new() };
            self.0.write_all(&frame(kind, ACK, 0, &payload)).await.ok()?;
        }
    }

    /// The next head of an answer, or refusal of a request; `None` when the server has ended the connection.
    pub(crate) async fn answer(&mut self) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            if matches!(frame.kind, HEADERS | RST_STREAM) {
                return Some(frame);
            }
        }
    }

    /// The next ones.
    pub(crate) async fn answers(&mut self, count: usize) -> Vec<Frame> {
        let mut answers = Vec::new();
        for _ in 0..count {
            answers.push(self.answer().await.expect("the server goes on"));
        }
        answers
    }

    /// Reads until the server ends the connection: why it says that it does, where it says so.
    pub(crate) async fn until_the_end(mut self) -> Option<u32> {
        let mut reason = None;
        while let Some(frame) = self.next().await {
            if frame.kind == GOAWAY {
                reason = Some(frame.reason());
            }
        }
        reason
    }
}

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

use super::connections::Ticket;
use super::door::Door;
use super::tls::{Greeted, Shaking};

/// A connection to the peer port. It ends when its place is needed.
pub(crate) struct Connection {
    stream: Way,
    closed: Pin<Box<WaitForCancellationFutureOwned>>,
    ticket: Ticket,
}

/// How far it has come in.
enum Way {
    Door(Shaking),
    Open(Box<dyn Socket>),
    Refused,
}

trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Socket for S {}

impl Connection {
    /// Through this door, if there is one. Whoever says nothing there is closed like any other newcomer, and given up there.
    pub(super) fn enter(
        stream: TcpStream,
        door: Option<&Door>,
        close: CancellationToken,
        ticket: Ticket,
    ) -> Connection {
        let stream = match door {
            None => Way::Open(Box::new(stream)),
            Some(door) => Way::Door(door.greet(stream)),
        };
        Connection { stream, closed: Box::pin(close.cancelled_owned()), ticket }
    }

    /// What there is to read and write, once who has connected has been greeted, and until it is to be closed: HTTP/2 may wait for either
    /// alone.
    fn open(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Pin<&mut dyn Socket>>> {
        if self.closed.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        if let Way::Door(shaking) = &mut self.stream {
            let shaken = ready!(shaking.as_mut().poll(cx));
            let greeted = shaken.and_then(|stream| {
                let greeted = Greeted::by(stream.get_ref().1.peer_certificates())?;
                Ok((stream, greeted))
            });
            match greeted {
                Ok((stream, greeted)) => {
                    self.ticket.greet(greeted);
                    self.stream = Way::Open(Box::new(stream));
                }
                Err(error) => {
                    self.stream = Way::Refused;
                    self.ticket.turned_away(&error);
                    return Poll::Ready(Err(error));
                }
            }
        }
        Poll::Ready(match &mut self.stream {
            Way::Open(stream) => Ok(Pin::new(stream.as_mut())),
            Way::Door(_) | Way::Refused => Err(io::ErrorKind::NotConnected.into()),
        })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.ticket.leave();
    }
}

impl Connected for Connection {
    type ConnectInfo = Ticket;

    fn connect_info(&self) -> Ticket {
        self.ticket.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = ready!(self.open(cx))?.poll_read(cx, buf);
        if buf.filled().len() > before {
            self.ticket.read();
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.open(cx))?.poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.open(cx))?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Way::Open(stream) => Pin::new(stream).poll_shutdown(cx),
            Way::Door(_) | Way::Refused => Poll::Ready(Ok(())),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.open(cx))?.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        // Of TLS and TCP alike.
        true
    }
}

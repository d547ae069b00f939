use std::io;
use std::pin::Pin;
use std::sync::Arc;

use quorate_tls::{Handshakes, Trust};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

use super::socket::Socket;
use crate::limits::{CERTIFICATE_CHARS, TLS_OUTGOING_BYTES};
use crate::quote::shortened;

/// A connection without TLS, or below it.
pub(super) type Plain = Pin<Box<TimeoutStream<Socket>>>;

/// With what a connection begins that is to be one of TLS: a record of a handshake.
const HANDSHAKE: u8 = 22;

/// Whoever speaks HTTP without TLS is told so in it.
const SPEAK_TLS: &str = "HTTP/1.1 400 Bad Request\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    X-Content-Type-Options: nosniff\r\n\
    Cache-Control: no-store\r\n\
    Connection: close\r\n\
    Content-Length: 48\r\n\r\n\
    This port speaks HTTPS: call it with https://...";

/// How secure connections are agreed on, and who has to leave again. A clone shares the thread on which that is done.
#[derive(Clone)]
pub(crate) struct Door {
    acceptor: TlsAcceptor,
    handshakes: Handshakes,
    /// Whose clients are let in, where they are asked who they are.
    clients: Option<Trust>,
}

impl Door {
    pub(crate) fn new(tls: Arc<ServerConfig>, clients: Option<Trust>) -> Door {
        Door { acceptor: TlsAcceptor::from(tls), handshakes: Handshakes::start(), clients }
    }

    /// The same for who may speak HTTP/1 alone.
    pub(super) fn for_http1(&self) -> Door {
        let mut tls = ServerConfig::clone(self.acceptor.config());
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Door { acceptor: TlsAcceptor::from(Arc::new(tls)), ..self.clone() }
    }

    /// Agrees with the client on a secure connection.
    ///
    /// # Errors
    /// They do not. The client has been told why, where it listens.
    pub(super) async fn accept(&self, stream: Plain) -> io::Result<TlsStream<Plain>> {
        let accepting =
            self.acceptor.accept_with(stream, |tls| tls.set_buffer_limit(Some(TLS_OUTGOING_BYTES)));
        let accepted = self.handshakes.run(async move { Ok(accepting.into_fallible().await) });
        match accepted.await? {
            Ok(stream) => Ok(stream),
            Err((error, mut stream)) => {
                // It may have sent more already, for which a reset would be the answer.
                let _ = stream.shutdown().await;
                Err(error)
            }
        }
    }

    /// Ends when who has come by this connection has to leave it, as he would not be let in any more.
    pub(super) fn expels(&self, stream: &TlsStream<Plain>) -> impl Future<Output = ()> + Send + use<> {
        let shown = stream.get_ref().1.peer_certificates().map(<[_]>::to_vec);
        let expels = self.clients.clone().zip(shown).map(|(clients, shown)| {
            self.handshakes.run(async move {
                clients.expels(&shown).await;
                Ok(())
            })
        });
        async move {
            match expels {
                // Where it cannot be judged any more, nobody stays.
                Some(expels) => drop(expels.await),
                None => std::future::pending().await,
            }
        }
    }
}

/// Whether a client begins as TLS does. It waits for its first byte, and takes nothing of it.
pub(super) async fn begins(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    let read = stream.peek(&mut first).await?;
    Ok(read == 0 || first == [HANDSHAKE])
}

/// Says that it has to, and ends.
pub(super) async fn is_asked_for(mut stream: Plain) {
    // Who has gone does not hear it.
    let _ = stream.write_all(SPEAK_TLS.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// What the client's certificate calls it, if it was asked for one: then it has been verified.
pub(super) fn certificate(stream: &TlsStream<Plain>) -> Option<Arc<str>> {
    let (_, tls) = stream.get_ref();
    let name = quorate_tls::label(tls.peer_certificates()?.first()?)?;
    Some(shortened(&name, CERTIFICATE_CHARS).into())
}

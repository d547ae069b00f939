use std::sync::Arc;

use anyhow::{Context, anyhow, bail, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use quorate_client::{ClientConfig, Token};
use quorate_tls::rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A keep-alive connection to one node, without what a careful client does beside the request: the load should cost little.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    to: Node,
    host: HeaderValue,
    token: Option<Token>,
}

/// Where a connection leads, and how.
#[derive(Clone)]
pub(super) struct Node {
    host: String,
    port: u16,
    /// `None`: without TLS.
    tls: Option<(TlsConnector, ServerName<'static>)>,
    /// What stands before every path, where the API is not at the root.
    base: String,
}

impl Node {
    /// The nodes that a client with this configuration would speak to.
    ///
    /// # Errors
    /// One is neither `HOST:PORT` nor a URL.
    pub(super) fn all(config: &ClientConfig) -> anyhow::Result<Vec<Node>> {
        // All connections share what goes on of an earlier one.
        let mut tls = None;
        let nodes = config.nodes.iter().map(|node| {
            let scheme = if config.is_tls() { "https" } else { "http" };
            let url = if node.contains("://") { node.to_owned() } else { format!("{scheme}://{node}") };
            let uri: Uri = url.parse().with_context(|| format!("{node} is no URL"))?;
            let is_tls = uri.scheme_str() == Some("https");
            let Some(host) = uri.host().map(|host| host.trim_matches(['[', ']']).to_owned()) else {
                bail!("{node} has no host")
            };
            let connector = is_tls
                .then(|| tls.get_or_insert_with(|| Arc::new(config.tls())).clone())
                .map(TlsConnector::from);
            let name = || ServerName::try_from(host.clone()).map_err(|_| anyhow!("{node} has no name"));
            let tls = connector.map(|connector| anyhow::Ok((connector, name()?))).transpose()?;
            let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
            let base = uri.path().trim_end_matches('/').to_owned();
            Ok(Node { host, port, tls, base })
        });
        nodes.collect()
    }

    async fn connect(&self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            None => speak(stream).await,
            Some((connector, name)) => speak(connector.connect(name.clone(), stream).await?).await,
        }
    }
}

/// A path of the API, ready to be sent again and again.
#[derive(Clone)]
pub(super) struct Path(Uri);

impl Path {
    pub(super) fn new(path: &str) -> anyhow::Result<Path> {
        Ok(Path(path.parse()?))
    }
}

impl Connection {
    /// Connects to a node.
    ///
    /// # Errors
    /// Nobody listens there, or it is not to be trusted.
    pub(super) async fn open(to: &Node, token: Option<Token>) -> anyhow::Result<Connection> {
        let at = match to.host.contains(':') {
            true => format!("[{}]:{}", to.host, to.port),
            false => format!("{}:{}", to.host, to.port),
        };
        let sender = to.connect().await.with_context(|| format!("cannot connect to {at}"))?;
        Ok(Connection { sender, to: to.clone(), host: HeaderValue::try_from(at)?, token })
    }

    /// Sends a request with a JSON body, or with none, and says what the answer's body is.
    ///
    /// # Errors
    /// Any answer but a success: a measurement with errors is none.
    pub(super) async fn post(
        &mut self,
        path: &Path,
        key: Option<&str>,
        body: &Bytes,
    ) -> anyhow::Result<Bytes> {
        let mut request = Request::new(Full::new(body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = path.0.clone();
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        if !body.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(key) = key {
            headers.insert("idempotency-key", HeaderValue::from_str(key)?);
        }
        self.send(request).await
    }

    /// The same without a body, and by GET.
    ///
    /// # Errors
    /// See [`Connection::post`].
    pub(super) async fn get(&mut self, path: &Path, key: Option<&str>) -> anyhow::Result<Bytes> {
        let mut request = Request::new(Full::default());
        *request.uri_mut() = path.0.clone();
        request.headers_mut().insert(HOST, self.host.clone());
        if let Some(key) = key {
            request.headers_mut().insert("idempotency-key", HeaderValue::from_str(key)?);
        }
        self.send(request).await
    }

    async fn send(&mut self, mut request: Request<Full<Bytes>>) -> anyhow::Result<Bytes> {
        // A node closes a connection that was idle for long.
        if self.sender.ready().await.is_err() {
            self.sender = self.to.connect().await?;
            self.sender.ready().await?;
        }
        if let Some(token) = &self.token {
            request.headers_mut().insert(AUTHORIZATION, token.header());
        }
        if !self.to.base.is_empty() {
            *request.uri_mut() = format!("{}{}", self.to.base, request.uri()).parse()?;
        }
        let answer = self.sender.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        ensure!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
        Ok(body)
    }
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Its end shows in the next request.
    tokio::spawn(connection);
    Ok(sender)
}

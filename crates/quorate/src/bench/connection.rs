use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A keep-alive connection to one node, without what a careful client does beside the request: the load should cost little.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// Where it leads.
    addr: (String, u16),
    host: HeaderValue,
    /// The value of `Authorization`.
    token: Option<HeaderValue>,
    /// What stands before every path, where the API is not at the root.
    base: String,
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
    /// Connects to a node, `host:port` or `http://host:port`.
    ///
    /// # Errors
    /// It is none of that form, or nobody listens there.
    pub(super) async fn open(node: &str, token: Option<&str>) -> anyhow::Result<Connection> {
        let url = if node.contains("://") { node.to_owned() } else { format!("http://{node}") };
        let uri: Uri = url.parse().with_context(|| format!("{node} is no URL"))?;
        ensure!(uri.scheme_str() == Some("http"), "{node}: bench measures http:// only");
        let (Some(host), port) = (uri.host(), uri.port_u16().unwrap_or(80)) else {
            bail!("{node} has no host")
        };
        let addr = (host.trim_matches(['[', ']']).to_owned(), port);
        let sender = connect(&addr).await.with_context(|| format!("cannot connect to {node}"))?;
        let host = HeaderValue::from_str(&format!("{host}:{port}"))?;
        let base = uri.path().trim_end_matches('/').to_owned();
        let token = token.map(|token| HeaderValue::try_from(format!("Bearer {token}"))).transpose()?;
        Ok(Connection { sender, addr, host, token, base })
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
            self.sender = connect(&self.addr).await?;
            self.sender.ready().await?;
        }
        if let Some(token) = &self.token {
            request.headers_mut().insert(AUTHORIZATION, token.clone());
        }
        if !self.base.is_empty() {
            *request.uri_mut() = format!("{}{}", self.base, request.uri()).parse()?;
        }
        let answer = self.sender.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        ensure!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
        Ok(body)
    }
}

async fn connect((host, port): &(String, u16)) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect((host.as_str(), *port)).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Its end shows in the next request.
    tokio::spawn(connection);
    Ok(sender)
}

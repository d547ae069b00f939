use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use nix::sys::signal::Signal;
use serde::Deserialize;
use tokio::net::TcpStream;

use crate::processes::{Server, free, output, until};
use crate::system::{About, Client, SERVERS, Setup, System};

/// HTTP on this port and the two behind it, peers 100 above.
const PORT: u16 = 21_000;
/// Jobs of an enqueue that fills the queue.
const FILL: usize = 500;

/// `quorate dev` with its three nodes.
pub(crate) struct Quorate {
    payload: usize,
    _dev: Server,
}

/// A keep-alive connection to one node.
pub(crate) struct QuorateClient {
    sender: SendRequest<Full<Bytes>>,
    host: HeaderValue,
    payload: usize,
    /// The body that enqueues one job.
    job: Bytes,
}

#[derive(Deserialize)]
struct Taken<'a> {
    #[serde(borrow)]
    jobs: Vec<TakenJob<'a>>,
}

#[derive(Deserialize)]
struct TakenJob<'a> {
    id: &'a str,
}

impl System for Quorate {
    const ABOUT: About = About {
        name: "Quorate",
        install: "make build, or --quorate FILE",
        durability: "fsync on a majority before the answer",
        consume: "GET /v1/jobs/consume, then POST /v1/job/ID/success; both are answered after fsync on a majority",
    };
    type Client = QuorateClient;

    async fn version(setup: &Setup) -> anyhow::Result<String> {
        let mut command = Command::new(&setup.quorate);
        command.arg("--version");
        Ok(output(command).await?.split_whitespace().nth(1).unwrap_or_default().to_owned())
    }

    async fn start(setup: &Setup, dir: &Path) -> anyhow::Result<Quorate> {
        let ports = || (PORT..).take(SERVERS);
        free(ports().chain(ports().map(|port| port + 100)))?;
        let mut command = Command::new(&setup.quorate);
        command.args(["dev", "--http-port", &PORT.to_string(), "--peer-port", &(PORT + 100).to_string()]);
        command.arg("--data-dir").arg(dir.join("nodes"));
        // It ends its nodes itself.
        let mut dev = Server::start("dev", &mut command, dir, Signal::SIGTERM)?;
        for port in ports() {
            until(std::slice::from_mut(&mut dev), async || {
                connect(port, setup.payload).await?.send(Method::GET, "/readyz", Bytes::new()).await
            })
            .await?;
        }
        Ok(Quorate { payload: setup.payload, _dev: dev })
    }

    async fn connect(&self, server: usize) -> anyhow::Result<QuorateClient> {
        connect(PORT + u16::try_from(server)?, self.payload).await
    }
}

async fn connect(port: u16, payload: usize) -> anyhow::Result<QuorateClient> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Its end shows in the next request.
    tokio::spawn(connection);
    let host = HeaderValue::from_str(&format!("127.0.0.1:{port}"))?;
    Ok(QuorateClient { sender, host, payload, job: jobs(1, payload) })
}

fn jobs(count: usize, payload: usize) -> Bytes {
    let job = format!(r#"{{"image":"bench","payload":"{}"}}"#, "x".repeat(payload));
    format!(r#"{{"jobs":[{}]}}"#, vec![job; count].join(",")).into()
}

impl QuorateClient {
    /// Any answer but a success is an error.
    async fn send(&mut self, method: Method, path: &str, body: Bytes) -> anyhow::Result<Bytes> {
        let json = !body.is_empty();
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse::<Uri>()?;
        request.headers_mut().insert(HOST, self.host.clone());
        if json {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        self.sender.ready().await?;
        let answer = self.sender.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        ensure!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
        Ok(body)
    }
}

impl Client for QuorateClient {
    async fn fill(&mut self, mut left: usize) -> anyhow::Result<()> {
        while left > 0 {
            let next = left.min(FILL);
            self.send(Method::POST, "/v1/jobs", jobs(next, self.payload)).await?;
            left -= next;
        }
        Ok(())
    }

    async fn enqueue(&mut self) -> anyhow::Result<()> {
        self.send(Method::POST, "/v1/jobs", self.job.clone()).await?;
        Ok(())
    }

    async fn consume(&mut self) -> anyhow::Result<bool> {
        let answer = self.send(Method::GET, "/v1/jobs/consume", Bytes::new()).await.context("consume")?;
        let Taken { jobs } = serde_json::from_slice(&answer)?;
        let Some(job) = jobs.first() else { return Ok(false) };
        let success = format!("/v1/job/{}/success", job.id);
        self.send(Method::POST, &success, Bytes::new()).await.context("success")?;
        Ok(true)
    }
}

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use quorate_check::{Call, Ending, Op, Outcome, Reason, body_hash};
use rand::Rng;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::convert::log_of;
use crate::keys::Who;
use crate::limits;
use crate::rest::{Answer, Rest, forget};
use crate::shared::{Phase, Shared};

/// Client numbers from here on are those of requests that passed a relay: each has its own.
pub(crate) const FIRST_RELAYED: u32 = 1_000_000;

/// How many answers get lost on the way back.
const LOST: f64 = 0.03;

/// Headers that are passed on.
const PASSED: [HeaderName; 2] = [hyper::header::CONTENT_TYPE, hyper::header::RETRY_AFTER];

/// Stands between a runner and the nodes, at an address for each node, and writes into the history what passes. Now and
/// then an answer gets lost; while a round goes on, consumes are not let through. Ends when it is dropped.
pub(crate) struct Relay {
    pub(crate) urls: Vec<String>,
    wire: Arc<Wire>,
    _listeners: JoinSet<()>,
}

struct Wire {
    shared: Arc<Shared>,
    rest: Rest,
    clock: Clock,
    next: AtomicU32,
    /// Ends of jobs that were answered well.
    ended: AtomicU32,
    /// Why the history is not complete.
    failed: Mutex<Option<anyhow::Error>>,
}

impl Relay {
    /// # Errors
    /// There are no free ports.
    pub(crate) async fn start(shared: Arc<Shared>, clock: Clock) -> anyhow::Result<Relay> {
        let (next, ended) = (AtomicU32::new(FIRST_RELAYED), AtomicU32::new(0));
        let rest = Rest::new(clock, &shared.nodes, Who::Nobody)?;
        let wire = Arc::new(Wire { shared, rest, clock, next, ended, failed: Mutex::new(None) });
        let (mut urls, mut listeners) = (Vec::new(), JoinSet::new());
        for node in 0..wire.shared.nodes.len() {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            urls.push(format!("http://{}", listener.local_addr()?));
            listeners.spawn(accept(listener, Arc::clone(&wire), node));
        }
        Ok(Relay { urls, wire, _listeners: listeners })
    }

    /// How many jobs the runner has ended.
    pub(crate) fn ended(&self) -> u32 {
        self.wire.ended.load(Ordering::Relaxed)
    }

    /// # Errors
    /// Something passed that the history does not have.
    pub(crate) fn is_sound(&self) -> anyhow::Result<()> {
        self.wire.failed.lock().take().map_or(Ok(()), Err)
    }
}

async fn accept(listener: TcpListener, wire: Arc<Wire>, node: usize) {
    // Connections end with it.
    let mut connections = JoinSet::new();
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            connections.spawn(serve(stream, Arc::clone(&wire), node));
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, wire: Arc<Wire>, node: usize) {
    let service = service_fn(move |request| {
        let wire = Arc::clone(&wire);
        async move {
            match wire.pass(node, request).await {
                Ok(Some(answer)) => Ok(answer),
                // The runner sees that the connection is closed.
                Ok(None) => Err(closed()),
                Err(error) => {
                    wire.failed.lock().get_or_insert(error);
                    Err(closed())
                }
            }
        }
    });
    // An error is a connection that one of the two has closed.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

fn closed() -> io::Error {
    io::Error::other("no answer")
}

impl Wire {
    /// Passes a request on, and the answer back; none where none came, or it got lost.
    async fn pass(
        &self,
        node: usize,
        request: Request<Incoming>,
    ) -> anyhow::Result<Option<Response<Full<Bytes>>>> {
        let (head, body) = request.into_parts();
        let Ok(body) = body.collect().await else { return Ok(None) };
        let body = body.to_bytes();
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        if head.method == Method::GET {
            let url = format!("{}{path}", self.shared.nodes[node].url);
            return Ok(self.ask(&url, head.headers.get(AUTHORIZATION)).await);
        }
        let call = call(&head.method, path, &body).with_context(|| format!("{} {path}", head.method))?;
        if call.takes()
            && matches!(self.shared.phase(), Phase::Gather(_) | Phase::Wait | Phase::Repeat(_) | Phase::Count)
        {
            return Ok(None);
        }
        let key = head.headers.get("Idempotency-Key").map(|key| key.to_str()).transpose()?;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let to = &self.shared.nodes[node];
        let op = Op::sent(number, &to.name, self.clock.now(), call, key.map(Into::into));
        let mut open = Open { wire: self, op: Some(op) };
        let mut passed = self.rest.http(head.method, format!("{}{path}", to.url)).body(body);
        for (name, value) in &head.headers {
            if !matches!(*name, hyper::header::HOST | hyper::header::CONTENT_LENGTH) {
                passed = passed.header(name, value);
            }
        }
        let Some(op) = &mut open.op else { bail!("it was closed before it was sent") };
        let answer = self.rest.send(passed.timeout(limits::RELAYED), op).await?;
        let may_lose = !matches!(self.shared.phase(), Phase::Drain | Phase::Stop);
        let lost = may_lose && rand::rng().random_bool(LOST);
        if lost {
            forget(op);
        } else if op.outcome == Outcome::Ok && (op.call.ends() || matches!(op.call, Call::Finish { .. })) {
            self.ended.fetch_add(1, Ordering::Relaxed);
        }
        // As one who went away before it came; so has one whom the node told in time that it takes longer than he waits.
        let was_short = head.headers.contains_key("Quorate-Timeout") && op.status == Some(503);
        open.close(lost || was_short)?;
        Ok(answer.filter(|_| !lost).map(response))
    }
}

impl Wire {
    /// Passes on what a runner only asks: whether the node is ready, what has become of a job. That is no part of the history: a job
    /// comes without its payload, by which the history knows it.
    async fn ask(&self, url: &str, token: Option<&HeaderValue>) -> Option<Response<Full<Bytes>>> {
        let asked = self.rest.http(Method::GET, url.to_owned()).timeout(limits::RELAYED);
        let asked = token.into_iter().fold(asked, |asked, token| asked.header(AUTHORIZATION, token));
        let answer = asked.send().await.ok()?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = answer.bytes().await.ok()?;
        Some(response(Answer { status, headers, body }))
    }
}

/// A request that is under way: where the runner goes away meanwhile, nobody learns what came of it.
struct Open<'w> {
    wire: &'w Wire,
    op: Option<Op>,
}

impl Open<'_> {
    fn close(&mut self, left: bool) -> anyhow::Result<()> {
        let Some(mut op) = self.op.take() else { return Ok(()) };
        (op.returned, op.left) = (self.wire.clock.now(), left);
        Ok(self.wire.shared.recorder.op(&op)?)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.close(true) {
            self.wire.failed.lock().get_or_insert(error);
        }
    }
}

fn response(answer: Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(answer.body));
    *response.status_mut() = answer.status;
    for name in PASSED {
        if let Some(value) = answer.headers.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    for (name, value) in &answer.headers {
        if name.as_str().starts_with("quorate-") || name.as_str().starts_with("idempotent") {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

/// What a runner asks for.
fn call(method: &Method, path: &str, body: &Bytes) -> anyhow::Result<Call> {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let number = |name: &str| {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.clone().find(|(key, _)| *key == name).map(|(_, value)| value.parse::<u32>()).transpose()
    };
    let queue = query.split('&').find_map(|pair| pair.strip_prefix("queue=")).into_iter();
    let queue = queue.flat_map(|names| names.split(',')).map(Into::into).collect();
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    Ok(match (method.as_str(), parts.as_slice()) {
        ("POST", ["v1", "jobs", "consume"]) => {
            Call::Consume { n: number("n")?.unwrap_or(1), wait: number("wait")?.unwrap_or(0), queue }
        }
        ("POST", ["v1", "job", id, end @ ("success" | "fail")]) => {
            // The log is what the program wrote, if it came to its end.
            let (reason, log) = match *end {
                "success" => (None, Some(body_hash(log_of(id).as_bytes()))),
                _ => (Some(reason(&String::from_utf8_lossy(body))?), None),
            };
            let ending = Ending { id: (*id).into(), reason, log };
            match number("take")? {
                None => ending.call(),
                Some(take) => Call::Finish {
                    endings: vec![ending],
                    take,
                    wait: number("wait")?.unwrap_or(0),
                    queue,
                    alone: true,
                },
            }
        }
        ("POST", ["v1", "job", id, "release"]) => {
            Call::Release { id: (*id).into(), delay: number("delay")?.unwrap_or(0) }
        }
        ("POST", ["v1", "job", id, "touch"]) => Call::Touch { id: (*id).into() },
        _ => bail!("a runner does not send that"),
    })
}

/// The field `reason` of a form.
fn reason(form: &str) -> anyhow::Result<Reason> {
    let (_, field) = form.split_once("name=\"reason\"").context("a failure without its reason")?;
    let value = field.split_once("\r\n\r\n").and_then(|(_, value)| value.split_once("\r\n"));
    Ok(match value.context("a form that does not end")?.0 {
        "timeout" => Reason::Timeout,
        "killed" => Reason::Killed,
        "bad_exit" => Reason::BadExit,
        other => bail!("`{other}` is no reason"),
    })
}

//! A cluster that hands out the jobs it is given, answers what it is told to, and tells the test of each call.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use quorate_client::{Client, ClientConfig};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::soon;

/// A call as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// `POST /v1/job/a/touch`, without the query.
    pub(crate) line: String,
    /// Without what it says of queues and images.
    pub(crate) query: String,
    /// That, still encoded.
    pub(crate) selection: String,
    pub(crate) key: String,
    pub(crate) body: Bytes,
}

impl Call {
    pub(crate) fn has(&self, text: &str) -> bool {
        String::from_utf8_lossy(&self.body).contains(text)
    }
}

pub(crate) struct PlayedCluster {
    url: String,
    state: Arc<State>,
    calls: UnboundedReceiver<Call>,
}

struct State {
    queue: Mutex<VecDeque<String>>,
    queued: Notify,
    answers: Mutex<HashMap<String, (u16, String)>>,
    replays: AtomicBool,
    /// What was taken, by the key of the request: an answer that its client has not waited for is given again.
    given: Mutex<HashMap<String, Vec<String>>>,
    calls: UnboundedSender<Call>,
}

impl PlayedCluster {
    pub(crate) async fn start() -> PlayedCluster {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let (sender, calls) = unbounded_channel();
        let state = Arc::new(State {
            queue: Mutex::default(),
            queued: Notify::new(),
            answers: Mutex::default(),
            replays: AtomicBool::new(false),
            given: Mutex::default(),
            calls: sender,
        });
        let shared = state.clone();
        let handler = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let state = shared.clone();
            async move { state.answer(&method, &uri, &headers, body).await }
        };
        let serve = axum::serve(listener, Router::new().fallback(handler));
        tokio::spawn(async move { serve.await.expect("the played cluster serves") });
        PlayedCluster { url, state, calls }
    }

    /// A client that does not try for long, so that what comes after it is tested.
    pub(crate) fn client(&self) -> Client {
        let config = ClientConfig { deadline: Duration::from_millis(100), ..ClientConfig::new([&self.url]) };
        Client::new(config).expect("a good configuration")
    }

    /// Queues a job and wakes a consume that is held.
    pub(crate) fn queue(&self, id: &str, image: &str, timeout: u32) {
        self.queue_silently(id, image, timeout);
        self.state.queued.notify_one();
    }

    /// Queues a job, but a consume that is held goes on waiting.
    pub(crate) fn queue_silently(&self, id: &str, image: &str, timeout: u32) {
        self.state
            .queue
            .lock()
            .expect("no panic under the lock")
            .push_back(job(id, image, timeout, "running"));
    }

    pub(crate) fn clear_queue(&self) {
        self.state.queue.lock().expect("no panic under the lock").clear();
    }

    pub(crate) fn queue_length(&self) -> usize {
        self.state.queue.lock().expect("no panic under the lock").len()
    }

    /// From now on this call gets this answer.
    pub(crate) fn answer(&self, line: &str, status: u16, body: impl Into<String>) {
        let mut answers = self.state.answers.lock().expect("no panic under the lock");
        answers.insert(line.to_owned(), (status, body.into()));
    }

    pub(crate) fn forget_answer(&self, line: &str) {
        self.state.answers.lock().expect("no panic under the lock").remove(line);
    }

    /// From now on every answer says that it repeats an earlier one.
    pub(crate) fn replay(&self) {
        self.state.replays.store(true, Ordering::Relaxed);
    }

    /// Waits for this call, and passes over others.
    pub(crate) async fn next(&mut self, line: &str) -> Call {
        soon(line, async {
            loop {
                let call = self.calls.recv().await.expect("the played cluster runs");
                if call.line == line {
                    return call;
                }
            }
        })
        .await
    }

    /// What arrived since, without waiting.
    pub(crate) fn rest(&mut self) -> Vec<Call> {
        std::iter::from_fn(|| self.calls.try_recv().ok()).collect()
    }
}

impl State {
    async fn answer(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        body: Bytes,
    ) -> (StatusCode, HeaderMap, String) {
        let line = format!("{method} {}", uri.path());
        let query = uri.query().unwrap_or_default();
        let said = ["&queue=", "&worker=", "&image="].map(|name| query.find(name));
        let selected = said.into_iter().flatten().min().unwrap_or(query.len());
        let (query, selection) = query.split_at(selected);
        let (query, selection) = (query.to_owned(), selection.trim_start_matches('&').to_owned());
        let key = headers.get("idempotency-key").map_or("", |key| key.to_str().expect("ASCII")).to_owned();
        self.calls
            .send(Call { line: line.clone(), query: query.clone(), selection, key: key.clone(), body })
            .expect("the test listens");
        let is_replayed = self.given.lock().expect("no panic under the lock").contains_key(&key);
        let told = self.answers.lock().expect("no panic under the lock").get(&line).cloned();
        let (status, body) = match (told, uri.path().rsplit('/').next().unwrap_or_default()) {
            (Some(told), _) => told,
            (None, "consume") => (200, self.consume(&query, &key).await),
            (None, "touch") => (204, String::new()),
            (None, "success" | "fail") if query == "take=1&wait=0" => {
                let (ended, taken) = (job("x", "x", 60, "success"), self.take(1, &key));
                (200, format!(r#"{{"job":{ended},"jobs":[{}]}}"#, taken.join(",")))
            }
            (None, "success" | "fail") => (200, wrapped(&job("x", "x", 60, "success"))),
            (None, _) => (200, wrapped(&job("x", "x", 60, "running"))),
        };
        let mut headers = HeaderMap::new();
        if is_replayed || self.replays.load(Ordering::Relaxed) {
            headers.insert("idempotent-replayed", HeaderValue::from_static("true"));
        }
        (StatusCode::from_u16(status).expect("a status"), headers, body)
    }

    async fn consume(&self, query: &str, key: &str) -> String {
        let (n, wait) = query.split_once('&').expect("n and wait");
        let n: usize = n.strip_prefix("n=").expect("n").parse().expect("a number");
        loop {
            let taken = self.take(n, key);
            if !taken.is_empty() || wait == "wait=0" {
                return format!(r#"{{"jobs":[{}]}}"#, taken.join(","));
            }
            self.queued.notified().await;
        }
    }

    fn take(&self, n: usize, key: &str) -> Vec<String> {
        let mut given = self.given.lock().expect("no panic under the lock");
        if let Some(taken) = given.get(key) {
            return taken.clone();
        }
        let mut queue = self.queue.lock().expect("no panic under the lock");
        let n = n.min(queue.len());
        let taken: Vec<String> = queue.drain(..n).collect();
        if !taken.is_empty() {
            given.insert(key.to_owned(), taken.clone());
        }
        taken
    }
}

fn job(id: &str, image: &str, timeout: u32, status: &str) -> String {
    format!(
        r#"{{"id":"{id}","image":"{image}","image_id":"x","payload":"the payload","timeout":{timeout},
            "status":"{status}","created_at":"2026-01-01T00:00:00Z"}}"#
    )
}

/// A job with this status, as an answer.
pub(crate) fn job_with(status: &str) -> String {
    wrapped(&job("x", "x", 60, status))
}

pub(crate) fn error(message: &str) -> String {
    format!(r#"{{"error":{{"message":"{message}"}}}}"#)
}

fn wrapped(job: &str) -> String {
    format!(r#"{{"job":{job}}}"#)
}

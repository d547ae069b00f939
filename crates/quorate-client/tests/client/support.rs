//! A cluster that answers by script: the first request, to whichever node, gets the first answer.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Response, Uri};
use quorate_client::{Client, ClientConfig};
use tokio::net::TcpListener;

/// What a node answers.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// A status and a body.
    Says(u16, String),
    /// The same, with `Retry-After` in seconds.
    SaysRetryAfter(u16, u64, String),
    /// An answer that repeats an earlier one.
    Repeats(u16, String),
    /// The head of a 200, then the connection ends.
    CutShort,
    /// Nothing, ever.
    Hangs,
    /// That nothing was done, after it has waited for a leader: so long, or as long as the client waits.
    FindsNoLeader(Duration),
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) node: usize,
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Seen {
    pub(crate) fn key(&self) -> &str {
        self.headers.get("idempotency-key").expect("a key").to_str().expect("ASCII")
    }

    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.uri)
    }
}

/// The cluster.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    pub(crate) urls: Vec<String>,
    script: Arc<Mutex<VecDeque<Answer>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Cluster {
    pub(crate) async fn start(nodes: usize, script: impl IntoIterator<Item = Answer>) -> Cluster {
        let mut cluster = Cluster {
            urls: Vec::new(),
            script: Arc::new(Mutex::new(script.into_iter().collect())),
            seen: Arc::default(),
        };
        for node in 0..nodes {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            cluster.urls.push(format!("http://{}", listener.local_addr().expect("it is bound")));
            let state = cluster.clone();
            let handler = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
                let state = state.clone();
                async move { state.answer(Seen { node, method, uri, headers, body }).await }
            };
            let serve = axum::serve(listener, Router::new().fallback(handler));
            tokio::spawn(async move { serve.await.expect("the fake node serves") });
        }
        cluster
    }

    /// A client of these nodes.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.config()).expect("the configuration is good")
    }

    pub(crate) fn config(&self) -> ClientConfig {
        ClientConfig::new(self.urls.clone())
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no panic under the lock").clone()
    }

    /// The one request that there was.
    pub(crate) fn only(&self) -> Seen {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:#?}");
        seen[0].clone()
    }

    async fn answer(&self, seen: Seen) -> Response<Body> {
        let headers = seen.headers.clone();
        self.seen.lock().expect("no panic under the lock").push(seen);
        let answer = self.script.lock().expect("no panic under the lock").pop_front();
        let response = |status: u16| Response::builder().status(status);
        match answer.unwrap_or_else(|| Answer::Says(418, "the script has ended".into())) {
            Answer::Says(status, body) => response(status).body(body.into()),
            Answer::SaysRetryAfter(status, seconds, body) => {
                response(status).header("Retry-After", seconds).body(body.into())
            }
            Answer::Repeats(status, body) => {
                response(status).header("Idempotent-Replayed", "true").body(body.into())
            }
            Answer::CutShort => {
                let cut = futures::stream::iter([Err::<Bytes, _>(io::Error::other("cut short"))]);
                response(200).header("Content-Length", 100).body(Body::from_stream(cut))
            }
            Answer::Hangs => std::future::pending().await,
            Answer::FindsNoLeader(wait) => {
                let patience = headers["quorate-timeout"].to_str().expect("ASCII").parse().expect("seconds");
                tokio::time::sleep(wait.min(Duration::from_secs_f64(patience))).await;
                response(503).body(r#"{"error":{"message":"no leader"},"outcome":"not_applied"}"#.into())
            }
        }
        .expect("a good response")
    }
}

pub(crate) fn job(id: &str, status: &str) -> String {
    format!(
        r#"{{"id":"{id}","image":"i","image_id":"x","payload":"","timeout":60,"status":"{status}",
            "created_at":"2026-01-01T00:00:00Z","something_newer":1}}"#
    )
}

pub(crate) fn one_job(id: &str, status: &str) -> Answer {
    Answer::Says(200, format!(r#"{{"job":{}}}"#, job(id, status)))
}

pub(crate) fn jobs(ids: &[&str]) -> Answer {
    let jobs: Vec<String> = ids.iter().map(|id| job(id, "queued")).collect();
    Answer::Says(200, format!(r#"{{"jobs":[{}]}}"#, jobs.join(",")))
}

pub(crate) fn error(status: u16, message: &str) -> Answer {
    Answer::Says(status, format!(r#"{{"error":{{"message":"{message}"}}}}"#))
}

pub(crate) fn unavailable(outcome: &str) -> Answer {
    Answer::Says(503, format!(r#"{{"error":{{"message":"no leader"}},"outcome":"{outcome}"}}"#))
}

use std::time::Duration;

use anyhow::Context;
use quorate_api::{ErrorWrapper, JobWrapper, JobsWrapper, NewJobsWrapper, WriteOutcome};
use quorate_check::{Call, JobRecord, Op, Outcome, Reason};
use reqwest::{Method, RequestBuilder, Response, StatusCode};

use tokio::time::timeout;

use crate::clock::Clock;
use crate::convert;
use crate::hosts::Node;
use crate::limits;

/// Sends requests, each once, and says exactly what is known of each. That is why it is not `quorate-client`, which
/// repeats and picks nodes by itself.
pub(crate) struct Rest {
    http: reqwest::Client,
    clock: Clock,
}

impl Rest {
    pub(crate) fn new(clock: Clock) -> anyhow::Result<Rest> {
        let http = reqwest::Client::builder()
            .timeout(limits::ATTEMPT)
            .connect_timeout(limits::CONNECT)
            .pool_idle_timeout(limits::IDLE)
            .tcp_nodelay(true)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Rest { http, clock })
    }

    /// One attempt. The call says all that is sent: payloads and logs follow from tags and ids. A client that `leaves`
    /// waits for the answer for so long, and then closes the connection.
    ///
    /// # Errors
    /// The node answers something that is not of this API.
    pub(crate) async fn attempt(
        &self,
        client: u32,
        node: &Node,
        call: Call,
        key: Option<Box<str>>,
        leaves: Option<Duration>,
    ) -> anyhow::Result<Op> {
        let wait = if let Call::Consume { wait, .. } = call { wait } else { 0 };
        let limit = limits::ATTEMPT + Duration::from_secs(wait.into());
        let mut request = self.request(&node.url, &call).timeout(limit);
        if let Some(key) = &key {
            request = request.header("Idempotency-Key", &**key);
        }
        let invoke = self.clock.now();
        let mut op = Op {
            client,
            node: node.name.as_str().into(),
            invoke,
            returned: 0,
            call,
            key,
            left: false,
            outcome: Outcome::Info,
            status: None,
            index: None,
            jobs: Vec::new(),
        };
        let sent = self.send(request, &mut op);
        match leaves {
            None => sent.await?,
            Some(leaves) => match timeout(leaves, sent).await {
                Ok(sent) => sent?,
                Err(_) => {
                    (op.left, op.outcome, op.status, op.index) = (true, Outcome::Info, None, None);
                    op.jobs.clear();
                }
            },
        }
        op.returned = self.clock.now();
        Ok(op)
    }

    async fn send(&self, request: RequestBuilder, op: &mut Op) -> anyhow::Result<()> {
        match request.send().await {
            // No connection: it was never sent.
            Err(error) if error.is_connect() => op.outcome = Outcome::Fail,
            Err(_) => {}
            Ok(answer) => self.read(op, answer).await.with_context(|| format!("{op:?}"))?,
        }
        Ok(())
    }

    async fn read(&self, op: &mut Op, answer: Response) -> anyhow::Result<()> {
        let status = answer.status();
        let index = answer.headers().get("Quorate-Index").map(|index| index.to_str()).transpose()?;
        let index = index.map(str::parse).transpose()?;
        // A connection that breaks off in the answer leaves the outcome unknown, though the status said something.
        let Ok(body) = answer.bytes().await else { return Ok(()) };
        op.status = Some(status.as_u16());
        op.index = index;
        if status.is_success() {
            op.jobs = jobs(&op.call, &body)?;
            op.outcome = Outcome::Ok;
        } else {
            op.outcome = failure(status, &body);
        }
        Ok(())
    }

    fn request(&self, url: &str, call: &Call) -> RequestBuilder {
        let post = |path: String| self.http.request(Method::POST, format!("{url}/v1/{path}"));
        let get = |path: String| self.http.request(Method::GET, format!("{url}/v1/{path}"));
        let certainly = |linearizable: &bool| if *linearizable { "linearizable" } else { "local" };
        match call {
            Call::Enqueue { jobs } => post("jobs".into())
                .json(&NewJobsWrapper { jobs: jobs.iter().map(convert::new_job).collect() }),
            Call::Consume { n, wait } => post(format!("jobs/consume?n={n}&wait={wait}")),
            Call::Success { id, .. } => {
                post(format!("job/{id}/success")).json(&serde_json::json!({ "log": convert::log_of(id) }))
            }
            Call::Fail { id, reason, .. } => post(format!("job/{id}/fail"))
                .json(&serde_json::json!({ "reason": word(*reason), "log": convert::log_of(id) })),
            Call::Cancel { id } => post(format!("job/{id}/cancel")).body("chaos"),
            Call::Touch { id } => post(format!("job/{id}/touch")),
            Call::Retry { id } => post(format!("job/{id}/retry")),
            Call::Delete { id } => self.http.delete(format!("{url}/v1/job/{id}")),
            Call::Get { id, linearizable } => {
                get(format!("job/{id}?consistency={}", certainly(linearizable)))
            }
            Call::List { linearizable } => get(format!("jobs?n=20&consistency={}", certainly(linearizable))),
        }
    }
}

fn word(reason: Reason) -> &'static str {
    match reason {
        Reason::Timeout => "timeout",
        Reason::Killed => "killed",
        Reason::BadExit => "bad_exit",
    }
}

fn jobs(call: &Call, body: &[u8]) -> anyhow::Result<Vec<JobRecord>> {
    match call {
        Call::Enqueue { .. } | Call::Consume { .. } | Call::List { .. } => {
            serde_json::from_slice::<JobsWrapper>(body)?.jobs.iter().map(convert::record).collect()
        }
        Call::Success { .. }
        | Call::Fail { .. }
        | Call::Cancel { .. }
        | Call::Retry { .. }
        | Call::Get { .. } => Ok(vec![convert::record(&serde_json::from_slice::<JobWrapper>(body)?.job)?]),
        Call::Touch { .. } | Call::Delete { .. } => Ok(Vec::new()),
    }
}

/// What an answer other than 2xx says of the effect.
fn failure(status: StatusCode, body: &[u8]) -> Outcome {
    match status {
        StatusCode::SERVICE_UNAVAILABLE => {
            let outcome = serde_json::from_slice::<ErrorWrapper>(body).ok().and_then(|body| body.outcome);
            match outcome {
                Some(WriteOutcome::NotApplied) => Outcome::Fail,
                Some(WriteOutcome::Unknown) | None => Outcome::Info,
            }
        }
        StatusCode::INSUFFICIENT_STORAGE => Outcome::Fail,
        status if status.is_client_error() => Outcome::Fail,
        _ => Outcome::Info,
    }
}

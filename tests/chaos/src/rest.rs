use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use quorate_api::{
    ErrorWrapper, FinishRequest, FinishedJobWrapper, FinishedJobsWrapper, JobWrapper, JobsWrapper,
    NewJobsWrapper, OperationWrapper, WriteOutcome,
};
use quorate_check::{Call, Ending, Op, Outcome, Reason};
use reqwest::header::{AUTHORIZATION, HeaderMap};
use reqwest::{Method, RequestBuilder, StatusCode};

use tokio::time::timeout;

use crate::clock::Clock;
use crate::convert;
use crate::guests::Guest;
use crate::hosts::Node;
use crate::keys::{self, Who};
use crate::limits;

/// A token is missing, or is not known.
pub(crate) const UNAUTHORIZED: u16 = 401;
/// A token's roles are others.
pub(crate) const FORBIDDEN: u16 = 403;

/// Sends requests, each once, and says exactly what is known of each. That is why it is not `quorate-client`, which
/// repeats and picks nodes by itself.
pub(crate) struct Rest {
    http: reqwest::Client,
    clock: Clock,
    /// Whose token may be removed.
    guest: Option<Guest>,
}

/// An answer, whole.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Rest {
    pub(crate) fn new(clock: Clock, nodes: &[Node], who: Who) -> anyhow::Result<Rest> {
        let http = keys::http(nodes, who)
            .timeout(limits::ATTEMPT)
            .connect_timeout(limits::CONNECT)
            .pool_idle_timeout(limits::IDLE)
            .tcp_nodelay(true)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Rest { http, clock, guest: None })
    }

    /// For the client of this number, with its token.
    pub(crate) fn of_client(clock: Clock, nodes: &[Node], number: u32) -> anyhow::Result<Rest> {
        Ok(Rest { guest: keys::guest(nodes, number), ..Rest::new(clock, nodes, Who::Client)? })
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
        let limit = limits::ATTEMPT + Duration::from_secs(call.wait().into());
        let mut request = self.request(&node.url, &call).timeout(limit);
        if let Some(key) = &key {
            request = request.header("Idempotency-Key", &**key);
        }
        if let Some(guest) = &self.guest {
            request = request.header(AUTHORIZATION, guest.token());
        }
        let mut op = Op::sent(client, &node.name, self.clock.now(), call, key);
        let sent = self.send(request, &mut op);
        match leaves {
            None => drop(sent.await?),
            Some(leaves) => match timeout(leaves, sent).await {
                Ok(sent) => drop(sent?),
                Err(_) => {
                    forget(&mut op);
                    op.left = true;
                }
            },
        }
        op.returned = self.clock.now();
        if let Some(guest) = self.guest.as_ref().filter(|_| op.status == Some(UNAUTHORIZED)) {
            guest.refused();
        }
        Ok(op)
    }

    /// Sends a request, and writes what is known of it then. No answer, or not the whole of it, is none.
    ///
    /// # Errors
    /// The node answers something that is not of this API.
    pub(crate) async fn send(&self, request: RequestBuilder, op: &mut Op) -> anyhow::Result<Option<Answer>> {
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => {
                // No connection: it was never sent.
                op.outcome = if error.is_connect() { Outcome::Fail } else { Outcome::Info };
                return Ok(None);
            }
        };
        let (status, headers) = (answer.status(), answer.headers().clone());
        // A connection that breaks off in the answer leaves the outcome unknown, though the status said something.
        let Ok(body) = answer.bytes().await else { return Ok(None) };
        read(op, status, &headers, &body).with_context(|| format!("{op:?}"))?;
        Ok(Some(Answer { status, headers, body }))
    }

    /// A request of any kind.
    pub(crate) fn http(&self, method: Method, url: String) -> RequestBuilder {
        self.http.request(method, url)
    }

    fn request(&self, url: &str, call: &Call) -> RequestBuilder {
        let post = |path: String| self.http.request(Method::POST, format!("{url}/v1/{path}"));
        let get = |path: String| self.http.request(Method::GET, format!("{url}/v1/{path}"));
        let certainly = |linearizable: &bool| if *linearizable { "linearizable" } else { "local" };
        match call {
            Call::Enqueue { jobs } => post("jobs".into())
                .json(&NewJobsWrapper { jobs: jobs.iter().map(convert::new_job).collect() }),
            Call::Consume { n, wait, queue } => {
                post(format!("jobs/consume?n={n}&wait={wait}{}", and_queue(queue)))
            }
            Call::Success { id, .. } => post(format!("job/{id}/success")).json(&body(id, None)),
            Call::Fail { id, reason, .. } => post(format!("job/{id}/fail")).json(&body(id, Some(*reason))),
            Call::Finish { endings, take, wait, queue, alone } => match &endings[..] {
                [Ending { id, reason, .. }] if *alone => {
                    let end = if reason.is_some() { "fail" } else { "success" };
                    post(format!("job/{id}/{end}?take={take}&wait={wait}{}", and_queue(queue)))
                        .json(&body(id, *reason))
                }
                endings => {
                    let jobs = endings.iter().map(convert::ending).collect();
                    post("jobs/finish".into()).json(&FinishRequest {
                        worker: None,
                        queue: (!queue.is_empty()).then(|| queue.join(",")),
                        image: None,
                        jobs,
                        take: Some(*take),
                        wait: Some(*wait),
                    })
                }
            },
            Call::Cancel { id } => post(format!("job/{id}/cancel")).body("chaos"),
            Call::Touch { id } => post(format!("job/{id}/touch")),
            Call::Retry { id } => post(format!("job/{id}/retry")),
            Call::Release { id, delay } => post(format!("job/{id}/release?delay={delay}")),
            Call::Set { queue, limits } => {
                self.http.put(format!("{url}/v1/queue/{queue}")).json(&convert::settings(limits))
            }
            Call::Operate { action, selection } => {
                post(format!("jobs/{}", convert::action(*action))).json(&convert::operation(selection))
            }
            Call::Stop { id } => post(format!("operation/{id}/stop")),
            Call::Watch { id, wait } => get(format!("operation/{id}?wait={wait}")),
            Call::Delete { id } => self.http.delete(format!("{url}/v1/job/{id}")),
            Call::Get { id, linearizable } => {
                get(format!("job/{id}?consistency={}", certainly(linearizable)))
            }
            Call::List { linearizable } => get(format!("jobs?n=20&consistency={}", certainly(linearizable))),
        }
    }
}

/// The parameter that says which queues.
fn and_queue(queue: &[Box<str>]) -> String {
    if queue.is_empty() { String::new() } else { format!("&queue={}", queue.join(",")) }
}

/// What an answer says of its request.
fn read(op: &mut Op, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> anyhow::Result<()> {
    let index = headers.get("Quorate-Index").map(|index| index.to_str()).transpose()?;
    op.index = index.map(str::parse).transpose()?;
    op.replayed = headers.contains_key("Idempotent-Replayed");
    op.status = Some(status.as_u16());
    if status.is_success() {
        shown(op, body)?;
        op.outcome = Outcome::Ok;
    } else {
        op.outcome = failure(status, body);
    }
    Ok(())
}

/// Leaves of an answer what is known without it: nothing.
pub(crate) fn forget(op: &mut Op) {
    (op.outcome, op.status, op.index, op.replayed) = (Outcome::Info, None, None, false);
    op.jobs.clear();
    op.ended.clear();
    op.operation = None;
}

/// What is sent of the end of a job.
fn body(id: &str, reason: Option<Reason>) -> serde_json::Value {
    match reason {
        None => serde_json::json!({ "log": convert::log_of(id) }),
        Some(reason) => serde_json::json!({ "reason": convert::word(reason), "log": convert::log_of(id) }),
    }
}

/// The jobs that an answer shows, and what it says of those that were to be ended.
fn shown(op: &mut Op, body: &[u8]) -> anyhow::Result<()> {
    let jobs = match &op.call {
        Call::Enqueue { .. } | Call::Consume { .. } | Call::List { .. } => {
            serde_json::from_slice::<JobsWrapper>(body)?.jobs
        }
        Call::Finish { alone: true, .. } => {
            let FinishedJobWrapper { job, jobs } = serde_json::from_slice(body)?;
            op.ended = vec![convert::ended_job(&job)];
            jobs.context("it was asked to take jobs")?
        }
        Call::Finish { alone: false, .. } => {
            let FinishedJobsWrapper { ended, jobs } = serde_json::from_slice(body)?;
            op.ended = ended.iter().map(convert::ended).collect();
            jobs
        }
        Call::Success { .. }
        | Call::Fail { .. }
        | Call::Cancel { .. }
        | Call::Retry { .. }
        | Call::Release { .. }
        | Call::Get { .. } => vec![serde_json::from_slice::<JobWrapper>(body)?.job],
        Call::Operate { .. } | Call::Stop { .. } | Call::Watch { .. } => {
            let OperationWrapper { operation } = serde_json::from_slice(body)?;
            op.operation = Some(convert::operation_record(&operation)?);
            Vec::new()
        }
        Call::Touch { .. } | Call::Delete { .. } | Call::Set { .. } => Vec::new(),
    };
    op.jobs = jobs.iter().map(convert::record).collect::<anyhow::Result<_>>()?;
    Ok(())
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

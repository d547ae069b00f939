use std::time::Duration;

use bytes::{Bytes, BytesMut};
use quorate_api::{ErrorWrapper, WriteOutcome};
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::multipart::{Form, Part};
use reqwest::{RequestBuilder, Response, StatusCode};

use crate::call::{Body, Call};
use crate::limits;
use crate::tls::{self, tls_error};
use crate::{Keyed, Refused, RefusedKind};

/// The answer repeats an earlier one.
const REPLAYED: &str = "idempotent-replayed";

/// How a node's answer begins where TLS was expected.
const SPEAKS_HTTPS: &[u8] = b"This port speaks HTTPS";

/// Why one attempt at one node did not do it.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The cluster refuses it; so would every other node.
    Refused(Refused),
    /// The cluster has too much to do. Nothing was done.
    Busy(Setback),
    /// It takes no connection: nothing was done.
    Unreachable { setback: Setback, how: Unreachable },
    /// Nothing was done here; another node may do it at once.
    NotApplied(Setback),
    /// It may or may not have been done.
    Unknown(Setback),
    /// Not an answer of this API.
    Foreign {
        what: String,
        /// It says that it went well.
        is_success: bool,
    },
}

/// How a node could not be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreachable {
    /// It says nothing. A packet may have been lost, which another try mends.
    Silent,
    /// It said so, or its name is unknown.
    Refused,
    /// The two do not agree on a secure connection.
    Tls,
}

/// What is known of an attempt that may be repeated.
#[derive(Debug)]
pub(crate) struct Setback {
    pub(crate) why: String,
    /// The server's wish: not before that time is over.
    pub(crate) retry_after: Option<Duration>,
}

impl Setback {
    pub(crate) fn new(why: impl std::fmt::Display) -> Setback {
        Setback { why: why.to_string(), retry_after: None }
    }
}

/// Sends the call once and reads the answer: the body of a success.
pub(crate) async fn attempt(request: RequestBuilder, call: &Call<'_>) -> Result<Keyed<Bytes>, Failure> {
    let request = match &call.key {
        None => request,
        Some(key) => request.header("Idempotency-Key", key),
    };
    let request = match &call.body {
        Body::Empty => request,
        Body::Json(json) => request.header(CONTENT_TYPE, "application/json").body(json.clone()),
        Body::Bytes(bytes) => request.header(CONTENT_TYPE, "application/octet-stream").body(bytes.clone()),
        Body::Form { fields, log } => request.multipart(form(fields, log)),
    };
    let response = request.send().await.map_err(not_answered)?;
    let (status, retry_after) = (response.status(), retry_after(response.headers()));
    let replayed = response.headers().get(REPLAYED).is_some_and(|value| value == "true");
    let body = read(response).await?;
    if !status.is_success() {
        return Err(classify(status, retry_after, &body));
    }
    Ok(Keyed { answer: body, replayed })
}

/// Sends a read once; its answer has begun, and says that it goes well.
pub(crate) async fn begin(request: RequestBuilder) -> Result<Response, Failure> {
    let response = request.send().await.map_err(not_answered)?;
    let (status, retry_after) = (response.status(), retry_after(response.headers()));
    if status.is_success() {
        return Ok(response);
    }
    Err(classify(status, retry_after, &read(response).await?))
}

impl Failure {
    /// Nothing has come in time.
    pub(crate) fn silent() -> Failure {
        Failure::Unknown(Setback::new("no answer in time"))
    }
}

fn form(fields: &[(&'static str, String)], log: &Bytes) -> Form {
    let log = Part::stream_with_length(log.clone(), log.len() as u64)
        .file_name("log.txt")
        .mime_str("text/plain; charset=utf-8")
        .expect("it is a media type");
    fields.iter().fold(Form::new(), |form, (name, value)| form.text(*name, value.clone())).part("log", log)
}

/// No connection: the node cannot have done it. Anything later: it can.
fn not_answered(error: reqwest::Error) -> Failure {
    let (setback, tls) = (Setback::new(words(&error)), tls_error(&error));
    let how = match (error.is_connect(), tls) {
        (true, Some(_)) => Unreachable::Tls,
        (false, Some(tls)) if tls::is_refusal(tls) => Unreachable::Tls,
        (true, None) if error.is_timeout() => Unreachable::Silent,
        (true, None) => Unreachable::Refused,
        (false, _) => return Failure::Unknown(setback),
    };
    Failure::Unreachable { setback, how }
}

/// Why a request to a node failed, in plain words: the first cause. What stands before it are the layers of the client.
pub(crate) fn words(error: &reqwest::Error) -> String {
    if let Some(error) = tls_error(error) {
        return tls::words(error);
    }
    let cause = first_cause(error);
    match () {
        () if error.is_timeout() && error.is_connect() => "it takes no connection in time".into(),
        () if error.is_timeout() => "no answer in time".into(),
        () if cause.starts_with("failed to lookup address") => "no address is found for this name".into(),
        // The other side of a connection of peers speaks first, before the request has gone out or behind it.
        () if cause.starts_with("invalid HTTP") || cause.starts_with("received unexpected message") => {
            "what listens there does not speak HTTP: call it with https:// in front, or name the HTTP port where this is one at which nodes \
             talk to each other (--peer-addr)"
                .into()
        }
        () => cause.split(" (os error").next().unwrap_or_default().to_owned(),
    }
}

fn first_cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), first_cause)
}

async fn read(mut response: Response) -> Result<Bytes, Failure> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(not_answered)? {
        if body.len() + chunk.len() > limits::ANSWER_BYTES {
            let what = format!("an answer of more than {} bytes", limits::ANSWER_BYTES);
            return Err(Failure::Foreign { what, is_success: response.status().is_success() });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// What a status outside of 2xx means.
///
/// A gateway between client and node (502, 504, and a 503 that is not in this API's form) knows no more than we do.
fn classify(status: StatusCode, retry_after: Option<Duration>, body: &Bytes) -> Failure {
    let error = serde_json::from_slice::<ErrorWrapper>(body).ok();
    let setback = || {
        let message = error.as_ref().map_or_else(|| quote(body), |error| error.error.message.clone());
        Setback { why: format!("{status}: {message}"), retry_after }
    };
    match status {
        // A node's port, before it looks at the request.
        StatusCode::BAD_REQUEST if body.starts_with(SPEAKS_HTTPS) => Failure::Unreachable {
            setback: Setback::new(
                "This port speaks HTTPS: call it with https:// in front, and --ca FILE (QUORATE_CA)",
            ),
            how: Unreachable::Tls,
        },
        StatusCode::TOO_MANY_REQUESTS => Failure::Busy(setback()),
        StatusCode::REQUEST_TIMEOUT | StatusCode::INSUFFICIENT_STORAGE => Failure::NotApplied(setback()),
        StatusCode::SERVICE_UNAVAILABLE => match error.as_ref().and_then(|error| error.outcome) {
            Some(WriteOutcome::NotApplied) => Failure::NotApplied(setback()),
            Some(WriteOutcome::Unknown) | None => Failure::Unknown(setback()),
        },
        status if status.is_server_error() => Failure::Unknown(setback()),
        status => match (refused_kind(status), error) {
            (Some(kind), Some(ErrorWrapper { error, outcome: _ })) => Failure::Refused(Refused {
                kind,
                status: status.as_u16(),
                message: error.message,
                fields: error.fields,
            }),
            (None, _) | (_, None) => {
                Failure::Foreign { what: format!("{status}: {}", quote(body)), is_success: false }
            }
        },
    }
}

fn refused_kind(status: StatusCode) -> Option<RefusedKind> {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Some(RefusedKind::Unauthorized),
        StatusCode::NOT_FOUND => Some(RefusedKind::NotFound),
        StatusCode::CONFLICT => Some(RefusedKind::Conflict),
        StatusCode::PAYLOAD_TOO_LARGE => Some(RefusedKind::TooLarge),
        status if status.is_client_error() => Some(RefusedKind::Invalid),
        _ => None,
    }
}

pub(crate) fn quote(body: &Bytes) -> String {
    String::from_utf8_lossy(body).chars().take(limits::QUOTED_CHARS).collect()
}

//! By what a request is known: its id, which stands in its answer, in its span and in its line of the access log.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::response::Response;
use tracing::Span;
use uuid::Uuid;

use crate::access::Caller;
use crate::asked::Asked;
use crate::quote::shortened;
use crate::{limits, response};

/// What a client and a server call one request: many proxies and clients send it, and show it in their logs.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The span that a client has of its request: <https://www.w3.org/TR/trace-context/>.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Who sent a request: it is among a request's extensions.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
    /// What its certificate calls it, where this node asks for one and has verified it.
    pub(crate) certificate: Option<Arc<str>>,
}

/// What is told of requests, and how their spans become parts of their clients' traces.
#[derive(Clone, Copy, Debug)]
pub struct Traces {
    /// One line in the log for each request.
    pub access_log: bool,
    /// Makes a request's span a child of the one that its `traceparent` names.
    pub adopt: fn(&Span, &str),
}

impl Default for Traces {
    fn default() -> Traces {
        Traces { access_log: false, adopt: |_, _| {} }
    }
}

impl Traces {
    /// The span of a request to this route; a disabled one, which costs next to nothing, where nobody wants to have it.
    pub(crate) fn span(self, id: &RequestId, route: &str, request: &Request) -> Span {
        let span = tracing::debug_span!(
            target: "quorate::trace",
            "request",
            id = id.as_str(),
            method = request.method().as_str(),
            route,
            status = tracing::field::Empty
        );
        if !span.is_disabled()
            && let Some(parent) = request.headers().get(TRACEPARENT).and_then(|value| value.to_str().ok())
        {
            (self.adopt)(&span, parent);
        }
        span
    }

    /// What the log will say of a request, if anything: in the access log, and in the audit log where that has it.
    pub(crate) fn line(
        self,
        id: &RequestId,
        request: &Request,
        caller: Option<&Caller>,
        audit: bool,
    ) -> Option<Line> {
        let client: Option<&Client> = request.extensions().get();
        (self.access_log || audit).then(|| Line {
            access: self.access_log,
            audit: audit.then(Asked::default),
            id: id.as_str().to_owned(),
            token: caller.and_then(|caller| caller.name.clone()),
            client: client.map(|client| client.address),
            certificate: client.and_then(|client| client.certificate.clone()),
            method: request.method().clone(),
            path: shortened(
                request.uri().path_and_query().map_or("", PathAndQuery::as_str),
                limits::MESSAGE_CHARS,
            ),
        })
    }
}

/// The id of a request: 1 to [`limits::REQUEST_ID_BYTES`] visible ASCII characters.
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    /// What its client calls it, or a new one where that is nothing, or nothing that can be shown.
    pub(crate) fn of(headers: &HeaderMap) -> RequestId {
        let given = headers.get(REQUEST_ID).filter(|id| can_be_shown(id.as_bytes()));
        // A copy: what came with the head holds all of its memory, maybe for as long as the request waits.
        let given = given.and_then(|id| HeaderValue::from_bytes(id.as_bytes()).ok());
        RequestId(given.unwrap_or_else(draw))
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// Puts it into the answer.
    pub(crate) fn put(self, headers: &mut HeaderMap) {
        headers.insert(REQUEST_ID, self.0);
    }
}

fn can_be_shown(id: &[u8]) -> bool {
    (1..=limits::REQUEST_ID_BYTES).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}

/// They ascend, so that a log's part is found by them.
fn draw() -> HeaderValue {
    let mut text = Uuid::encode_buffer();
    let text = Uuid::now_v7().hyphenated().encode_lower(&mut text);
    HeaderValue::from_str(text).expect("hex digits are a header value")
}

/// What the log says of a request. Dropped before there is an answer, it says that the client has left.
pub(crate) struct Line {
    access: bool,
    /// What was asked for, where only an administrator may.
    audit: Option<Asked>,
    id: String,
    token: Option<Arc<str>>,
    client: Option<SocketAddr>,
    certificate: Option<Arc<str>>,
    method: Method,
    path: String,
}

impl Line {
    /// Where the handler says what was asked for.
    pub(crate) fn asked(&self) -> Option<Asked> {
        self.audit.clone()
    }

    /// Writes it; `took` until the answer began.
    pub(crate) fn log(mut self, response: &Response, took: Duration) {
        let index = response.headers().get(response::QUORATE_INDEX).and_then(|index| index.to_str().ok());
        self.write(Some((response.status().as_u16(), took)), index);
        (self.access, self.audit) = (false, None);
    }

    fn write(&self, answer: Option<(u16, Duration)>, index: Option<&str>) {
        let Line { access, audit, id, token, client, certificate, method, path } = self;
        let (client, token) = (client.map(tracing::field::display), token.as_deref());
        let certificate = certificate.as_deref();
        let (status, took) = (answer.map(|(status, _)| status), answer.map(|(_, took)| took));
        let what = if answer.is_some() { "request" } else { "the client left before the answer" };
        if let Some(asked) = audit {
            let asked = (!asked.is_empty()).then(|| tracing::field::display(asked));
            tracing::info!(target: "quorate::audit", %id, token, client, certificate, %method, %path, asked, status, index, "{what}");
        }
        if *access {
            let took_ms = took.map(|took| took.as_micros() as f64 / 1_000.0);
            tracing::info!(target: "quorate::access", %id, token, client, certificate, %method, %path, status, took_ms, "{what}");
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.write(None, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_can_be_shown_is_kept() {
        let of = |value: &[u8]| {
            let headers = HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_bytes(value).unwrap())]);
            RequestId::of(&headers).as_str().to_owned()
        };
        let longest = [b'x'; limits::REQUEST_ID_BYTES];
        for kept in [&b"7"[..], b"0193-abc/def", b"\"quoted\"", &longest] {
            assert_eq!(of(kept).as_bytes(), kept);
        }
        for no_id in [&b""[..], b"two words", b"t\xc3\xa4g", &[&longest[..], b"x"].concat()] {
            assert_eq!(of(no_id).len(), 36, "{no_id:?}");
        }
        assert!(RequestId::of(&HeaderMap::new()).as_str() < RequestId::of(&HeaderMap::new()).as_str());
    }
}

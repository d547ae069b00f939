//! By what a request is known: its id, which stands in its answer, in its span and in its line of the access log.

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::Request;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::response::Response;
use tracing::Span;
use uuid::Uuid;

use crate::access::Needs;
use crate::{limits, response};

/// What a client and a server call one request: many proxies and clients send it, and show it in their logs.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The span that a client has of its request: <https://www.w3.org/TR/trace-context/>.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Who sent a request: it is among a request's extensions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client(pub(crate) SocketAddr);

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

    /// What may be said of a request in the log: always, since it may turn out to be an administrator's.
    pub(crate) fn line(self, request: &Request) -> Option<Line> {
        let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
        (self.access_log || changes).then(|| Line {
            access_log: self.access_log,
            changes,
            client: request.extensions().get().map(|Client(client)| *client),
            method: request.method().clone(),
            path: request.uri().path_and_query().cloned(),
        })
    }
}

/// The id of a request: 1 to [`limits::REQUEST_ID_BYTES`] visible ASCII characters.
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    /// What its client calls it, or a new one where that is nothing, or nothing that can be shown.
    pub(crate) fn of(headers: &HeaderMap) -> RequestId {
        let given = headers.get(REQUEST_ID).filter(|id| can_be_shown(id.as_bytes()));
        RequestId(given.cloned().unwrap_or_else(draw))
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

/// What the log says of a request.
pub(crate) struct Line {
    access_log: bool,
    changes: bool,
    client: Option<SocketAddr>,
    method: Method,
    path: Option<PathAndQuery>,
}

impl Line {
    /// Writes it into the access log; and into the audit log what an administrator has changed, or somebody else has tried to.
    /// `took` until the answer began.
    pub(crate) fn log(
        self,
        id: &RequestId,
        token: Option<&str>,
        needs: Option<Needs>,
        response: &Response,
        took: Duration,
    ) {
        let Line { access_log, changes, client, method, path } = self;
        let (id, client) = (id.as_str(), client.map(tracing::field::display));
        let path = path.as_ref().map_or("", PathAndQuery::as_str);
        let status = response.status().as_u16();
        if changes && needs.is_some_and(Needs::is_admins) {
            let index = response.headers().get(response::QUORATE_INDEX).and_then(|index| index.to_str().ok());
            tracing::info!(target: "quorate::audit", %id, token, client, %method, %path, status, index, "administration");
        }
        if access_log {
            let took_ms = took.as_micros() as f64 / 1_000.0;
            tracing::info!(target: "quorate::access", %id, token, client, %method, %path, status, took_ms, "request");
        }
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

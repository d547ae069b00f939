//! Answers as HTTP has them: a status code, a place in the log, a body of some type.

use std::fmt::Write;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use quorate_core::Position;
use serde::Serialize;

/// Where in the log an answer stands.
pub(crate) const QUORATE_INDEX: HeaderName = HeaderName::from_static("quorate-index");

/// Says that an answer repeats an earlier one.
const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// The value of `Quorate-Index`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Index {
    /// A write: where it took effect, as `INDEX.POSITION`.
    Written(Position),
    /// The same of a write that an earlier one under its Idempotency-Key had carried out: the answer repeats that one's,
    /// and says so in `Idempotent-Replayed`.
    Replayed(Position),
    /// A read: the applied index that it reflects at least.
    Applied(u64),
}

impl Index {
    fn header_value(self) -> HeaderValue {
        let mut text = String::with_capacity(24);
        let written = match self {
            Index::Written(at) | Index::Replayed(at) => write!(text, "{}.{}", at.index, at.offset),
            Index::Applied(index) => write!(text, "{index}"),
        };
        written.expect("a String takes all that is written to it");
        HeaderValue::try_from(text).expect("digits and a point are a header value")
    }
}

/// Adds `Quorate-Index`, where there is one, and `Idempotent-Replayed`, where it is so.
pub(crate) fn set_index(response: &mut Response, index: Option<Index>) {
    let Some(index) = index else { return };
    response.headers_mut().insert(QUORATE_INDEX, index.header_value());
    match index {
        Index::Replayed(_) => {
            response.headers_mut().insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
        }
        Index::Written(_) | Index::Applied(_) => {}
    }
}

/// A JSON answer that is small whatever was asked. Its Content-Type is bare: clients in the field compare it as text.
pub(crate) fn json<T: Serialize>(status: StatusCode, index: Option<Index>, value: &T) -> Response {
    let mut encoded = Vec::with_capacity(1024);
    serde_json::to_writer(&mut encoded, value).expect("structs of strings and numbers are JSON");
    with_type(status, index, "application/json", Body::from(encoded))
}

/// An answer without a body.
pub(crate) fn no_content(index: Index) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    set_index(&mut response, Some(index));
    response
}

/// A body of this type.
pub(crate) fn with_type(
    status: StatusCode,
    index: Option<Index>,
    content_type: &'static str,
    body: Body,
) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    set_index(&mut response, index);
    response
}

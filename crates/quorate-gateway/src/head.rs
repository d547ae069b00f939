//! What the head of a request must be, whatever it asks for. hyper has seen to its syntax.

use std::net::Ipv6Addr;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, Version, header};

use crate::error::ApiError;
use crate::{idempotency, limits, patience};

/// Fields that stand in a request at most once: of two, nobody knows which one was meant.
const AT_MOST_ONCE: [(HeaderName, &str); 7] = [
    (header::AUTHORIZATION, "Authorization"),
    (header::HOST, "Host"),
    (header::CONTENT_LENGTH, "Content-Length"),
    (header::CONTENT_TYPE, "Content-Type"),
    (header::EXPECT, "Expect"),
    (idempotency::HEADER, "Idempotency-Key"),
    (patience::HEADER, patience::QUORATE_TIMEOUT),
];

/// # Errors
/// 400: a missing, doubled or malformed field. 431: too many fields. 501: a body in a coding that is not known here.
pub(crate) fn check<B>(request: &Request<B>) -> Result<(), ApiError> {
    let headers = request.headers();
    // HTTP/1 does not come so far.
    if headers.len() > limits::HEADER_FIELDS {
        return Err(ApiError::HeaderTooLarge);
    }
    for (name, shown) in AT_MOST_ONCE {
        if headers.get_all(&name).iter().nth(1).is_some() {
            return Err(ApiError::invalid(shown, "is given twice"));
        }
    }
    transfer_encoding(headers)?;
    host(request)
}

/// Bytes of a request's head, without what they are kept in.
pub(crate) fn bytes<B>(request: &Request<B>) -> usize {
    let fields = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len());
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    target + fields.sum::<usize>()
}

/// A server that does not know a coding cannot know where the body ends (RFC 9112, 6.1).
fn transfer_encoding(headers: &HeaderMap) -> Result<(), ApiError> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let known = |coding: &HeaderValue| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
    match (codings.next(), codings.next()) {
        (None, None) => Ok(()),
        (Some(coding), None) if known(coding) => Ok(()),
        _ => Err(ApiError::UnsupportedTransferEncoding),
    }
}

/// Whose server the client believes this to be: RFC 9112, 3.2, and for HTTP/2 RFC 9113, 8.3.1.
fn host<B>(request: &Request<B>) -> Result<(), ApiError> {
    let host = request.headers().get(header::HOST);
    let authority = match request.version() {
        Version::HTTP_2 => request.uri().authority(),
        Version::HTTP_11 => None,
        // HTTP/1.0 has no Host.
        _ => return Ok(()),
    };
    match (host, authority) {
        (None, None) => Err(ApiError::invalid("Host", "is missing")),
        (_, Some(authority)) if !is_host(authority.as_str()) => {
            Err(ApiError::invalid(":authority", "is no host"))
        }
        (None, Some(_)) => Ok(()),
        (Some(host), None) if host.is_empty() || host.to_str().is_ok_and(is_host) => Ok(()),
        (Some(host), Some(authority))
            if host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes()) =>
        {
            Ok(())
        }
        (Some(_), None) => Err(ApiError::invalid("Host", "is no host")),
        (Some(_), Some(_)) => Err(ApiError::invalid("Host", "is not the :authority of the request")),
    }
}

/// A name or an address, and maybe a port. (RFC 3986 has more in a name, such as commas, which no host has and which
/// proxies join two hosts with.)
fn is_host(host: &str) -> bool {
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (host, ""),
    };
    let is_port =
        port.bytes().all(|byte| byte.is_ascii_digit()) && (port.is_empty() || port.parse::<u16>().is_ok());
    let is_in_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let is_name = !host.is_empty() && host.bytes().all(is_in_name);
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    is_port && (is_name || address.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok()))
}

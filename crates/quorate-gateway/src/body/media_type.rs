use axum::http::{HeaderMap, header};

use crate::error::ApiError;

/// What a call takes that takes only JSON.
pub(crate) const ONLY_JSON: &str =
    "application/json, and Content-Type must say so (curl: -H 'Content-Type: application/json')";

/// What a request says that its body is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MediaType {
    /// No Content-Type.
    Absent,
    /// `application/json`, or a type that ends in `+json`.
    Json,
    /// `application/x-www-form-urlencoded`.
    Urlencoded,
    /// `multipart/form-data`; a boundary is what makes it one.
    Multipart { boundary: Option<String> },
    /// `text/plain`.
    Text,
    /// Any other.
    Other,
}

impl MediaType {
    /// # Errors
    /// 415: the body is compressed, which no call takes.
    pub(crate) fn of(headers: &HeaderMap) -> Result<MediaType, ApiError> {
        let mut codings = headers.get_all(header::CONTENT_ENCODING).iter();
        if codings.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
            return Err(ApiError::UnsupportedMediaType {
                accepted: "bodies without a Content-Encoding only",
            });
        }
        let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(MediaType::Absent) };
        let Ok(value) = value.to_str() else { return Ok(MediaType::Other) };
        let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        Ok(match essence.as_str() {
            "" => MediaType::Absent,
            "application/json" => MediaType::Json,
            "application/x-www-form-urlencoded" => MediaType::Urlencoded,
            "multipart/form-data" => MediaType::Multipart { boundary: multer::parse_boundary(value).ok() },
            "text/plain" => MediaType::Text,
            other if other.ends_with("+json") => MediaType::Json,
            _ => MediaType::Other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types() {
        let multipart = |boundary: Option<&str>| MediaType::Multipart { boundary: boundary.map(Into::into) };
        for (value, expected) in [
            ("application/json", MediaType::Json),
            ("Application/JSON; charset=utf-8", MediaType::Json),
            ("application/problem+json", MediaType::Json),
            ("application/x-www-form-urlencoded", MediaType::Urlencoded),
            ("multipart/form-data", multipart(None)),
            ("multipart/form-data; boundary=abc", multipart(Some("abc"))),
            ("multipart/form-data; charset=utf-8; boundary=\"a b\"", multipart(Some("a b"))),
            ("text/plain; charset=utf-8", MediaType::Text),
            ("text/xml", MediaType::Other),
            ("", MediaType::Absent),
        ] {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, value.parse().unwrap())]);
            assert_eq!(MediaType::of(&headers), Ok(expected), "{value}");
        }
    }

    #[test]
    fn compressed_bodies_are_refused() {
        let of = |value: &str| {
            MediaType::of(&HeaderMap::from_iter([(header::CONTENT_ENCODING, value.parse().unwrap())]))
        };
        assert_eq!(of("identity"), Ok(MediaType::Absent));
        assert!(matches!(of("gzip"), Err(ApiError::UnsupportedMediaType { .. })));
    }
}

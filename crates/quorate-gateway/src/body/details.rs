use bytes::Bytes;
use quorate_api::CancelRequest;

use crate::body::{Form, MediaType, Object, text, urlencoded};
use crate::convert;
use crate::error::ApiError;

/// The details of a cancel. Whatever the type, they are the body's bare text: the clients in the field send that as
/// `application/json`, and curl as a form. A JSON string, `{"details": "…"}` and a form of `details` alone are
/// understood too; `text/plain` is never anything but text.
///
/// # Errors
/// 400: not UTF-8, longer than [`limits::DETAILS_BYTES`](quorate_core::limits::DETAILS_BYTES), or a multipart form with other fields.
pub(crate) fn details(media_type: MediaType, bytes: Bytes) -> Result<String, ApiError> {
    let is_form = match media_type {
        MediaType::Multipart { boundary: Some(_) } => true,
        MediaType::Urlencoded | MediaType::Multipart { boundary: None } => {
            urlencoded::pairs(&bytes).all(|(name, _)| name == b"details")
        }
        MediaType::Json | MediaType::Absent | MediaType::Text | MediaType::Other => false,
    };
    if is_form {
        let mut form = Form::parse(media_type, bytes, &["details"])?;
        return convert::details(text("details", form.take("details"))?);
    }
    let text = text("details", bytes)?;
    if media_type == MediaType::Text {
        return convert::details(text);
    }
    let details = match serde_json::from_str(&text) {
        Ok(details) => details,
        Err(_no_json_string) => match serde_json::from_str(&text) {
            Ok(Object(CancelRequest { details })) => details,
            Err(_no_such_object) => text,
        },
    };
    convert::details(details)
}

#[cfg(test)]
mod tests {
    use quorate_core::limits::DETAILS_BYTES;

    use super::*;

    #[test]
    fn every_form_of_details() {
        for (body, expected) in [
            ("", ""),
            ("no longer needed", "no longer needed"),
            ("\"no longer needed\"", "no longer needed"),
            ("{\"details\": \"no longer needed\"}", "no longer needed"),
            ("{\"details\": 5}", "{\"details\": 5}"),
            ("{\"reason\": \"x\"}", "{\"reason\": \"x\"}"),
            ("123", "123"),
            ("null", "null"),
            ("[\"a\"]", "[\"a\"]"),
            ("\"unfinished", "\"unfinished"),
            (" spaced ", " spaced "),
        ] {
            let parsed = details(MediaType::Json, Bytes::from_static(body.as_bytes()));
            assert_eq!(parsed.as_deref(), Ok(expected), "{body}");
        }
        let quoted = details(MediaType::Text, Bytes::from_static(b"\"as is\""));
        assert_eq!(quoted.as_deref(), Ok("\"as is\""), "text/plain is never JSON");
        for (body, expected) in [
            ("details=a+b", "a b"),
            ("no longer needed", "no longer needed"),
            ("50% & more = enough", "50% & more = enough"),
            ("{\"details\": \"a\"}", "a"),
            ("detail=a", "detail=a"),
            ("details=because a&b are done", "details=because a&b are done"),
            ("", ""),
        ] {
            for form in [MediaType::Urlencoded, MediaType::Multipart { boundary: None }] {
                let parsed = details(form, Bytes::from_static(body.as_bytes()));
                assert_eq!(parsed.as_deref(), Ok(expected), "{body}");
            }
        }
        let other = details(MediaType::Other, Bytes::from_static(b"<a/>"));
        assert_eq!(other.as_deref(), Ok("<a/>"));
    }

    #[test]
    fn details_are_text_and_bounded() {
        let of = |body: Vec<u8>| details(MediaType::Json, body.into());
        assert!(matches!(of(vec![0xff]), Err(ApiError::Invalid { .. })));
        assert!(of(vec![b'a'; DETAILS_BYTES]).is_ok());
        assert!(matches!(of(vec![b'a'; DETAILS_BYTES + 1]), Err(ApiError::Invalid { .. })));
    }
}

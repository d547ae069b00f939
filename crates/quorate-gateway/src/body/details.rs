use bytes::Bytes;
use quorate_api::CancelRequest;
use quorate_core::limits::DETAILS_BYTES;

use crate::body::{Form, MediaType, Object, text};
use crate::error::ApiError;

/// The details of a cancel. The clients in the field send bare text under `application/json`; a JSON string and
/// `{"details": "…"}` are understood too, and everything else, other JSON included, is the text itself.
///
/// # Errors
/// 400: not UTF-8, or longer than [`DETAILS_BYTES`]. 415: a type that is neither JSON, text nor a form.
pub(crate) fn details(media_type: MediaType, bytes: Bytes) -> Result<String, ApiError> {
    let details = match media_type {
        MediaType::Json | MediaType::Absent => {
            let text = text("details", bytes)?;
            match serde_json::from_str(&text) {
                Ok(details) => details,
                Err(_no_json_string) => match serde_json::from_str(&text) {
                    Ok(Object(CancelRequest { details })) => details,
                    Err(_no_such_object) => text,
                },
            }
        }
        MediaType::Text => text("details", bytes)?,
        form @ (MediaType::Urlencoded | MediaType::Multipart { .. }) => {
            text("details", Form::parse(form, bytes, &["details"])?.take("details"))?
        }
        MediaType::Other => {
            return Err(ApiError::UnsupportedMediaType { accepted: "text, application/json or a form" });
        }
    };
    bounded(details)
}

/// # Errors
/// 400: longer than [`DETAILS_BYTES`].
pub(crate) fn bounded(details: String) -> Result<String, ApiError> {
    if details.len() > DETAILS_BYTES {
        return Err(ApiError::invalid("details", format!("is longer than {DETAILS_BYTES} bytes")));
    }
    Ok(details)
}

#[cfg(test)]
mod tests {
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
        let form = details(MediaType::Urlencoded, Bytes::from_static(b"details=a+b"));
        assert_eq!(form.as_deref(), Ok("a b"));
    }

    #[test]
    fn details_are_text_and_bounded() {
        let of = |body: Vec<u8>| details(MediaType::Json, body.into());
        assert!(matches!(of(vec![0xff]), Err(ApiError::Invalid { .. })));
        assert!(of(vec![b'a'; DETAILS_BYTES]).is_ok());
        assert!(matches!(of(vec![b'a'; DETAILS_BYTES + 1]), Err(ApiError::Invalid { .. })));
    }
}

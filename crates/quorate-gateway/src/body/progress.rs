use quorate_api::{Progress, TouchRequest};

use crate::body::form::MISNAMED_JSON;
use crate::body::{MediaType, Object, json};
use crate::error::ApiError;

/// How far a job has come, by the body of a touch, if that says it. What clients in the field send along that is no JSON says
/// nothing, whatever it is.
///
/// # Errors
/// 400: malformed JSON, or JSON that says that it is something else.
pub(crate) fn progress(media_type: &MediaType, bytes: &[u8]) -> Result<Option<Progress>, ApiError> {
    if bytes.trim_ascii().is_empty() {
        return Ok(None);
    }
    match media_type {
        MediaType::Json | MediaType::Absent => {
            let Object(TouchRequest { progress }) = json(bytes, "")?;
            Ok(progress)
        }
        MediaType::Urlencoded | MediaType::Multipart { .. } | MediaType::Text | MediaType::Other => {
            match bytes.trim_ascii_start().starts_with(b"{") {
                true => Err(ApiError::invalid("body", MISNAMED_JSON)),
                false => Ok(None),
            }
        }
    }
}

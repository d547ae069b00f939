use bytes::Bytes;
use quorate_api::FailRequest;
use quorate_core::limits::LOG_BYTES;

use crate::body::{MediaType, Object, json, multipart, urlencoded};
use crate::error::ApiError;
use crate::limits::GIVEN_CHARS;
use crate::quote::shortened;
use crate::unknown::unknown;

/// curl says of what follows `-d` that it is a form, whatever it is.
pub(super) const MISNAMED_JSON: &str =
    "is JSON, but the Content-Type says otherwise; send Content-Type: application/json";

/// The fields with which a worker ends a job, in whichever of the many forms they came.
#[derive(Debug)]
pub(crate) struct Form {
    takes: &'static [&'static str],
    fields: Vec<(&'static str, Bytes)>,
}

impl Form {
    /// Reads the fields named in `takes`; each may be missing.
    ///
    /// The Ruby client sends a log that is a String as a urlencoded body under `multipart/form-data` without a boundary.
    ///
    /// # Errors
    /// 400: malformed, or other fields, or a field twice. 413: the log is too long. 415: neither JSON nor a form.
    pub(crate) fn parse(
        media_type: MediaType,
        bytes: Bytes,
        takes: &'static [&'static str],
    ) -> Result<Form, ApiError> {
        let mut form = Form { takes, fields: Vec::new() };
        match media_type {
            MediaType::Multipart { boundary: Some(boundary) } => {
                for pair in multipart::pairs(bytes, boundary) {
                    let (name, value) = pair?;
                    form.put(&name, value)?;
                }
            }
            MediaType::Multipart { boundary: None } | MediaType::Urlencoded => {
                if bytes.trim_ascii_start().starts_with(b"{") {
                    return Err(ApiError::invalid("body", MISNAMED_JSON));
                }
                for (name, value) in urlencoded::pairs(&bytes) {
                    form.put(&name, value.into())?;
                }
            }
            MediaType::Json | MediaType::Absent => form.put_json(&bytes)?,
            MediaType::Text | MediaType::Other => {
                return Err(ApiError::UnsupportedMediaType {
                    accepted: "multipart/form-data, application/x-www-form-urlencoded or application/json",
                });
            }
        }
        Ok(form)
    }

    /// Adds a field.
    fn put(&mut self, name: &[u8], value: Bytes) -> Result<(), ApiError> {
        let Some(&name) = self.takes.iter().find(|takes| takes.as_bytes() == name) else {
            let name = String::from_utf8_lossy(name).into_owned();
            let message = unknown(&name, self.takes);
            return Err(ApiError::invalid(name, message));
        };
        if self.fields.iter().any(|(earlier, _)| *earlier == name) {
            return Err(ApiError::invalid(name, "is given twice"));
        }
        if name == "log" && value.len() > LOG_BYTES {
            return Err(ApiError::TooLarge { what: "log", limit: LOG_BYTES, unit: "bytes" });
        }
        self.fields.push((name, value));
        Ok(())
    }

    fn put_json(&mut self, bytes: &[u8]) -> Result<(), ApiError> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        let Object(FailRequest { reason, details, log, retry }) = json(bytes, "")?;
        let retry = retry.map(|retry| retry.to_string());
        for (name, value) in [("reason", reason), ("details", details), ("log", log), ("retry", retry)] {
            if let Some(value) = value {
                self.put(name.as_bytes(), value.into())?;
            }
        }
        Ok(())
    }

    /// Takes a field out; empty when it was not given.
    pub(crate) fn take(&mut self, name: &str) -> Bytes {
        match self.fields.iter().position(|(given, _)| *given == name) {
            Some(position) => self.fields.swap_remove(position).1,
            None => Bytes::new(),
        }
    }
}

/// Whether a field says `true` or `false`; empty: true.
///
/// # Errors
/// 400: it is neither.
pub(crate) fn flag(field: &'static str, bytes: &[u8]) -> Result<bool, ApiError> {
    match bytes {
        b"" | b"true" => Ok(true),
        b"false" => Ok(false),
        other => {
            let given = shortened(&String::from_utf8_lossy(other), GIVEN_CHARS);
            Err(ApiError::invalid(field, format!("must be true or false, not {given}")))
        }
    }
}

/// The text of a field.
///
/// # Errors
/// 400: it is not UTF-8.
pub(crate) fn text(field: &'static str, bytes: Bytes) -> Result<String, ApiError> {
    String::from_utf8(bytes.into()).map_err(|_| ApiError::invalid(field, "is not UTF-8"))
}

//! Request bodies: read within their limits, then understood as leniently as the clients in the field need it.

mod details;
mod form;
mod json;
mod media_type;
mod multipart;
mod new_jobs;
mod read;
mod slip;
pub(crate) mod urlencoded;

pub(crate) use details::{bounded as bounded_details, details};
pub(crate) use form::Form;
pub(crate) use json::{Object, parse as json};
pub(crate) use media_type::{MediaType, ONLY_JSON};
pub(crate) use new_jobs::new_jobs;
pub(crate) use read::BodyReader;

use bytes::Bytes;

use crate::error::ApiError;

/// The text of a field.
///
/// # Errors
/// 400: it is not UTF-8.
pub(crate) fn text(field: &'static str, bytes: Bytes) -> Result<String, ApiError> {
    String::from_utf8(bytes.into()).map_err(|_| ApiError::invalid(field, "is not UTF-8"))
}

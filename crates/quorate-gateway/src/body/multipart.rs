use std::convert::Infallible;

use bytes::Bytes;
use futures::FutureExt;

use crate::body::form::Form;
use crate::error::ApiError;
use crate::limits::QUOTED_CHARS;
use crate::quote::shortened;

/// A true multipart form. A part's filename and Content-Type say nothing that matters here: `log` comes with both from
/// files, and with neither from strings.
///
/// # Errors
/// 400: the parts are malformed, or not those that this call takes.
pub(crate) fn parse(bytes: Bytes, boundary: String, form: &mut Form) -> Result<(), ApiError> {
    if bytes.is_empty() {
        return Ok(());
    }
    // Nothing in it waits: all of the body is here.
    let parsed = parse_stream(bytes, boundary, form).now_or_never();
    parsed.unwrap_or_else(|| Err(ApiError::invalid("body", "is no multipart form")))
}

async fn parse_stream(bytes: Bytes, boundary: String, form: &mut Form) -> Result<(), ApiError> {
    let malformed = |error: multer::Error| {
        let why = shortened(&error.to_string(), QUOTED_CHARS);
        ApiError::invalid("body", format!("is no multipart form: {why}"))
    };
    let stream = futures::stream::iter([Ok::<_, Infallible>(bytes)]);
    let mut parts = multer::Multipart::new(stream, boundary);
    while let Some(part) = parts.next_field().await.map_err(malformed)? {
        let name = part.name().unwrap_or_default().to_owned();
        let value = part.bytes().await.map_err(malformed)?;
        form.put(name.as_bytes(), value)?;
    }
    Ok(())
}

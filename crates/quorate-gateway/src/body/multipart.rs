use std::convert::Infallible;

use bytes::Bytes;
use futures::FutureExt;
use multer::Multipart;

use crate::error::ApiError;
use crate::limits::QUOTED_CHARS;
use crate::quote::shortened;

/// The pairs of a true multipart form. A part's filename and Content-Type say nothing that matters here: `log` comes with both
/// from files, and with neither from strings.
///
/// # Errors
/// 400: the parts are malformed.
pub(super) fn pairs(
    bytes: Bytes,
    boundary: String,
) -> impl Iterator<Item = Result<(Vec<u8>, Bytes), ApiError>> {
    let mut parts = (!bytes.is_empty()).then(|| {
        let stream = futures::stream::iter([Ok::<_, Infallible>(bytes)]);
        Multipart::new(stream, boundary)
    });
    std::iter::from_fn(move || {
        // Nothing in it waits: all of the body is here.
        let next = next(parts.as_mut()?).now_or_never();
        next.unwrap_or_else(|| Err(ApiError::invalid("body", "is no multipart form"))).transpose()
    })
}

async fn next(parts: &mut Multipart<'_>) -> Result<Option<(Vec<u8>, Bytes)>, ApiError> {
    let malformed = |error: multer::Error| {
        let why = shortened(&error.to_string(), QUOTED_CHARS);
        ApiError::invalid("body", format!("is no multipart form: {why}"))
    };
    let Some(part) = parts.next_field().await.map_err(malformed)? else { return Ok(None) };
    let name = part.name().unwrap_or_default().as_bytes().to_vec();
    Ok(Some((name, part.bytes().await.map_err(malformed)?)))
}

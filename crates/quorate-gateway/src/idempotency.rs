use axum::http::{HeaderMap, HeaderName};
use quorate_core::{IdempotencyKey, limits};
use sha2::{Digest, Sha256};

use crate::error::ApiError;

pub(crate) const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// The client's `Idempotency-Key`, bound to this call and its body, which may come in parts: the same key with another call, or with another body, is another
/// request and will be refused.
///
/// # Errors
/// 400: the header is empty, too long, or not visible ASCII.
pub(crate) fn key(
    headers: &HeaderMap,
    call: &str,
    body: &[&[u8]],
) -> Result<Option<IdempotencyKey>, ApiError> {
    let Some(value) = headers.get(HEADER) else { return Ok(None) };
    let key = value.as_bytes();
    if key.is_empty() || key.len() > limits::IDEMPOTENCY_KEY_BYTES {
        return Err(ApiError::invalid(
            "Idempotency-Key",
            format!("must have 1 to {} characters", limits::IDEMPOTENCY_KEY_BYTES),
        ));
    }
    match std::str::from_utf8(key) {
        Ok(key) if key.bytes().all(|byte| byte.is_ascii_graphic()) => {
            // The call's name ends at the zero byte, so that no other call and body hash alike.
            let mut hash = Sha256::new().chain_update(call).chain_update([0]);
            body.iter().for_each(|part| hash.update(part));
            Ok(Some(IdempotencyKey { key: key.into(), body_hash: hash.finalize().into() }))
        }
        Ok(_) | Err(_) => Err(ApiError::invalid("Idempotency-Key", "must be visible ASCII")),
    }
}

/// The key under which jobs are taken later on behalf of the same request. No client's key has a space.
pub(crate) fn for_later(key: &IdempotencyKey) -> IdempotencyKey {
    let hash = Sha256::digest(key.key.as_bytes());
    IdempotencyKey { key: format!("take {hash:x}").into(), body_hash: key.body_hash }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(call: &str, body: &[u8]) -> [u8; 32] {
        let headers = HeaderMap::from_iter([(HEADER, "k".parse().unwrap())]);
        key(&headers, call, &[body]).unwrap().unwrap().body_hash
    }

    #[test]
    fn a_key_is_bound_to_its_call_and_body() {
        assert_eq!(hash("enqueue", b"a"), hash("enqueue", b"a"));
        assert_ne!(hash("enqueue", b"a"), hash("enqueue", b"b"));
        assert_ne!(hash("enqueue", b"a"), hash("consume", b"a"));
        assert_ne!(hash("enqueue", b"a"), hash("enqueuea", b""));
    }
}

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// What a history has for a payload or a log: the first 16 hex digits of its SHA-256.
pub fn body_hash(body: &[u8]) -> Box<str> {
    let mut text = String::with_capacity(16);
    for byte in &Sha256::digest(body)[..8] {
        let _ = write!(text, "{byte:02x}");
    }
    text.into()
}

//! Bytes whose damage is noticed: a length, a checksum, a message.

use prost::Message;

use crate::StoreError;

/// The bytes before the message: its length and its CRC-32C, little-endian `u32`s.
const HEAD: usize = 8;

/// The message with its length and checksum before it.
pub(crate) fn seal(message: &impl Message) -> Vec<u8> {
    let body = message.encode_to_vec();
    let length = u32::try_from(body.len()).expect("sealed messages are small");
    let mut sealed = Vec::with_capacity(HEAD + body.len());
    sealed.extend(length.to_le_bytes());
    sealed.extend(crc32c::crc32c(&body).to_le_bytes());
    sealed.extend(body);
    sealed
}

/// The message that was sealed in `what`; bytes behind it do not matter.
///
/// # Errors
/// [`StoreError::Damaged`], [`StoreError::Newer`].
pub(crate) fn unseal<M: Message + Default>(what: &'static str, sealed: &[u8]) -> Result<M, StoreError> {
    let body = open(sealed).map_err(|reason| StoreError::damaged(what, reason))?;
    quorate_proto::decode(body).map_err(|malformed| StoreError::malformed(what, &malformed))
}

fn open(sealed: &[u8]) -> Result<&[u8], &'static str> {
    let (length, rest) = sealed.split_first_chunk().ok_or("it is too short")?;
    let (checksum, rest) = rest.split_first_chunk().ok_or("it is too short")?;
    let length = u32::from_le_bytes(*length) as usize;
    let body = rest.get(..length).ok_or("it is shorter than it says")?;
    if crc32c::crc32c(body) == u32::from_le_bytes(*checksum) {
        Ok(body)
    } else {
        Err("its checksum does not fit")
    }
}

#[cfg(test)]
mod tests {
    use quorate_proto::log::v1;

    use super::*;

    #[test]
    fn what_a_newer_version_has_sealed_is_told_from_damage() {
        // As if this were the newer one: the older knows one field of two.
        let newer = seal(&v1::LogId { term: 1, index: 2 });
        let refused = unseal::<v1::CurrentGeneration>("a file", &newer).unwrap_err();
        assert!(matches!(refused, StoreError::Newer { what: "a file", .. }), "{refused}");
        let mut damaged = newer;
        damaged[9] ^= 1;
        let refused = unseal::<v1::CurrentGeneration>("a file", &damaged).unwrap_err();
        assert!(matches!(refused, StoreError::Damaged { what: "a file", .. }), "{refused}");
    }
}

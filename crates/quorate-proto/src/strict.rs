use bytes::Buf;
use prost::Message;

use crate::Malformed;

/// Decodes what is replicated or stored, of which this version must understand every part: prost drops what it does not
/// know, and replicas of which some know more than others would come apart.
///
/// Whatever was dropped is missing from the length of what was understood. (What is understood but written in another way
/// than this version writes it does not pass either; no version does that.)
///
/// # Errors
/// [`Malformed::Undecodable`]; [`Malformed::Newer`] where something is there that this version does not know.
pub fn decode<M: Message + Default>(bytes: impl Buf) -> Result<M, Malformed> {
    let length = bytes.remaining();
    let message = M::decode(bytes)
        .map_err(|error| Malformed::Undecodable { message: name::<M>(), reason: error.to_string() })?;
    if message.encoded_len() == length { Ok(message) } else { Err(Malformed::Newer { message: name::<M>() }) }
}

/// The message's name in `proto/`.
fn name<M>() -> &'static str {
    std::any::type_name::<M>().rsplit("::").next().unwrap_or("message")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::log::v1 as pb;

    fn entry() -> pb::Entry {
        let log_id = Some(pb::LogId { term: 3, index: 4 });
        pb::Entry { log_id, payload: Some(pb::entry::Payload::Batch(Bytes::from_static(b"batch"))) }
    }

    #[test]
    fn what_is_understood_is_decoded() {
        assert_eq!(decode(entry().encode_to_vec().as_slice()), Ok(entry()));
        assert_eq!(decode(&b""[..]), Ok(pb::Blank {}));
    }

    #[test]
    fn a_field_that_is_not_known_is_noticed_at_any_depth() {
        let newer = Malformed::Newer { message: "Entry" };
        // Field 15, a number.
        let unknown = [0x78, 1];
        let outside = [entry().encode_to_vec().as_slice(), &unknown].concat();
        assert_eq!(decode::<pb::Entry>(outside.as_slice()), Err(newer.clone()));
        // The log id is the first field, 4 bytes long.
        let mut inside = entry().encode_to_vec();
        assert_eq!(inside[..2], [0x0a, 4]);
        inside[1] += 2;
        inside.splice(6..6, unknown);
        assert_eq!(decode::<pb::Entry>(inside.as_slice()), Err(newer));
    }

    #[test]
    fn what_is_no_message_is_said_to_be_none() {
        let refused = decode::<pb::Entry>(&b"\xff\xff"[..]).unwrap_err();
        assert!(matches!(refused, Malformed::Undecodable { message: "Entry", .. }), "{refused}");
    }
}

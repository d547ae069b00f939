use std::fmt;

use crate::Timestamp;

macro_rules! sixteen_bytes {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name(pub [u8; 16]);

        impl Ord for $name {
            /// The order of the bytes, compared as one number.
            fn cmp(&self, other: &Self) -> std::cmp::Ordering {
                u128::from_be_bytes(self.0).cmp(&u128::from_be_bytes(other.0))
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }

        impl fmt::Display for $name {
            /// The usual form of a UUID: 8-4-4-4-12 lower-case hex digits.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(text(&self.0, &mut [0; 36]))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

sixteen_bytes! {
    /// A job's id: a UUIDv7, hence ordered by the time of its making. The answering node draws it. Its last byte names the
    /// Raft group that has the job: 0, there is one so far.
    JobId
}
sixteen_bytes! {
    /// The id of work on many jobs: a UUIDv7, drawn by the answering node.
    OperationId
}
sixteen_bytes! {
    /// An image's id: the UUIDv5 of its name, computed by the node that takes the request.
    ImageId
}
sixteen_bytes! {
    /// One attempt of a client to change something, however often the node must propose it: what
    /// deduplication goes by.
    RequestId
}

/// Every answer has several ids: byte by byte through the formatter they would cost more than the rest of it.
fn text<'a>(id: &[u8; 16], room: &'a mut [u8; 36]) -> &'a str {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut at = 0;
    for (position, byte) in id.iter().enumerate() {
        if matches!(position, 4 | 6 | 8 | 10) {
            room[at] = b'-';
            at += 1;
        }
        room[at] = DIGITS[usize::from(byte >> 4)];
        room[at + 1] = DIGITS[usize::from(byte & 0xf)];
        at += 2;
    }
    std::str::from_utf8(room).expect("digits are text")
}

impl RequestId {
    /// Its bits, folded into half as many.
    pub(crate) fn folded(self) -> u64 {
        folded(self.0)
    }
}

impl JobId {
    /// Its bits, folded into half as many.
    pub(crate) fn folded(self) -> u64 {
        folded(self.0)
    }

    /// Where the byte of the Raft group stands.
    pub const GROUP_BYTE: usize = 15;

    /// The UUIDv7 of a time and of random bits, of which it takes 12 and 54, in a Raft group.
    pub(crate) fn v7(now: Timestamp, high: u64, low: u64, group: u8) -> JobId {
        let time = u128::from(now.0 & 0xffff_ffff_ffff) << 80;
        let version = (0x7 << 76) | (u128::from(high & 0xfff) << 64);
        let variant = (0b10 << 62) | u128::from(low >> 10 << 8) | u128::from(group);
        JobId((time | version | variant).to_be_bytes())
    }
}

fn folded(id: [u8; 16]) -> u64 {
    let bits = u128::from_be_bytes(id);
    mix((bits >> 64) as u64) ^ bits as u64
}

/// The finaliser of SplitMix64: a bijection in which every bit of the input changes half of the output.
pub(crate) fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// A queue, by the number that its first use gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueId(pub u64);

impl QueueId {
    /// The queue named `default`.
    pub const DEFAULT: QueueId = QueueId(0);
    /// That of no queue.
    pub const NONE: QueueId = QueueId(u64::MAX);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_as_a_uuid_does() {
        let id = RequestId(0x0123_4567_89ab_cdef_fedc_ba98_7654_3210_u128.to_be_bytes());
        assert_eq!(id.to_string(), "01234567-89ab-cdef-fedc-ba9876543210");
        assert_eq!(format!("{:?}", JobId([0; 16])), "00000000-0000-0000-0000-000000000000");
    }
}

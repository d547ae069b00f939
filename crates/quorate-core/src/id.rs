use std::fmt;

use crate::Timestamp;

macro_rules! sixteen_bytes {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 16]);

        impl fmt::Display for $name {
            /// The usual form of a UUID: 8-4-4-4-12 lower-case hex digits.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                for (position, byte) in self.0.iter().enumerate() {
                    if matches!(position, 4 | 6 | 8 | 10) {
                        f.write_str("-")?;
                    }
                    write!(f, "{byte:02x}")?;
                }
                Ok(())
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
    /// An image's id: the UUIDv5 of its name, computed by the node that takes the request.
    ImageId
}
sixteen_bytes! {
    /// One attempt of a client to change something, however often the node must propose it: what
    /// deduplication goes by.
    RequestId
}

impl JobId {
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

/// The finaliser of SplitMix64: a bijection in which every bit of the input changes half of the output.
pub(crate) fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// A queue. Lanes are keyed by queue and priority; today there is one queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueId(pub u32);

impl QueueId {
    /// The queue named `default`.
    pub const DEFAULT: QueueId = QueueId(0);
}

use std::fmt;

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
    /// A job's id: a UUIDv7, hence ordered by the time of its making. The answering node draws it.
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

/// A queue. Lanes are keyed by queue and priority; today there is one queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueId(pub u32);

impl QueueId {
    /// The queue named `default`.
    pub const DEFAULT: QueueId = QueueId(0);
}

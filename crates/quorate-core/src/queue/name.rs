use std::fmt;
use std::sync::Arc;

use crate::limits;

/// What a queue is called: 1 to 64 of `a-z 0-9 . _ -`.
///
/// Most jobs are in the default one, whose name costs nothing to keep and to copy.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueName(Option<Arc<str>>);

impl QueueName {
    /// The queue of jobs that name none.
    pub const DEFAULT: QueueName = QueueName(None);
    const DEFAULT_NAME: &str = "default";

    /// That name; `None` where it is none.
    pub fn new(name: &str) -> Option<QueueName> {
        let fits = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
        if !(1..=limits::QUEUE_NAME_BYTES).contains(&name.len()) || !name.bytes().all(fits) {
            return None;
        }
        Some(QueueName((name != QueueName::DEFAULT_NAME).then(|| name.into())))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or(QueueName::DEFAULT_NAME)
    }

    /// True for the default one.
    pub fn is_default(&self) -> bool {
        self.0.is_none()
    }
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_of_few_characters() {
        for name in ["a", "a-b_c.9", &"x".repeat(64)] {
            assert_eq!(QueueName::new(name).unwrap().as_str(), name);
        }
        for none in ["", "A", "a b", "a,b", "a:1", "*", "ä", &"x".repeat(65)] {
            assert_eq!(QueueName::new(none), None, "{none:?}");
        }
    }

    #[test]
    fn there_is_one_default() {
        assert_eq!(QueueName::new("default"), Some(QueueName::DEFAULT));
        assert_eq!(QueueName::DEFAULT.as_str(), "default");
    }
}

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The header `Quorate-Index`: `INDEX.POSITION` on a write, the applied `INDEX` on a read and an empty consume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogIndex {
    /// The log entry.
    pub index: u64,
    /// The command's place in it.
    pub offset: Option<u32>,
}

/// Text that is no `Quorate-Index`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a Quorate-Index is INDEX or INDEX.POSITION, not {0:?}")]
pub struct NoLogIndex(String);

impl FromStr for LogIndex {
    type Err = NoLogIndex;

    fn from_str(text: &str) -> Result<LogIndex, NoLogIndex> {
        let no = |_| NoLogIndex(text.to_owned());
        match text.split_once('.') {
            Some((index, offset)) => {
                Ok(LogIndex { index: index.parse().map_err(no)?, offset: Some(offset.parse().map_err(no)?) })
            }
            None => Ok(LogIndex { index: text.parse().map_err(no)?, offset: None }),
        }
    }
}

impl fmt::Display for LogIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.offset {
            Some(offset) => write!(f, "{}.{offset}", self.index),
            None => write!(f, "{}", self.index),
        }
    }
}

impl Serialize for LogIndex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LogIndex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<LogIndex, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

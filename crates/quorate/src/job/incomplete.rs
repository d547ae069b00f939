use std::fmt;

use quorate_client::{Error, RefusedKind};

use crate::number::form;

/// A request failed, of jobs that were to be enqueued: what became of them all.
#[derive(Debug)]
pub(crate) struct Incomplete {
    /// So many are enqueued,
    pub(super) done: usize,
    /// so many of them by an earlier run under the same key.
    pub(super) earlier: usize,
    /// The jobs of the request that failed,
    pub(super) part: usize,
    /// and what became of them.
    pub(super) fate: Fate,
    pub(super) of: usize,
    /// Under which it can be completed.
    pub(super) key: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    NotEnqueued,
    Unknown,
    /// Other jobs were enqueued under their key.
    KeyIsTaken,
}

impl From<&Error> for Fate {
    fn from(error: &Error) -> Fate {
        match error {
            Error::Unknown(_) => Fate::Unknown,
            Error::Refused(refused) if refused.kind == RefusedKind::Conflict => Fate::KeyIsTaken,
            Error::Refused(_)
            | Error::Unavailable(_)
            | Error::Unreachable(_)
            | Error::Tls(_)
            | Error::Protocol(_)
            | Error::Config(_) => Fate::NotEnqueued,
        }
    }
}

impl Incomplete {
    /// The error with this, where there is more to say of it.
    pub(super) fn explain(self, error: Error) -> anyhow::Error {
        match self.fate {
            Fate::NotEnqueued if self.done == 0 => error.into(),
            Fate::NotEnqueued | Fate::Unknown | Fate::KeyIsTaken => anyhow::Error::new(error).context(self),
        }
    }

    /// What to do next.
    pub(crate) fn hint(&self) -> String {
        let key = &self.key;
        match self.fate {
            Fate::NotEnqueued | Fate::Unknown => format!(
                "The same command and input with --idempotency-key {key} completes it, and enqueues nothing twice."
            ),
            Fate::KeyIsTaken if self.of == 1 => {
                "Nothing was enqueued. Another key, or none, enqueues it as a new job.".to_owned()
            }
            Fate::KeyIsTaken => {
                "Nothing more was enqueued. The input of the first run completes it under this key; another key, or none, \
                 enqueues all of this input as new jobs."
                    .to_owned()
            }
        }
    }
}

impl fmt::Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Incomplete { done, earlier, part, fate, of, key: _ } = self;
        if *of == 1 {
            return match fate {
                Fate::Unknown => write!(f, "the job"),
                Fate::NotEnqueued | Fate::KeyIsTaken => write!(f, "the job is not enqueued"),
            };
        }
        write!(f, "{done} of {of} jobs {} enqueued", form(*done, "is", "are"))?;
        if *earlier > 0 {
            write!(f, " ({earlier} of them before)")?;
        }
        match fate {
            Fate::NotEnqueued => write!(f, ", then"),
            Fate::Unknown => write!(f, ", and perhaps {part} more, then"),
            Fate::KeyIsTaken => write!(f, ", lines {} to {} are others than before", done + 1, done + part),
        }
    }
}

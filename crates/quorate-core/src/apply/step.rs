use crate::{Position, Refusal, Timestamp};

/// One command being carried out: on which table, at what log time, where in the log.
pub(super) struct Step<'a, T> {
    pub(super) table: &'a mut T,
    pub(super) now: Timestamp,
    pub(super) at: Position,
}

/// Why a command ends early.
pub(super) enum Stop<E> {
    /// It is refused, and has done nothing of its own.
    Refused(Refusal),
    /// The storage failed.
    Broken(E),
}

impl<E> From<E> for Stop<E> {
    fn from(error: E) -> Stop<E> {
        Stop::Broken(error)
    }
}

/// Ends a command with a refusal.
pub(super) fn refuse<V, E>(refusal: Refusal) -> Result<V, Stop<E>> {
    Err(Stop::Refused(refusal))
}

/// Refuses a command one of whose fields is outside its limits.
pub(super) fn check<E>(within: bool, field: &'static str) -> Result<(), Stop<E>> {
    if within { Ok(()) } else { refuse(Refusal::Invalid { field }) }
}

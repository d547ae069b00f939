/// The answer to a call that may carry an `Idempotency-Key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyed<T> {
    /// What the call answers.
    pub answer: T,
    /// The cluster says that it repeats what an earlier request under the same key was answered. After a lost answer, that
    /// is an earlier attempt of this very call.
    pub replayed: bool,
}

impl<T> Keyed<T> {
    pub(crate) fn map<U>(self, map: impl FnOnce(T) -> U) -> Keyed<U> {
        Keyed { answer: map(self.answer), replayed: self.replayed }
    }
}

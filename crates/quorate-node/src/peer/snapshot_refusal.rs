use std::collections::HashSet;
use std::fmt::Display;
use std::sync::Arc;

use parking_lot::Mutex;
use quorate_store::NodeId;
use tokio::time::Instant;
use tonic::Code;

use super::snapshot::NotReceived;
use crate::limits;

/// Why this node took no snapshot lately: it stays behind until it does. A clone is the same one.
#[derive(Clone, Default)]
pub(crate) struct SnapshotRefusal(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    last: Option<(String, u64, Instant)>,
    /// What the log has said since a snapshot was taken.
    said: HashSet<Code>,
}

impl SnapshotRefusal {
    /// One was not taken; the log says so, once of each kind.
    pub(crate) fn note(&self, from: NodeId, why: &NotReceived) {
        let refused = |says: &dyn Display| format!("it refuses a snapshot: {says}");
        let (says, code, needs) = match why {
            NotReceived::Cut(status) => {
                (format!("a snapshot did not come whole: {}", status.message()), status.code(), 0)
            }
            NotReceived::Refused(status) => (refused(&status.message()), status.code(), 0),
            NotReceived::NoRoom(lack) => (refused(lack), Code::ResourceExhausted, lack.needs),
        };
        let mut inner = self.0.lock();
        if inner.said.insert(code) {
            tracing::error!(from, "this node stays behind: {says}");
        }
        inner.last = Some((says, needs, Instant::now()));
    }

    /// One was taken.
    pub(crate) fn forget(&self) {
        *self.0.lock() = Inner::default();
    }

    /// To end a sentence about what this node cannot do; else nothing.
    pub(crate) fn in_words(&self) -> String {
        self.last().map_or_else(String::new, |(says, _)| format!("; {says}"))
    }

    /// How many bytes must be free for the one that it had no room for; 0: none.
    pub(crate) fn needs_bytes(&self) -> u64 {
        self.last().map_or(0, |(_, needs)| needs)
    }

    fn last(&self) -> Option<(String, u64)> {
        let inner = self.0.lock();
        let last = inner.last.as_ref().filter(|(_, _, at)| at.elapsed() < limits::REFUSAL_AGE);
        last.map(|(says, needs, _)| (says.clone(), *needs))
    }
}

#[cfg(test)]
mod tests {
    use tonic::Status;

    use super::*;
    use crate::disk::Lack;

    #[tokio::test(start_paused = true)]
    async fn why_none_was_taken_is_told_while_the_leader_tries() {
        let refusal = SnapshotRefusal::default();
        refusal.note(2, &NotReceived::Cut(Status::aborted("it ends early")));
        assert!(refusal.in_words().contains("not come whole: it ends early"), "{}", refusal.in_words());
        assert_eq!(refusal.needs_bytes(), 0);
        refusal.note(2, &NotReceived::NoRoom(Lack { needs: 30, free: 20 }));
        assert!(refusal.in_words().contains("30 bytes must be free, and 20 are"), "{}", refusal.in_words());
        assert_eq!(refusal.needs_bytes(), 30);
        refusal.note(2, &NotReceived::Refused(Status::failed_precondition("of format 9")));
        assert_eq!((refusal.in_words().contains("of format 9"), refusal.needs_bytes()), (true, 0));
        tokio::time::advance(limits::REFUSAL_AGE).await;
        assert_eq!(refusal.in_words(), "");
        refusal.note(2, &NotReceived::NoRoom(Lack { needs: 30, free: 20 }));
        refusal.forget();
        assert_eq!(refusal.needs_bytes(), 0);
    }
}

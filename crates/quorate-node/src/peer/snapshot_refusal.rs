use std::collections::HashSet;
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
        let (says, code, needs) = match why {
            NotReceived::Cut(_) => return,
            NotReceived::Refused(status) => (status.message().to_owned(), status.code(), 0),
            NotReceived::NoRoom(lack) => (lack.to_string(), Code::ResourceExhausted, lack.needs),
        };
        let mut inner = self.0.lock();
        if inner.said.insert(code) {
            tracing::error!(from, "a snapshot is refused, without which this node stays behind: {says}");
        }
        inner.last = Some((says, needs, Instant::now()));
    }

    /// One was taken.
    pub(crate) fn forget(&self) {
        *self.0.lock() = Inner::default();
    }

    /// To end a sentence about what this node cannot do; else nothing.
    pub(crate) fn in_words(&self) -> String {
        self.last().map_or_else(String::new, |(says, _)| format!("; it refuses a snapshot: {says}"))
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
    async fn a_refusal_is_told_while_the_leader_tries_and_no_cut_is_one() {
        let refusal = SnapshotRefusal::default();
        refusal.note(2, &NotReceived::Cut(Status::aborted("x")));
        assert_eq!((refusal.in_words().as_str(), refusal.needs_bytes()), ("", 0));
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

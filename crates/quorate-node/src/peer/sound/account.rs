use std::collections::BTreeMap;
use std::sync::Arc;

use openraft::impls::leader_id_std::LeaderId;
use parking_lot::Mutex;
use quorate_store::{LogId, NodeId, Vote};

use super::{Unsound, fit};
use crate::limits;

/// What the leader of a term has said of its log, in all of its frames: which entries are in it, and which are committed. That is one
/// log. openraft believes it word for word, and takes the smaller of what came and what is committed by term first: of one that says now
/// this and now that, it would commit and acknowledge entries that never came.
#[derive(Clone, Default)]
pub(super) struct Account(Arc<Mutex<Told>>);

#[derive(Default)]
struct Told {
    leader: Option<LeaderId<u64, NodeId>>,
    /// The first and the last entry of each term, as far as they were told.
    terms: BTreeMap<u64, (LogId, LogId)>,
}

impl Account {
    /// A leader says that these are in its log.
    ///
    /// # Errors
    /// One of them cannot be where it has said that others are. One of an earlier term is not looked at: Raft does not listen to it.
    pub(super) fn hear(&self, vote: &Vote, ids: impl IntoIterator<Item = LogId>) -> Result<(), Unsound> {
        let mut told = self.0.lock();
        if told.leader.is_none_or(|leader| leader.term < vote.leader_id.term) {
            *told = Told { leader: Some(vote.leader_id), terms: BTreeMap::new() };
        }
        if told.leader == Some(vote.leader_id) {
            ids.into_iter().try_for_each(|id| told.add(id))
        } else {
            Ok(())
        }
    }
}

impl Told {
    fn add(&mut self, id: LogId) -> Result<(), Unsound> {
        let term = id.leader_id.term;
        let before = self.terms.range(..term).next_back().map(|(_, (_, last))| *last);
        let behind = self.terms.range(term + 1..).next().map(|(_, (first, _))| *first);
        if let Some(other) = [before, behind].into_iter().flatten().find(|other| !fit(id, *other)) {
            return Err(Unsound::Contradiction { entry: id, other, which: "the leader has said before" });
        }
        let (first, last) = self.terms.entry(term).or_insert((id, id));
        (*first, *last) = ((*first).min(id), (*last).max(id));
        if self.terms.len() > limits::TERMS_TOLD {
            self.terms.pop_first();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use quorate_proto::log::v1 as log;
    use quorate_store::ProtoForm;

    use super::*;

    /// The term of the leader that tells.
    const TERM: u64 = 6;

    fn id(term: u64, index: u64) -> LogId {
        LogId::from_message(log::LogId { term, index }).unwrap()
    }

    #[test]
    fn what_a_leader_says_is_one_log_and_another_leaders_is_another() {
        let account = Account::default();
        let hear = |term, ids: &[LogId]| account.hear(&Vote::new_committed(term, 2), ids.iter().copied());
        assert_eq!(hear(6, &[id(5, 20), id(6, 21), id(6, 30), id(3, 9)]), Ok(()));
        for contradiction in [id(5, 21), id(5, 1_000_000), id(6, 20), id(6, 9), id(4, 9), id(2, 9)] {
            assert!(hear(6, &[contradiction]).is_err(), "{contradiction}");
        }
        assert_eq!(hear(6, &[id(4, 10), id(5, 11), id(6, 25), id(6, 31)]), Ok(()));
        assert_eq!(hear(7, &[id(5, 1_000_000)]), Ok(()));
        assert_eq!(hear(6, &[id(5, 22)]), Ok(()), "of no account");
        assert!(hear(7, &[id(6, 1_000_000)]).is_err());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let account = Account::default();
        let ids = (0..2 * limits::TERMS_TOLD as u64).map(|at| id(at, at));
        assert_eq!(account.hear(&Vote::new_committed(u64::MAX, 2), ids), Ok(()));
        assert_eq!(account.0.lock().terms.len(), limits::TERMS_TOLD);
    }

    /// A follower without a log, as openraft has it.
    #[derive(Default)]
    struct Follower {
        /// Terms, by index.
        log: Vec<u64>,
        accepted: Option<LogId>,
        told: Option<LogId>,
        committed: Option<LogId>,
    }

    impl Follower {
        fn has(&self, id: LogId) -> bool {
            self.committed.is_some_and(|committed| id.index <= committed.index)
                || self.log.get(id.index as usize) == Some(&id.leader_id.term)
        }

        fn follow(&mut self, previous: Option<LogId>, entries: &[LogId], commit: Option<LogId>) {
            if let Some(previous) = previous.filter(|previous| !self.has(*previous)) {
                self.log.truncate(previous.index as usize);
            } else {
                self.accepted = self.accepted.max(previous).max(entries.last().copied());
                if let Some(new) = entries.iter().position(|entry| !self.has(*entry)) {
                    self.log.truncate(entries[new].index as usize);
                    self.log.extend(entries[new..].iter().map(|entry| entry.leader_id.term));
                }
            }
            self.told = self.told.max(commit);
            self.committed = self.committed.max(self.accepted.min(self.told));
        }
    }

    fn some_id() -> impl Strategy<Value = Option<LogId>> {
        prop::option::of((4..=TERM, 0..12_u64).prop_map(|(term, index)| id(term, index)))
    }

    proptest! {
        #![proptest_config(ProptestConfig::default())]

        /// Whatever a leader says, one after the other: what is committed has come.
        #[test]
        fn nothing_is_committed_that_did_not_come(
            frames in vec((some_id(), vec(4..=TERM, 0..4), some_id()), 1..8),
        ) {
            let (account, mut follower) = (Account::default(), Follower::default());
            for (previous, mut terms, commit) in frames {
                terms.sort_unstable();
                let first = previous.map_or(0, |previous| previous.index + 1);
                let entries: Vec<LogId> = terms.into_iter().zip(first..).map(|(term, index)| id(term, index)).collect();
                let told = previous.into_iter().chain(entries.iter().copied()).chain(commit);
                if account.hear(&Vote::new_committed(TERM, 2), told).is_ok() {
                    follower.follow(previous, &entries, commit);
                }
                if let Some(committed) = follower.committed {
                    prop_assert_eq!(follower.log.get(committed.index as usize), Some(&committed.leader_id.term));
                }
            }
        }
    }
}

use std::path::Path;
use std::sync::Arc;

use openraft::vote::leader_id_std::CommittedLeaderId;
use quorate_core::FeatureLevel;

use crate::backup::alone;
use crate::survey::Survey;
use crate::table::Nobody;
use crate::{DataDir, JobTable, LogId, NodeId, StoreError, Vote, WhenFull, log};

/// A node's directory, locked, whose node may go on alone: for when the majority of its cluster is lost for good.
pub struct Recovery {
    dir: DataDir,
    survey: Survey,
}

impl Recovery {
    /// Looks into the directory of a node that does not run. Nothing is changed.
    ///
    /// # Errors
    /// [`StoreError::Locked`]: it runs. [`StoreError::ForeignFormat`]: none has ever run there, or it never was a member.
    /// [`StoreError::Damaged`], [`StoreError::Io`].
    pub fn of(path: &Path) -> Result<Recovery, StoreError> {
        let dir = DataDir::open_existing(path)?.when_full(Arc::new(|_| WhenFull::GiveUp));
        let survey = Survey::of(&dir)?;
        if survey.membership.get_node(&survey.identity.node_id).is_none() {
            let mut found = "its node is no member of a cluster, so there is nothing to recover".to_owned();
            if let Some(aside) = dir.last_set_aside()? {
                let (from, format) = (aside.display(), dir.format_file());
                found += &format!(
                    ". What was there before this node began anew is in {from}. To recover from that, make it a data directory of its \
                     own: cp -a {from} NEW && cp {} NEW, and name NEW",
                    format.display()
                );
            }
            return Err(StoreError::ForeignFormat { path: path.to_owned(), found });
        }
        Ok(Recovery { dir, survey })
    }

    /// What was found.
    pub fn survey(&self) -> &Survey {
        &self.survey
    }

    /// Makes the node the only member of a new cluster, `cluster_id`, which goes on from all that the node has: entries of its
    /// log of which it does not know whether a majority had them become part of it. Gives its last log entry.
    ///
    /// First the cluster's id, then the log: a crash in between leaves a node that nobody knows, and this can be done again.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], [`StoreError::Io`], [`StoreError::DiskFull`].
    pub fn force_single(self, cluster_id: &str, understood: FeatureLevel) -> Result<LogId, StoreError> {
        let Recovery { dir, survey } = self;
        let id: NodeId = survey.identity.node_id;
        let node = survey.membership.get_node(&id).cloned().unwrap_or_default();
        // Before anything is changed, it must open. Where the log does not fit the table, a snapshot has all up to there.
        let purged = log::lacked(&dir, &JobTable::open(&dir, Arc::new(Nobody), understood)?)?;
        dir.begin_cluster(cluster_id)?;
        // Nothing that it promised to others counts any more, and all that it has is kept.
        log::forget_mark(&dir)?;
        let end = purged.or(survey.last);
        let voted = [survey.vote, survey.marked_vote].into_iter().flatten().map(|vote| vote.leader_id.term);
        let term = 1 + voted.chain(end.map(|end| end.leader_id.term)).max().unwrap_or(0);
        let last =
            LogId { leader_id: CommittedLeaderId::new(term), index: end.map_or(0, |end| end.index + 1) };
        // As if this node had led the next term, and had been made the only member in it.
        let vote = Vote::new_committed(term, id);
        log::begin(&dir, log::Beginning { purged, vote, entry: Some((last, alone(id, node))) })?;
        // Last: until then, this can be done again.
        dir.forget_removal()?;
        Ok(last)
    }
}

#[cfg(test)]
mod tests {
    use openraft::RaftLogReader;
    use openraft::entry::RaftEntry;
    use openraft::storage::{RaftLogStorage, RaftLogStorageExt, RaftStateMachine};
    use quorate_proto::log::v1;
    use tempfile::TempDir;

    use super::*;
    use crate::high_water::{HighWater, Mark};
    use crate::table::tests::harness::{Harness, entry, log_id};
    use crate::table::tests::jobs::{batch, enqueue, new_job};
    use crate::table::tuning::Tuning;
    use crate::{Entry, LogStore, Lost, Membership, ProtoForm};

    const NEW: &str = "the new one";

    /// A member of three, with entries 1 (the membership) to `applied` in its table, and to `logged` in its log.
    async fn member_of_three(applied: u64, logged: u64) -> TempDir {
        member_who_voted(Some(Vote::new(4, 2)), applied, logged).await
    }

    async fn member_who_voted(vote: Option<Vote>, applied: u64, logged: u64) -> TempDir {
        let mut harness = Harness::new(Tuning::default());
        harness.data_dir.adopt_cluster("the old one", &[]).unwrap();
        let own = harness.data_dir.identity().node_id;
        let members = [own, 2, 3].map(|id| v1::Member {
            node_id: id,
            name: format!("n{id}"),
            peer_addr: format!("h:{id}"),
            ..Default::default()
        });
        let three = Membership::from_message(v1::Membership {
            configs: vec![v1::VoterSet { node_ids: vec![own, 2, 3] }],
            members: members.into(),
        });
        let first = <Entry as RaftEntry>::new_membership(log_id(1), three.unwrap());
        let jobs = (2..).map(|index| {
            let (index, batch) = batch(index, [enqueue([new_job(index)])]);
            entry(index, batch)
        });
        let entries: Vec<Entry> =
            std::iter::once(first).chain(jobs).take(applied.max(logged) as usize).collect();
        let mut log = LogStore::open(&harness.data_dir, Arc::new(|error| panic!("{error}"))).unwrap();
        if let Some(vote) = vote {
            log.save_vote(&vote).await.unwrap();
        }
        log.blocking_append(entries[..logged as usize].to_vec()).await.unwrap();
        log.close().unwrap();
        let apply = entries[..applied as usize].iter().map(|entry| Ok((entry.clone(), None)));
        harness.table().apply(futures::stream::iter(apply.collect::<Vec<_>>())).await.unwrap();
        let Harness { dir, .. } = harness;
        dir
    }

    fn index_of(id: Option<LogId>) -> u64 {
        id.unwrap().index
    }

    /// What was recovered: the log and the table open, and fit together.
    async fn check_recovered(dir: &TempDir, last: LogId, first: u64) {
        let found = Recovery::of(dir.path()).unwrap();
        let survey = found.survey();
        assert!(survey.is_alone() && survey.lost.is_none(), "{survey:?}");
        assert_eq!((survey.last, survey.marked), (Some(last), Some(last)));
        assert_eq!(survey.identity.cluster_id.as_deref(), Some(NEW));
        assert_eq!(survey.identity.former_cluster_ids, ["the old one"]);
        let id = survey.identity.node_id;
        assert_eq!(survey.membership.get_node(&id).unwrap().name, format!("n{id}"));
        assert_eq!(survey.vote, Some(Vote::new_committed(last.leader_id.term, id)));
        drop(found);
        let dir = DataDir::open(dir.path()).unwrap();
        let mut log = LogStore::open(&dir, Arc::new(|error| panic!("{error}"))).unwrap();
        let entries = log.get_log_reader().await.try_get_log_entries(0..100).await.unwrap();
        let found: Vec<u64> = entries.iter().map(|entry| entry.log_id.index).collect();
        assert_eq!(found, (first..=last.index).collect::<Vec<_>>(), "nothing of the log is gone");
        log.close().unwrap();
    }

    #[tokio::test]
    async fn what_the_log_has_beyond_the_table_becomes_part_of_it() {
        let dir = member_of_three(3, 5).await;
        let found = Recovery::of(dir.path()).unwrap();
        let survey = found.survey();
        assert_eq!((index_of(survey.last), index_of(survey.committed), index_of(survey.applied)), (5, 3, 3));
        assert_eq!((index_of(survey.marked), survey.lost, survey.is_alone()), (5, None, false));
        assert_eq!(survey.vote, Some(Vote::new(4, 2)));
        // To look changes nothing.
        drop(found);
        let last = Recovery::of(dir.path()).unwrap().force_single(NEW, FeatureLevel::default()).unwrap();
        assert_eq!(last, LogId { leader_id: CommittedLeaderId::new(5), index: 6 });
        check_recovered(&dir, last, 1).await;
    }

    /// A majority without this node had committed what its own log had not written yet.
    #[tokio::test]
    async fn a_table_ahead_of_the_log_is_what_it_goes_on_from() {
        let dir = member_of_three(6, 2).await;
        let found = Recovery::of(dir.path()).unwrap();
        assert_eq!(index_of(found.survey().end()), 6);
        let last = found.force_single(NEW, FeatureLevel::default()).unwrap();
        assert_eq!(last.index, 7);
        let mut snapshots = std::fs::read_dir(dir.path().join("snapshot")).unwrap();
        let name = snapshots.next().unwrap().unwrap().file_name().into_string().unwrap();
        assert!(name.starts_with("snapshot-00000000000000000006-"), "those who join need it: {name}");
        check_recovered(&dir, last, 7).await;
    }

    #[tokio::test]
    async fn a_log_that_has_lost_entries_is_said_and_goes_on_from_what_is_left() {
        let dir = member_of_three(3, 3).await;
        {
            let (mut file, _) = HighWater::open(&dir.path().join("high-water")).unwrap();
            file.put(Mark { last: Some(log_id(9)), vote: Some(Vote::new(8, 3)) }).unwrap();
        }
        let found = Recovery::of(dir.path()).unwrap();
        assert_eq!(found.survey().lost, Some(Lost::Entries));
        assert_eq!(index_of(found.survey().marked), 9);
        let last = found.force_single(NEW, FeatureLevel::default()).unwrap();
        // No vote that it may have given counts again.
        assert_eq!(last, LogId { leader_id: CommittedLeaderId::new(9), index: 4 });
        check_recovered(&dir, last, 1).await;
    }

    #[tokio::test]
    async fn a_log_that_has_lost_its_vote_is_said_and_recovered() {
        let dir = member_who_voted(None, 3, 5).await;
        let found = Recovery::of(dir.path()).unwrap();
        assert_eq!((found.survey().lost, found.survey().vote), (Some(Lost::Vote), None));
        let last = found.force_single(NEW, FeatureLevel::default()).unwrap();
        assert_eq!(last.index, 6);
        check_recovered(&dir, last, 1).await;
    }

    /// Its table has all that it had promised, and its log does not: as large an index is no proof, nor is the same one.
    #[tokio::test]
    async fn a_log_that_lost_its_tail_while_the_table_has_it_is_recovered() {
        for (applied, logged, marked) in [(6, 3, log_id(6)), (4, 4, other_term(4)), (6, 6, other_term(5))] {
            let dir = member_of_three(applied, logged).await;
            {
                let (mut file, _) = HighWater::open(&dir.path().join("high-water")).unwrap();
                file.put(Mark { last: Some(marked), vote: Some(Vote::new(4, 2)) }).unwrap();
            }
            let found = Recovery::of(dir.path()).unwrap();
            assert_eq!(found.survey().lost, Some(Lost::Entries), "{:?}", found.survey());
            let last = found.force_single(NEW, FeatureLevel::default()).unwrap();
            assert_eq!(last.index, applied.max(logged) + 1);
            check_recovered(&dir, last, if applied > logged { last.index } else { 1 }).await;
        }
    }

    /// Killed when the entries of a leader that had lost were to be cut off, and others were applied: the log has those of before.
    #[tokio::test]
    async fn a_log_that_goes_on_otherwise_than_the_table_is_left_at_the_table() {
        for lost in [1, 4] {
            let dir = member_of_three(3, 3).await;
            let applied = other_term(4);
            {
                let dir = DataDir::open(dir.path()).unwrap();
                let mut log = LogStore::open(&dir, Arc::new(|error| panic!("{error}"))).unwrap();
                let own = dir.identity().node_id;
                let alone = Membership::new_with_defaults(vec![[own].into()], [own]);
                let leader_id = CommittedLeaderId::new(lost);
                let tail = [4, 5, 6].map(|index| {
                    <Entry as RaftEntry>::new_membership(LogId { leader_id, index }, alone.clone())
                });
                log.blocking_append(tail).await.unwrap();
                log.close().unwrap();
                let mut table = JobTable::open(&dir, Arc::new(Nobody), FeatureLevel::default()).unwrap();
                let blank = <Entry as RaftEntry>::new_blank(applied);
                table.apply(futures::stream::iter([Ok((blank, None))])).await.unwrap();
            }
            let found = Recovery::of(dir.path()).unwrap();
            assert!(!found.survey().is_alone(), "what the log says of members does not count");
            let last = found.force_single(NEW, FeatureLevel::default()).unwrap();
            assert_eq!(last.index, 5);
            check_recovered(&dir, last, 5).await;
        }
    }

    /// It was removed before the others were lost, and told so, and its log does not say it.
    #[tokio::test]
    async fn a_node_that_was_removed_is_said_to_be_and_is_none_any_more() {
        let dir = member_of_three(3, 5).await;
        assert!(!Recovery::of(dir.path()).unwrap().survey().removed);
        DataDir::open(dir.path()).unwrap().mark_removed("by n1").unwrap();
        let found = Recovery::of(dir.path()).unwrap();
        assert!(found.survey().removed);
        found.force_single("half", FeatureLevel::default()).unwrap();
        assert!(!Recovery::of(dir.path()).unwrap().survey().removed);

        // A crash before the last step: all is new but that.
        DataDir::open(dir.path()).unwrap().mark_removed("by n1").unwrap();
        let found = Recovery::of(dir.path()).unwrap();
        assert!(found.survey().is_alone() && found.survey().removed, "{:?}", found.survey());
        assert_eq!(found.force_single(NEW, FeatureLevel::default()).unwrap().index, 7);
        let found = Recovery::of(dir.path()).unwrap();
        assert!(found.survey().is_alone() && !found.survey().removed && found.survey().lost.is_none());
    }

    fn other_term(index: u64) -> LogId {
        LogId { leader_id: CommittedLeaderId::new(3), index }
    }

    #[tokio::test]
    async fn what_was_set_aside_is_named_and_can_be_recovered_from() {
        let dir = member_of_three(3, 5).await;
        let anew = DataDir::open(dir.path()).unwrap().set_aside("it has lost entries").unwrap();
        LogStore::open(&anew, Arc::new(|error| panic!("{error}"))).unwrap().close().unwrap();
        drop(JobTable::open(&anew, Arc::new(Nobody), FeatureLevel::default()).unwrap());
        drop(anew);
        let refused = Recovery::of(dir.path()).err().unwrap().to_string();
        let aside = dir.path().join("set-aside-1");
        assert!(refused.contains(&format!("cp -a {} NEW && cp ", aside.display())), "{refused}");
        std::fs::copy(dir.path().join("FORMAT"), aside.join("FORMAT")).unwrap();
        assert_eq!(index_of(Recovery::of(&aside).unwrap().survey().last), 5);
    }

    /// A crash between the two steps: the new cluster's id, and no new log.
    #[tokio::test]
    async fn a_recovery_that_was_interrupted_can_be_done_again() {
        let dir = member_of_three(3, 5).await;
        DataDir::open(dir.path()).unwrap().begin_cluster("half").unwrap();
        let found = Recovery::of(dir.path()).unwrap();
        assert!(!found.survey().is_alone());
        assert_eq!(found.survey().identity.cluster_id.as_deref(), Some("half"));
        found.force_single(NEW, FeatureLevel::default()).unwrap();
        let found = Recovery::of(dir.path()).unwrap();
        assert_eq!(found.survey().identity.former_cluster_ids, ["the old one", "half"]);
        assert!(found.survey().is_alone());
    }

    #[tokio::test]
    async fn data_of_a_higher_level_are_left_as_they_are() {
        let dir = member_of_three(3, 5).await;
        let refused = Recovery::of(dir.path()).unwrap().force_single(NEW, FeatureLevel(0));
        assert!(matches!(refused, Err(StoreError::Newer { .. })), "{refused:?}");
        let found = Recovery::of(dir.path()).unwrap();
        assert_eq!(found.survey().identity.cluster_id.as_deref(), Some("the old one"));
    }
}

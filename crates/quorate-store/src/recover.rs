use std::path::Path;
use std::sync::Arc;

use futures::executor::block_on;
use openraft::storage::RaftStateMachine;
use openraft::vote::leader_id_std::CommittedLeaderId;
use quorate_core::FeatureLevel;

use crate::backup::alone;
use crate::high_water::Mark;
use crate::rows::db::DbSettings;
use crate::rows::meta::Meta;
use crate::table::{Nobody, look_into_generation};
use crate::{DataDir, Identity, JobTable, LogId, Membership, NodeId, StoreError, Vote, WhenFull, log};

/// A node's directory, locked, whose node may go on alone: for when the majority of its cluster is lost for good.
pub struct Recovery {
    dir: DataDir,
    survey: Survey,
}

/// What a node has on its disk, and what it knows of its cluster.
#[derive(Clone, Debug)]
pub struct Survey {
    /// Who it is.
    pub identity: Identity,
    /// Who the members are, as far as it knows.
    pub membership: Membership,
    /// The last entry of its log.
    pub last: Option<LogId>,
    /// The last of which it knows that a majority has it.
    pub committed: Option<LogId>,
    /// The last in its table.
    pub applied: Option<LogId>,
    /// Whom it voted for last.
    pub vote: Option<Vote>,
    /// What it has certainly kept, by its high-water mark: the last entry. Above [`Survey::last`] some of it is lost.
    pub marked: Option<LogId>,
    /// The same of the vote.
    pub marked_vote: Option<Vote>,
}

impl Survey {
    /// The last entry that it has, in its log or in its table.
    pub fn end(&self) -> Option<LogId> {
        self.last.max(self.applied)
    }

    /// It has lost what it had promised to remember.
    pub fn has_lost(&self) -> bool {
        let index = |id: Option<LogId>| id.map(|id| id.index);
        index(self.marked) > index(self.end()) || self.marked_vote > self.vote
    }

    /// It is the only voter already.
    pub fn is_alone(&self) -> bool {
        self.membership.voter_ids().all(|id| id == self.identity.node_id)
    }
}

impl Recovery {
    /// Looks into the directory of a node that does not run. Nothing is changed.
    ///
    /// # Errors
    /// [`StoreError::Locked`]: it runs. [`StoreError::ForeignFormat`]: none has ever run there, or it never was a member.
    /// [`StoreError::Damaged`], [`StoreError::Io`].
    pub fn of(path: &Path) -> Result<Recovery, StoreError> {
        let dir = DataDir::open_existing(path)?.when_full(Arc::new(|_| WhenFull::GiveUp));
        let meta = Meta::read(&look_into_generation(&dir, DbSettings::new(dir.sizes()))?)?;
        let log = log::look(&dir, meta.last_applied)?;
        let Mark { last: marked, vote: marked_vote } = log.mark;
        let membership = log.membership.map_or_else(|| meta.membership.membership().clone(), |(_, it)| it);
        let identity = dir.identity();
        if membership.get_node(&identity.node_id).is_none() {
            let found = "its node is no member of a cluster, so there is nothing to recover".to_owned();
            return Err(StoreError::ForeignFormat { path: path.to_owned(), found });
        }
        let survey = Survey {
            identity,
            membership,
            last: log.last.max(log.purged),
            committed: log.committed.max(meta.last_applied),
            applied: meta.last_applied,
            vote: log.vote,
            marked,
            marked_vote,
        };
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
        // Before anything is changed, it must open.
        let table = applied(&dir, survey.last, understood)?;
        dir.begin_cluster(cluster_id)?;
        if survey.has_lost() {
            log::forget_mark(&dir)?;
        }
        // Where the table is ahead of the log, a snapshot has what is between them.
        let purged = table.filter(|_| index(table) > index(survey.last));
        let end = purged.or(survey.last);
        let voted = [survey.vote, survey.marked_vote].into_iter().flatten().map(|vote| vote.leader_id.term);
        let term = 1 + voted.chain(end.map(|end| end.leader_id.term)).max().unwrap_or(0);
        let last =
            LogId { leader_id: CommittedLeaderId::new(term), index: end.map_or(0, |end| end.index + 1) };
        // As if this node had led the next term, and had been made the only member in it.
        let vote = Vote::new_committed(term, id);
        log::begin(&dir, log::Beginning { purged, vote, entry: Some((last, alone(id, node))) })?;
        Ok(last)
    }
}

fn index(id: Option<LogId>) -> Option<u64> {
    id.map(|id| id.index)
}

/// Up to where table and snapshot go; a snapshot goes as far as the table where that is ahead of the log.
fn applied(
    dir: &DataDir,
    log: Option<LogId>,
    understood: FeatureLevel,
) -> Result<Option<LogId>, StoreError> {
    let mut table = JobTable::open(dir, Arc::new(Nobody), understood)?;
    let failed = |source| StoreError::failed("the job table".to_owned(), source);
    let (applied, _) = block_on(table.applied_state()).map_err(failed)?;
    let snapshot = || table.snapshots().current().and_then(|current| current.meta.last_log_id);
    if index(applied) > index(log) && snapshot() < applied {
        table.space().renew_snapshot()?;
    }
    Ok(applied.max(snapshot()))
}

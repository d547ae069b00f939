use crate::high_water::Mark;
use crate::rows::db::DbSettings;
use crate::rows::meta::Meta;
use crate::table::look_into_generation;
use crate::{DataDir, Identity, LogId, Membership, StoreError, Vote, log};

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
    /// What it has certainly kept, by its high-water mark: the last entry.
    pub marked: Option<LogId>,
    /// The same of the vote.
    pub marked_vote: Option<Vote>,
    /// What its log has lost of what it had promised to remember.
    pub lost: Option<Lost>,
    /// It was removed from its cluster, and was told so: what came since, it lacks.
    pub removed: bool,
}

/// What a log has lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Entries, and maybe the vote, too; the table may still have them.
    Entries,
    /// The vote alone.
    Vote,
}

impl Survey {
    /// Looks into the directory of a node that does not run. Nothing is changed.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], also where a log or a table is missing; [`StoreError::Io`].
    pub fn of(dir: &DataDir) -> Result<Survey, StoreError> {
        let meta = Meta::read(&look_into_generation(dir, DbSettings::new(dir.sizes()))?)?;
        let log = log::look(dir, meta.last_applied)?;
        let Mark { last: marked, vote: marked_vote } = log.mark;
        Ok(Survey {
            identity: dir.identity(),
            membership: log
                .membership
                .map_or_else(|| meta.membership.membership().clone(), |(_, membership)| membership),
            last: log.last.max(log.purged),
            committed: log.committed.max(meta.last_applied),
            applied: meta.last_applied,
            vote: log.vote,
            marked,
            marked_vote,
            lost: log.lost,
            removed: dir.was_removed()?,
        })
    }

    /// The last entry that it has, in its log or in its table.
    pub fn end(&self) -> Option<LogId> {
        self.last.max(self.applied)
    }

    /// It is the only voter already.
    pub fn is_alone(&self) -> bool {
        self.membership.voter_ids().all(|id| id == self.identity.node_id)
    }
}

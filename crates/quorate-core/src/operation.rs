use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{Filter, Job, JobId, OperationId, Status, Timestamp};

/// Work on many jobs: asked for once, and done by the cluster in steps, each a bounded part of a log entry, so that nobody waits
/// for the whole of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its id.
    pub id: OperationId,
    /// What is done to each job.
    pub action: Action,
    /// The words that jobs are called off with.
    pub details: Box<str>,
    /// Which jobs.
    pub selection: Selection,
    /// The same as it is shown: a queue that is gone by then has no name any more.
    pub words: Box<str>,
    /// Its own place in the order of the log. Of a filter only jobs with a lower [`Job::number`] are meant: none that came later,
    /// such as what it retries itself.
    pub number: u64,
    /// Where its next step begins: at the job with this number, or at this place among the ids.
    pub cursor: u64,
    /// Whether it goes on.
    pub state: OperationState,
    /// Jobs that it was done to.
    pub done: u64,
    /// Jobs that were looked at in vain: they had changed, or do not allow it.
    pub skipped: u64,
    /// When it was asked for.
    pub started_at: Timestamp,
    /// When its last step was done, or it was stopped.
    pub ended_at: Option<Timestamp>,
}

/// All operations that are remembered: few, by [`crate::limits::OPERATIONS`].
pub type Operations = BTreeMap<OperationId, Arc<Operation>>;

impl Operation {
    /// True while there is something left to be done.
    pub fn is_running(&self) -> bool {
        self.state == OperationState::Running
    }

    /// True for a job that it is for, as that is now.
    pub fn is_for(&self, job: &Job) -> bool {
        self.action.statuses().contains(&job.status())
            && match &self.selection {
                Selection::Filter(filter) => job.number < self.number && filter.fits(job),
                Selection::Ids(ids) => ids.contains(&job.id),
            }
    }
}

/// What is done to each of many jobs: what the command of that name does to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Jobs that nobody has retried are enqueued again, as new ones; an automatic retry that waits for its time is queued at once.
    Retry,
    /// Calls them off.
    Cancel,
    /// Removes them, for good.
    Delete,
}

impl Action {
    /// All of them.
    pub const ALL: [Action; 3] = [Action::Retry, Action::Cancel, Action::Delete];

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Retry => "retry",
            Action::Cancel => "cancel",
            Action::Delete => "delete",
        }
    }

    /// The statuses of the jobs that allow it.
    pub fn statuses(self) -> &'static [Status] {
        match self {
            Action::Retry | Action::Delete => &[Status::Success, Status::Error, Status::Cancelled],
            Action::Cancel => &[Status::Delayed, Status::Queued, Status::Running],
        }
    }

    /// The statuses that are meant where a client names none.
    pub fn usual_statuses(self) -> &'static [Status] {
        match self {
            Action::Retry => &[Status::Error],
            Action::Cancel | Action::Delete => self.statuses(),
        }
    }
}

/// Which jobs an operation is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Those that fit when their turn comes.
    Filter(Filter),
    /// These, in this order.
    Ids(Vec<JobId>),
}

/// Where an operation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationState {
    /// It goes on, while there is a leader.
    Running,
    /// All jobs were looked at.
    Done,
    /// A client ended it; what was done stays.
    Stopped,
}

//! Work on many jobs, which the cluster does in steps behind the answer to the request. For the rules about jobs it is as if the
//! client had also sent a request for each job that may have been meant, and never heard of it.

use serde::{Deserialize, Serialize};

use crate::call::Call;
use crate::event::{Op, Outcome};
use crate::history::NodeScan;
use crate::job::{JobRecord, Status};
use crate::map::{Map, Set};

/// What is done to each of many jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Finished jobs that nobody has retried are enqueued again.
    Retry,
    /// Jobs that have not finished are called off.
    Cancel,
    /// Finished jobs are removed.
    Delete,
}

/// Which jobs: a filter, or ids.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// Of this queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<Box<str>>,
    /// Of this key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Box<str>>,
    /// In one of these; where there are none, in those that the REST interface takes then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub status: Vec<Status>,
    /// These jobs, and no filter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<Box<str>>,
}

/// Work on many jobs, as an answer showed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperationRecord {
    /// Its id.
    pub id: Box<str>,
    /// Where it stands.
    pub status: OperationStatus,
    /// Jobs that it was done to.
    #[serde(default)]
    pub done: u64,
    /// Jobs that were looked at in vain.
    #[serde(default)]
    pub skipped: u64,
    /// `started_at`, in milliseconds of log time.
    pub started: u64,
    /// `ended_at`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<u64>,
}

/// Where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum OperationStatus {
    Running,
    Done,
    Stopped,
}

impl Selection {
    /// True for a job that is meant while it is in a status that is.
    pub(crate) fn fits(&self, job: &JobRecord) -> bool {
        let is = |asked: &Option<Box<str>>, is: &str| asked.as_deref().is_none_or(|asked| asked == is);
        if self.ids.is_empty() {
            is(&self.queue, &job.queue) && is(&self.key, &job.key)
        } else {
            self.ids.contains(&job.id)
        }
    }

    /// The statuses that are meant.
    pub(crate) fn statuses(&self, action: Action) -> &[Status] {
        use Status::{Cancelled, Delayed, Error, Queued, Running, Success};
        match action {
            _ if !self.status.is_empty() => &self.status,
            Action::Retry if self.ids.is_empty() => &[Error],
            Action::Retry | Action::Delete => &[Success, Error, Cancelled],
            Action::Cancel => &[Delayed, Queued, Running],
        }
    }
}

/// The requests for single jobs that such a request stands for: to each of `ops`, by its number, those of which an effect may have
/// been seen. Attempts under one key stand for them once.
pub(crate) fn implied(ops: &[Op], scans: &[NodeScan]) -> Vec<(usize, Op)> {
    let mut keys = Set::default();
    let begun = ops.iter().enumerate().filter(|(_, op)| {
        matches!(op.call, Call::Operate { .. })
            && op.outcome != Outcome::Fail
            && op.key.as_ref().is_none_or(|key| keys.insert(key))
    });
    let begun: Vec<(usize, &Op)> = begun.collect();
    if begun.is_empty() {
        return Vec::new();
    }
    let seen = Seen::new(ops, scans);
    let requests = begun.into_iter().flat_map(|(number, op)| {
        let Call::Operate { action, selection } = &op.call else { return Vec::new() };
        let meant = seen.meant(selection);
        let touched = meant.into_iter().filter(|(_, job)| match action {
            Action::Retry => job.is_retried || job.is_gone,
            Action::Cancel => job.last.status == Status::Cancelled || job.is_gone,
            Action::Delete => job.is_gone,
        });
        let request = |id: &str| {
            let id = id.into();
            let call = match action {
                Action::Retry => Call::Retry { id },
                Action::Cancel => Call::Cancel { id },
                Action::Delete => Call::Delete { id },
            };
            let sent = Op::sent(op.client, &op.node, op.invoke, call, None);
            (number, Op { returned: op.returned, implied: true, ..sent })
        };
        touched.map(|(id, _)| request(id)).collect::<Vec<_>>()
    });
    requests.collect()
}

/// All jobs that anybody saw.
struct Seen<'h> {
    jobs: Map<&'h str, SeenJob<'h>>,
    by_key: Map<(&'h str, &'h str), Vec<&'h str>>,
}

struct SeenJob<'h> {
    /// As far as it was seen.
    last: &'h JobRecord,
    /// A job was made to go on from it.
    is_retried: bool,
    /// No node has it at the end: what is deleted is so on all of them.
    is_gone: bool,
}

impl<'h> Seen<'h> {
    fn new(ops: &'h [Op], scans: &'h [NodeScan]) -> Seen<'h> {
        let answered = ops.iter().flat_map(|op| &op.jobs).map(|job| (job, true));
        let scanned = scans.iter().flat_map(|scan| &scan.jobs).map(|job| (job, false));
        let mut jobs: Map<&str, SeenJob<'_>> = Map::default();
        for (job, is_gone) in answered.clone().chain(scanned.clone()) {
            let seen = jobs.entry(&*job.id).or_insert(SeenJob { last: job, is_retried: false, is_gone });
            seen.is_gone &= is_gone;
            seen.is_retried |= job.retry_id.is_some();
            if job.status.rank() >= seen.last.status.rank() {
                seen.last = job;
            }
        }
        for of in answered.chain(scanned).filter_map(|(job, _)| job.retry_of.as_deref()) {
            if let Some(seen) = jobs.get_mut(of) {
                seen.is_retried = true;
            }
        }
        let mut by_key: Map<(&str, &str), Vec<&str>> = Map::default();
        for (id, job) in &jobs {
            by_key.entry((&job.last.queue, &job.last.key)).or_default().push(id);
        }
        Seen { jobs, by_key }
    }

    /// Those that a selection may mean.
    fn meant(&self, selection: &Selection) -> Vec<(&'h str, &SeenJob<'h>)> {
        let found = |id: &str| self.jobs.get_key_value(id).map(|(id, job)| (*id, job));
        match (&selection.queue, &selection.key) {
            _ if !selection.ids.is_empty() => selection.ids.iter().filter_map(|id| found(id)).collect(),
            (Some(queue), Some(key)) => self
                .by_key
                .get(&(&**queue, &**key))
                .into_iter()
                .flatten()
                .filter_map(|id| found(id))
                .collect(),
            (_, _) => {
                let all = self.jobs.iter().map(|(id, job)| (*id, job));
                all.filter(|(_, job)| selection.fits(job.last)).collect()
            }
        }
    }
}

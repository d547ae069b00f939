use crate::job::{JobRecord, NewJob, Status};

/// All that a history says of one job.
#[derive(Clone, Debug)]
pub(crate) struct Life<'h> {
    /// Its id.
    pub(crate) id: &'h str,
    /// Every time that an answer or a scan showed it.
    pub(crate) sightings: Vec<Sighting<'h>>,
    /// The requests that answered it as a new job, with its place in their answers.
    pub(crate) births: Vec<(usize, usize)>,
    /// The consumes that answered it, with its place in their answers.
    pub(crate) grants: Vec<(usize, usize)>,
    /// The requests that name its id, of every outcome.
    pub(crate) calls: Vec<usize>,
    /// The jobs that say that they retry it.
    pub(crate) retries: Vec<usize>,
    /// In how many scans it stands.
    pub(crate) scans: usize,
    /// What [`Life::latest`] gives.
    latest: Option<Sighting<'h>>,
}

/// A job as somebody saw it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sighting<'h> {
    /// In the answer to this request; `None` in a scan.
    pub(crate) op: Option<usize>,
    /// By then, on the harness's clock; `None` where the history does not say.
    pub(crate) at: Option<u64>,
    /// On this line of the history.
    pub(crate) line: usize,
    /// What it was.
    pub(crate) job: &'h JobRecord,
}

impl<'h> Life<'h> {
    pub(super) fn new(id: &'h str) -> Life<'h> {
        Life {
            id,
            sightings: Vec::new(),
            births: Vec::new(),
            grants: Vec::new(),
            calls: Vec::new(),
            retries: Vec::new(),
            scans: 0,
            latest: None,
        }
    }

    /// Adds a sighting.
    pub(super) fn see(&mut self, seen: Sighting<'h>) {
        let order = |seen: &Sighting<'_>| (seen.job.status.rank(), seen.op.is_none(), seen.line);
        self.scans += usize::from(seen.op.is_none());
        if self.latest.is_none_or(|latest| order(&latest) <= order(&seen)) {
            self.latest = Some(seen);
        }
        self.sightings.push(seen);
    }

    /// The furthest that it was ever seen; where it was seen as far more than once, the scan's or the last one.
    pub(crate) fn latest(&self) -> Option<Sighting<'h>> {
        self.latest
    }

    /// Its record in the first scan that has it.
    pub(crate) fn scanned(&self) -> Option<Sighting<'h>> {
        self.sightings.iter().find(|seen| seen.op.is_none()).copied()
    }

    /// When it was taken, if anybody saw that.
    pub(crate) fn started(&self) -> Option<u64> {
        self.sightings.iter().find_map(|seen| seen.job.started)
    }

    /// When it ended, if anybody saw that.
    pub(crate) fn completed(&self) -> Option<u64> {
        self.sightings.iter().find_map(|seen| seen.job.completed)
    }

    /// How it ended, if anybody saw that.
    pub(crate) fn ended(&self) -> Option<Sighting<'h>> {
        self.latest().filter(|seen| seen.job.status.is_final())
    }

    /// True where it still waited when the nodes were scanned.
    pub(crate) fn still_waits(&self) -> bool {
        self.scanned().is_some_and(|seen| matches!(seen.job.status, Status::Delayed | Status::Queued))
    }
}

/// A job that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Asked<'h> {
    /// What it should be.
    pub(crate) new: &'h NewJob,
    /// The attempts to enqueue it.
    pub(crate) ops: Vec<usize>,
    /// The jobs that came of it, without their retries.
    pub(crate) jobs: Vec<usize>,
}

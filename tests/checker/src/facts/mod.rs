//! What follows from a history before any rule is asked: where each request had its effect, what is known of log time,
//! and the life of every job.

mod at;
mod calm;
mod clock;
mod effect;
mod keys;
mod life;
mod runs;
mod settings;
mod stay;
mod waiting;

use std::collections::BTreeMap;

use self::calm::Calm;
use crate::call::Call;
use crate::event::{Op, Outcome};
use crate::history::History;
use crate::job::{JobRecord, Reason};
use crate::map::Map;
use crate::operation::{Action, Selection};
use crate::queue::QueueLimits;

pub(crate) use at::{At, Span};
pub(crate) use clock::{LogClock, answered_times};
pub(crate) use effect::Effect;
pub(crate) use keys::{Keys, Queued};
pub(crate) use life::{Asked, Life, Sighting};
pub(crate) use runs::Runs;
pub(crate) use settings::Settings;
pub(crate) use stay::{Came, Stay, came, delay, may_be_by_hand, timers};
pub(crate) use waiting::Waiting;

/// A history, sorted by what rules ask for.
pub(crate) struct Facts<'h> {
    pub(crate) history: &'h History,
    /// Of each request.
    pub(crate) effects: Vec<Effect>,
    pub(crate) clock: LogClock,
    /// Of each node.
    calm: Map<&'h str, Calm>,
    /// Every job that was seen or named.
    pub(crate) lives: Vec<Life<'h>>,
    /// Every job that was asked for, by tag.
    pub(crate) asked: Map<&'h str, Asked<'h>>,
    /// The stay of every job in its lane.
    pub(crate) stays: Vec<Stay<'h>>,
    /// The enqueues that were answered a job which kept another one away, with its place in their answers.
    pub(crate) duplicates: Vec<(usize, usize)>,
    /// Of queues that have any.
    settings: Map<&'h str, Settings>,
    /// Of the others.
    unset: Settings,
    by_id: Map<&'h str, usize>,
}

impl<'h> Facts<'h> {
    pub(crate) fn new(history: &'h History) -> Facts<'h> {
        let mut facts = Facts {
            history,
            effects: effect::effects(&history.ops),
            clock: LogClock::default(),
            calm: history.run.nodes.iter().map(|node| (&**node, Calm::at(node, &history.faults))).collect(),
            lives: Vec::new(),
            asked: Map::default(),
            stays: Vec::new(),
            duplicates: Vec::new(),
            settings: Map::default(),
            unset: Settings::unchanged(QueueLimits::default()),
            by_id: Map::default(),
        };
        for (number, op) in history.ops.iter().enumerate() {
            facts.note(number, op);
        }
        for scan in &history.scans {
            for (place, job) in scan.jobs.iter().enumerate() {
                facts.life_mut(&job.id).see(Sighting {
                    op: None,
                    at: scan.at,
                    line: scan.line + 1 + place,
                    job,
                });
            }
        }
        facts.link();
        facts.clock = LogClock::new(&facts);
        facts.stays = stay::stays(&facts);
        facts.settings = settings::settings(&facts);
        facts
    }

    fn note(&mut self, number: usize, op: &'h Op) {
        let line = self.history.line_of(number);
        if let Some(id) = op.call.id() {
            self.life_mut(id).calls.push(number);
        }
        for (place, job) in op.jobs.iter().enumerate() {
            let life = self.life_mut(&job.id);
            life.see(Sighting { op: Some(number), at: Some(op.returned), line, job });
            match &op.call {
                Call::Enqueue { .. } if job.duplicate => self.duplicates.push((number, place)),
                Call::Enqueue { .. } => life.births.push((number, place)),
                Call::Retry { id } | Call::Release { id, .. } => {
                    // Else it is what goes on from one behind that.
                    if job.retry_of.as_deref() == Some(id) {
                        life.births.push((number, place));
                    }
                }
                Call::Consume { .. } => life.grants.push((number, place)),
                Call::Success { .. }
                | Call::Fail { .. }
                | Call::Finish { .. }
                | Call::Cancel { .. }
                | Call::Touch { .. }
                | Call::Delete { .. }
                | Call::Set { .. }
                | Call::Operate { .. }
                | Call::Stop { .. }
                | Call::Watch { .. }
                | Call::Get { .. }
                | Call::List { .. } => {}
            }
        }
        if let Call::Enqueue { jobs } = &op.call {
            for new in jobs {
                let none = || Asked { new, ops: Vec::new(), jobs: Vec::new() };
                self.asked.entry(&new.tag).or_insert_with(none).ops.push(number);
            }
        }
    }

    /// Ties jobs to what asked for them and to what they retry.
    fn link(&mut self) {
        for life in 0..self.lives.len() {
            let Some(first) = self.lives[life].sightings.first().map(|seen| seen.job) else { continue };
            match &first.retry_of {
                Some(of) => {
                    if let Some(&of) = self.by_id.get(&**of) {
                        self.lives[of].retries.push(life);
                    }
                }
                None => {
                    if let Some(asked) = self.asked.get_mut(&*first.tag) {
                        asked.jobs.push(life);
                    }
                }
            }
        }
    }

    fn life_mut(&mut self, id: &'h str) -> &mut Life<'h> {
        let lives = &mut self.lives;
        let number = *self.by_id.entry(id).or_insert_with(|| {
            lives.push(Life::new(id));
            lives.len() - 1
        });
        &mut lives[number]
    }

    pub(crate) fn op(&self, number: usize) -> &'h Op {
        &self.history.ops[number]
    }

    /// The lines of requests, for a violation.
    pub(crate) fn lines(&self, ops: impl IntoIterator<Item = usize>) -> Vec<usize> {
        ops.into_iter().map(|op| self.history.line_of(op)).collect()
    }

    /// The lines where jobs were granted, else where they were seen.
    pub(crate) fn grants(&self, stays: &[&Stay<'_>]) -> Vec<usize> {
        let line = |stay: &&Stay<'_>| {
            let life = &self.lives[stay.life];
            let granted = life.grants.first().map(|(op, _)| self.history.line_of(*op));
            granted.or(life.latest().map(|seen| seen.line))
        };
        stays.iter().filter_map(line).collect()
    }

    pub(crate) fn life(&self, id: &str) -> Option<&Life<'h>> {
        self.number(id).map(|number| &self.lives[number])
    }

    /// The place of a job in `lives`.
    pub(crate) fn number(&self, id: &str) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    /// How much of the time between the two was calm at a node, in microseconds.
    pub(crate) fn calm(&self, node: &str, from: u64, until: u64) -> u64 {
        self.calm.get(node).map_or(0, |calm| calm.between(from, until))
    }

    /// What limits a queue.
    pub(crate) fn settings(&self, queue: &str) -> &Settings {
        self.settings.get(queue).unwrap_or(&self.unset)
    }

    /// The stays of each queue.
    pub(crate) fn queues(&self) -> BTreeMap<&'h str, Vec<&Stay<'h>>> {
        let mut queues: BTreeMap<&str, Vec<&Stay<'h>>> = BTreeMap::new();
        for stay in &self.stays {
            queues.entry(stay.queue).or_default().push(stay);
        }
        queues
    }

    /// What waits in each queue.
    pub(crate) fn waiting(&self) -> Map<&'h str, Waiting<'_>> {
        let queues = self.queues().into_iter();
        queues.map(|(queue, stays)| (queue, Waiting::new(self, queue, &stays))).collect()
    }

    /// True where a limit may keep back jobs of this key of the queue, some time.
    pub(crate) fn may_be_kept_back(&self, queue: &str, key: &str) -> bool {
        self.settings(queue).tightest(Span::UNKNOWN).may_keep_back(key)
    }

    /// True where the cluster ended the job, since its time was over; not where its worker may have said so.
    pub(crate) fn timed_out(&self, life: &Life<'_>) -> bool {
        let said = |op: &usize| {
            let op = self.op(*op);
            matches!(op.call, Call::Fail { reason: Reason::Timeout, .. }) && op.outcome != Outcome::Fail
        };
        life.ended().is_some_and(|seen| seen.job.reason == Some(Reason::Timeout))
            && !life.calls.iter().any(said)
    }

    /// True where a request may have removed the job, or the retention.
    pub(crate) fn may_be_deleted(&self, life: &Life<'_>) -> bool {
        let deleted = |op: &usize| {
            let op = self.op(*op);
            matches!(op.call, Call::Delete { .. }) && op.outcome != Outcome::Fail
        };
        life.calls.iter().any(deleted) || self.may_be_outlived(life)
    }

    /// True where one with the queue and key of this job may have been removed, with many, though nobody ever saw it.
    pub(crate) fn may_be_deleted_unseen(&self, job: &JobRecord) -> bool {
        self.deleted_by_filter().any(|selection| selection.fits(job))
    }

    /// What may have been removed with many.
    pub(crate) fn deleted_by_filter(&self) -> impl Iterator<Item = &'h Selection> {
        let deletes = self.history.ops.iter().filter(|op| op.outcome != Outcome::Fail);
        deletes
            .filter_map(|op| match &op.call {
                Call::Operate { action: Action::Delete, selection } => Some(selection),
                _ => None,
            })
            .filter(|selection| selection.ids.is_empty())
    }

    /// True where it may have outlived the retention.
    pub(crate) fn may_be_outlived(&self, life: &Life<'_>) -> bool {
        let retention = self.history.run.retention.saturating_mul(1_000);
        let last = self.clock.ticks().last().map_or(0, |tick| tick.time);
        let slack = self.history.run.late_ms;
        let from = life.completed().or_else(|| life.latest().map(|seen| seen.job.created));
        from.is_some_and(|from| from.saturating_add(retention) <= last.saturating_add(slack))
    }

    /// The place in the log of every acknowledged write, with its number.
    pub(crate) fn writes(&self) -> impl Iterator<Item = (At, usize)> {
        self.effects.iter().enumerate().filter_map(|(op, effect)| Some((effect.position()?, op)))
    }
}

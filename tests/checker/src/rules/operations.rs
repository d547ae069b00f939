//! Work on many jobs: it is done to each job that was there when it began, fits and changes in no other way; at most once, and to no
//! other job. What it says of itself adds up, and never goes back. Where only such work can explain what became of a job, it counts
//! against what the work says that it did; where it may, in its favour.

use std::collections::{BTreeMap, BTreeSet};

use crate::call::Call;
use crate::event::Outcome;
use crate::facts::{At, Came, Facts, Life, Span, Stay, came, delay, may_be_by_hand};
use crate::job::{JobRecord, NewJob, Status};
use crate::map::Map;
use crate::operation::{Action, OperationRecord, OperationStatus, Selection};
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule = Rule {
    name: "operations",
    means: "work on many jobs is done once to each that is meant, to no other, and counts them",
    check,
};

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    let works = works(facts);
    if works.is_empty() {
        return;
    }
    let index = Index::new(facts);
    let mut counted: Vec<Counted> = works.iter().map(|_| Counted::default()).collect();
    // Of each job, what it may have been meant by.
    let mut may_be_for: Map<usize, Vec<usize>> = Map::default();
    for (number, work) in works.iter().enumerate() {
        goes_forward(facts, findings, work);
        let meant = index.meant(facts, work.selection);
        for stay in &meant {
            left_out(facts, findings, work, stay);
            may_be_for.entry(stay.life).or_default().push(number);
        }
        counted[number].is_lower_bound = may_be_hidden(facts, work, &meant, &index);
    }
    for stay in &facts.stays {
        // To each job once, whatever came of that.
        let (mut certain, mut possible) = (BTreeSet::new(), BTreeSet::new());
        for effect in effects(facts, &facts.lives[stay.life]) {
            let may_be = |work: &usize| works[*work].may_have_done(facts, stay, &effect);
            let for_it = may_be_for.get(&stay.life).into_iter().flatten().copied();
            let by: Vec<usize> = for_it.filter(may_be).collect();
            possible.extend(by.iter().copied());
            if effect.is_asked_for {
                continue;
            }
            findings.require(!by.is_empty(), || {
                let life = &facts.lives[stay.life];
                let of = works.iter().filter(|work| work.action == effect.action);
                let ops = of.flat_map(|work| work.ops.iter().copied()).take(3);
                let lines: Vec<usize> =
                    facts.lines(ops).into_iter().chain(life.latest().map(|seen| seen.line)).collect();
                (format!("job {} was {}, and no such work was for it", life.id, effect.word()), lines)
            });
            if let [work] = by[..] {
                certain.insert(work);
            }
        }
        certain.into_iter().for_each(|work| counted[work].least += 1);
        possible.into_iter().for_each(|work| counted[work].most += 1);
    }
    for (work, counted) in works.iter().zip(&counted) {
        adds_up(facts, findings, work, counted);
    }
}

/// Jobs that some work was certainly done to, and those that it can have been done to.
#[derive(Default)]
struct Counted {
    least: u64,
    most: u64,
    /// It may have been done to jobs that nobody saw, too.
    is_lower_bound: bool,
}

/// Where the jobs are that some work may be for.
struct Index<'f, 'h> {
    by_queue: BTreeMap<&'h str, Vec<&'f Stay<'h>>>,
    by_key: Map<(&'h str, &'h str), Vec<&'f Stay<'h>>>,
    by_life: Map<usize, &'f Stay<'h>>,
    /// Jobs that were asked for without an answer, and that nobody saw.
    unseen: Vec<&'h NewJob>,
    /// What was asked to be deleted by filter.
    deleted: Vec<&'h Selection>,
}

impl<'f, 'h> Index<'f, 'h> {
    fn new(facts: &'f Facts<'h>) -> Index<'f, 'h> {
        let mut by_key: Map<(&str, &str), Vec<&Stay<'_>>> = Map::default();
        for stay in &facts.stays {
            by_key.entry((stay.queue, stay.key)).or_default().push(stay);
        }
        let unseen = facts.asked.values().filter(|asked| {
            let unknown = |op: &usize| facts.op(*op).outcome == Outcome::Info;
            asked.jobs.is_empty() && asked.ops.iter().any(unknown)
        });
        Index {
            by_queue: facts.queues(),
            by_key,
            by_life: facts.stays.iter().map(|stay| (stay.life, stay)).collect(),
            unseen: unseen.map(|asked| asked.new).collect(),
            deleted: facts.deleted_by_filter().collect(),
        }
    }

    /// Those that a selection may mean, whatever their status.
    fn meant(&self, facts: &Facts<'_>, selection: &Selection) -> Vec<&'f Stay<'h>> {
        let ids = || selection.ids.iter().filter_map(|id| self.by_life.get(&facts.number(id)?).copied());
        match (&selection.queue, &selection.key) {
            _ if !selection.ids.is_empty() => ids().collect(),
            (Some(queue), Some(key)) => self.by_key.get(&(&**queue, &**key)).cloned().unwrap_or_default(),
            (Some(queue), None) => self.by_queue.get(&**queue).cloned().unwrap_or_default(),
            (None, _) => self.by_life.values().copied().collect(),
        }
    }
}

/// Some work, with all attempts to begin it.
struct Work<'h> {
    action: Action,
    selection: &'h Selection,
    ops: Vec<usize>,
    start: Span,
    /// The answers that show it.
    seen: Vec<(usize, &'h OperationRecord)>,
}

impl<'h> Work<'h> {
    /// As it ended.
    fn ended(&self) -> Option<&'h OperationRecord> {
        self.seen.iter().map(|(_, record)| *record).find(|record| record.status != OperationStatus::Running)
    }

    /// Where it had certainly ended.
    fn end(&self, facts: &Facts<'_>) -> Option<At> {
        let ended = self.seen.iter().filter(|(_, record)| record.status != OperationStatus::Running);
        let read =
            ended.filter(|(op, _)| matches!(facts.op(*op).call, Call::Watch { .. } | Call::Stop { .. }));
        read.filter_map(|(op, _)| Some(At::end_of(facts.op(*op).index?.index))).min()
    }

    /// True where it can have happened at this log time.
    fn covers(&self, time: u64) -> bool {
        self.seen.first().is_none_or(|(_, record)| record.started <= time)
            && self.ended().and_then(|record| record.ended).is_none_or(|ended| time <= ended)
    }

    fn may_have_done(&self, facts: &Facts<'_>, stay: &Stay<'_>, effect: &Effect) -> bool {
        let Some(job) = facts.lives[stay.life].latest().map(|seen| seen.job) else { return false };
        let statuses = self.selection.statuses(self.action);
        let has = |status| statuses.contains(&status);
        let was_in_one = match self.action {
            Action::Cancel if job.started.is_some() => has(Status::Running),
            Action::Cancel => has(Status::Queued) || has(Status::Delayed) && delay(facts, job) != Some(0),
            // One that is gone may have ended since it was last seen.
            Action::Retry | Action::Delete => !job.status.is_final() || has(job.status),
        };
        // Of a filter what came behind it is not meant.
        let was_there = !self.selection.ids.is_empty() || stay.born.first <= self.start.last;
        self.action == effect.action
            && self.selection.fits(job)
            && was_in_one
            && was_there
            && effect.time.is_none_or(|time| self.covers(time))
    }
}

/// All work that may have begun.
fn works<'h>(facts: &Facts<'h>) -> Vec<Work<'h>> {
    let mut works: Vec<Work<'h>> = Vec::new();
    let (mut by_key, mut by_id): (Map<&str, usize>, Map<&str, usize>) = Default::default();
    let ops = || facts.history.ops.iter().enumerate().filter(|(_, op)| op.outcome != Outcome::Fail);
    for (number, op) in ops() {
        let Call::Operate { action, selection } = &op.call else { continue };
        let next = works.len();
        let work = op.key.as_deref().map_or(next, |key| *by_key.entry(key).or_insert(next));
        if work == next {
            let (ops, seen) = (Vec::new(), Vec::new());
            works.push(Work { action: *action, selection, ops, start: Span::UNKNOWN, seen });
        }
        works[work].ops.push(number);
        if let Some(at) = facts.effects[number].exactly() {
            works[work].start = Span::exactly(at);
        }
        if let Some(record) = &op.operation {
            by_id.insert(&record.id, work);
        }
    }
    for (number, op) in ops() {
        if let Some(record) = &op.operation
            && let Some(work) = by_id.get(&*record.id)
        {
            works[*work].seen.push((number, record));
        }
    }
    for work in &mut works {
        if let (Span::UNKNOWN, Some((_, record))) = (work.start, work.seen.first()) {
            work.start = facts.clock.when(record.started);
        }
    }
    works
}

/// What became of a job that work on many may have done.
struct Effect {
    action: Action,
    /// When, in log time, if that is known.
    time: Option<u64>,
    /// A client may have asked for that of this job alone, or time did it.
    is_asked_for: bool,
}

impl Effect {
    fn word(&self) -> &'static str {
        match self.action {
            Action::Retry => "retried",
            Action::Cancel => "cancelled",
            Action::Delete => "deleted",
        }
    }
}

fn effects(facts: &Facts<'_>, life: &Life<'_>) -> Vec<Effect> {
    let Some(job) = life.latest().map(|seen| seen.job) else { return Vec::new() };
    let asked = |such: fn(&Call) -> bool| {
        let calls = life.calls.iter().map(|op| facts.op(*op));
        calls.into_iter().any(|op| !op.implied && op.outcome != Outcome::Fail && such(&op.call))
    };
    let mut effects = Vec::new();
    let is_gone = life.scans == 0;
    if is_gone && !job.status.is_final() {
        // Nobody saw what became of it before.
        effects.push(Effect { action: Action::Cancel, time: None, is_asked_for: true });
    }
    if is_gone && life.retries.is_empty() {
        effects.push(Effect { action: Action::Retry, time: None, is_asked_for: true });
    }
    if job.status == Status::Cancelled {
        let is_asked_for = asked(|call| matches!(call, Call::Cancel { .. } | Call::Release { .. }));
        effects.push(Effect { action: Action::Cancel, time: job.completed, is_asked_for });
    }
    if is_gone {
        let is_asked_for = asked(|call| matches!(call, Call::Delete { .. })) || facts.may_be_outlived(life);
        effects.push(Effect { action: Action::Delete, time: None, is_asked_for });
    }
    for next in life.retries.iter().filter_map(|next| facts.lives[*next].latest()) {
        let is_automatic = !may_be_by_hand(facts, job, next.job);
        if matches!(came(facts, next.job), Some(Came::GivenBack(_))) {
            continue;
        }
        let is_asked_for =
            is_automatic || asked(|call| matches!(call, Call::Retry { .. } | Call::Release { .. }));
        // An automatic one that waits is queued, at any time.
        let time = (!is_automatic).then_some(next.job.created);
        effects.push(Effect { action: Action::Retry, time, is_asked_for });
    }
    effects
}

/// What it says of itself.
fn goes_forward(facts: &Facts<'_>, findings: &mut Findings, work: &Work<'_>) {
    let mut last: Map<&str, (usize, &OperationRecord)> = Map::default();
    let mut seen = work.seen.clone();
    seen.sort_by_key(|(op, _)| facts.op(*op).invoke);
    let ended = work.ended();
    for (op, record) in seen {
        let has_ended = record.status != OperationStatus::Running;
        if has_ended {
            findings.require(ended == Some(record), || {
                (format!("operation {} ended in two ways", record.id), facts.lines([op]))
            });
        }
        let now = facts.op(op);
        let before = last.insert(&now.node, (op, record));
        let before = before.filter(|(before, _)| facts.op(*before).returned <= now.invoke);
        if let Some((earlier, before)) = before {
            let goes_back = before.done > record.done
                || before.skipped > record.skipped
                || before.status != OperationStatus::Running && !has_ended;
            findings.require(!goes_back, || {
                (format!("operation {} went back on {}", record.id, now.node), facts.lines([earlier, op]))
            });
        }
    }
}

/// A job that it must have been done to, and was not.
fn left_out(facts: &Facts<'_>, findings: &mut Findings, work: &Work<'_>, stay: &Stay<'_>) {
    let life = &facts.lives[stay.life];
    let Some(job) = life.latest().map(|seen| seen.job).filter(|job| work.selection.fits(job)) else { return };
    if work.ended().is_none_or(|record| record.status != OperationStatus::Done) {
        return;
    }
    let (Some(end), start) = (work.end(facts), work.start.first) else {
        findings.unclear += 1;
        return;
    };
    if work.start.first != work.start.last {
        findings.unclear += 1;
        return;
    }
    let statuses = work.selection.statuses(work.action);
    // Whether it owes something, and whether that was not done.
    let (is_owed, is_left_out) = match work.action {
        // In one of these all the time, as its way through them goes forward.
        Action::Cancel => {
            let (Some(first), Some(last)) = (
                statuses.iter().min_by_key(|status| status.rank()),
                statuses.iter().max_by_key(|status| status.rank()),
            ) else {
                return;
            };
            if usize::from(last.rank() - first.rank()) + 1 != statuses.len() {
                findings.unclear += 1;
                return;
            }
            let from = match first {
                Status::Delayed => stay.born.last,
                Status::Queued => stay.ready.last,
                Status::Running if stay.taken => stay.left.last,
                Status::Running | Status::Success | Status::Error | Status::Cancelled => At::END,
            };
            let until = match last {
                Status::Delayed => stay.ready.first,
                Status::Queued => stay.left.first,
                Status::Running | Status::Success | Status::Error | Status::Cancelled => stay.ended.first,
            };
            (from < start && until > start, until > end)
        }
        Action::Retry | Action::Delete => {
            let began = work.seen.first().map(|(_, record)| record.started);
            let had_ended = stay.ended.last < start || life.completed().is_some_and(|at| Some(at) < began);
            let is_left = life.scans > 0;
            let is_owed = had_ended && statuses.contains(&job.status);
            match work.action {
                Action::Retry => (is_owed && is_left, !goes_on_now(facts, job)),
                Action::Cancel | Action::Delete => (is_owed, is_left),
            }
        }
    };
    if !is_owed {
        return;
    }
    findings.require(!is_left_out, || {
        let lines = facts.lines(work.ops.iter().copied()).into_iter();
        let lines: Vec<usize> = lines.chain(life.latest().map(|seen| seen.line)).collect();
        (format!("job {} was meant all the time, and left out", life.id), lines)
    });
}

/// True where another job goes on from it, and does not wait for its time: only one that came with its end does, so that it would have
/// done so all the time.
fn goes_on_now(facts: &Facts<'_>, job: &JobRecord) -> bool {
    let Some(next) = job.retry_id.as_deref() else { return false };
    let next = facts.life(next).and_then(|life| life.scanned());
    next.is_none_or(|next| next.job.status != Status::Delayed)
}

/// So many were done as it says.
fn adds_up(facts: &Facts<'_>, findings: &mut Findings, work: &Work<'_>, counted: &Counted) {
    let Some(ended) = work.ended() else {
        findings.unclear += 1;
        return;
    };
    let named = work.selection.ids.len() as u64;
    if named > 0 && ended.status == OperationStatus::Done {
        findings.require(ended.done + ended.skipped == named, || {
            let what = format!(
                "operation {} was for {named} jobs, and counts {} done and {} skipped",
                ended.id, ended.done, ended.skipped
            );
            (what, facts.lines(work.ops.iter().copied()))
        });
    }
    let most = if counted.is_lower_bound { u64::MAX } else { counted.most };
    if (counted.least, most) == (0, u64::MAX) {
        findings.unclear += 1;
        return;
    }
    findings.require((counted.least..=most).contains(&ended.done), || {
        let what = format!(
            "operation {} says that it was done to {} jobs: certainly it was to {}, and to {most} at the most",
            ended.id, ended.done, counted.least
        );
        (what, facts.lines(work.ops.iter().copied().chain(work.seen.iter().map(|(op, _)| *op))))
    });
}

/// True where it may have been done to jobs that nobody saw.
fn may_be_hidden(facts: &Facts<'_>, work: &Work<'_>, meant: &[&Stay<'_>], index: &Index<'_, '_>) -> bool {
    let is_named = !work.selection.ids.is_empty();
    if is_named && work.action != Action::Retry {
        return false;
    }
    let unseen = |id: &str| facts.life(id).is_none_or(|life| life.latest().is_none());
    let went_on = meant.iter().map(|stay| &facts.lives[stay.life]).any(|life| {
        let Some(job) = life.latest().map(|seen| seen.job).filter(|job| work.selection.fits(job)) else {
            return false;
        };
        let is_gone = life.scans == 0;
        let may_be_retried = || {
            job.max_retries > 0
                || life.calls.iter().map(|op| facts.op(*op)).any(|op| {
                    let goes_on = matches!(op.call, Call::Retry { .. } | Call::Release { .. });
                    goes_on && op.outcome != Outcome::Fail
                })
        };
        // Of several that went on from it all but the last may be gone.
        let is_one_of_many =
            || job.retry_id.is_some() && index.deleted.iter().any(|deleted| deleted.fits(job));
        job.retry_id.as_deref().is_some_and(unseen) || is_gone && may_be_retried() || is_one_of_many()
    });
    let is = |asked: &Option<Box<str>>, is: &str| asked.as_deref().is_none_or(|asked| asked == is);
    let may_be_unseen = || {
        index
            .unseen
            .iter()
            .any(|new| is(&work.selection.queue, &new.queue) && is(&work.selection.key, &new.key))
    };
    went_on || !is_named && may_be_unseen()
}

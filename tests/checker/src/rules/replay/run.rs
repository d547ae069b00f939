use crate::map::Map;

use bytes::Bytes;
use quorate_core::model::Model;
use quorate_core::{
    Batch, Command, Envelope, ImageId, Job, JobId, NewJob, Priority, QueueName, Refusal, Reply, Source,
    Table, Take,
};
use quorate_core::{RequestId, Timestamp, limits};

use super::chain::Step;
use crate::call::Call;
use crate::event::{Op, Outcome};
use crate::facts::Facts;
use crate::job::{JobRecord, Reason, Status};
use crate::rule::Findings;
use crate::source::Source as From;

/// Replays a chain through the model and compares every answer, and what is left at the end.
pub(super) fn replay(facts: &Facts<'_>, steps: &[Step], findings: &mut Findings) {
    let mut chain = Chain { facts, model: Model::new(), ids: Map::default() };
    for (index, step) in (1..).zip(steps) {
        match step.op {
            None => {
                if chain.job(step.life).is_none_or(|job| job.status() != quorate_core::Status::Running) {
                    // The model timed it out before: a timeout may be late, so the log time of the rest is not known.
                    findings.unclear += 1;
                    return;
                }
                chain.apply(index, step.time, None);
            }
            Some(op) => {
                let wrong = chain.request(index, step, op);
                findings.require(wrong.is_none(), || {
                    let what = format!("job {}: {}", facts.lives[step.life].id, wrong.unwrap_or_default());
                    (what, facts.lines([op]))
                });
            }
        }
        chain.link(step.life);
    }
    for life in chain.ids.keys() {
        let Some(seen) = facts.lives[*life].scanned() else { continue };
        let same = chain.job(*life).is_some_and(|job| chain.is_same(seen.job, job, true));
        findings.require(same, || {
            let model = chain.job(*life).map_or("not there", |job| job.status().as_str());
            (format!("job {} is {model} after its replay, not as the scan has it", seen.job.id), [seen.line])
        });
    }
}

/// A chain of retries, as far as it is replayed.
struct Chain<'f, 'h> {
    facts: &'f Facts<'h>,
    model: Model,
    /// The names that the model has for jobs: it makes its own for automatic retries.
    ids: Map<usize, JobId>,
}

impl Chain<'_, '_> {
    fn job(&self, life: usize) -> Option<&Job> {
        self.model.jobs().get(self.ids.get(&life)?)
    }

    /// Applies an entry with one command, or a tick.
    fn apply(&mut self, index: u64, time: u64, command: Option<Command>) -> Option<Result<Reply, Refusal>> {
        let stamp = Timestamp(time);
        let request_id = RequestId(u128::from(index).to_be_bytes());
        let deadline = stamp.plus_millis(limits::REQUEST_MILLIS);
        let envelopes =
            command.map(|command| Envelope { request_id, deadline, command }).into_iter().collect();
        let Ok(applied) = quorate_core::apply(&mut self.model, index, &Batch { stamp, envelopes });
        applied.answers.into_iter().next().map(|answer| answer.outcome)
    }

    /// Replays a request; says what is wrong with its answer.
    fn request(&mut self, index: u64, step: &Step, op: usize) -> Option<String> {
        let asked = self.facts.op(op);
        let Some(command) = self.command(step, asked) else {
            return Some("a request came before what it needs".to_owned());
        };
        let answer = self.apply(index, step.time, Some(command))?;
        let id = self.facts.lives[step.life].id;
        match (asked.outcome, answer) {
            (Outcome::Ok, Ok(Reply::Done)) | (Outcome::Info, _) => None,
            (Outcome::Ok, Ok(reply)) => {
                let job = match &reply {
                    Reply::Jobs(jobs) | Reply::Enqueued { jobs, .. } => jobs.first(),
                    Reply::Job(job) => Some(&**job),
                    Reply::Done | Reply::Operation(_) | Reply::Finished { .. } => None,
                };
                let Some(job) = job else {
                    return Some("it was granted although it was not queued".to_owned());
                };
                let shown = asked.jobs.iter().find(|job| *job.id == *id);
                self.link(step.life);
                if let Some(ended) = asked.ended.first() {
                    let status = status_of(job.status());
                    let same = ended.status == Some(status) && self.is_named(&ended.retry_id, job.retry_id);
                    return (!same).then(|| {
                        format!("the answer is not what the model gives: {}", job.status().as_str())
                    });
                }
                let is_birth =
                    matches!(asked.call, Call::Enqueue { .. } | Call::Retry { .. } | Call::Release { .. });
                let same = shown.is_some_and(|shown| {
                    self.is_same(shown, job, false) || is_birth && shows_what_came_later(shown, job)
                });
                (!same).then(|| format!("the answer is not what the model gives: {}", job.status().as_str()))
            }
            (Outcome::Ok, Err(refusal)) => {
                Some(format!("the model refuses what was answered well: {refusal:?}"))
            }
            (Outcome::Fail, Ok(_)) => Some("the model does what was refused".to_owned()),
            (Outcome::Fail, Err(refusal)) => {
                let not_found = refusal == Refusal::NoSuchJob;
                let differs = asked.status.is_some_and(|status| (status == 404) != not_found);
                differs.then(|| format!("the model refuses it for another reason: {refusal:?}"))
            }
        }
    }

    /// The command of a request, with the model's names. Jobs are alone in their queue here.
    fn command(&mut self, step: &Step, asked: &Op) -> Option<Command> {
        let call = &asked.call;
        let new_id = JobId((step.life as u128).to_be_bytes());
        let id = |life: &Self| life.ids.get(&step.life).copied();
        let (key, details, log) = (None, "".into(), Bytes::new());
        Some(match call {
            Call::Enqueue { .. } => {
                let new = new_job(self.facts.lives[step.life].latest()?.job, new_id)?;
                self.ids.insert(step.life, new_id);
                Command::Enqueue { jobs: vec![new], key }
            }
            Call::Consume { .. } => {
                let name = |name: &str| QueueName::new(name);
                let from = match call.source()? {
                    From::InOrder(names) => {
                        Source::InOrder(names.into_iter().map(name).collect::<Option<_>>()?)
                    }
                    From::ByWeight(names) => {
                        let names = names.into_iter().map(|(of, weight)| Some((name(of)?, weight)));
                        Source::ByWeight(names.collect::<Option<_>>()?)
                    }
                    From::All => Source::All,
                };
                Command::Consume { take: Take { from, ..Take::default_queue(1) }, key }
            }
            Call::Success { .. } => Command::Succeed { id: id(self)?, log },
            Call::Fail { reason, .. } => {
                Command::Fail { id: id(self)?, reason: reason_of(*reason), details, log, for_good: false }
            }
            Call::Cancel { .. } => Command::Cancel { id: id(self)?, details },
            Call::Touch { .. } => Command::Touch { id: id(self)?, progress: None },
            Call::Delete { .. } => Command::Delete { id: id(self)? },
            Call::Retry { id: of } => {
                let of = *self.ids.get(&self.facts.number(of)?)?;
                self.ids.entry(step.life).or_insert(new_id);
                Command::Retry { id: of, new_id, anew: false, key }
            }
            Call::Release { id: of, delay } => {
                let of = *self.ids.get(&self.facts.number(of)?)?;
                self.ids.entry(step.life).or_insert(new_id);
                Command::Release { id: of, new_id, delay: *delay }
            }
            Call::Finish { .. }
            | Call::Set { .. }
            | Call::Operate { .. }
            | Call::Stop { .. }
            | Call::Watch { .. }
            | Call::Get { .. }
            | Call::List { .. } => return None,
        })
    }

    /// Learns the name that the model gave to the automatic retry of a job.
    fn link(&mut self, life: usize) {
        let made = self
            .job(life)
            .and_then(|job| job.retry_id)
            .filter(|id| !self.ids.values().any(|known| known == id));
        let retry = self.facts.lives[life].retries.iter().find(|retry| !self.ids.contains_key(retry));
        if let (Some(made), Some(retry)) = (made, retry) {
            self.ids.insert(*retry, made);
        }
    }

    /// True where a job was shown as the model has it. At the end a delay may have passed since its last step.
    fn is_same(&self, shown: &JobRecord, job: &Job, at_the_end: bool) -> bool {
        let status = status_of(job.status());
        (shown.status == status || at_the_end && (status, shown.status) == (Status::Delayed, Status::Queued))
            && self
                .model
                .dispatch()
                .queue(job.queue)
                .is_some_and(|queue| queue.name.as_str() == &*shown.queue)
            && shown.key == job.key
            && shown.max_retries == job.max_retries
            && shown.created == job.created_at.0
            && shown.started == job.started_at.map(|at| at.0)
            && shown.completed == job.completed_at.map(|at| at.0)
            && self.is_named(&shown.retry_of, job.retry_of)
            && self.is_named(&shown.retry_id, job.retry_id)
    }

    /// True where this is what the cluster calls a job of the model, if there is one.
    fn is_named(&self, shown: &Option<Box<str>>, job: Option<JobId>) -> bool {
        match (shown, job) {
            (None, None) => true,
            (Some(shown), Some(job)) => {
                let known = self.ids.iter().find(|(_, id)| **id == job);
                known.is_none_or(|(life, _)| *self.facts.lives[*life].id == **shown)
            }
            (None, Some(_)) | (Some(_), None) => false,
        }
    }
}

/// True where a birth is answered with the job as it was some time later: a node whose leader died proposes again, and shows
/// the job as it is by then. What it shows is for the rules about lives and times to judge.
fn shows_what_came_later(shown: &JobRecord, born: &Job) -> bool {
    let went_on = match shown.status {
        Status::Delayed => false,
        Status::Queued => born.status() == quorate_core::Status::Delayed,
        Status::Running => shown.started.is_some(),
        Status::Success | Status::Error | Status::Cancelled => shown.completed.is_some(),
    };
    went_on && shown.created == born.created_at.0 && shown.max_retries == born.max_retries
}

fn new_job(job: &JobRecord, id: JobId) -> Option<NewJob> {
    Some(NewJob {
        id,
        queue: QueueName::new(&job.queue)?,
        key: job.key.clone(),
        tags: [].into(),
        unique: None,
        priority: Priority::new(job.priority)?,
        image: "replayed".into(),
        image_id: ImageId([0; 16]),
        payload: Bytes::new(),
        delay: job.delay,
        timeout: Some(job.timeout),
        max_retries: Some(job.max_retries),
        retries_delay: Some(job.retries_delay),
    })
}

fn reason_of(reason: Reason) -> quorate_core::Reason {
    match reason {
        Reason::Timeout => quorate_core::Reason::Timeout,
        Reason::Killed => quorate_core::Reason::Killed,
        Reason::BadExit => quorate_core::Reason::BadExit,
    }
}

fn status_of(status: quorate_core::Status) -> Status {
    match status {
        quorate_core::Status::Delayed => Status::Delayed,
        quorate_core::Status::Queued => Status::Queued,
        quorate_core::Status::Running => Status::Running,
        quorate_core::Status::Success => Status::Success,
        quorate_core::Status::Error => Status::Error,
        quorate_core::Status::Cancelled => Status::Cancelled,
    }
}

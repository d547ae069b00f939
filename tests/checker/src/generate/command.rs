use bytes::Bytes;
use quorate_core::model::Model;
use quorate_core::{
    Action, Command, Ending, Envelope, Failure, Filter, IdempotencyKey, ImageId, Job, JobId, NewJob,
    NewOperation, Operation, OperationId, Priority, QueueId, QueueName, Rate, RequestId, Selection, Setting,
    Source, Status, Take, Timestamp, Unique, Until, limits,
};

use super::record::Payloads;
use crate::body_hash::body_hash;
use crate::call::Call;
use crate::event::Op;
use crate::job::Reason;
use crate::queue::QueueLimits;
use crate::source::Source as From;

/// Makes the commands of requests, as a gateway does.
pub(super) struct Commands {
    /// What it gave jobs for payloads.
    pub(super) payloads: Payloads,
    /// The queue whose jobs are worked on by filter.
    pub(super) swept: QueueId,
    drawn: u128,
}

impl Default for Commands {
    fn default() -> Commands {
        Commands { payloads: Payloads::default(), swept: QueueId::NONE, drawn: 0 }
    }
}

impl Commands {
    /// The command of a request; `None` for a read.
    pub(super) fn envelope(&mut self, op: &Op, now: Timestamp) -> Option<Envelope> {
        let key = op.key.as_ref().map(|key| IdempotencyKey { key: key.clone(), body_hash: [0; 32] });
        let command = match &op.call {
            Call::Enqueue { jobs } => {
                Command::Enqueue { jobs: jobs.iter().map(|new| self.new_job(new, now)).collect(), key }
            }
            Call::Consume { n, .. } => Command::Consume { take: take(&op.call, *n), key },
            Call::Success { id: of, .. } => Command::Succeed { id: job_id(of), log: Bytes::new() },
            Call::Fail { id: of, reason, .. } => Command::Fail {
                id: job_id(of),
                reason: reason_of(*reason),
                details: "".into(),
                log: Bytes::new(),
                for_good: false,
            },
            Call::Finish { endings, take: n, .. } => {
                let endings = endings.iter().map(|ending| Ending {
                    id: job_id(&ending.id),
                    failure: ending.reason.map(|reason| Failure {
                        reason: reason_of(reason),
                        details: "".into(),
                        for_good: false,
                    }),
                    log: Bytes::new(),
                });
                let take = (*n > 0).then(|| take(&op.call, *n));
                Command::Finish { endings: endings.collect(), take, key }
            }
            Call::Cancel { id: of } => Command::Cancel { id: job_id(of), details: "".into() },
            Call::Touch { id: of } => Command::Touch { id: job_id(of), progress: None },
            Call::Retry { id: of } => {
                Command::Retry { id: job_id(of), new_id: JobId(self.draw(now)), anew: false, key }
            }
            Call::Release { id: of, delay } => {
                Command::Release { id: job_id(of), new_id: JobId(self.draw(now)), delay: *delay }
            }
            Call::Delete { id: of } => Command::Delete { id: job_id(of) },
            Call::Set { queue, limits } => configure(queue, *limits),
            Call::Operate { action, selection } => {
                let id = OperationId(self.draw(now));
                let action = action_of(*action);
                let selection = self.selection(action, selection);
                let operation = NewOperation { id, action, details: "".into(), selection, words: "".into() };
                Command::StartOperation { operation, key }
            }
            Call::Stop { id: of } => Command::StopOperation { id: OperationId(job_id(of).0) },
            Call::Watch { .. } | Call::Get { .. } | Call::List { .. } => return None,
        };
        let deadline = now.plus_millis(limits::REQUEST_MILLIS);
        Some(Envelope { request_id: RequestId(self.draw(now)), deadline, command })
    }

    /// What sets a queue.
    pub(super) fn set(&mut self, queue: &str, limits: QueueLimits, now: Timestamp) -> Envelope {
        let deadline = now.plus_millis(limits::REQUEST_MILLIS);
        Envelope { request_id: RequestId(self.draw(now)), deadline, command: configure(queue, limits) }
    }

    /// The next step of work on many jobs, as a leader makes it of this copy.
    pub(super) fn step(&mut self, operation: &Operation, model: &Model, now: Timestamp) -> Envelope {
        const MOST: usize = 3;
        let Operation { id, action, cursor: from, .. } = *operation;
        let (jobs, to): (Vec<JobId>, Option<u64>) = match &operation.selection {
            Selection::Ids(ids) => {
                let jobs: Vec<JobId> = ids.iter().skip(from as usize).take(MOST).copied().collect();
                let to = from + jobs.len() as u64;
                (jobs, (to < ids.len() as u64).then_some(to))
            }
            Selection::Filter(filter) => {
                let meant = |job: &&Job| (from..operation.number).contains(&job.number) && filter.fits(job);
                let mut meant: Vec<(u64, JobId)> =
                    model.jobs().values().filter(meant).map(|job| (job.number, job.id)).collect();
                meant.sort_unstable();
                let to = meant.get(MOST).map(|(number, _)| *number);
                (meant.into_iter().take(MOST).map(|(_, id)| id).collect(), to)
            }
        };
        let command = Command::StepOperation { id, action, from, to, jobs };
        let deadline = now.plus_millis(limits::REQUEST_MILLIS);
        Envelope { request_id: RequestId(self.draw(now)), deadline, command }
    }

    fn selection(&self, action: Action, asked: &crate::operation::Selection) -> Selection {
        if !asked.ids.is_empty() {
            return Selection::Ids(asked.ids.iter().map(|id| job_id(id)).collect());
        }
        let statuses = match &asked.status[..] {
            [] => action.usual_statuses().to_vec(),
            some => some.iter().map(|status| status_of(*status)).collect(),
        };
        Selection::Filter(Filter {
            statuses,
            queue: Some(self.swept),
            key: asked.key.clone(),
            ..Filter::default()
        })
    }

    fn new_job(&mut self, new: &crate::job::NewJob, now: Timestamp) -> NewJob {
        let id = JobId(self.draw(now));
        self.payloads.insert(id, (new.tag.clone(), body_hash(new.tag.as_bytes())));
        NewJob {
            id,
            queue: name(&new.queue),
            key: new.key.clone(),
            tags: [].into(),
            unique: new.unique.as_ref().map(|unique| Unique {
                key: unique.key.clone(),
                until: match unique.until {
                    crate::job::Until::Started => Until::Started,
                    crate::job::Until::Finished => Until::Finished,
                    crate::job::Until::For(seconds) => Until::Elapsed(seconds),
                },
            }),
            priority: Priority::new(new.priority).expect("clients choose 0 to 2"),
            image: "generated".into(),
            image_id: ImageId([0; 16]),
            payload: Bytes::copy_from_slice(new.tag.as_bytes()),
            delay: new.delay,
            timeout: Some(new.timeout),
            max_retries: Some(new.max_retries),
            retries_delay: Some(new.retries_delay),
        }
    }

    /// Sixteen bytes that were never drawn before, ordered like the ids of jobs.
    fn draw(&mut self, now: Timestamp) -> [u8; 16] {
        self.drawn += 1;
        let time = u128::from(now.0) << 80;
        (time | (7 << 76) | self.drawn).to_be_bytes()
    }
}

fn configure(queue: &str, set: QueueLimits) -> Command {
    let rate = set.rate.map(|rate| Rate { jobs: rate.jobs, seconds: rate.seconds });
    let settings = vec![
        Setting::MaxRunning(set.max_running),
        Setting::MaxRunningPerKey(set.max_running_per_key),
        Setting::Rate(rate),
        Setting::Paused(set.paused),
    ];
    Command::ConfigureQueue { name: name(queue), settings }
}

fn take(call: &Call, n: u32) -> Take {
    let from = match call.source().expect("clients say well from where they take") {
        From::InOrder(names) => Source::InOrder(names.into_iter().map(name).collect()),
        From::ByWeight(names) => {
            Source::ByWeight(names.into_iter().map(|(of, weight)| (name(of), weight)).collect())
        }
        From::All => Source::All,
    };
    Take { from, ..Take::default_queue(n) }
}

pub(super) fn name(queue: &str) -> QueueName {
    QueueName::new(queue).expect("clients name queues well")
}

fn action_of(action: crate::operation::Action) -> Action {
    match action {
        crate::operation::Action::Retry => Action::Retry,
        crate::operation::Action::Cancel => Action::Cancel,
        crate::operation::Action::Delete => Action::Delete,
    }
}

fn status_of(status: crate::job::Status) -> Status {
    let known = Status::ALL.into_iter().find(|known| known.as_str() == status.word());
    known.expect("the words of a history are those of the core")
}

fn reason_of(reason: Reason) -> quorate_core::Reason {
    match reason {
        Reason::Timeout => quorate_core::Reason::Timeout,
        Reason::Killed => quorate_core::Reason::Killed,
        Reason::BadExit => quorate_core::Reason::BadExit,
    }
}

/// The id that an answer gave as text.
pub(super) fn job_id(text: &str) -> JobId {
    let digits = text.replace('-', "");
    JobId(u128::from_str_radix(&digits, 16).expect("clients name ids that they were answered").to_be_bytes())
}

use quorate_core::{
    Command, Ending, Failure, FeatureLevel, IdempotencyKey, ImageId, JobId, NewJob, NewOperation,
    OperationId, Progress, Setting, Settings, Take, Unique,
};

use super::fields;
use crate::Malformed;
use crate::log::v1 as pb;
use crate::log::v1::envelope::Command as Message;

impl From<Command> for Message {
    fn from(command: Command) -> Message {
        match command {
            Command::Enqueue { jobs, key } => Message::Enqueue(pb::Enqueue {
                jobs: jobs.into_iter().map(pb::NewJob::from).collect(),
                key: key.map(pb::IdempotencyKey::from),
            }),
            Command::Consume { take, key } => Message::Consume(pb::Consume {
                take: Some(take.into()),
                key: key.map(pb::IdempotencyKey::from),
            }),
            Command::Succeed { id, log } => Message::Succeed(pb::Succeed { id: id_out(id), log }),
            Command::Fail { id, reason, details, log, for_good } => Message::Fail(pb::Fail {
                id: id_out(id),
                reason: fields::reason_out(reason),
                details: details.into(),
                log,
                for_good,
            }),
            Command::Release { id, new_id, delay } => {
                Message::Release(pb::Release { id: id_out(id), new_id: id_out(new_id), delay })
            }
            Command::WorkerGone { worker } => Message::WorkerGone(pb::WorkerGone { worker: worker.into() }),
            Command::Finish { endings, take, key } => Message::Finish(pb::Finish {
                endings: endings.into_iter().map(pb::Ending::from).collect(),
                take: take.map(pb::Take::from),
                key: key.map(pb::IdempotencyKey::from),
            }),
            Command::Cancel { id, details } => {
                Message::Cancel(pb::Cancel { id: id_out(id), details: details.into() })
            }
            Command::Touch { id, progress } => {
                Message::Touch(pb::Touch { id: id_out(id), progress: progress.map(pb::Progress::from) })
            }
            Command::AppendLog { id, log, offset } => {
                Message::AppendLog(pb::AppendLog { id: id_out(id), log, offset })
            }
            Command::Retry { id, new_id, anew, key } => Message::Retry(pb::Retry {
                id: id_out(id),
                new_id: id_out(new_id),
                anew,
                key: key.map(pb::IdempotencyKey::from),
            }),
            Command::Delete { id } => Message::Delete(pb::Delete { id: id_out(id) }),
            Command::Configure { settings } => {
                Message::Configure(pb::Configure { settings: Some(settings.into()) })
            }
            Command::ConfigureQueue { name, settings } => Message::ConfigureQueue(pb::ConfigureQueue {
                name: fields::queue_out(&name),
                settings: settings.into_iter().map(pb::Setting::from).collect(),
            }),
            Command::DeleteQueue { name } => {
                Message::DeleteQueue(pb::DeleteQueue { name: fields::queue_out(&name) })
            }
            Command::StartOperation { operation, key } => Message::StartOperation(pb::StartOperation {
                id: Some(operation.id.0.into()),
                action: fields::action_out(operation.action),
                details: operation.details.into(),
                selection: Some((&operation.selection).into()),
                key: key.map(pb::IdempotencyKey::from),
                words: operation.words.into(),
            }),
            Command::StepOperation { id, action, from, to, jobs } => {
                Message::StepOperation(pb::StepOperation {
                    id: Some(id.0.into()),
                    action: fields::action_out(action),
                    from,
                    to,
                    jobs: Some(fields::ids_out(&jobs)),
                })
            }
            Command::StopOperation { id } => {
                Message::StopOperation(pb::StopOperation { id: Some(id.0.into()) })
            }
            Command::Raise { level } => Message::Raise(pb::Raise { level: level.0 }),
        }
    }
}

impl TryFrom<Message> for Command {
    type Error = Malformed;

    fn try_from(message: Message) -> Result<Command, Malformed> {
        Ok(match message {
            Message::Enqueue(enqueue) => Command::Enqueue {
                jobs: enqueue.jobs.into_iter().map(NewJob::try_from).collect::<Result<_, _>>()?,
                key: enqueue.key.map(IdempotencyKey::try_from).transpose()?,
            },
            Message::Consume(consume) => Command::Consume {
                take: consume
                    .take
                    .ok_or(Malformed::Field { message: "Consume", field: "take" })?
                    .try_into()?,
                key: consume.key.map(IdempotencyKey::try_from).transpose()?,
            },
            Message::Succeed(succeed) => {
                Command::Succeed { id: id_in("Succeed", succeed.id)?, log: succeed.log }
            }
            Message::Fail(fail) => Command::Fail {
                id: id_in("Fail", fail.id)?,
                reason: fields::reason_in("Fail", fail.reason)?,
                details: fail.details.into(),
                log: fail.log,
                for_good: fail.for_good,
            },
            Message::Release(release) => Command::Release {
                id: id_in("Release", release.id)?,
                new_id: JobId(fields::id("Release", "new_id", release.new_id)?),
                delay: release.delay,
            },
            Message::WorkerGone(gone) => Command::WorkerGone { worker: gone.worker.into() },
            Message::Finish(finish) => Command::Finish {
                endings: finish.endings.into_iter().map(Ending::try_from).collect::<Result<_, _>>()?,
                take: finish.take.map(Take::try_from).transpose()?,
                key: finish.key.map(IdempotencyKey::try_from).transpose()?,
            },
            Message::Cancel(cancel) => {
                Command::Cancel { id: id_in("Cancel", cancel.id)?, details: cancel.details.into() }
            }
            Message::Touch(touch) => Command::Touch {
                id: id_in("Touch", touch.id)?,
                progress: touch.progress.map(Progress::try_from).transpose()?,
            },
            Message::AppendLog(append) => Command::AppendLog {
                id: id_in("AppendLog", append.id)?,
                log: append.log,
                offset: append.offset,
            },
            Message::Retry(retry) => Command::Retry {
                id: id_in("Retry", retry.id)?,
                new_id: JobId(fields::id("Retry", "new_id", retry.new_id)?),
                anew: retry.anew,
                key: retry.key.map(IdempotencyKey::try_from).transpose()?,
            },
            Message::Delete(delete) => Command::Delete { id: id_in("Delete", delete.id)? },
            Message::Configure(configure) => Command::Configure {
                settings: configure
                    .settings
                    .ok_or(Malformed::Field { message: "Configure", field: "settings" })?
                    .into(),
            },
            Message::ConfigureQueue(configure) => Command::ConfigureQueue {
                name: fields::queue("ConfigureQueue", &configure.name)?,
                settings: configure.settings.into_iter().map(Setting::try_from).collect::<Result<_, _>>()?,
            },
            Message::DeleteQueue(delete) => {
                Command::DeleteQueue { name: fields::queue("DeleteQueue", &delete.name)? }
            }
            Message::StartOperation(start) => Command::StartOperation {
                operation: NewOperation {
                    id: OperationId(fields::id("StartOperation", "id", start.id)?),
                    action: fields::action_in("StartOperation", start.action)?,
                    details: start.details.into(),
                    selection: start
                        .selection
                        .ok_or(Malformed::Field { message: "StartOperation", field: "selection" })?
                        .try_into()?,
                    words: start.words.into(),
                },
                key: start.key.map(IdempotencyKey::try_from).transpose()?,
            },
            Message::StepOperation(step) => Command::StepOperation {
                id: OperationId(fields::id("StepOperation", "id", step.id)?),
                action: fields::action_in("StepOperation", step.action)?,
                from: step.from,
                to: step.to,
                jobs: fields::ids_in(
                    &step.jobs.ok_or(Malformed::Field { message: "StepOperation", field: "jobs" })?,
                )?,
            },
            Message::StopOperation(stop) => {
                Command::StopOperation { id: OperationId(fields::id("StopOperation", "id", stop.id)?) }
            }
            Message::Raise(raise) => Command::Raise { level: FeatureLevel(raise.level) },
        })
    }
}

impl From<NewJob> for pb::NewJob {
    fn from(job: NewJob) -> pb::NewJob {
        pb::NewJob {
            id: id_out(job.id),
            queue: fields::queue_out(&job.queue),
            priority: job.priority.get().into(),
            key: job.key.into(),
            tags: job.tags.into_iter().map(String::from).collect(),
            unique: job.unique.map(pb::Unique::from),
            image: job.image.into(),
            image_id: Some(job.image_id.0.into()),
            payload: job.payload,
            delay: job.delay,
            timeout: job.timeout,
            max_retries: job.max_retries,
            retries_delay: job.retries_delay,
        }
    }
}

impl TryFrom<pb::NewJob> for NewJob {
    type Error = Malformed;

    fn try_from(job: pb::NewJob) -> Result<NewJob, Malformed> {
        Ok(NewJob {
            id: id_in("NewJob", job.id)?,
            queue: fields::queue("NewJob", &job.queue)?,
            priority: fields::priority("NewJob", job.priority)?,
            key: job.key.into(),
            tags: job.tags.into_iter().map(Box::from).collect(),
            unique: job.unique.map(Unique::try_from).transpose()?,
            image: job.image.into(),
            image_id: ImageId(fields::id("NewJob", "image_id", job.image_id)?),
            payload: job.payload,
            delay: job.delay,
            timeout: job.timeout,
            max_retries: job.max_retries,
            retries_delay: job.retries_delay,
        })
    }
}

impl From<Ending> for pb::Ending {
    fn from(ending: Ending) -> pb::Ending {
        let failure = ending.failure.map(|Failure { reason, details, for_good }| pb::Failure {
            reason: fields::reason_out(reason),
            details: details.into(),
            for_good,
        });
        pb::Ending { id: id_out(ending.id), log: ending.log, failure }
    }
}

impl TryFrom<pb::Ending> for Ending {
    type Error = Malformed;

    fn try_from(ending: pb::Ending) -> Result<Ending, Malformed> {
        let failure = |failure: pb::Failure| {
            let reason = fields::reason_in("Failure", failure.reason)?;
            Ok(Failure { reason, details: failure.details.into(), for_good: failure.for_good })
        };
        Ok(Ending {
            id: id_in("Ending", ending.id)?,
            failure: ending.failure.map(failure).transpose()?,
            log: ending.log,
        })
    }
}

impl From<IdempotencyKey> for pb::IdempotencyKey {
    fn from(key: IdempotencyKey) -> pb::IdempotencyKey {
        pb::IdempotencyKey { key: key.key.into(), body_hash: key.body_hash.to_vec() }
    }
}

impl TryFrom<pb::IdempotencyKey> for IdempotencyKey {
    type Error = Malformed;

    fn try_from(key: pb::IdempotencyKey) -> Result<IdempotencyKey, Malformed> {
        Ok(IdempotencyKey {
            key: key.key.into(),
            body_hash: fields::hash("IdempotencyKey", "body_hash", &key.body_hash)?,
        })
    }
}

impl From<Settings> for pb::Settings {
    fn from(settings: Settings) -> pb::Settings {
        pb::Settings { retention_s: settings.retention }
    }
}

impl From<pb::Settings> for Settings {
    fn from(settings: pb::Settings) -> Settings {
        Settings { retention: settings.retention_s }
    }
}

fn id_out(id: JobId) -> Option<pb::Id> {
    Some(id.0.into())
}

fn id_in(message: &'static str, id: Option<pb::Id>) -> Result<JobId, Malformed> {
    fields::id(message, "id", id).map(JobId)
}

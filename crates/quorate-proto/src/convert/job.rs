use quorate_core::{EndedBy, ImageId, Job, JobId, Payload, Progress, QueueId, State, Timestamp, Unique};

use super::fields;
use crate::Malformed;
use crate::log::v1 as pb;
use crate::log::v1::job::State as StateMessage;

impl From<&Job> for pb::Job {
    fn from(job: &Job) -> pb::Job {
        pb::Job {
            id: Some(job.id.0.into()),
            queue: job.queue.0,
            priority: job.priority.get().into(),
            image: job.image.to_string(),
            image_id: Some(job.image_id.0.into()),
            payload_owner: (job.payload.owner != job.id).then(|| job.payload.owner.0.into()),
            payload_bytes: job.payload.bytes,
            delay: job.delay,
            timeout: job.timeout,
            max_retries: job.max_retries,
            all_retries: (job.all_retries != counted_back(job.max_retries, job.attempt))
                .then_some(job.all_retries),
            retries_delay: job.retries_delay,
            created_at_ms: job.created_at.0,
            started_at_ms: job.started_at.map(|at| at.0),
            completed_at_ms: job.completed_at.map(|at| at.0),
            log_bytes: job.log_bytes,
            retry_of: job.retry_of.map(|id| id.0.into()),
            retry_id: job.retry_id.map(|id| id.0.into()),
            number: job.number,
            key: job.key.to_string(),
            tags: job.tags.iter().map(ToString::to_string).collect(),
            attempt: job.attempt,
            keep_until_ms: job.keep_until.map(|at| at.0),
            unique: job.unique.clone().map(pb::Unique::from),
            releases: job.releases,
            worker: job.worker.to_string(),
            log_parts: job.log_parts,
            progress: job.progress.clone().map(pb::Progress::from),
            state: Some(state_out(&job.state)),
        }
    }
}

impl TryFrom<pb::Job> for Job {
    type Error = Malformed;

    fn try_from(job: pb::Job) -> Result<Job, Malformed> {
        let id = JobId(fields::id("Job", "id", job.id)?);
        Ok(Job {
            id,
            number: job.number,
            queue: QueueId(job.queue),
            priority: fields::priority("Job", job.priority)?,
            key: fields::key("Job", job.key)?,
            tags: fields::tags("Job", job.tags)?,
            unique: job.unique.map(Unique::try_from).transpose()?,
            image: job.image.into(),
            image_id: ImageId(fields::id("Job", "image_id", job.image_id)?),
            payload: Payload {
                owner: job.payload_owner.map_or(id, |owner| JobId(owner.into())),
                bytes: job.payload_bytes,
            },
            delay: job.delay,
            timeout: job.timeout,
            max_retries: job.max_retries,
            all_retries: job.all_retries.unwrap_or_else(|| counted_back(job.max_retries, job.attempt)),
            attempt: job.attempt,
            releases: job.releases,
            retries_delay: job.retries_delay,
            created_at: Timestamp(job.created_at_ms),
            started_at: job.started_at_ms.map(Timestamp),
            worker: job.worker.into(),
            completed_at: job.completed_at_ms.map(Timestamp),
            keep_until: job.keep_until_ms.map(Timestamp),
            state: state_in(job.state.ok_or(Malformed::Field { message: "Job", field: "state" })?)?,
            log_bytes: job.log_bytes,
            log_parts: job.log_parts,
            progress: job.progress.map(Progress::try_from).transpose()?,
            retry_of: job.retry_of.map(|id| JobId(id.into())),
            retry_id: job.retry_id.map(|id| JobId(id.into())),
        })
    }
}

impl From<Progress> for pb::Progress {
    fn from(progress: Progress) -> pb::Progress {
        pb::Progress { percent: progress.percent.into(), text: progress.text.into() }
    }
}

impl TryFrom<pb::Progress> for Progress {
    type Error = Malformed;

    fn try_from(progress: pb::Progress) -> Result<Progress, Malformed> {
        let percent = u8::try_from(progress.percent);
        let percent = percent.map_err(|_| Malformed::Field { message: "Progress", field: "percent" })?;
        Ok(Progress { percent, text: progress.text.into() })
    }
}

/// How many automatic retries there were at first, where all that were used are attempts.
fn counted_back(max_retries: u32, attempt: u32) -> u32 {
    max_retries.saturating_add(attempt.saturating_sub(1))
}

fn state_out(state: &State) -> StateMessage {
    match state {
        State::Delayed { due } => StateMessage::DelayedDueMs(due.0),
        State::Queued { seq, since } => StateMessage::Queued(pb::Queued { seq: *seq, since_ms: since.0 }),
        State::Running { deadline } => StateMessage::RunningDeadlineMs(deadline.0),
        State::Success => StateMessage::Success(pb::Success {}),
        State::Error { reason, by, details } => StateMessage::Error(pb::Error {
            reason: fields::reason_out(*reason),
            by_cluster: match by {
                EndedBy::Client => false,
                EndedBy::Cluster => true,
            },
            details: details.to_string(),
        }),
        State::Cancelled { details, released } => {
            StateMessage::Cancelled(pb::Cancelled { details: details.to_string(), released: *released })
        }
    }
}

fn state_in(state: StateMessage) -> Result<State, Malformed> {
    Ok(match state {
        StateMessage::DelayedDueMs(due) => State::Delayed { due: Timestamp(due) },
        StateMessage::Queued(queued) => State::Queued { seq: queued.seq, since: Timestamp(queued.since_ms) },
        StateMessage::RunningDeadlineMs(deadline) => State::Running { deadline: Timestamp(deadline) },
        StateMessage::Success(pb::Success {}) => State::Success,
        StateMessage::Error(error) => State::Error {
            reason: fields::reason_in("Error", error.reason)?,
            by: if error.by_cluster { EndedBy::Cluster } else { EndedBy::Client },
            details: error.details.into(),
        },
        StateMessage::Cancelled(cancelled) => {
            State::Cancelled { details: cancelled.details.into(), released: cancelled.released }
        }
    })
}

use crate::{Job, QueueId, Reply, State, Table, limits};

use super::step::{Abort, Step, check};

/// Grants the next jobs of a queue to a consumer.
pub(super) fn consume<T: Table>(
    step: &mut Step<'_, T>,
    queue: QueueId,
    n: u32,
) -> Result<Reply, Abort<T::Error>> {
    let most = usize::try_from(n).unwrap_or(usize::MAX);
    check((1..=limits::JOBS_PER_REQUEST).contains(&most), "n")?;
    Ok(Reply::Jobs(grant(step, queue, most)?))
}

/// Grants up to `most` jobs, and up to [`limits::CONSUME_BYTES`] of payload, but one whatever its size.
pub(super) fn grant<T: Table>(
    step: &mut Step<'_, T>,
    queue: QueueId,
    most: usize,
) -> Result<Vec<Job>, T::Error> {
    let mut granted: Vec<Job> = Vec::new();
    let mut bytes: u64 = 0;
    while granted.len() < most {
        let Some(queued) = step.table.next_queued(queue)? else { break };
        bytes = bytes.saturating_add(u64::from(queued.payload.bytes));
        if bytes > limits::CONSUME_BYTES && !granted.is_empty() {
            break;
        }
        let running = Job {
            state: State::Running { deadline: step.now.plus_seconds(queued.timeout) },
            started_at: Some(step.now),
            ..queued.clone()
        };
        step.put_job(Some(&queued), &running)?;
        granted.push(running);
    }
    Ok(granted)
}

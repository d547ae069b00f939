use crate::{Job, Reply, RequestId, State, Table, Take, limits};

use super::step::{Abort, Step, check};

/// Grants the next jobs to a consumer.
pub(super) fn consume<T: Table>(
    step: &mut Step<'_, T>,
    take: &Take,
    request: RequestId,
) -> Result<Reply, Abort<T::Error>> {
    check_limits(take)?;
    Ok(Reply::Jobs(grant(step, take, request)?))
}

pub(super) fn check_limits<E>(take: &Take) -> Result<(), Abort<E>> {
    let most = usize::try_from(take.n).unwrap_or(usize::MAX);
    check((1..=limits::JOBS_PER_REQUEST).contains(&most), "n")?;
    match take.outside() {
        Some(field) => check(false, field),
        None => Ok(()),
    }
}

/// Grants as many jobs as are wanted and as the limits of their queues allow, and up to [`limits::CONSUME_BYTES`] of payload,
/// but one whatever its size.
pub(super) fn grant<T: Table>(
    step: &mut Step<'_, T>,
    take: &Take,
    request: RequestId,
) -> Result<Vec<Job>, T::Error> {
    let most = usize::try_from(take.n).unwrap_or(usize::MAX);
    let mut granted: Vec<Job> = Vec::new();
    let mut bytes: u64 = 0;
    while granted.len() < most {
        let Some((lane, turn)) = step.table.dispatch().next(take, request, granted.len()) else { break };
        let queued = step.table.first_in(&lane)?.expect("a lane that has a mark has a job").clone();
        bytes = bytes.saturating_add(u64::from(queued.payload.bytes));
        if bytes > limits::CONSUME_BYTES && !granted.is_empty() {
            break;
        }
        let running = Job {
            state: State::Running { deadline: step.now.plus_seconds(queued.timeout) },
            started_at: Some(step.now),
            worker: take.worker.clone(),
            ..queued.clone()
        };
        step.put_job(Some(&queued), &running)?;
        if step.table.dispatch().is_shared(&lane) {
            let at = step.table.next_seq();
            step.table.dispatch_mut().served(&lane, turn, at);
        }
        granted.push(running);
    }
    Ok(granted)
}

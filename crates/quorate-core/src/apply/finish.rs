use crate::{Ending, Failure, Job, QueueId, Refusal, Reply, Table, limits};

use super::step::{Abort, Step, check};
use super::{consume, fail, succeed};

/// Ends running jobs, and grants others in the place of those that are done with. Each ending is taken or refused for itself.
pub(super) fn finish<T: Table>(
    step: &mut Step<'_, T>,
    endings: &[Ending],
    queue: QueueId,
    take: u32,
) -> Result<Reply, Abort<T::Error>> {
    let most = usize::try_from(take).unwrap_or(usize::MAX);
    check((1..=limits::JOBS_PER_REQUEST).contains(&endings.len()), "jobs")?;
    check(most <= limits::JOBS_PER_REQUEST, "take")?;
    let ended = endings.iter().map(|ending| end(step, ending)).collect::<Result<Vec<_>, T::Error>>()?;
    // A worker whose jobs are not its own any more has something else to do first.
    let taken = if ended.iter().any(Result::is_ok) { consume::grant(step, queue, most)? } else { Vec::new() };
    Ok(Reply::Finished { ended, taken })
}

fn end<T: Table>(step: &mut Step<'_, T>, ending: &Ending) -> Result<Result<Job, Refusal>, T::Error> {
    let Ending { id, failure, log } = ending;
    let ended = match failure {
        None => succeed::succeed(step, *id, log),
        Some(Failure { reason, details }) => fail::fail(step, *id, *reason, details, log),
    };
    match ended {
        Ok(job) => Ok(Ok(job)),
        Err(Abort::Refused(refusal)) => Ok(Err(refusal)),
        Err(Abort::Broken(error)) => Err(error),
    }
}

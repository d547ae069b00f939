use crate::{Ending, Job, Refusal, Reply, RequestId, Table, Take, limits};

use super::step::{Abort, Step, check};
use super::{consume, fail, succeed};

/// Ends running jobs, and grants others in the place of those that are done with. Each ending is taken or refused for itself.
pub(super) fn finish<T: Table>(
    step: &mut Step<'_, T>,
    endings: &[Ending],
    take: Option<&Take>,
    request: RequestId,
) -> Result<Reply, Abort<T::Error>> {
    check((1..=limits::JOBS_PER_REQUEST).contains(&endings.len()), "jobs")?;
    take.map_or(Ok(()), consume::check_limits)?;
    let ended = endings.iter().map(|ending| end(step, ending)).collect::<Result<Vec<_>, T::Error>>()?;
    // A worker whose jobs are not its own any more has something else to do first.
    let taken = match take {
        Some(take) if ended.iter().any(Result::is_ok) => consume::grant(step, take, request)?,
        Some(_) | None => Vec::new(),
    };
    Ok(Reply::Finished { ended, taken })
}

fn end<T: Table>(step: &mut Step<'_, T>, ending: &Ending) -> Result<Result<Job, Refusal>, T::Error> {
    let Ending { id, failure, log } = ending;
    let ended = match failure {
        None => succeed::succeed(step, *id, log),
        Some(failure) => fail::fail(step, *id, failure, log),
    };
    match ended {
        Ok(job) => Ok(Ok(job)),
        Err(Abort::Refused(refusal)) => Ok(Err(refusal)),
        Err(Abort::Broken(error)) => Err(error),
    }
}

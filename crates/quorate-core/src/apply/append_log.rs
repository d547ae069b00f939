use bytes::Bytes;

use crate::{Job, JobId, Reply, State, Table, limits};

use super::lookup;
use super::step::{Abort, Step, check};

/// Adds to the log of a running job. Where it is that long already, nothing is added, and the job is answered: whoever asked has to look
/// whether that is what is there.
pub(super) fn append_log<T: Table>(
    step: &mut Step<'_, T>,
    id: JobId,
    log: &Bytes,
    offset: Option<u32>,
) -> Result<Reply, Abort<T::Error>> {
    let job = lookup::job(step, id)?;
    if !matches!(job.state, State::Running { .. }) {
        return lookup::wrong_status(step, &job);
    }
    check(!log.is_empty() && log.len() <= limits::LOG_BYTES, "log")?;
    let bytes = u32::try_from(log.len()).expect("a log within its limit");
    if let Some(offset) = offset {
        if offset.checked_add(bytes).is_some_and(|end| end <= job.log_bytes) {
            return Ok(Reply::Job(Box::new(job)));
        }
        check(offset == job.log_bytes, "offset")?;
    }
    let all = job.log_bytes.saturating_add(bytes);
    check(all as usize <= limits::LOG_BYTES && job.log_parts < limits::LOG_PARTS, "log")?;
    step.table.put_log_part(id, job.log_parts, log.clone())?;
    let longer = Job { log_bytes: all, log_parts: job.log_parts + 1, ..job.clone() };
    step.put_job(Some(&job), &longer)?;
    step.table.dispatch_mut().heard(&job.worker);
    Ok(Reply::Done)
}

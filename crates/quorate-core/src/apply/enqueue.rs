use std::collections::BTreeSet;

use crate::{NewJob, Refusal, Reply, Table, limits};

use super::birth;
use super::step::{Abort, Step, check, refuse};

/// Adds jobs, all or none.
pub(super) fn enqueue<T: Table>(step: &mut Step<'_, T>, jobs: &[NewJob]) -> Result<Reply, Abort<T::Error>> {
    check((1..=limits::JOBS_PER_REQUEST).contains(&jobs.len()), "jobs")?;
    let mut ids = BTreeSet::new();
    for job in jobs {
        check_limits(job)?;
        // A retry may hold the payload of a job that was deleted.
        if !ids.insert(job.id) || step.table.job(job.id)?.is_some() || step.table.has_payload(job.id)? {
            return refuse(Refusal::IdTaken);
        }
    }
    // Nothing was written so far, and nothing is refused from here on.
    let mut added = Vec::with_capacity(jobs.len());
    for new in jobs {
        added.push(birth::new_job(step, new)?);
    }
    Ok(Reply::Jobs(added))
}

fn check_limits<E>(job: &NewJob) -> Result<(), Abort<E>> {
    check((1..=limits::IMAGE_NAME_BYTES).contains(&job.image.len()), "image")?;
    check(job.payload.len() <= limits::PAYLOAD_BYTES, "payload")?;
    check(job.delay <= limits::DELAY_SECONDS, "delay")?;
    check((1..=limits::TIMEOUT_SECONDS).contains(&job.timeout), "timeout")?;
    check(job.max_retries <= limits::MAX_RETRIES, "max_retries")?;
    check(job.retries_delay <= limits::RETRIES_DELAY_SECONDS, "retries_delay")
}

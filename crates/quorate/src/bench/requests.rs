use std::sync::Arc;

use bytes::Bytes;
use quorate_client::api::{NewJob, NewJobsWrapper};

use super::connection::Path;

/// Bytes of all enqueues that differ, at most: beyond them some queues or keys get no jobs.
const BODIES_BYTES: usize = 64 << 20;

/// The requests of a profile, made once.
#[derive(Clone)]
pub(super) struct Requests {
    pub(super) enqueue: Path,
    pub(super) consume: Path,
    pub(super) finish: Path,
    /// The queues that jobs are taken from.
    pub(super) from: &'static str,
    /// Jobs of one request.
    pub(super) batch: usize,
    /// Bodies of enqueues, one after the other.
    bodies: Arc<[Bytes]>,
}

/// Over how many queues, and keys of each, jobs are spread; 0: over none.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spread {
    pub(super) queues: usize,
    pub(super) keys: usize,
    /// What the queues' names begin with.
    pub(super) prefix: &'static str,
}

impl Spread {
    /// How many lanes the jobs wait in.
    fn lanes(self) -> usize {
        self.queues.max(1) * self.keys.max(1)
    }

    /// The queue and the key of the `nth` job.
    fn place(self, nth: usize) -> (Option<String>, Option<String>) {
        let queue = nth.checked_rem(self.queues).map(|queue| format!("{}-{queue}", self.prefix));
        let key = (nth / self.queues.max(1)).checked_rem(self.keys).map(|key| format!("key-{key}"));
        (queue, key)
    }
}

impl Requests {
    /// With `batch` jobs an enqueue, of `payload` bytes each.
    pub(super) fn new(batch: usize, payload: usize, spread: Spread) -> anyhow::Result<Requests> {
        let from = if spread.queues > 0 { "*" } else { "default" };
        let job = |nth: usize| {
            let (queue, key) = spread.place(nth);
            let payload = Some("x".repeat(payload));
            NewJob { image: "bench".to_owned(), queue, key, payload, ..NewJob::default() }
        };
        let room = BODIES_BYTES / (batch * (payload + 128));
        let bodies = (0..spread.lanes().div_ceil(batch).min(room).max(1)).map(|body| {
            let jobs = (body * batch..(body + 1) * batch).map(job).collect();
            Ok(serde_json::to_vec(&NewJobsWrapper { jobs })?.into())
        });
        Ok(Requests {
            enqueue: Path::new("/v1/jobs")?,
            // A job that another client has just enqueued may be seen here a moment later.
            consume: Path::new(&format!("/v1/jobs/consume?n={batch}&wait=10&queue={from}"))?,
            finish: Path::new("/v1/jobs/finish")?,
            from,
            batch,
            bodies: bodies.collect::<anyhow::Result<_>>()?,
        })
    }

    /// The body of the `nth` enqueue.
    pub(super) fn jobs(&self, nth: usize) -> &Bytes {
        &self.bodies[nth % self.bodies.len()]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_queue_gets_jobs_of_every_key() {
        for (batch, queues, keys, bodies) in
            [(1, 0, 0, 1), (1, 3, 2, 6), (4, 3, 2, 2), (100, 2, 0, 1), (1, 0, 5, 5)]
        {
            let requests = Requests::new(batch, 1, Spread { queues, keys, prefix: "q" }).unwrap();
            let mut lanes = BTreeSet::new();
            for nth in 0..2 * bodies {
                let NewJobsWrapper { jobs } = serde_json::from_slice(requests.jobs(nth)).unwrap();
                assert_eq!(jobs.len(), batch);
                lanes.extend(jobs.into_iter().map(|job| (job.queue, job.key)));
            }
            assert_eq!(
                (requests.bodies.len(), lanes.len()),
                (bodies, queues.max(1) * keys.max(1)),
                "{queues} {keys}"
            );
        }
    }

    #[test]
    fn what_is_too_much_to_make_at_once_is_not_made() {
        let requests = Requests::new(1, 1 << 20, Spread { queues: 9_999, keys: 100, prefix: "q" }).unwrap();
        assert_eq!(requests.bodies.len(), 63);
    }
}

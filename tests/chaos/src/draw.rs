//! Requests that clients draw.

use quorate_check::{Call, DEFAULT_QUEUE, Ending, NewJob, Reason, Unique, Until, body_hash};
use rand::Rng;
use rand::rngs::StdRng;

use crate::convert::{log_of, payload};
use crate::limits;

/// A single job or a few, with all parameters, under tags made from the key.
pub(crate) fn enqueue(rng: &mut StdRng, key: &str) -> Call {
    if rng.random_bool(0.04) {
        return Call::Enqueue { jobs: vec![long_job(rng, &format!("{key}-0"))] };
    }
    let count = if rng.random_bool(0.7) { 1 } else { rng.random_range(2..=6) };
    let jobs = (0..count).map(|place| NewJob {
        priority: rng.random_range(0..=2),
        delay: if rng.random_bool(0.1) { rng.random_range(1..=2) } else { 0 },
        timeout: if rng.random_bool(0.2) { rng.random_range(1..=3) } else { 20 },
        max_retries: if rng.random_bool(0.4) { rng.random_range(1..=2) } else { 0 },
        retries_delay: rng.random_range(0..=1),
        unique: rng.random_bool(0.08).then(|| unique(rng)),
        ..new_job(&format!("{key}-{place}"))
    });
    Call::Enqueue { jobs: jobs.collect() }
}

/// A job whose timer runs for longer than any run: none may fire.
fn long_job(rng: &mut StdRng, tag: &str) -> NewJob {
    let job = new_job(tag);
    if rng.random_bool(0.5) {
        NewJob { delay: limits::LONG_DELAY, ..job }
    } else {
        NewJob { timeout: rng.random_range(limits::LONG_TIMEOUT), ..job }
    }
}

/// What a job is the only one of, as are others of all clients.
fn unique(rng: &mut StdRng) -> Unique {
    let until = [Until::Started, Until::Finished, Until::For(2)][rng.random_range(0..3)];
    Unique { key: format!("u{}", rng.random_range(0..10)).into(), until }
}

/// A job of which only the tag matters.
pub(crate) fn new_job(tag: &str) -> NewJob {
    NewJob {
        tag: tag.into(),
        hash: body_hash(payload(tag).as_bytes()),
        queue: DEFAULT_QUEUE.into(),
        key: "".into(),
        unique: None,
        priority: 0,
        delay: 0,
        timeout: 20,
        max_retries: 0,
        retries_delay: 0,
    }
}

pub(crate) fn success(id: Box<str>) -> Call {
    Call::Success { log: Some(sent_log(&id)), id }
}

/// Ends a job badly.
pub(crate) fn failure(id: Box<str>, reason: Reason) -> Call {
    Call::Fail { log: Some(sent_log(&id)), id, reason }
}

/// Ends jobs well, and takes others.
pub(crate) fn finish(ids: Vec<Box<str>>, take: u32, wait: u32, queue: Vec<Box<str>>, alone: bool) -> Call {
    let endings = ids.into_iter().map(|id| Ending { log: Some(sent_log(&id)), id, reason: None });
    Call::Finish { endings: endings.collect(), take, wait, queue, alone }
}

fn sent_log(id: &str) -> Box<str> {
    body_hash(log_of(id).as_bytes())
}

//! The queues beside the default one, which limits how their jobs are granted. Jobs of theirs that a client forgets time out
//! soon: they are in the way of others.

use std::collections::BTreeMap;

use anyhow::Context;
use quorate_api::QueueRequest;
use quorate_check::{Call, DEFAULT_QUEUE, NewJob, QueueLimits};
use rand::Rng;
use rand::rngs::StdRng;
use reqwest::Method;
use tokio::time::{Instant, sleep};

use crate::hosts::Node;
use crate::limits;
use crate::rest::Rest;

/// A queue of which few jobs run at once.
const FEW: &str = "few";
/// A queue of which one job of a key runs at once.
const BY_KEY: &str = "by-key";
const KEYS: [&str; 3] = ["a", "b", "c"];

/// What the queues are set to, for the whole run.
pub(crate) fn settings() -> BTreeMap<Box<str>, QueueLimits> {
    let few = QueueLimits { max_running: Some(limits::FEW_RUNNING), ..QueueLimits::default() };
    let by_key = QueueLimits { max_running_per_key: Some(1), ..QueueLimits::default() };
    [(FEW.into(), few), (BY_KEY.into(), by_key)].into()
}

/// Sets them up. A cluster that has just started may not be ready for it.
///
/// # Errors
/// It is not for too long.
pub(crate) async fn set_up(rest: &Rest, node: &Node) -> anyhow::Result<()> {
    let deadline = Instant::now() + limits::HEAL;
    for (name, set) in settings() {
        let request = QueueRequest {
            max_running: Some(set.max_running),
            max_running_per_key: Some(set.max_running_per_key),
            ..QueueRequest::default()
        };
        loop {
            let put = rest.http(Method::PUT, format!("{}/v1/queue/{name}", node.url)).json(&request);
            match put.send().await.and_then(reqwest::Response::error_for_status) {
                Ok(_) => break,
                Err(error) if Instant::now() >= deadline => {
                    return Err(error).with_context(|| format!("cannot set the queue {name}"));
                }
                Err(_) => sleep(limits::POLL).await,
            }
        }
    }
    Ok(())
}

/// From where a client takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Uses {
    /// From the default queue.
    Default,
    /// From any one, and it enqueues into all.
    Each,
    /// From all in order.
    InOrder,
}

impl Uses {
    /// Of the client with this number: most use one, and one all in order.
    pub(crate) fn of(number: u32) -> Uses {
        match number {
            2 => Uses::InOrder,
            _ if number % 3 == 1 => Uses::Each,
            _ => Uses::Default,
        }
    }

    /// The queues of a consume.
    pub(crate) fn draw(self, rng: &mut StdRng) -> Vec<Box<str>> {
        match self {
            Uses::Default => Vec::new(),
            Uses::Each => [vec![], vec![FEW.into()], vec![BY_KEY.into()]][rng.random_range(0..3)].clone(),
            Uses::InOrder => all(),
        }
    }

    /// Puts jobs into queues, if this client does that.
    pub(crate) fn spread(self, rng: &mut StdRng, call: &mut Call) {
        let Call::Enqueue { jobs } = call else { return };
        // What would not end within the run is looked for in the default queue.
        let ends = |job: &NewJob| job.timeout <= limits::ENOUGH_TIME && job.delay < limits::LONG_DELAY;
        for job in jobs.iter_mut().filter(|job| self == Uses::Each && ends(job)) {
            let (queue, key) = match rng.random_range(0..3) {
                0 => continue,
                1 => (FEW, ["", "x", "y"][rng.random_range(0..3)]),
                _ => (BY_KEY, KEYS[rng.random_range(0..KEYS.len())]),
            };
            (job.queue, job.key) = (queue.into(), key.into());
            job.timeout = job.timeout.min(limits::SHORT_TIMEOUT);
        }
    }
}

/// All three in order.
pub(crate) fn all() -> Vec<Box<str>> {
    [FEW, DEFAULT_QUEUE, BY_KEY].map(Into::into).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_clients_are_enough_for_all_queues() {
        let uses: Vec<Uses> = (0..6).map(Uses::of).collect();
        assert_eq!(uses.iter().filter(|uses| **uses == Uses::InOrder).count(), 1);
        assert_eq!(uses.iter().filter(|uses| **uses == Uses::Each).count(), 2);
    }
}

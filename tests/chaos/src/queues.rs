//! The queues beside the default one, which limits how their jobs are granted. Jobs of theirs that a client forgets time out
//! soon: they are in the way of others.

use std::collections::BTreeMap;

use anyhow::Context;
use quorate_check::{Call, DEFAULT_QUEUE, NewJob, QueueLimits};
use rand::Rng;
use rand::rngs::StdRng;
use reqwest::Method;
use tokio::time::{Instant, sleep};

use crate::convert;
use crate::hosts::Node;
use crate::limits;
use crate::rest::Rest;

/// A queue of which few jobs run at once.
const FEW: &str = "few";
/// A queue of which one job of a key runs at once.
const BY_KEY: &str = "by-key";
/// The keys of queues that have any.
pub(crate) const KEYS: [&str; 3] = ["a", "b", "c"];

/// A queue with a rate.
pub(crate) const SLOW: &str = "slow";
/// A queue that is paused, resumed and limited in mid-run.
pub(crate) const SET: &str = "set";
/// A queue whose jobs are given back.
pub(crate) const GIVEN_BACK: &str = "given-back";
/// A queue whose jobs are cancelled, retried and deleted many at a time.
pub(crate) const SWEPT: &str = "swept";
/// Two queues that are taken from by weight.
pub(crate) const WEIGHED: [&str; 2] = ["left", "right"];

/// What limits the queues from the start.
pub(crate) fn settings() -> BTreeMap<Box<str>, QueueLimits> {
    let none = QueueLimits::default();
    let few = QueueLimits { max_running: Some(limits::FEW_RUNNING), ..none };
    let by_key = QueueLimits { max_running_per_key: Some(1), ..none };
    let slow = QueueLimits { rate: Some(limits::SLOW_RATE), ..none };
    [(FEW.into(), few), (BY_KEY.into(), by_key), (SLOW.into(), slow)].into()
}

/// Sets them up. A cluster that has just started may not be ready for it.
///
/// # Errors
/// It is not for too long.
pub(crate) async fn set_up(rest: &Rest, node: &Node) -> anyhow::Result<()> {
    let deadline = Instant::now() + limits::HEAL;
    for (name, set) in settings() {
        let request = convert::settings(&set);
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
    /// From any one with limits, and it enqueues into all of them.
    Each,
    /// From those in order.
    InOrder,
    /// From two others by weight, which it fills, too.
    ByWeight,
    /// From the default queue, and now and then from any.
    Any,
}

impl Uses {
    /// Of the client with this number: most use one queue.
    pub(crate) fn of(number: u32) -> Uses {
        match number {
            2 => Uses::InOrder,
            3 => Uses::ByWeight,
            5 => Uses::Any,
            _ if number % 3 == 1 => Uses::Each,
            _ => Uses::Default,
        }
    }

    /// The queues of a consume.
    pub(crate) fn draw(self, rng: &mut StdRng) -> Vec<Box<str>> {
        match self {
            Uses::Default => Vec::new(),
            Uses::Each => {
                let queues =
                    [vec![], vec![FEW.into()], vec![BY_KEY.into()], vec![SLOW.into()], vec![SET.into()]];
                queues[rng.random_range(0..queues.len())].clone()
            }
            Uses::InOrder => [FEW, DEFAULT_QUEUE, SLOW, SET, BY_KEY].map(Into::into).into(),
            Uses::ByWeight => WEIGHED.map(|name| format!("{name}:1").into()).into(),
            Uses::Any => {
                if rng.random_bool(0.2) {
                    vec!["*".into()]
                } else {
                    Vec::new()
                }
            }
        }
    }

    /// Puts jobs into queues, if this client does that.
    pub(crate) fn spread(self, rng: &mut StdRng, call: &mut Call) {
        let Call::Enqueue { jobs } = call else { return };
        // What would not end within the run is looked for in the default queue.
        let ends = |job: &NewJob| job.timeout <= limits::ENOUGH_TIME && job.delay < limits::LONG_DELAY;
        for job in jobs.iter_mut().filter(|job| ends(job)) {
            let (queue, key) = match self {
                Uses::Default | Uses::InOrder | Uses::ByWeight | Uses::Any => continue,
                Uses::Each => match rng.random_range(0..4) {
                    0 => continue,
                    1 => (FEW, ["", "x", "y"][rng.random_range(0..3)]),
                    2 => (SET, ["", "x", "y"][rng.random_range(0..3)]),
                    _ => (BY_KEY, KEYS[rng.random_range(0..KEYS.len())]),
                },
            };
            (job.queue, job.key) = (queue.into(), key.into());
            job.timeout = job.timeout.min(limits::SHORT_TIMEOUT);
        }
    }
}

/// All of them in order.
pub(crate) fn all() -> Vec<Box<str>> {
    let [left, right] = WEIGHED;
    [FEW, DEFAULT_QUEUE, SLOW, SET, BY_KEY, GIVEN_BACK, SWEPT, left, right].map(Into::into).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_clients_are_enough_for_all_queues() {
        let uses: Vec<Uses> = (0..6).map(Uses::of).collect();
        for one in [Uses::Default, Uses::InOrder, Uses::ByWeight, Uses::Any] {
            assert_eq!(uses.iter().filter(|uses| **uses == one).count(), 1);
        }
        assert_eq!(uses.iter().filter(|uses| **uses == Uses::Each).count(), 2);
    }
}

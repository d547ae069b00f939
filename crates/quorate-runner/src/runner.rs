use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use quorate_client::api::Job;
use quorate_client::{Client, Consume, Error, Keyed};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::attempt::Attempt;
use crate::config::RunnerConfig;
use crate::driver::Driver;
use crate::event::Event;
use crate::hold::Taken;
use crate::limits;
use crate::pause::Pause;
use crate::predecessor;
use crate::shutdown::Shutdown;
use crate::starts::Starts;

/// Takes jobs from a cluster, runs them with its drivers, and reports their outcomes.
#[derive(Clone)]
pub struct Runner {
    client: Client,
    drivers: Arc<[Arc<dyn Driver>]>,
    config: RunnerConfig,
    /// One job that it can run, if there is one now.
    one: Consume,
    starts: Arc<Starts>,
    on_event: Arc<dyn Fn(Event) + Send + Sync>,
}

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner")
            .field("client", &self.client)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Runner {
    /// A runner; the first driver that takes a job's image runs it. It takes jobs of all images only where a driver does; then a
    /// job that no driver takes fails.
    ///
    /// # Panics
    /// When the configuration lets no job run, or the drivers name more than [`crate::IMAGES_PER_CONSUME`] images.
    pub fn new(client: Client, drivers: Vec<Arc<dyn Driver>>, config: RunnerConfig) -> Runner {
        assert!(config.concurrency > 0, "a runner runs at least one job at a time");
        let images: Option<Vec<Vec<String>>> = drivers.iter().map(|driver| driver.images()).collect();
        let images: BTreeSet<String> = images.into_iter().flatten().flatten().collect();
        assert!(images.len() <= limits::IMAGES_PER_CONSUME, "a runner can't ask for {} images", images.len());
        let images = images.into_iter().collect();
        let (queue, worker) = (config.queue.clone(), config.worker.clone());
        let one = Consume { queue, images, worker, ..Consume::default() };
        let starts = Arc::new(Starts::new());
        Runner { client, drivers: drivers.into(), config, one, starts, on_event: Arc::new(|_| {}) }
    }

    /// Calls `on_event` with whatever happens to a job. It must not block.
    pub fn on_event(self, on_event: impl Fn(Event) + Send + Sync + 'static) -> Runner {
        Runner { on_event: Arc::new(on_event), ..self }
    }

    /// Runs jobs until `shutdown`, and returns when the last of them has been reported. An unreachable cluster is waited
    /// for.
    pub async fn run(self, shutdown: &Shutdown) {
        if let Some(worker) = self.config.worker.as_deref().filter(|_| self.config.replaces) {
            predecessor::give_back(&self.client, worker, shutdown).await;
        }
        let slots = Arc::new(Semaphore::new(self.config.concurrency));
        let running = TaskTracker::new();
        let mut pause = Pause::new();
        while let Some(mut permits) = free_slots(&slots, shutdown).await {
            let only_one = tokio::select! {
                only_one = self.starts.allow() => only_one,
                () = shutdown.draining() => break,
            };
            if only_one {
                permits.truncate(1);
            }
            let taken = self.take(permits.len(), &mut pause, shutdown).await;
            if only_one && !taken.answer.is_empty() {
                self.starts.trying();
            }
            for (taken, permit) in Taken::all(taken.answer, taken.replayed).zip(permits) {
                let (runner, shutdown) = (self.clone(), shutdown.clone());
                running.spawn(async move {
                    let mut next = Some(taken);
                    while let Some(taken) = next {
                        next = runner.run_one(taken, &shutdown).await;
                    }
                    drop(permit);
                });
            }
        }
        running.close();
        if !running.is_empty() {
            tracing::info!(jobs = running.len(), "waiting until they have ended and are reported");
        }
        running.wait().await;
    }

    /// Takes up to `n` jobs; maybe none.
    ///
    /// All attempts go out under one key until one is answered, and so does the last one where a shutdown comes in between:
    /// whatever the cluster granted, some answer tells us, and no job is left to time out because nobody knows that it is
    /// ours. An answer says all that its key stands for, so no key is used after it.
    async fn take(&self, n: usize, pause: &mut Pause, shutdown: &Shutdown) -> Keyed<Vec<Job>> {
        let n = u32::try_from(n).expect("at most 1,000 are asked for");
        let key = Some(Client::draw_key());
        let mut consume = Consume { n, wait: self.config.wait, key, ..self.one.clone() };
        loop {
            let taken = tokio::select! {
                biased;
                () = shutdown.draining() => break,
                taken = self.client.consume(&consume) => taken,
            };
            let answered = match taken {
                Ok(taken) => {
                    if pause.has_failed() {
                        tracing::info!("jobs can be taken again");
                    }
                    *pause = Pause::new();
                    if !taken.answer.is_empty() {
                        return taken;
                    }
                    true
                }
                Err(error) => {
                    // What is the matter with the nodes was said. A refusal is another matter.
                    let is_said = error.is_unavailable() && self.client.trouble().is_some();
                    if !is_said && pause.fails_first() {
                        tracing::warn!("could not take jobs: {error}");
                    }
                    matches!(error, Error::Refused(_))
                }
            };
            tokio::select! {
                () = pause.take() => {}
                () = shutdown.draining() => {}
            }
            if answered {
                return nothing();
            }
        }
        consume.wait = 0;
        let why = tokio::select! {
            taken = timeout(limits::LAST_CONSUME, self.client.consume(&consume)) => match taken {
                Ok(Ok(taken)) => return taken,
                Ok(Err(error)) => error.to_string(),
                Err(_elapsed) => self
                    .client
                    .trouble()
                    .unwrap_or_else(|| format!("no answer within {} ms", limits::LAST_CONSUME.as_millis())),
            },
            () = shutdown.stopping() => return nothing(),
        };
        tracing::warn!("ending without an answer that says whether jobs were taken last: {why}");
        nothing()
    }

    /// Runs a job, and answers the next one for its slot if that came with its report.
    async fn run_one(&self, taken: Taken, shutdown: &Shutdown) -> Option<Taken> {
        let (job_id, image, at) = (taken.job.id.clone(), taken.job.image.clone(), taken.at);
        let driver = self.drivers.iter().find(|driver| driver.takes(&image));
        (self.on_event)(Event::Started { job_id: job_id.clone(), image });

        let attempt = Attempt {
            client: &self.client,
            config: &self.config,
            one: &self.one,
            starts: &self.starts,
            shutdown,
            taken: at,
        };
        let (outcome, next) = attempt.run(driver.map(Arc::as_ref), taken).await;

        (self.on_event)(Event::Finished { job_id, outcome, took: at.elapsed() });
        next
    }
}

fn nothing() -> Keyed<Vec<Job>> {
    Keyed { answer: Vec::new(), replayed: false }
}

/// All slots that are free, once there is one; `None` when it is time to end.
async fn free_slots(slots: &Arc<Semaphore>, shutdown: &Shutdown) -> Option<Vec<OwnedSemaphorePermit>> {
    let first = tokio::select! {
        biased;
        () = shutdown.draining() => return None,
        permit = slots.clone().acquire_owned() => permit.expect("the slots are never closed"),
    };
    let mut permits = vec![first];
    while permits.len() < limits::JOBS_PER_CONSUME
        && let Ok(permit) = slots.clone().try_acquire_owned()
    {
        permits.push(permit);
    }
    Some(permits)
}

#[cfg(test)]
mod tests {
    use futures::future::BoxFuture;
    use quorate_client::ClientConfig;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::driver::{NotStarted, Running, Work};
    use crate::output::Output;

    /// Takes these images; any, where there are none.
    struct Takes(&'static [&'static str]);

    impl Driver for Takes {
        fn name(&self) -> &'static str {
            "takes"
        }

        fn takes(&self, image: &str) -> bool {
            self.0.is_empty() || self.0.contains(&image)
        }

        fn images(&self) -> Option<Vec<String>> {
            (!self.0.is_empty()).then(|| self.0.iter().map(|image| (*image).to_owned()).collect())
        }

        fn prepare<'a>(&'a self, _: &'a Work) -> BoxFuture<'a, Result<(), NotStarted>> {
            unreachable!("no job is taken")
        }

        fn start<'a>(
            &'a self,
            _: &'a Work,
            _: &'a Output,
            _: &'a CancellationToken,
        ) -> BoxFuture<'a, Result<Running<'a>, NotStarted>> {
            unreachable!("no job is taken")
        }
    }

    #[test]
    fn it_asks_for_all_images_where_a_driver_takes_any() {
        let asks_for = |drivers: &[&'static [&'static str]]| {
            let client = Client::new(ClientConfig::new(["n1:1"])).unwrap();
            let drivers = drivers.iter().map(|images| Arc::new(Takes(images)) as Arc<dyn Driver>).collect();
            Runner::new(client, drivers, RunnerConfig::default()).one.images
        };
        assert_eq!(asks_for(&[&["b", "a"], &["a", "c"]]), ["a", "b", "c"]);
        assert_eq!(asks_for(&[&["b", "a"], &[]]), [""; 0]);
    }
}

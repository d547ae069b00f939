use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderValue;
use quorate_core::{Command, JobsPage, JobsQuery, Outcome, Reply, Unavailable};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::body::BodyReader;
use crate::error::{ApiError, Failure};
use crate::heavy::Heavy;
use crate::memory::Memory;
use crate::rates::Rates;
use crate::response::Index;
use crate::{Backend, GatewayConfig, NodeHealth, Reads, limits, patience};

/// The Titan API in front of a backend. A clone is another handle to the same.
pub struct Gateway<B> {
    inner: Arc<Inner<B>>,
}

struct Inner<B> {
    backend: B,
    config: GatewayConfig,
    node: HeaderValue,
    bodies: BodyReader,
    body_memory: Arc<Memory>,
    answers: Arc<Memory>,
    rates: Rates,
    heavy: Heavy,
    scans: Heavy,
    waiting: Arc<Semaphore>,
    backups: Arc<Semaphore>,
}

impl<B> Clone for Gateway<B> {
    fn clone(&self) -> Gateway<B> {
        Gateway { inner: Arc::clone(&self.inner) }
    }
}

impl<B: Backend> Gateway<B> {
    /// A gateway to this backend.
    ///
    /// # Panics
    /// The node's name in `config` is not visible ASCII.
    pub fn new(backend: B, config: GatewayConfig) -> Gateway<B> {
        let node = HeaderValue::from_str(&config.node).expect("a node's name is visible ASCII");
        let body_memory = Memory::new(config.body_memory, config.body_memory_small);
        let bodies = BodyReader::new(config.body_read, Arc::clone(&body_memory));
        let waiting = Arc::new(Semaphore::new(config.waiting_consumes.min(Semaphore::MAX_PERMITS)));
        let answers = Memory::new(config.answer_memory, config.answer_memory_small);
        let backups = Arc::new(Semaphore::new(limits::BACKUPS));
        let (rates, heavy, scans) = (Rates::new(config.caller_rate), Heavy::new(), Heavy::new());
        let inner = Inner {
            backend,
            config,
            node,
            bodies,
            body_memory,
            answers,
            rates,
            heavy,
            scans,
            waiting,
            backups,
        };
        Gateway { inner: Arc::new(inner) }
    }

    pub(crate) fn backend(&self) -> &B {
        &self.inner.backend
    }

    pub(crate) fn config(&self) -> &GatewayConfig {
        &self.inner.config
    }

    /// The value of `Quorate-Node`.
    pub(crate) fn node(&self) -> &HeaderValue {
        &self.inner.node
    }

    pub(crate) fn bodies(&self) -> &BodyReader {
        &self.inner.bodies
    }

    /// All that requests and answers hold memory of.
    pub(crate) fn memories(&self) -> Vec<Arc<Memory>> {
        vec![Arc::clone(&self.inner.body_memory), Arc::clone(&self.inner.answers)]
    }

    /// Memory for answers.
    pub(crate) fn answers(&self) -> &Arc<Memory> {
        &self.inner.answers
    }

    /// How many jobs each caller enqueues.
    pub(crate) fn rates(&self) -> &Rates {
        &self.inner.rates
    }

    pub(crate) fn heavy(&self) -> &Heavy {
        &self.inner.heavy
    }

    /// A page of the list of jobs. Such a scan may look at many rows: it has its turn among scans, and nothing else waits for it.
    ///
    /// # Errors
    /// The table cannot be read.
    pub(crate) async fn scan(&self, query: JobsQuery) -> Result<JobsPage, Unavailable> {
        let gateway = self.clone();
        self.inner.scans.wait_for(async move { gateway.backend().reads().jobs(query).await }).await
    }

    /// A permit for everybody who waits: for a job to take, for an outcome, for a log to go on.
    ///
    /// # Errors
    /// 429: too many wait. 503: this node is being drained.
    pub(crate) fn may_wait(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        self.takes_polls_of(Duration::MAX)?;
        Arc::clone(&self.inner.waiting).try_acquire_owned().map_err(|_| ApiError::Overloaded)
    }

    /// Refuses who is about to wait so long, if this node takes no long polls.
    ///
    /// # Errors
    /// 503: this node is being drained.
    pub(crate) fn takes_polls_of(&self, wait: Duration) -> Result<(), ApiError> {
        match !wait.is_zero() && self.backend().health().is_draining() {
            true => Err(ApiError::Draining),
            false => Ok(()),
        }
    }

    /// True once this node takes leave of those who wait: it stops, is being drained, or was removed.
    pub(crate) fn is_ending_waits(&self) -> bool {
        self.config().shutdown.is_cancelled() || self.backend().health().is_draining()
    }

    /// Ends when it does.
    pub(crate) async fn ends_waits(&self) {
        tokio::select! {
            () = self.config().shutdown.cancelled() => {}
            () = self.backend().health().drains() => {}
        }
    }

    /// A permit for everybody who takes a backup.
    pub(crate) fn backups(&self) -> &Arc<Semaphore> {
        &self.inner.backups
    }

    /// How many wait.
    pub(crate) fn waiting_now(&self) -> usize {
        self.config().waiting_consumes.saturating_sub(self.inner.waiting.available_permits())
    }

    /// What this node's own table reflects at least, from now on.
    pub(crate) fn applied(&self) -> Index {
        Index::Applied(self.backend().reads().applied_index())
    }

    /// Carries a command out.
    ///
    /// # Errors
    /// It was refused (with its place in the log), or got no answer.
    pub(crate) async fn submit(&self, command: Command) -> Result<(Index, Reply), Failure> {
        let (index, outcome) = self.carry_out(command).await?;
        match outcome {
            Ok(reply) => Ok((index, reply)),
            Err(refusal) => Err(Failure { error: ApiError::from(refusal), index: Some(index) }),
        }
    }

    /// The same, with a refusal as it is.
    pub(crate) async fn carry_out(&self, command: Command) -> Result<(Index, Outcome), ApiError> {
        let within = patience::within(self.config().write_wait);
        let answered = self.backend().submit(command, within).await?;
        let index = match answered.replayed {
            true => Index::Replayed(answered.position),
            false => Index::Written(answered.position),
        };
        Ok((index, answered.outcome))
    }

    /// True when a read must pass a barrier first: it was asked for, or this node has just been started.
    pub(crate) fn must_be_sure(&self, linearizable: bool) -> bool {
        linearizable || !self.backend().reads().caught_up()
    }

    /// Makes the next read linearizable.
    ///
    /// # Errors
    /// 503: no leader answered in time.
    pub(crate) async fn barrier(&self) -> Result<(), ApiError> {
        let within = patience::within(self.config().read_wait);
        self.backend().barrier(within).await.map_err(|unavailable| match unavailable {
            // A read has no outcome to be unsure of.
            Unavailable::Unknown => ApiError::from(Unavailable::NotApplied),
            Unavailable::Overloaded
            | Unavailable::DiskFull
            | Unavailable::NotUnderstood
            | Unavailable::NotMember
            | Unavailable::NotApplied
            | Unavailable::Stopping => ApiError::from(unavailable),
        })
    }
}

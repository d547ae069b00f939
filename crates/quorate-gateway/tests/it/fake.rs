use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use parking_lot::Mutex;
use quorate_api::Changed;
use quorate_core::model::Model;
use quorate_core::{
    Answered, Batch, Command, Envelope, Image, ImageId, Job, JobId, JobsPage, JobsQuery, Operation,
    OperationId, QueueId, QueueName, QueueView, RequestId, Settings, Status, Table, Take, Timestamp, Totals,
    Unavailable, WorkerView, apply,
};
use quorate_gateway::{
    Backend, Cluster, Look, Member, NodeAdmin, NodeHealth, Order, OrderError, Reads, Refused, Wakeups,
};
use tokio::sync::{Notify, watch};

use crate::turns::{Turn, Turns, jobs};

/// A backend that carries commands out on the core's model at once. It can be told to fail, and to let its reads lag
/// behind until a barrier, as a follower's do.
#[derive(Clone, Default)]
pub(crate) struct Fake {
    state: Arc<Mutex<State>>,
    /// The index that reads reflect.
    applied: Arc<AtomicU64>,
    /// How long the last command or barrier may take.
    within: Arc<Mutex<Duration>>,
    barriers: Arc<AtomicU64>,
    submitted: Arc<AtomicU64>,
    lagging: Arc<AtomicBool>,
    just_started: Arc<AtomicBool>,
    panicking: Arc<AtomicBool>,
    unhealthy: Arc<AtomicBool>,
    misled: Arc<AtomicBool>,
    turns: Turns,
    /// Consumes and what is added to logs wait before they are carried out.
    held: Arc<watch::Sender<bool>>,
    /// One does.
    holds: Arc<Notify>,
    /// Scans wait before they are done.
    scans_held: Arc<watch::Sender<bool>>,
    /// One does.
    holds_a_scan: Arc<Notify>,
    /// Somebody waits for a job.
    waiting: Arc<Notify>,
    /// Somebody waits no longer.
    left: Arc<Notify>,
    /// Reads may show more.
    caught_up: Arc<Notify>,
    /// It is being drained.
    draining: Arc<watch::Sender<bool>>,
    /// What operators have asked for.
    orders: Arc<Mutex<Orders>>,
}

/// What operators have asked for, with the `members_index` that they gave.
type Orders = Vec<(Order, Option<u64>)>;

/// A consumer's wait, however it ends.
struct Wait(Arc<Notify>);

impl Drop for Wait {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

#[derive(Default)]
struct State {
    committed: Model,
    /// What reads see.
    seen: Model,
    index: u64,
    now: u64,
    failing: Option<Unavailable>,
    failing_consume: Option<Unavailable>,
    /// What fails, after so many more commands.
    failing_later: Option<(usize, Unavailable)>,
    payloads: Payloads,
    /// Each page of a list looks at so many rows, at least.
    looked: usize,
}

/// What becomes of the reading of payloads.
#[derive(Default, PartialEq)]
enum Payloads {
    #[default]
    Found,
    Deleted,
    Failing,
}

impl Fake {
    /// Each page of a list looks at so many rows, from now on.
    pub(crate) fn look_at(&self, rows: usize) {
        self.state.lock().looked = rows;
    }

    /// Every command and barrier fails so, from now on.
    pub(crate) fn fail_with(&self, unavailable: impl Into<Option<Unavailable>>) {
        self.state.lock().failing = unavailable.into();
    }

    /// The next consume fails so.
    pub(crate) fn fail_a_consume_with(&self, unavailable: Unavailable) {
        self.state.lock().failing_consume = Some(unavailable);
    }

    /// Every command fails so, once so many more were carried out.
    pub(crate) fn fail_after(&self, commands: usize, unavailable: Unavailable) {
        self.state.lock().failing_later = Some((commands, unavailable));
    }

    /// Consumes and what is added to logs are held back from now on, or no longer.
    pub(crate) fn hold(&self, held: bool) {
        self.held.send_replace(held);
    }

    /// Ends once one is held back.
    pub(crate) async fn holds(&self) {
        self.holds.notified().await;
    }

    /// Scans of the list of jobs are held back from now on, or no longer.
    pub(crate) fn hold_scans(&self, held: bool) {
        self.scans_held.send_replace(held);
    }

    /// Ends once a scan is held back.
    pub(crate) async fn holds_a_scan(&self) {
        self.holds_a_scan.notified().await;
    }

    /// Reads stay as they are until a barrier.
    pub(crate) fn lag(&self) {
        self.lagging.store(true, Ordering::SeqCst);
    }

    /// This node was started again, and does not know yet what it had answered.
    pub(crate) fn restart(&self) {
        self.just_started.store(true, Ordering::SeqCst);
    }

    /// Every command panics.
    pub(crate) fn panic(&self) {
        self.panicking.store(true, Ordering::SeqCst);
    }

    /// Who looks for jobs thinks that there are some.
    pub(crate) fn mislead(&self) {
        self.misled.store(true, Ordering::SeqCst);
    }

    /// It takes no long polls from now on.
    pub(crate) fn drain(&self) {
        self.draining.send_replace(true);
    }

    /// What operators have asked for so far.
    pub(crate) fn orders(&self) -> Orders {
        std::mem::take(&mut *self.orders.lock())
    }

    /// The Raft core is dead.
    pub(crate) fn die(&self) {
        self.unhealthy.store(true, Ordering::SeqCst);
    }

    /// Log time passes.
    pub(crate) fn pass_seconds(&self, seconds: u64) {
        self.state.lock().now += seconds * 1_000;
        self.commit(Vec::new());
    }

    /// Every job's payload is gone when it is read.
    pub(crate) fn delete_payloads(&self) {
        self.state.lock().payloads = Payloads::Deleted;
    }

    /// No payload can be read.
    pub(crate) fn fail_payloads(&self) {
        self.state.lock().payloads = Payloads::Failing;
    }

    /// How long the last command or barrier was allowed to take.
    pub(crate) fn within(&self) -> Duration {
        *self.within.lock()
    }

    pub(crate) fn barriers(&self) -> u64 {
        self.barriers.load(Ordering::SeqCst)
    }

    /// How many commands came.
    pub(crate) fn submitted(&self) -> u64 {
        self.submitted.load(Ordering::SeqCst)
    }

    /// Ends once a consumer waits for a job.
    pub(crate) async fn somebody_waits(&self) {
        self.waiting.notified().await;
    }

    /// Ends once so many consumers wait for a job.
    pub(crate) async fn wait(&self, consumers: usize) {
        while self.turns.waiting() != consumers {
            tokio::task::yield_now().await;
        }
    }

    /// Ends once a consumer that waited does so no longer.
    pub(crate) async fn somebody_left(&self) {
        self.left.notified().await;
    }

    /// The status of a job, as committed.
    pub(crate) fn status(&self, id: &str) -> Option<Status> {
        let state = self.state.lock();
        let mut jobs = state.committed.jobs().values();
        jobs.find(|job| job.id.to_string() == id).map(Job::status)
    }

    fn commit(&self, envelopes: Vec<Envelope>) -> Vec<Answered> {
        let mut state = self.state.lock();
        state.index += 1;
        let batch = Batch { stamp: Timestamp(state.now + START), envelopes };
        let index = state.index;
        let Ok(applied) = apply(&mut state.committed, index, &batch);
        if !self.lagging.load(Ordering::SeqCst) {
            self.catch_up(&mut state);
        }
        applied.answers
    }

    fn catch_up(&self, state: &mut State) {
        state.seen = state.committed.clone();
        self.applied.store(state.index, Ordering::SeqCst);
        self.turns.available(state.seen.dispatch().availability());
        self.caught_up.notify_waiters();
    }

    fn available(&self) -> Result<(), Unavailable> {
        self.state.lock().failing.map_or(Ok(()), Err)
    }
}

/// Log time at the start.
const START: u64 = 1_767_225_600_000;

impl Backend for Fake {
    type Reads = Fake;
    type Wakeups = Fake;
    type Health = Fake;
    type Admin = Fake;

    async fn submit(&self, command: Command, within: Duration) -> Result<Answered, Unavailable> {
        assert!(!self.panicking.load(Ordering::SeqCst), "told to panic");
        *self.within.lock() = within;
        let number = self.submitted.fetch_add(1, Ordering::SeqCst);
        if let Command::Consume { .. } | Command::AppendLog { .. } = command
            && *self.held.borrow()
        {
            self.holds.notify_one();
            self.held.subscribe().wait_for(|held| !held).await.expect("the sender is here");
        }
        if let Command::Consume { .. } = command
            && let Some(unavailable) = self.state.lock().failing_consume.take()
        {
            return Err(unavailable);
        }
        self.available()?;
        if let Some((left, unavailable)) = &mut self.state.lock().failing_later {
            *left = left.checked_sub(1).ok_or(*unavailable)?;
        }
        // A node has applied what it answers; other commands under a lag are as if another node took them.
        if let Command::WorkerGone { .. } = command {
            self.lagging.store(false, Ordering::SeqCst);
        }
        let mut request_id = [0; 16];
        request_id[..8].copy_from_slice(&number.to_be_bytes());
        let deadline = self.now().plus_millis(within.as_millis() as u64);
        let envelope = Envelope { request_id: RequestId(request_id), deadline, command };
        Ok(self.commit(vec![envelope]).remove(0))
    }

    async fn barrier(&self, within: Duration) -> Result<(), Unavailable> {
        *self.within.lock() = within;
        self.barriers.fetch_add(1, Ordering::SeqCst);
        self.available()?;
        let mut state = self.state.lock();
        self.catch_up(&mut state);
        Ok(())
    }

    fn reads(&self) -> &Fake {
        self
    }

    fn wakeups(&self) -> &Fake {
        self
    }

    fn health(&self) -> &Fake {
        self
    }

    fn admin(&self) -> &Fake {
        self
    }
}

impl Reads for Fake {
    fn caught_up(&self) -> bool {
        !self.just_started.load(Ordering::SeqCst)
    }

    fn applied_index(&self) -> u64 {
        self.applied.load(Ordering::SeqCst)
    }

    async fn job(&self, id: JobId) -> Result<Option<Job>, Unavailable> {
        Ok(self.state.lock().seen.jobs().get(&id).cloned())
    }

    async fn payloads(&self, jobs: &[Job]) -> Result<Vec<Option<Bytes>>, Unavailable> {
        let state = self.state.lock();
        let payload = |job: &Job| match state.committed.jobs().get(&job.id) {
            Some(_) if state.payloads == Payloads::Found => {
                Some(state.committed.payload(job.id).cloned().unwrap_or_default())
            }
            Some(_) | None => None,
        };
        match state.payloads {
            Payloads::Found | Payloads::Deleted => Ok(jobs.iter().map(payload).collect()),
            Payloads::Failing => Err(Unavailable::Stopping),
        }
    }

    async fn log(&self, id: JobId) -> Result<Option<Bytes>, Unavailable> {
        let state = self.state.lock();
        let has_one = |job: &Job| job.status().is_final() || job.log_parts > 0;
        Ok(state.seen.jobs().get(&id).is_some_and(has_one).then(|| state.seen.log(id).unwrap_or_default()))
    }

    async fn jobs(&self, query: JobsQuery) -> Result<JobsPage, Unavailable> {
        if *self.scans_held.borrow() {
            self.holds_a_scan.notify_one();
            self.scans_held.subscribe().wait_for(|held| !held).await.expect("the sender is here");
        }
        let state = self.state.lock();
        let page = state.seen.list(&query);
        Ok(JobsPage { looked: page.looked.max(state.looked), ..page })
    }

    async fn ids(&self, first: JobId, last: JobId, n: usize) -> Result<Vec<JobId>, Unavailable> {
        let state = self.state.lock();
        Ok(state.seen.jobs().range(first..=last).map(|(id, _)| *id).take(n).collect())
    }

    async fn image(&self, id: ImageId) -> Result<Option<Image>, Unavailable> {
        let Ok(image) = self.state.lock().seen.image(id);
        Ok(image)
    }

    async fn images(&self, n: usize, after: Option<ImageId>) -> Result<Vec<Image>, Unavailable> {
        let images: BTreeMap<ImageId, Image> = self.state.lock().seen.dump().images;
        Ok(images.into_values().filter(|image| after.is_none_or(|after| image.id > after)).take(n).collect())
    }

    fn settings(&self) -> Settings {
        self.state.lock().seen.settings()
    }

    fn queue_name(&self, id: QueueId) -> QueueName {
        let state = self.state.lock();
        state.seen.dispatch().queue(id).map(|queue| queue.name.clone()).unwrap_or_default()
    }

    fn queue(&self, name: &QueueName) -> Option<QueueView> {
        let state = self.state.lock();
        let dispatch = state.seen.dispatch();
        dispatch.view(dispatch.named(name)?)
    }

    fn queues(&self, after: Option<&QueueName>, n: usize) -> Vec<QueueView> {
        let mut queues: Vec<QueueView> = self.state.lock().seen.dispatch().views().collect();
        queues.retain(|view| after.is_none_or(|after| view.queue.name > *after));
        queues.sort_by(|one, other| one.queue.name.cmp(&other.queue.name));
        queues.truncate(n);
        queues
    }

    fn worker(&self, name: &str) -> Option<WorkerView> {
        let state = self.state.lock();
        state.seen.dispatch().worker(name).map(|worker| WorkerView::new(name, worker))
    }

    fn totals(&self, now: Timestamp) -> Totals {
        let queues: Vec<QueueView> = self.state.lock().seen.dispatch().views().collect();
        Totals::of(queues.iter(), now)
    }

    fn workers(&self, after: Option<&str>, n: usize) -> Vec<WorkerView> {
        let state = self.state.lock();
        let workers = state.seen.dispatch().kept().workers;
        let behind = workers.iter().filter(|(name, _)| after.is_none_or(|after| &***name > after));
        behind.take(n).map(|(name, worker)| WorkerView::new(name, worker)).collect()
    }

    fn operation(&self, id: OperationId) -> Option<Arc<Operation>> {
        self.state.lock().seen.operations().get(&id).cloned()
    }

    fn operations(&self) -> Vec<Arc<Operation>> {
        let mut operations: Vec<_> = self.state.lock().seen.operations().values().cloned().collect();
        operations.sort_by_key(|operation| operation.number);
        operations
    }

    /// Ten pieces, as many as are asked for.
    fn backup(&self) -> BoxStream<'static, Result<Bytes, Unavailable>> {
        let last = if self.misled.load(Ordering::SeqCst) {
            Err(Unavailable::Stopping)
        } else {
            Ok(Bytes::from_static(b"end"))
        };
        let pieces = (0..9).map(|n| Ok(Bytes::from(format!("piece {n} at {}\n", self.applied_index()))));
        stream::iter(pieces.chain([last]).collect::<Vec<_>>()).boxed()
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.state.lock().now + START)
    }

    async fn knows_key(&self, key: &str) -> Result<bool, Unavailable> {
        let Ok(record) = self.state.lock().seen.key(key);
        Ok(record.is_some())
    }
}

impl Wakeups for Fake {
    type Turn = Turn;

    fn look(&self, take: &Take) -> Look {
        let state = self.state.lock();
        let found =
            jobs(take, &state.seen.dispatch().availability()) > 0 || self.misled.load(Ordering::SeqCst);
        Look { found, applied: self.applied_index() }
    }

    async fn queued_turn(&self, take: &Take) -> Turn {
        let _wait = Wait(Arc::clone(&self.left));
        self.waiting.notify_one();
        self.turns.next(take).await
    }

    async fn key_spent(&self, key: &str) -> Result<(), Unavailable> {
        loop {
            let caught_up = self.caught_up.notified(); // hears from now on
            if self.knows_key(key).await? {
                return Ok(());
            }
            caught_up.await;
        }
    }
}

impl NodeHealth for Fake {
    async fn alive(&self) -> bool {
        !self.unhealthy.load(Ordering::SeqCst)
    }

    async fn unready(&self) -> Option<String> {
        self.available().err().map(|_| "no majority".to_owned())
    }

    fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    async fn drains(&self) {
        let _ = self.draining.subscribe().wait_for(|draining| *draining).await;
    }

    async fn metrics(&self) -> String {
        "fake 1\n".into()
    }

    async fn cluster(&self) -> Cluster {
        Cluster {
            id: "c1".into(),
            node: "n1".into(),
            standing: "member".into(),
            leader: Some("n1".into()),
            term: 3,
            feature_level: 1,
            log_time_offset_ms: Some(-7),
            members_index: 9,
            members: vec![Member {
                name: "n1".into(),
                id: u64::MAX.to_string(),
                role: "leader".into(),
                peer_addr: "127.0.0.1:7000".into(),
                http_addr: "127.0.0.1:8080".into(),
                term: Some(3),
                applied_index: Some(5),
                reachable: true,
                draining: false,
                insecure: false,
                clock_offset_ms: None,
                disk: None,
                feature_level: Some(1),
                version: Some("1.2.3".into()),
                uptime_seconds: Some(90),
            }],
            outsiders: Vec::new(),
            quorum: 1,
            tolerates: 0,
            warnings: Vec::new(),
        }
    }
}

impl NodeAdmin for Fake {
    async fn order(
        &self,
        order: Order,
        members_index: Option<u64>,
        _within: Duration,
    ) -> Result<Changed, OrderError> {
        self.available().map_err(OrderError::Unavailable)?;
        self.orders.lock().push((order.clone(), members_index));
        match order {
            Order::Remove { name, .. } if name == "last" => {
                Err(OrderError::Refused(Refused::Conflict("it is the only voter".into())))
            }
            Order::Drain { name, .. } if name == "nobody" => {
                Err(OrderError::Refused(Refused::NoSuchMember("nobody is no member".into())))
            }
            Order::Add { .. } | Order::Remove { .. } | Order::Transfer { .. } | Order::Drain { .. } => {
                Ok(Changed { changed: true, message: "done".into(), members_index: 10 })
            }
        }
    }
}

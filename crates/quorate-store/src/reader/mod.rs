pub(crate) mod list;

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use quorate_core::{
    Answered, Availability, FeatureLevel, Image, ImageId, Job, JobId, JobsPage, JobsQuery, Operation,
    OperationId, QueueId, QueueName, QueueView, RequestId, Settings, Timestamp, Totals, WorkerView,
};

use self::list::Bounds;
use crate::StoreError;
use crate::rows::codec;
use crate::rows::db::{Cached, Db, Family};
use crate::rows::generation::Generation;
use crate::rows::keys::{self, Prefix};
use crate::rows::place::Place;

/// Reads the job table as it is now, from any thread. A cheap handle that goes on to the next table when a snapshot
/// replaces this one.
///
/// What is asked all the time is answered from memory without waiting. A record, payload or log is taken from memory
/// where it is there, and from the disk on a thread that may wait; lists always are.
///
/// It keeps the table open: while there is a reader, the data directory is in use.
#[derive(Clone)]
pub struct Reader {
    live: Arc<ArcSwap<Generation>>,
}

impl Reader {
    pub(crate) fn new(live: Arc<ArcSwap<Generation>>) -> Reader {
        Reader { live }
    }

    /// The table as it is now. Whoever keeps it, keeps its files.
    pub(crate) fn generation(&self) -> Arc<Generation> {
        self.live.load_full()
    }

    /// The log index that all reads that begin now reflect at least; 0 before the first.
    pub fn applied_index(&self) -> u64 {
        self.live.load().published.load().applied
    }

    /// Log time as of the last applied entry.
    pub fn clock(&self) -> Timestamp {
        self.live.load().published.load().clock
    }

    /// The cluster's settings.
    pub fn settings(&self) -> Settings {
        self.live.load().published.load().settings
    }

    /// The cluster's feature level.
    pub fn level(&self) -> FeatureLevel {
        self.live.load().published.load().level
    }

    /// The queue of that name.
    pub fn queue(&self, name: &QueueName) -> Option<QueueView> {
        self.live.load().queues.read().named(name).cloned()
    }

    /// At most `n` queues by name, from behind `after`.
    pub fn queues(&self, after: Option<&QueueName>, n: usize) -> Vec<QueueView> {
        self.live.load().queues.read().page(after, n)
    }

    /// What all queues come to at that time.
    pub fn totals(&self, now: Timestamp) -> Totals {
        self.live.load().queues.read().totals(now)
    }

    /// The `n` queues with the most unfinished jobs.
    pub fn busiest_queues(&self, n: usize) -> Vec<QueueView> {
        self.live.load().queues.read().busiest(n)
    }

    /// What a queue is called.
    pub fn queue_name(&self, id: QueueId) -> Option<QueueName> {
        self.live.load().queues.read().name(id).cloned()
    }

    /// A worker that holds jobs.
    pub fn worker(&self, name: &str) -> Option<WorkerView> {
        self.live.load().workers.read().named(name)
    }

    /// At most `n` of the workers that hold jobs, by name, from behind `after`.
    pub fn workers(&self, after: Option<&str>, n: usize) -> Vec<WorkerView> {
        self.live.load().workers.read().page(after, n)
    }

    /// Work on many jobs.
    pub fn operation(&self, id: OperationId) -> Option<Arc<Operation>> {
        self.live.load().operations.read().get(&id).cloned()
    }

    /// Lanes in which jobs wait: beyond [`quorate_core::limits::LANES`] only what may not be refused, such as automatic retries.
    pub fn lanes(&self) -> usize {
        self.live.load().published.load().lanes
    }

    /// All of it that is remembered, in the order of the log.
    pub fn operations(&self) -> Vec<Arc<Operation>> {
        let mut operations: Vec<_> = self.live.load().operations.read().values().cloned().collect();
        operations.sort_unstable_by_key(|operation| operation.number);
        operations
    }

    /// What consumers could have when this table was opened, or installed; effects tell what has become of it.
    pub fn availability(&self) -> Vec<Availability> {
        self.live.load().queues.read().availability().to_vec()
    }

    /// The log time at which a tick has something to do; in the past where work was left over, `None` when time
    /// alone changes nothing.
    pub fn next_work(&self) -> Option<Timestamp> {
        self.live.load().published.load().next.work
    }

    /// The log time at which the next delay or timeout ends; `None` when no job is delayed or running.
    pub fn next_timer(&self) -> Option<Timestamp> {
        self.live.load().published.load().next.timer
    }

    /// What a request was answered, rendered from the jobs as they are now; `None` when it was not applied here or
    /// its deadline is past.
    ///
    /// # Errors
    /// The table cannot be read.
    pub async fn answer(&self, request_id: RequestId) -> Result<Option<Answered>, StoreError> {
        let found = {
            let generation = self.live.load();
            let now = generation.published.load().clock;
            generation.answers.read().get(request_id, now).cloned()
        };
        let Some(first) = found else { return Ok(None) };
        let mut jobs = Vec::new();
        for id in first.answer.ids() {
            jobs.extend(self.job(id).await?);
        }
        let outcome = first.answer.render(jobs);
        Ok(Some(Answered { request_id, position: first.position, replayed: first.replayed, outcome }))
    }

    /// True for an Idempotency-Key that stands for an answer.
    ///
    /// # Errors
    /// The table cannot be read.
    pub async fn knows_key(&self, key: &str) -> Result<bool, StoreError> {
        Ok(self.value(Family::Default, keys::idempotency_key(key)).await?.is_some())
    }

    /// A job's record.
    ///
    /// # Errors
    /// The table cannot be read.
    pub async fn job(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        let mut last = None;
        while let Some(value) = self.value(Family::Default, keys::job(id)).await? {
            let Some(place) = Place::of_value(&value) else { return codec::decode_job(&value).map(Some) };
            if let Some(record) = self.value(place.family(), place.key()).await? {
                return codec::decode_job(&record).map(Some);
            }
            // The job went on in between, or was deleted: never back to where it was.
            if last.replace(place.clone()) == Some(place) {
                return Err(StoreError::damaged(
                    codec::WHAT,
                    format!("the record of {id} is not at its place"),
                ));
            }
        }
        Ok(None)
    }

    /// The payloads of these jobs, in their order; `None` for one that was deleted meanwhile.
    ///
    /// # Errors
    /// The table cannot be read.
    pub async fn payloads(&self, jobs: &[Job]) -> Result<Vec<Option<Bytes>>, StoreError> {
        let mut payloads = vec![None; jobs.len()];
        let mut on_disk = Vec::new();
        {
            let generation = self.live.load();
            for (place, (job, payload)) in jobs.iter().zip(&mut payloads).enumerate() {
                if job.payload.bytes == 0 {
                    *payload = Some(Bytes::new());
                    continue;
                }
                let key = keys::by_id(Prefix::Payload, &job.payload.owner.0);
                match generation.db.get_cached(Family::Bulk, &key)? {
                    Cached::Known(value) => *payload = value.map(|value| Bytes::copy_from_slice(&value)),
                    Cached::OnDisk => on_disk.push((place, key)),
                }
            }
        }
        if on_disk.is_empty() {
            return Ok(payloads);
        }
        let read = self
            .on_disk(move |db| {
                let read = on_disk.into_iter().map(|(place, key)| Ok((place, copy(db, Family::Bulk, &key)?)));
                read.collect::<Result<HashMap<_, _>, StoreError>>()
            })
            .await?;
        for (place, value) in read {
            if let Some(payload) = payloads.get_mut(place) {
                *payload = value;
            }
        }
        Ok(payloads)
    }

    /// The log of a job that has finished, or what has come of it while it runs; `None` when there is no such job or it has not
    /// begun to.
    ///
    /// # Errors
    /// The table cannot be read.
    pub async fn log(&self, id: JobId) -> Result<Option<Bytes>, StoreError> {
        let Some(job) = self.job(id).await?.filter(|job| job.status().is_final() || job.log_parts > 0) else {
            return Ok(None);
        };
        if job.log_bytes == 0 {
            return Ok(Some(Bytes::new()));
        }
        if job.log_parts == 0 {
            // It may be deleted in between: then there is no such job.
            return self.value(Family::Bulk, keys::by_id(Prefix::Log, &id.0)).await;
        }
        self.on_disk(move |db| {
            let mut log = Vec::with_capacity(job.log_bytes as usize);
            for row in db.scan(Family::Bulk, &keys::log_part(id, 0), &keys::log_part(id, u32::MAX)) {
                log.extend_from_slice(&row?.1);
            }
            // Its end may have brought another one, or it may be deleted.
            match log.is_empty() {
                false => Ok(Some(log.into())),
                true => copy(db, Family::Bulk, &keys::by_id(Prefix::Log, &id.0)),
            }
        })
        .await
    }

    /// A page of jobs. Looks at a bounded number of rows, so it may have fewer than asked for, even none,
    /// while there are more.
    ///
    /// # Errors
    /// The table cannot be read.
    pub async fn jobs(&self, query: JobsQuery) -> Result<JobsPage, StoreError> {
        self.on_disk(move |db| list::page(db, &query, Bounds::default())).await
    }

    /// At most `n` ids of jobs from `first` to `last`, in ascending order.
    ///
    /// # Errors
    /// The table cannot be read.
    pub async fn ids(&self, first: JobId, last: JobId, n: usize) -> Result<Vec<JobId>, StoreError> {
        self.on_disk(move |db| {
            let behind_last = [&keys::job(last)[..], &[0]].concat();
            let rows = db.scan(Family::Default, &keys::job(first), &behind_last).take(n);
            rows.map(|row| codec::intact(keys::job_id_of(&row?.0), "the key of a job")).collect()
        })
        .await
    }

    /// An image.
    ///
    /// # Errors
    /// The table cannot be read.
    pub async fn image(&self, id: ImageId) -> Result<Option<Image>, StoreError> {
        let value = self.value(Family::Default, keys::by_id(Prefix::Image, &id.0)).await?;
        value.map(|value| codec::decode_image(&value)).transpose()
    }

    /// At most `n` images by id, from behind `after`.
    ///
    /// # Errors
    /// The table cannot be read.
    pub async fn images(&self, n: usize, after: Option<ImageId>) -> Result<Vec<Image>, StoreError> {
        self.on_disk(move |db| {
            let mut from = after.map_or(Prefix::Image.start(), |id| keys::by_id(Prefix::Image, &id.0));
            if after.is_some() {
                from.push(0); // the first key behind it
            }
            let rows = db.scan(Family::Default, &from, &Prefix::Image.end());
            rows.take(n).map(|row| codec::decode_image(&row?.1)).collect()
        })
        .await
    }

    /// One value, from memory if it is there.
    async fn value(&self, family: Family, key: Vec<u8>) -> Result<Option<Bytes>, StoreError> {
        match self.live.load().db.get_cached(family, &key)? {
            Cached::Known(value) => return Ok(value.map(|value| Bytes::copy_from_slice(&value))),
            Cached::OnDisk => {}
        }
        self.on_disk(move |db| copy(db, family, &key)).await
    }

    /// Runs what may wait for the disk on a thread that may.
    async fn on_disk<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Db) -> Result<T, StoreError> + Send + 'static,
    {
        let generation = self.live.load_full();
        match tokio::task::spawn_blocking(move || read(&generation.db)).await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => Err(StoreError::Io {
                    what: "read the job table".into(),
                    source: std::io::Error::other(error),
                }),
            },
        }
    }
}

fn copy(db: &Db, family: Family, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
    Ok(db.get(family, key)?.map(|value| Bytes::copy_from_slice(&value)))
}

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;

use super::Model;
use crate::{
    AnswerRecord, Dispatch, FeatureLevel, Image, ImageId, Job, JobId, KeyRecord, Lane, Operation,
    OperationId, Operations, QueueId, RequestId, Settings, Table, Timestamp,
};

impl Table for Model {
    type Error = Infallible;

    fn clock(&self) -> Timestamp {
        self.clock
    }

    fn set_clock(&mut self, now: Timestamp) {
        assert!(now >= self.clock, "log time goes back from {} to {now}", self.clock);
        self.clock = now;
        while let Some(&(deadline, id)) = self.answers_by_deadline.first()
            && deadline < now
        {
            self.answers_by_deadline.pop_first();
            self.answers.remove(&id);
        }
    }

    fn settings(&self) -> Settings {
        self.settings
    }

    fn put_settings(&mut self, settings: Settings) {
        self.settings = settings;
    }

    fn level(&self) -> FeatureLevel {
        self.level
    }

    fn put_level(&mut self, level: FeatureLevel) {
        assert!(level >= self.level, "the feature level goes back from {} to {level}", self.level);
        self.level = level;
    }

    fn next_seq(&mut self) -> u64 {
        let seq = self.next_seq;
        self.next_seq = seq.checked_add(1).expect("fewer than 2^64 jobs were ever queued");
        seq
    }

    fn job(&mut self, id: JobId) -> Result<Option<Job>, Infallible> {
        Ok(self.jobs.get(&id).cloned())
    }

    fn put_job(&mut self, before: Option<&Job>, after: &Job) -> Result<(), Infallible> {
        assert_eq!(self.jobs.get(&after.id), before, "a write starts from the present record");
        match before {
            Some(before) => self.unindex(before),
            None if after.payload.owner != after.id && after.payload.bytes > 0 => {
                let (holders, _) =
                    self.payloads.get_mut(&after.payload.owner).expect("a payload that is held stands");
                *holders = holders.checked_add(1).expect("fewer than 2^64 holders");
            }
            None => {}
        }
        assert!(after.number < self.next_seq, "the number {} was never given", after.number);
        self.index(after);
        self.jobs.insert(after.id, after.clone());
        Ok(())
    }

    fn delete_job(&mut self, job: &Job) -> Result<(), Infallible> {
        assert_eq!(self.jobs.remove(&job.id).as_ref(), Some(job), "a removal starts from the present record");
        self.unindex(job);
        self.logs.remove(&job.id);
        self.log_parts.remove(&job.id);
        if job.payload.bytes > 0 {
            let (holders, _) =
                self.payloads.get_mut(&job.payload.owner).expect("a payload that is held stands");
            *holders = holders.checked_sub(1).expect("a payload that stands is held");
            if *holders == 0 {
                self.payloads.remove(&job.payload.owner);
            }
        }
        Ok(())
    }

    fn has_payload(&mut self, owner: JobId) -> Result<bool, Infallible> {
        Ok(self.payloads.contains_key(&owner))
    }

    fn put_payload(&mut self, owner: JobId, payload: Bytes) -> Result<(), Infallible> {
        assert!(self.payloads.insert(owner, (1, payload)).is_none(), "{owner} has a payload");
        Ok(())
    }

    fn put_log(&mut self, id: JobId, log: Bytes) -> Result<(), Infallible> {
        assert!(self.logs.insert(id, log).is_none(), "{id} has a log");
        Ok(())
    }

    fn put_log_part(&mut self, id: JobId, part: u32, log: Bytes) -> Result<(), Infallible> {
        let parts = self.log_parts.entry(id).or_default();
        assert_eq!(u32::try_from(parts.len()), Ok(part), "parts come in their order");
        parts.push(log);
        Ok(())
    }

    fn delete_log_parts(&mut self, id: JobId, parts: u32) -> Result<(), Infallible> {
        let removed = self.log_parts.remove(&id).map_or(0, |parts| parts.len());
        assert_eq!(u32::try_from(removed), Ok(parts), "all parts of a log go at once");
        Ok(())
    }

    fn unique(&mut self, queue: QueueId, key: &str) -> Result<Option<JobId>, Infallible> {
        Ok(self.unique.get(&(queue, key.into())).copied())
    }

    fn put_unique(&mut self, queue: QueueId, key: &str, job: Option<JobId>) -> Result<(), Infallible> {
        match job {
            Some(job) => self.unique.insert((queue, key.into()), job),
            None => self.unique.remove(&(queue, key.into())),
        };
        Ok(())
    }

    fn dispatch(&self) -> &Dispatch {
        &self.dispatch
    }

    fn dispatch_mut(&mut self) -> &mut Dispatch {
        &mut self.dispatch
    }

    fn first_in(&mut self, lane: &Lane) -> Result<Option<&Job>, Infallible> {
        let places = (lane.clone(), 0)..=(lane.clone(), u64::MAX);
        Ok(self.lanes.range(places).next().and_then(|(_, id)| self.jobs.get(id)))
    }

    fn next_due(&mut self, now: Timestamp) -> Result<Option<Job>, Infallible> {
        Ok(self.timers.first().filter(|(at, _)| *at <= now).map(|(_, id)| self.indexed(*id)))
    }

    fn next_outlived(&mut self, until: Timestamp) -> Result<Option<Job>, Infallible> {
        Ok(self.finished.first().filter(|(at, _)| *at <= until).map(|(_, id)| self.indexed(*id)))
    }

    fn next_kept(&mut self, now: Timestamp) -> Result<Option<Job>, Infallible> {
        Ok(self.kept.first().filter(|(at, _)| *at <= now).map(|(_, id)| self.indexed(*id)))
    }

    fn image(&mut self, id: ImageId) -> Result<Option<Image>, Infallible> {
        Ok(self.images.get(&id).cloned())
    }

    fn put_image(&mut self, before: Option<&Image>, after: &Image) -> Result<(), Infallible> {
        assert_eq!(self.images.get(&after.id), before, "a write starts from the present record");
        if let Some(before) = before {
            self.images_by_naming.remove(&(before.named_at, before.id));
        }
        self.images_by_naming.insert((after.named_at, after.id));
        self.images.insert(after.id, after.clone());
        Ok(())
    }

    fn delete_image(&mut self, image: &Image) -> Result<(), Infallible> {
        assert_eq!(
            self.images.remove(&image.id).as_ref(),
            Some(image),
            "a removal starts from the present record"
        );
        self.images_by_naming.remove(&(image.named_at, image.id));
        Ok(())
    }

    fn next_unnamed_image(&mut self, until: Timestamp) -> Result<Option<Image>, Infallible> {
        let oldest = self.images_by_naming.first().filter(|(at, _)| *at <= until);
        Ok(oldest.and_then(|(_, id)| self.images.get(id)).cloned())
    }

    fn operations(&self) -> &Operations {
        &self.operations
    }

    fn put_operation(&mut self, operation: Operation) {
        self.operations.insert(operation.id, Arc::new(operation));
    }

    fn delete_operation(&mut self, id: OperationId) {
        assert!(self.operations.remove(&id).is_some(), "{id} is there");
    }

    fn key(&mut self, key: &str) -> Result<Option<KeyRecord>, Infallible> {
        Ok(self.keys.get(key).cloned())
    }

    fn put_key(&mut self, record: &KeyRecord) -> Result<(), Infallible> {
        assert!(self.keys.insert(record.key.clone(), record.clone()).is_none(), "a new key");
        self.keys_by_age.insert((record.at, record.key.clone()));
        Ok(())
    }

    fn delete_key(&mut self, record: &KeyRecord) -> Result<(), Infallible> {
        assert_eq!(
            self.keys.remove(&record.key).as_ref(),
            Some(record),
            "a removal starts from the present record"
        );
        self.keys_by_age.remove(&(record.at, record.key.clone()));
        Ok(())
    }

    fn oldest_key(&mut self) -> Result<Option<KeyRecord>, Infallible> {
        Ok(self.keys_by_age.first().and_then(|(_, key)| self.keys.get(key)).cloned())
    }

    fn key_count(&self) -> u64 {
        u64::try_from(self.keys.len()).unwrap_or(u64::MAX)
    }

    fn answer(&self, request_id: RequestId) -> Option<AnswerRecord> {
        self.answers.get(&request_id).cloned()
    }

    fn remember(&mut self, request_id: RequestId, record: AnswerRecord) {
        self.answers_by_deadline.insert((record.deadline, request_id));
        let first = self.answers.insert(request_id, record);
        assert!(first.is_none(), "{request_id} was answered before");
    }
}

impl Model {
    /// The record of a job that stands in an index.
    fn indexed(&self, id: JobId) -> Job {
        self.jobs.get(&id).cloned().expect("an index names jobs that exist")
    }
}

//! The wall to the core: what its decisions read and write, on the write under way and the disk behind it.
//!
//! That a write starts from the present record is asserted where memory has it: to look on the disk as well would cost a read
//! for every job.

use std::sync::Arc;

use bytes::Bytes;
use quorate_core::{
    AnswerRecord, Dispatch, FeatureLevel, Image, ImageId, Job, JobId, KeyRecord, Lane, Operation,
    OperationId, Operations, QueueId, RequestId, Settings, Status, Table, Timestamp,
};

use super::applier::Applier;
use crate::StoreError;
use crate::rows::codec;
use crate::rows::db::Family;
use crate::rows::keys::{self, Prefix};

impl Table for Applier {
    type Error = StoreError;

    fn clock(&self) -> Timestamp {
        self.meta.clock
    }

    fn set_clock(&mut self, now: Timestamp) {
        assert!(now >= self.meta.clock, "log time goes back from {} to {now}", self.meta.clock);
        self.meta.clock = now;
    }

    fn settings(&self) -> Settings {
        self.meta.settings
    }

    fn put_settings(&mut self, settings: Settings) {
        self.meta.settings = settings;
    }

    fn level(&self) -> FeatureLevel {
        self.meta.level
    }

    fn put_level(&mut self, level: FeatureLevel) {
        assert!(level >= self.meta.level, "the feature level goes back from {} to {level}", self.meta.level);
        self.meta.level = level;
    }

    fn next_seq(&mut self) -> u64 {
        let seq = self.meta.next_seq;
        self.meta.next_seq = seq.checked_add(1).expect("fewer than 2^64 jobs were ever queued");
        seq
    }

    fn job(&mut self, id: JobId) -> Result<Option<Job>, StoreError> {
        self.find_job(id)
    }

    fn put_job(&mut self, before: Option<&Job>, after: &Job) -> Result<(), StoreError> {
        if let Some(present) = self.known_job(after.id) {
            assert_eq!(present, before, "a write starts from the present record");
        }
        let record = codec::encode_job(after);
        let kept = Arc::new(after.clone());
        match before {
            Some(before) => {
                let moves = keys::index_row(before) != keys::index_row(after);
                if moves {
                    self.unindex(before);
                }
                if moves || after.status() == Status::Queued {
                    self.index(&kept, &record);
                }
            }
            None => {
                assert!(after.number < self.meta.next_seq, "the number {} was never given", after.number);
                self.latest_ids.add(after.id);
                if after.payload.owner != after.id && after.payload.bytes > 0 {
                    self.hold_payload(after.payload.owner)?;
                }
                self.index(&kept, &record);
            }
        }
        self.list(before, Some(after));
        self.put_record(before, after, &record);
        self.unwritten.jobs.insert(after.id, Some(kept));
        Ok(())
    }

    fn delete_job(&mut self, job: &Job) -> Result<(), StoreError> {
        if let Some(present) = self.known_job(job.id) {
            assert_eq!(present, Some(job), "a removal starts from the present record");
        }
        self.unindex(job);
        self.list(Some(job), None);
        self.delete(Family::Default, &keys::job(job.id));
        self.delete(Family::Default, &keys::finished(job.status(), job.number));
        if job.log_parts > 0 {
            self.delete_log_parts(job.id, job.log_parts)?;
        } else if job.log_bytes > 0 {
            self.delete(Family::Bulk, &keys::by_id(Prefix::Log, &job.id.0));
        }
        if job.payload.bytes > 0 {
            self.release_payload(job)?;
        }
        self.unwritten.jobs.insert(job.id, None);
        Ok(())
    }

    fn has_payload(&mut self, owner: JobId) -> Result<bool, StoreError> {
        match self.unwritten.holders.get(&owner) {
            Some(holders) => Ok(*holders > 0),
            None if self.latest_ids.is_new(owner) => Ok(false),
            None => {
                Ok(self.generation.db.get(Family::Bulk, &keys::by_id(Prefix::Payload, &owner.0))?.is_some())
            }
        }
    }

    fn put_payload(&mut self, owner: JobId, payload: Bytes) -> Result<(), StoreError> {
        let holders = self.unwritten.holders.insert(owner, 1);
        assert!(matches!(holders, None | Some(0)), "{owner} has a payload");
        self.put(Family::Bulk, &keys::by_id(Prefix::Payload, &owner.0), &payload);
        Ok(())
    }

    fn put_log(&mut self, id: JobId, log: Bytes) -> Result<(), StoreError> {
        self.put(Family::Bulk, &keys::by_id(Prefix::Log, &id.0), &log);
        Ok(())
    }

    fn put_log_part(&mut self, id: JobId, part: u32, log: Bytes) -> Result<(), StoreError> {
        self.put(Family::Bulk, &keys::log_part(id, part), &log);
        Ok(())
    }

    fn delete_log_parts(&mut self, id: JobId, parts: u32) -> Result<(), StoreError> {
        let (first, end) = (keys::log_part(id, 0), keys::log_part(id, parts));
        self.generation.db.delete_range(&mut self.unwritten.rows, Family::Bulk, &first, &end);
        Ok(())
    }

    fn unique(&mut self, queue: QueueId, key: &str) -> Result<Option<JobId>, StoreError> {
        let key = keys::unique(queue, key);
        if let Some(job) = self.unwritten.unique.get(&key) {
            return Ok(*job);
        }
        let value = self.generation.db.get(Family::Default, &key)?;
        let id = |value: &[u8]| codec::intact(value.try_into().ok().map(JobId), "the job of a unique key");
        value.map(|value| id(&value)).transpose()
    }

    fn put_unique(&mut self, queue: QueueId, key: &str, job: Option<JobId>) -> Result<(), StoreError> {
        let key = keys::unique(queue, key);
        match job {
            Some(job) => self.put(Family::Default, &key, &job.0),
            None => self.delete(Family::Default, &key),
        }
        self.unwritten.unique.insert(key, job);
        Ok(())
    }

    fn dispatch(&self) -> &Dispatch {
        &self.dispatch
    }

    fn dispatch_mut(&mut self) -> &mut Dispatch {
        &mut self.dispatch
    }

    fn first_in(&mut self, lane: &Lane) -> Result<Option<&Job>, StoreError> {
        let (jobs, db, _) = self.lane(lane);
        jobs.first(db)
    }

    fn next_due(&mut self, now: Timestamp) -> Result<Option<Job>, StoreError> {
        let id = self.timers.first_until(&self.generation.db, now)?;
        id.map(|id| self.indexed_job(id)).transpose()
    }

    fn next_outlived(&mut self, until: Timestamp) -> Result<Option<Job>, StoreError> {
        let id = self.ended.first_until(&self.generation.db, until)?;
        id.map(|id| self.indexed_job(id)).transpose()
    }

    fn next_kept(&mut self, now: Timestamp) -> Result<Option<Job>, StoreError> {
        let id = self.kept.first_until(&self.generation.db, now)?;
        id.map(|id| self.indexed_job(id)).transpose()
    }

    fn image(&mut self, id: ImageId) -> Result<Option<Image>, StoreError> {
        self.find_image(id)
    }

    fn put_image(&mut self, before: Option<&Image>, after: &Image) -> Result<(), StoreError> {
        if let Some(present) = self.known_image(after.id) {
            assert_eq!(present, before, "a write starts from the present record");
        }
        if let Some(before) = before {
            let place = keys::image_named(before);
            self.images_named.remove(&place);
            self.delete(Family::Idx, &place);
        }
        let place = keys::image_named(after);
        self.put(Family::Idx, &place, &[]);
        self.images_named.put(place, after.id);
        self.put(Family::Default, &keys::by_id(Prefix::Image, &after.id.0), &codec::encode_image(after));
        self.unwritten.images.insert(after.id, Some(after.clone()));
        Ok(())
    }

    fn delete_image(&mut self, image: &Image) -> Result<(), StoreError> {
        if let Some(present) = self.known_image(image.id) {
            assert_eq!(present, Some(image), "a removal starts from the present record");
        }
        let place = keys::image_named(image);
        self.images_named.remove(&place);
        self.delete(Family::Idx, &place);
        self.delete(Family::Default, &keys::by_id(Prefix::Image, &image.id.0));
        self.unwritten.images.insert(image.id, None);
        Ok(())
    }

    fn next_unnamed_image(&mut self, until: Timestamp) -> Result<Option<Image>, StoreError> {
        let id = self.images_named.first_until(&self.generation.db, until)?;
        id.map(|id| codec::intact(self.find_image(id)?, "an index names an image that is not there"))
            .transpose()
    }

    fn operations(&self) -> &Operations {
        &self.operations
    }

    fn put_operation(&mut self, operation: Operation) {
        let key = keys::by_id(Prefix::Operation, &operation.id.0);
        self.put(Family::Default, &key, &codec::encode_operation(&operation));
        self.operations.insert(operation.id, Arc::new(operation));
        self.unwritten.operations = true;
    }

    fn delete_operation(&mut self, id: OperationId) {
        self.delete(Family::Default, &keys::by_id(Prefix::Operation, &id.0));
        assert!(self.operations.remove(&id).is_some(), "{id} is there");
        self.unwritten.operations = true;
    }

    fn key(&mut self, key: &str) -> Result<Option<KeyRecord>, StoreError> {
        if let Some(changed) = self.unwritten.keys.get(key) {
            return Ok(changed.clone());
        }
        let value = self.generation.db.get(Family::Default, &keys::idempotency_key(key))?;
        value.map(|value| codec::decode_key(&value)).transpose()
    }

    fn put_key(&mut self, record: &KeyRecord) -> Result<(), StoreError> {
        let place = keys::key_used(record);
        self.put(Family::Idx, &place, &[]);
        self.keys_used.put(place, record.key.clone());
        self.put(Family::Default, &keys::idempotency_key(&record.key), &codec::encode_key(record));
        let present = self.unwritten.keys.insert(record.key.clone(), Some(record.clone()));
        assert!(matches!(present, None | Some(None)), "a new key");
        self.meta.key_count = self.meta.key_count.checked_add(1).expect("fewer than 2^64 keys");
        Ok(())
    }

    fn delete_key(&mut self, record: &KeyRecord) -> Result<(), StoreError> {
        if let Some(present) = self.unwritten.keys.get(&record.key) {
            assert_eq!(present.as_ref(), Some(record), "a removal starts from the present record");
        }
        let place = keys::key_used(record);
        self.keys_used.remove(&place);
        self.delete(Family::Idx, &place);
        self.delete(Family::Default, &keys::idempotency_key(&record.key));
        self.unwritten.keys.insert(record.key.clone(), None);
        self.meta.key_count = self.meta.key_count.checked_sub(1).expect("a key that is removed was counted");
        Ok(())
    }

    fn oldest_key(&mut self) -> Result<Option<KeyRecord>, StoreError> {
        let Some((_, text)) = self.keys_used.first(&self.generation.db)? else { return Ok(None) };
        let text = text.clone();
        let record = self.key(&text)?;
        codec::intact(record, "an index names an Idempotency-Key that is not there").map(Some)
    }

    fn key_count(&self) -> u64 {
        self.meta.key_count
    }

    fn answer(&self, request_id: RequestId) -> Option<AnswerRecord> {
        let now = self.meta.clock;
        if let Some(record) = self.unwritten.answers.get(&request_id).filter(|record| record.deadline >= now)
        {
            return Some(record.clone());
        }
        self.generation.answers.read().get(request_id, now).cloned()
    }

    fn remember(&mut self, request_id: RequestId, record: AnswerRecord) {
        let first = self.unwritten.answers.insert(request_id, record);
        let forgotten = first.is_none_or(|first| first.deadline < self.meta.clock);
        assert!(forgotten, "{request_id} was answered before");
        self.unwritten.entry_answers.push(request_id);
    }
}

//! How a record's indexes and payload follow it: the parts of [`Applier`] that `core_table.rs` is made of.

use quorate_core::{Job, JobId, Lane};
use rocksdb::WriteBatch;

use super::applier::Applier;
use crate::StoreError;
use crate::rows::codec;
use crate::rows::db::{Db, Family};
use crate::rows::keys::{self, IndexRow, Prefix};
use crate::rows::lane::LaneJobs;
use crate::rows::listing::{self, Listing};
use crate::rows::place::Place;

impl Applier {
    pub(super) fn put(&mut self, family: Family, key: &[u8], value: &[u8]) {
        self.generation.db.put(&mut self.unwritten.rows, family, key, value);
    }

    pub(super) fn delete(&mut self, family: Family, key: &[u8]) {
        self.generation.db.delete(&mut self.unwritten.rows, family, key);
    }

    fn delete_single(&mut self, family: Family, key: &[u8]) {
        self.generation.db.delete_single(&mut self.unwritten.rows, family, key);
    }

    /// A lane, its first jobs in memory; and what a change of it needs besides.
    pub(super) fn lane(&mut self, lane: &Lane) -> (&mut LaneJobs, &Db, &mut WriteBatch) {
        let Applier { generation, unwritten, dispatch, lanes, tuning, uses, .. } = self;
        let jobs = lanes.entry(lane.clone()).or_insert_with(|| match dispatch.mark(lane) {
            Some(mark) => LaneJobs::from(lane.clone(), mark.first, tuning.lane),
            None => LaneJobs::empty(lane.clone(), tuning.lane),
        });
        *uses += 1;
        jobs.used = *uses;
        (jobs, &generation.db, &mut unwritten.rows)
    }

    /// Puts a job into the index that its state asks for, or writes it anew where it stands.
    pub(super) fn index(&mut self, job: &Job, record: &[u8]) {
        match keys::index_row(job) {
            IndexRow::Ready { lane, seq } => {
                assert!(seq < self.meta.next_seq, "the place {seq} was never given");
                let (jobs, db, rows) = self.lane(&lane);
                jobs.put(db, rows, seq, job, record);
                if seq == job.number && !self.plain_lanes.contains(&lane) {
                    self.plain_lanes.insert(lane);
                }
            }
            IndexRow::Timer { at } => {
                let key = keys::timer(at, job.id);
                self.put(Family::Idx, &key, &[]);
                self.timers.put(key, job.id);
            }
            IndexRow::Ended { at } => {
                let key = keys::ended(at, job.id);
                self.put(Family::Idx, &key, &[]);
                self.ended.put(key, job.id);
            }
            IndexRow::Kept { until } => {
                let key = keys::kept(until, job.id);
                self.put(Family::Idx, &key, &[]);
                self.kept.put(key, job.id);
            }
        }
    }

    /// Takes a job out of the index that it stands in.
    pub(super) fn unindex(&mut self, job: &Job) {
        match keys::index_row(job) {
            IndexRow::Ready { lane, seq } => {
                let (jobs, db, rows) = self.lane(&lane);
                jobs.remove(db, rows, seq);
            }
            IndexRow::Timer { at } => {
                let key = keys::timer(at, job.id);
                self.timers.remove(&key);
                self.delete(Family::Idx, &key);
            }
            IndexRow::Ended { at } => {
                let key = keys::ended(at, job.id);
                self.ended.remove(&key);
                self.delete(Family::Idx, &key);
            }
            IndexRow::Kept { until } => {
                let key = keys::kept(until, job.id);
                self.kept.remove(&key);
                self.delete(Family::Idx, &key);
            }
        }
    }

    /// Writes what stands under a job's id, and its record where no index has it.
    pub(super) fn put_record(&mut self, before: Option<&Job>, job: &Job, record: &[u8]) {
        let key = keys::job(job.id);
        let Some(place) = Place::of(job) else { return self.put(Family::Default, &key, record) };
        if before.and_then(Place::of).as_ref() != Some(&place) {
            self.put(Family::Default, &key, &place.to_value());
        }
        match place {
            // `index` does it.
            Place::Lane { .. } => {}
            Place::Finished { .. } => self.put(place.family(), &place.key(), record),
        }
    }

    /// Puts a job where lists find it besides its record and its lane, and takes it away from where it was. Each of these rows
    /// is put once and deleted once: so both are gone with the next flush, and no list has to walk over them.
    pub(super) fn list(&mut self, before: Option<&Job>, after: Option<&Job>) {
        let [was, is] = [before, after].map(|job| job.map_or_else(Vec::new, Listing::all_of));
        if let Some(job) = before {
            for gone in was.iter().filter(|listing| !is.contains(listing)) {
                self.delete_single(Family::Idx, &gone.key(job.number));
            }
        }
        if let Some(job) = after {
            for new in is.iter().filter(|listing| !was.contains(listing)) {
                self.put(Family::Idx, &new.key(job.number), &listing::value(job));
            }
        }
    }

    /// One more job holds a payload.
    pub(super) fn hold_payload(&mut self, owner: JobId) -> Result<(), StoreError> {
        let holders = self.holders(owner)?.checked_add(1).expect("fewer than 2^64 jobs hold a payload");
        self.set_holders(owner, holders);
        Ok(())
    }

    /// A job that is removed holds its payload no more; the last one takes it away.
    pub(super) fn release_payload(&mut self, job: &Job) -> Result<(), StoreError> {
        let owner = job.payload.owner;
        let never_shared = owner == job.id && job.retry_id.is_none();
        let holders = if never_shared { 1 } else { self.holders(owner)? };
        match holders.checked_sub(1).expect("a payload that stands is held") {
            0 => {
                self.delete(Family::Bulk, &keys::by_id(Prefix::Payload, &owner.0));
                if !never_shared {
                    self.delete(Family::Bulk, &keys::by_id(Prefix::Holders, &owner.0));
                }
                self.unwritten.holders.insert(owner, 0);
            }
            left => self.set_holders(owner, left),
        }
        Ok(())
    }

    /// How many jobs hold a payload. A payload is born with one, which is not written down.
    fn holders(&self, owner: JobId) -> Result<u64, StoreError> {
        if let Some(holders) = self.unwritten.holders.get(&owner) {
            return Ok(*holders);
        }
        match self.generation.db.get(Family::Bulk, &keys::by_id(Prefix::Holders, &owner.0))? {
            Some(value) => codec::decode_count(&value),
            None => Ok(1),
        }
    }

    fn set_holders(&mut self, owner: JobId, holders: u64) {
        self.put(Family::Bulk, &keys::by_id(Prefix::Holders, &owner.0), &holders.to_be_bytes());
        self.unwritten.holders.insert(owner, holders);
    }
}

//! All that a table holds, read row by row from the disk, with the checks that only the disk allows.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use quorate_core::{Dispatch, Dump, Image, ImageId, Job, JobId, KeyRecord, Lane, QueueId, State, Timestamp};

use super::applier::Applier;
use crate::StoreError;
use crate::rows::codec;
use crate::rows::db::{Db, Family, Row};
use crate::rows::keys::{self, Prefix};
use crate::rows::lane::LaneJobs;
use crate::rows::listing::{self, Listing};
use crate::rows::meta::Meta;
use crate::rows::operations;
use crate::rows::place::Place;
use crate::rows::queues;

type Result<T> = std::result::Result<T, StoreError>;

impl Applier {
    /// What the disk holds after the last write; an error where it cannot be read. Panics where an index, a count or
    /// a mark contradicts the records.
    pub(crate) fn dump(&self) -> Result<Dump> {
        let db = &self.generation.db;
        let meta = Meta::read(db)?;
        let (jobs, images, keys) = (jobs(db)?, images(db)?, idempotency_keys(db)?);
        assert_eq!(meta.key_count, keys.len() as u64, "the count of keys");
        check_by_time(db, Prefix::ImageNamed, images.values().map(keys::image_named).collect())?;
        check_by_time(db, Prefix::KeyUsed, keys.values().map(keys::key_used).collect())?;
        check_listed(db, &jobs)?;
        check_holders(db, &jobs)?;
        let queued = queued(db, &meta, &jobs)?;
        let of_state = jobs.values().filter(|job| matches!(job.state, State::Queued { .. })).count();
        assert_eq!(of_state, queued.len(), "every queued job stands before no front");
        check_fronts(db, &meta)?;
        let mut dispatch = Dispatch::restore(meta.clock, queues::kept(db, meta.next_queue)?);
        dispatch.bound(self.tuning.bounds);
        // Unless an entry was begun that could not be carried out.
        let is_whole = self.unwritten.rows.is_empty();
        assert!(!is_whole || dispatch == self.dispatch, "what memory and disk know of queues and lanes");
        assert!(self.is_bounded(), "memory is bounded");
        let answers = self.generation.answers.read();
        Ok(Dump {
            clock: meta.clock,
            settings: meta.settings,
            level: meta.level,
            next_seq: meta.next_seq,
            payloads: payloads(db)?,
            logs: blobs(db, Prefix::Log)?,
            log_parts: log_parts(db)?,
            queued,
            timers: by_time(db, Prefix::Timer)?,
            unique: unique(db)?,
            dispatch: dispatch.kept(),
            finished: by_time(db, Prefix::Ended)?,
            kept: by_time(db, Prefix::Kept)?,
            images,
            operations: operations::load(db)?,
            keys,
            answers: answers.iter(meta.clock).map(|(id, record)| (*id, record.clone())).collect(),
            jobs,
        })
    }
}

impl Applier {
    fn is_bounded(&self) -> bool {
        self.timers.is_bounded()
            && self.ended.is_bounded()
            && self.kept.is_bounded()
            && self.images_named.is_bounded()
            && self.keys_used.is_bounded()
            && self.lanes.values().all(LaneJobs::is_bounded)
            && self.lanes.len() <= self.tuning.lanes
            && self.lanes.values().map(LaneJobs::in_memory).sum::<usize>() <= self.tuning.lane_jobs
            && self.running.len() <= self.tuning.running
            && self.images.len() <= self.tuning.images
    }
}

fn rows(db: &Db, family: Family, prefix: Prefix) -> Result<Vec<Row>> {
    db.scan(family, &prefix.start(), &prefix.end()).collect()
}

fn jobs(db: &Db) -> Result<BTreeMap<JobId, Job>> {
    let mut jobs = BTreeMap::new();
    let mut finished: BTreeSet<Vec<u8>> =
        rows(db, Family::Default, Prefix::FinishedJob)?.into_iter().map(|(key, _)| key.into_vec()).collect();
    for (key, value) in rows(db, Family::Default, Prefix::Job)? {
        let id = JobId(keys::id_of(&key).unwrap());
        let place = Place::of_value(&value);
        let job = match &place {
            None => codec::decode_job(&value)?,
            Some(place) => {
                let record = db.get(place.family(), &place.key())?;
                codec::decode_job(&record.expect("what is pointed to is there"))?
            }
        };
        assert_eq!(
            (job.id, Place::of(&job).as_ref()),
            (id, place.as_ref()),
            "a record stands where its state has it"
        );
        if let Some(place @ Place::Finished { .. }) = place {
            finished.remove(&place.key());
        }
        jobs.insert(id, job);
    }
    assert_eq!(finished, BTreeSet::new(), "nothing points to these");
    Ok(jobs)
}

fn images(db: &Db) -> Result<BTreeMap<ImageId, Image>> {
    let rows = rows(db, Family::Default, Prefix::Image)?.into_iter();
    rows.map(|(_, value)| codec::decode_image(&value).map(|image| (image.id, image))).collect()
}

fn idempotency_keys(db: &Db) -> Result<BTreeMap<Box<str>, KeyRecord>> {
    let rows = rows(db, Family::Default, Prefix::IdempotencyKey)?.into_iter();
    rows.map(|(_, value)| codec::decode_key(&value).map(|key| (key.key.clone(), key))).collect()
}

fn unique(db: &Db) -> Result<BTreeMap<(QueueId, Box<str>), JobId>> {
    let rows = rows(db, Family::Default, Prefix::Unique)?.into_iter();
    Ok(rows
        .map(|(key, value)| (keys::queue_and_key(&key).unwrap(), JobId(value.as_ref().try_into().unwrap())))
        .collect())
}

fn log_parts(db: &Db) -> Result<BTreeMap<JobId, Vec<Bytes>>> {
    let mut parts: BTreeMap<JobId, Vec<Bytes>> = BTreeMap::new();
    for (key, value) in rows(db, Family::Bulk, Prefix::LogPart)? {
        let (id, part) = keys::job_and_part(&key).unwrap();
        let parts = parts.entry(id).or_default();
        assert_eq!(parts.len(), part as usize, "parts have no gaps");
        parts.push(value.into());
    }
    Ok(parts)
}

fn blobs(db: &Db, prefix: Prefix) -> Result<BTreeMap<JobId, Bytes>> {
    let rows = rows(db, Family::Bulk, prefix)?.into_iter();
    Ok(rows.map(|(key, value)| (JobId(keys::id_of(&key).unwrap()), value.into())).collect())
}

fn payloads(db: &Db) -> Result<BTreeMap<JobId, (u64, Bytes)>> {
    let holders = blobs(db, Prefix::Holders)?;
    let count = |owner: &JobId| holders.get(owner).map_or(Ok(1), |value| codec::decode_count(value));
    let payloads = blobs(db, Prefix::Payload)?;
    payloads.into_iter().map(|(owner, payload)| Ok((owner, (count(&owner)?, payload)))).collect()
}

/// No count outlives its payload, and each is the number of records that name it.
fn check_holders(db: &Db, jobs: &BTreeMap<JobId, Job>) -> Result<()> {
    let payloads = payloads(db)?;
    assert!(
        blobs(db, Prefix::Holders)?.keys().all(|owner| payloads.contains_key(owner)),
        "counts of nothing"
    );
    let mut named = BTreeMap::new();
    for job in jobs.values().filter(|job| job.payload.bytes > 0) {
        *named.entry(job.payload.owner).or_insert(0) += 1;
    }
    let counted: BTreeMap<JobId, u64> =
        payloads.iter().map(|(owner, (holders, _))| (*owner, *holders)).collect();
    assert_eq!(counted, named, "the holders of payloads");
    Ok(())
}

/// The queued jobs by lane and place. Exactly they stand in lanes, and where a list would not find them by a row of theirs, it looks
/// into the lane.
fn queued(db: &Db, meta: &Meta, jobs: &BTreeMap<JobId, Job>) -> Result<Vec<JobId>> {
    let mut queued = BTreeMap::new();
    for (key, record) in rows(db, Family::Idx, Prefix::Ready)? {
        let job = codec::decode_job(&record)?;
        assert_eq!(jobs.get(&job.id), Some(&job), "a lane holds the records as they are");
        let State::Queued { seq, .. } = job.state else { panic!("{job:?} stands in a lane") };
        let lane = Lane::of(&job);
        assert_eq!(keys::ready(&lane, seq), key.to_vec(), "a job stands at its place");
        let looked_into = meta.lanes.iter().any(|(other, first)| *other == lane && *first <= seq);
        assert!(looked_into || seq != job.number, "lists find {job:?}");
        queued.insert((lane, seq), job.id);
    }
    assert!(meta.lanes.len() <= 2 * quorate_core::limits::LANES_IN_LISTS, "a list looks into few lanes");
    Ok(queued.into_values().collect())
}

fn by_time(db: &Db, prefix: Prefix) -> Result<Vec<(Timestamp, JobId)>> {
    let rows = rows(db, Family::Idx, prefix)?.into_iter();
    Ok(rows
        .map(|(key, _)| (keys::time_of(&key).unwrap(), JobId(keys::id_behind_time(&key).unwrap())))
        .collect())
}

fn check_by_time(db: &Db, prefix: Prefix, mut expected: Vec<Vec<u8>>) -> Result<()> {
    expected.sort();
    let found: Vec<Vec<u8>> =
        rows(db, Family::Idx, prefix)?.into_iter().map(|(key, _)| key.into_vec()).collect();
    assert_eq!(found, expected, "an index by time");
    Ok(())
}

/// Lists find exactly the jobs whose records and lanes do not say it all.
fn check_listed(db: &Db, jobs: &BTreeMap<JobId, Job>) -> Result<()> {
    let mut expected = BTreeMap::new();
    for job in jobs.values() {
        for listing in Listing::all_of(job) {
            expected.insert(listing.key(job.number), listing::value(job));
        }
    }
    let prefixes = [
        Prefix::Listed,
        Prefix::ListedByImage,
        Prefix::ListedByKey,
        Prefix::ListedByTag,
        Prefix::ErrorOfQueue,
        Prefix::ErrorFor,
    ];
    let found = prefixes.map(|prefix| rows(db, Family::Idx, prefix));
    let found = found.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten();
    let found: BTreeMap<_, _> = found.map(|(key, value)| (key.into_vec(), value.into_vec())).collect();
    assert_eq!(found, expected, "the rows of lists");
    Ok(())
}

fn check_empty(db: &Db, family: Family, from: &[u8], end: &[u8], what: &str) -> Result<()> {
    let rows: Vec<Row> = db.scan(family, from, end).collect::<Result<_>>()?;
    assert!(rows.is_empty(), "{what}: {rows:?}");
    Ok(())
}

/// A start that seeks from the fronts misses nothing.
fn check_fronts(db: &Db, meta: &Meta) -> Result<()> {
    let fronts = meta.fronts;
    for (prefix, front) in [
        (Prefix::Timer, fronts.timers),
        (Prefix::Ended, fronts.ended),
        (Prefix::Kept, fronts.kept),
        (Prefix::ImageNamed, fronts.images),
        (Prefix::KeyUsed, fronts.keys),
    ] {
        check_empty(db, Family::Idx, &prefix.start(), &keys::at(prefix, front), "before a front")?;
    }
    let answers = keys::answers(meta.answers_front);
    check_empty(db, Family::Default, &Prefix::Answers.start(), &answers, "erased answers")?;
    Ok(())
}

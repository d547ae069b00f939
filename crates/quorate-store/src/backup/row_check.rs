//! Whether a row is one that a table can have, and whether rows fit each other.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use quorate_core::{Job, Lane, State, Status, Until};
use quorate_proto::log::v1;

use crate::StoreError;
use crate::rows::answers;
use crate::rows::codec::{self, intact};
use crate::rows::db::Family;
use crate::rows::keys::{self, IndexRow, Prefix};
use crate::rows::listing::{self, Listing};
use crate::rows::place::Place;

/// What rows say of others, added up as they come: none is kept until the one comes that it speaks of, and there may be any number. Two sums of
/// hashes that are equal are of the same things.
#[derive(Default)]
pub(super) struct RowCheck {
    /// Jobs by status, in the order of [`Status::ALL`]: as the rows under their ids have them,
    pub(super) jobs: [u64; 6],
    /// and as their queues count them.
    counted: [u64; 6],
    /// The same of those that wait, by priority.
    queued: [u64; 3],
    counted_queued: [u64; 3],
    /// The records that stand elsewhere than under their jobs' ids: as those rows say, and as they are.
    places: Sums,
    /// The rows that follow from records: what there must be, and what there is.
    indexes: Sums,
    /// How many jobs there are of what is counted: in a lane, of a key that run, with a payload.
    lanes: Sums,
    running_of_key: Sums,
    payloads: Sums,
    /// Where lanes begin.
    beginnings: Sums,
    /// The lane of the last row that was in one.
    lane: Vec<u8>,
    /// What workers hold; and the hashes of the workers' names, each of which is in memory where a table is open, too.
    held: Sums,
    workers: HashSet<u64>,
    workers_that_hold: HashSet<u64>,
    /// The jobs that keep others away. Of those that do so for a time, it may have passed: so many may not stand there.
    unique: Sums,
    unique_rows: [u64; 2],
    unique_for_a_time: u64,
    /// How many Idempotency-Keys there are.
    keys: u64,
}

#[derive(Default)]
struct Sums {
    expected: u64,
    found: u64,
}

impl RowCheck {
    /// Decodes a row by what its key is for.
    ///
    /// # Errors
    /// No table has such a row, or a newer one.
    pub(super) fn row(&mut self, family: Family, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let prefix =
            key.first().and_then(|byte| Prefix::of(*byte)).filter(|prefix| prefix.family() == family);
        match intact(prefix, "a row's key")? {
            Prefix::Meta => {
                return Err(StoreError::damaged(codec::WHAT, "a row has what belongs into the header"));
            }
            Prefix::Job => self.under_id(key, value)?,
            Prefix::FinishedJob => drop(self.record_at(key, value)?),
            Prefix::Ready => {
                self.found(key, &[]);
                let job = self.record_at(key, value)?;
                self.in_lane(&job);
            }
            Prefix::Image => self.expect(&keys::image_named(&codec::decode_image(value)?), &[]),
            Prefix::IdempotencyKey => {
                self.keys += 1;
                self.expect(&keys::key_used(&codec::decode_key(value)?), &[]);
            }
            Prefix::Queue => {
                let counts = codec::decode_queue(value)?.counts;
                let sums = self.counted.iter_mut().chain(&mut self.counted_queued);
                for (sum, count) in sums.zip(counts.by_status.into_iter().chain(counts.queued)) {
                    *sum = sum.wrapping_add(count);
                }
            }
            Prefix::Answers => answers::until(value).map(|_| ())?,
            Prefix::LaneMark => {
                let mark = codec::decode_mark(value)?;
                times(&mut self.lanes.found, key, mark.jobs);
                add(&mut self.beginnings.found, &(key, mark.first, mark.since));
            }
            Prefix::Operation => codec::decode_operation(value).map(|_| ())?,
            Prefix::RunningOfKey => times(&mut self.running_of_key.found, key, codec::decode_count(value)?),
            Prefix::Holders => {
                // The payload itself stands for one.
                let others = codec::decode_count(value)?.checked_sub(1);
                let payload = [&[Prefix::Payload as u8], key.get(1..).unwrap_or_default()].concat();
                times(&mut self.payloads.found, &payload, intact(others, "who holds a payload")?);
            }
            Prefix::Payload => times(&mut self.payloads.found, key, 1),
            Prefix::Worker => {
                codec::decode_count(value)?;
                self.workers.insert(hash(intact(keys::name_of(key), "the key of a worker")?));
            }
            Prefix::Held => {
                let (_, worker) = intact(keys::job_and_worker(key), "the key of what a worker holds")?;
                self.workers_that_hold.insert(hash(worker));
                add(&mut self.held.found, key);
            }
            Prefix::Unique => {
                self.unique_rows[1] += 1;
                add(&mut self.unique.found, &(key, value));
            }
            Prefix::KeyTurn => codec::decode_count(value).map(|_| ())?,
            Prefix::Timer
            | Prefix::Ended
            | Prefix::Kept
            | Prefix::ImageNamed
            | Prefix::KeyUsed
            | Prefix::Listed
            | Prefix::ListedByImage
            | Prefix::ListedByKey
            | Prefix::ListedByTag
            | Prefix::ErrorOfQueue
            | Prefix::ErrorFor => self.found(key, value),
            // Bytes of somebody else.
            Prefix::Log | Prefix::LogPart => {}
        }
        Ok(())
    }

    /// What does not fit, once all rows have come; `keys` is how many Idempotency-Keys the table counts.
    pub(super) fn end(&self, keys: u64) -> Result<(), &'static str> {
        let is_equal = |sums: &Sums| sums.expected == sums.found;
        if !is_equal(&self.places) {
            return Err("a job's id and its record do not lead to each other");
        }
        if !is_equal(&self.indexes) {
            return Err("the indexes are not those of the records");
        }
        if (self.counted, self.counted_queued) != (self.jobs, self.queued) {
            return Err("the queues count other jobs than there are");
        }
        if !is_equal(&self.lanes) || !is_equal(&self.beginnings) {
            return Err("the lanes are not those of the jobs that wait");
        }
        if !is_equal(&self.running_of_key) {
            return Err("other jobs of keys run than are counted");
        }
        if !is_equal(&self.held) || self.workers != self.workers_that_hold {
            return Err("workers hold other jobs than run");
        }
        if !is_equal(&self.payloads) {
            return Err("the payloads are held by other jobs than there are");
        }
        let [least, rows] = self.unique_rows;
        let all = if self.unique_for_a_time == 0 { is_equal(&self.unique) } else { rows >= least };
        if !all || rows > least + self.unique_for_a_time {
            return Err("the unique keys are not those of the jobs");
        }
        if self.keys != keys {
            return Err("other Idempotency-Keys are counted than there are");
        }
        Ok(())
    }

    /// A row under a job's id: the record, or where that is.
    fn under_id(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let status = match Place::of_value(value) {
            Some(place) => {
                add(&mut self.places.expected, &(key, &place.key()[..]));
                match place {
                    Place::Lane { .. } => Status::Queued,
                    Place::Finished { status, .. } => status,
                }
            }
            None => {
                let job = codec::decode::<v1::Job, Job>(value)?;
                let stands_here = keys::job(job.id) == key && !is_elsewhere(&job);
                intact(stands_here.then_some(()), "a record stands where it does not belong")?;
                self.expect_indexes(&job)?;
                job.status()
            }
        };
        let of_status = Status::ALL.into_iter().zip(&mut self.jobs).find(|(one, _)| *one == status);
        of_status.into_iter().for_each(|(_, count)| *count += 1);
        Ok(())
    }

    /// A record that stands in its lane, or as lists have it.
    fn record_at(&mut self, key: &[u8], value: &[u8]) -> Result<Job, StoreError> {
        let job = codec::decode_job(value)?;
        // Before its place is made of it.
        self.expect_indexes(&job)?;
        let stands_here = Place::of(&job).is_some_and(|place| place.key() == key);
        intact(stands_here.then_some(()), "a record stands where it does not belong")?;
        add(&mut self.places.found, &(&keys::job(job.id)[..], key));
        Ok(job)
    }

    /// A job that waits, in the order of its lane.
    fn in_lane(&mut self, job: &Job) {
        let State::Queued { seq, since } = job.state else { return };
        let mark = keys::lane_mark(&Lane::of(job));
        times(&mut self.lanes.expected, &mark, 1);
        if self.lane != mark {
            add(&mut self.beginnings.expected, &(&mark[..], seq, since));
            self.lane = mark;
        }
        self.queued[usize::from(job.priority.get())] += 1;
    }

    /// The rows that there must be because of a record.
    fn expect_indexes(&mut self, job: &Job) -> Result<(), StoreError> {
        let fits = job.key.len() <= quorate_core::limits::JOB_KEY_BYTES
            && (job.completed_at.is_some() || !job.status().is_final());
        intact(fits.then_some(()), "a job's record")?;
        let index = match keys::index_row(job) {
            IndexRow::Ready { lane, seq } => keys::ready(&lane, seq),
            IndexRow::Timer { at } => keys::timer(at, job.id),
            IndexRow::Ended { at } => keys::ended(at, job.id),
            IndexRow::Kept { until } => keys::kept(until, job.id),
        };
        self.expect(&index, &[]);
        for listing in Listing::all_of(job) {
            let beginning = intact(listing.beginning(), "a job's record")?;
            self.expect(&keys::behind(&beginning, keys::newest_first(job.number)), &listing::value(job));
        }
        if job.status() == Status::Running {
            if !job.key.is_empty() {
                times(&mut self.running_of_key.expected, &keys::running_of_key(job.queue, &job.key), 1);
            }
            if !job.worker.is_empty() {
                add(&mut self.held.expected, &keys::held(&job.worker, job.id)[..]);
            }
        }
        if job.payload.bytes > 0 {
            times(&mut self.payloads.expected, &keys::by_id(Prefix::Payload, &job.payload.owner.0), 1);
        }
        if let Some(unique) = &job.unique {
            let holds = match unique.until {
                Until::Started => matches!(job.status(), Status::Delayed | Status::Queued),
                Until::Finished => !job.status().is_final(),
                Until::Elapsed(_) => {
                    self.unique_for_a_time += 1;
                    false
                }
            };
            if holds {
                self.unique_rows[0] += 1;
                add(&mut self.unique.expected, &(&keys::unique(job.queue, &unique.key)[..], &job.id.0[..]));
            }
        }
        Ok(())
    }

    fn expect(&mut self, key: &[u8], value: &[u8]) {
        add(&mut self.indexes.expected, &(key, value));
    }

    fn found(&mut self, key: &[u8], value: &[u8]) {
        add(&mut self.indexes.found, &(key, value));
    }
}

fn is_elsewhere(job: &Job) -> bool {
    !matches!(job.status(), Status::Delayed | Status::Running)
}

fn add(sum: &mut u64, what: &(impl Hash + ?Sized)) {
    *sum = sum.wrapping_add(hash(what));
}

/// So many of the same.
fn times(sum: &mut u64, key: &[u8], count: u64) {
    *sum = sum.wrapping_add(hash(key).wrapping_mul(count));
}

fn hash(what: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

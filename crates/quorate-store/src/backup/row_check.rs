//! Whether a row is one that a table can have, and whether rows fit each other.

use std::hash::{DefaultHasher, Hash, Hasher};

use quorate_core::{Job, Status};
use quorate_proto::log::v1;

use crate::StoreError;
use crate::rows::answers;
use crate::rows::codec::{self, intact};
use crate::rows::db::Family;
use crate::rows::keys::{self, IndexRow, Prefix};
use crate::rows::listing::Listing;
use crate::rows::place::Place;

/// What rows say of others, added up as they come: none is kept until the one comes that it speaks of, and there may be any number. Two sums of
/// hashes that are equal are of the same things.
#[derive(Default)]
pub(super) struct RowCheck {
    /// Jobs by status, in the order of [`Status::ALL`]: as the rows under their ids have them,
    pub(super) jobs: [u64; 6],
    /// and as their queues count them.
    counted: [u64; 6],
    /// The records that stand elsewhere than under their jobs' ids: as those rows say, and as they are.
    places: Sums,
    /// The rows that follow from records: what there must be, and what there is.
    indexes: Sums,
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
            Prefix::FinishedJob => self.record_at(key, value)?,
            Prefix::Ready => {
                self.found(key);
                self.record_at(key, value)?;
            }
            Prefix::Image => self.expect(&keys::image_named(&codec::decode_image(value)?)),
            Prefix::IdempotencyKey => self.expect(&keys::key_used(&codec::decode_key(value)?)),
            Prefix::Queue => {
                let counts = codec::decode_queue(value)?.counts.by_status;
                for (sum, count) in self.counted.iter_mut().zip(counts) {
                    *sum = sum.wrapping_add(count);
                }
            }
            Prefix::Answers => answers::until(value).map(|_| ())?,
            Prefix::LaneMark => codec::decode_mark(value).map(|_| ())?,
            Prefix::Operation => codec::decode_operation(value).map(|_| ())?,
            Prefix::RunningOfKey | Prefix::Worker | Prefix::KeyTurn | Prefix::Holders => {
                codec::decode_count(value).map(|_| ())?;
            }
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
            | Prefix::ErrorFor => self.found(key),
            // Bytes of somebody else, or nothing but the key.
            Prefix::Unique | Prefix::Held | Prefix::Payload | Prefix::Log | Prefix::LogPart => {}
        }
        Ok(())
    }

    /// What does not fit, once all rows have come.
    pub(super) fn end(&self) -> Result<(), &'static str> {
        let is_equal = |sums: &Sums| sums.expected == sums.found;
        if !is_equal(&self.places) {
            return Err("a job's id and its record do not lead to each other");
        }
        if !is_equal(&self.indexes) {
            return Err("the indexes are not those of the records");
        }
        if self.counted != self.jobs {
            return Err("the queues count other jobs than there are");
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
    fn record_at(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let job = codec::decode_job(value)?;
        // Before its place is made of it.
        self.expect_indexes(&job)?;
        let stands_here = Place::of(&job).is_some_and(|place| place.key() == key);
        intact(stands_here.then_some(()), "a record stands where it does not belong")?;
        add(&mut self.places.found, &(&keys::job(job.id)[..], key));
        Ok(())
    }

    fn expect_indexes(&mut self, job: &Job) -> Result<(), StoreError> {
        let fits = job.key.len() <= quorate_core::limits::JOB_KEY_BYTES
            && (job.completed_at.is_some() || !job.status().is_final());
        intact(fits.then_some(()), "a job's record")?;
        self.expect(&match keys::index_row(job) {
            IndexRow::Ready { lane, seq } => keys::ready(&lane, seq),
            IndexRow::Timer { at } => keys::timer(at, job.id),
            IndexRow::Ended { at } => keys::ended(at, job.id),
            IndexRow::Kept { until } => keys::kept(until, job.id),
        });
        for listing in Listing::all_of(job) {
            let beginning = intact(listing.beginning(), "a job's record")?;
            self.expect(&keys::behind(&beginning, keys::newest_first(job.number)));
        }
        Ok(())
    }

    fn expect(&mut self, key: &[u8]) {
        add(&mut self.indexes.expected, key);
    }

    fn found(&mut self, key: &[u8]) {
        add(&mut self.indexes.found, key);
    }
}

fn is_elsewhere(job: &Job) -> bool {
    !matches!(job.status(), Status::Delayed | Status::Running)
}

fn add(sum: &mut u64, what: &(impl Hash + ?Sized)) {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    *sum = sum.wrapping_add(hasher.finish());
}

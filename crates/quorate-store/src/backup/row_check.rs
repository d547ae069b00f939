//! Whether a row is one that a table can have.

use quorate_core::{Job, Status};
use quorate_proto::log::v1;

use crate::StoreError;
use crate::rows::answers;
use crate::rows::codec::{self, intact};
use crate::rows::db::Family;
use crate::rows::keys::Prefix;
use crate::rows::place::Place;

/// Decodes a row by what its key is for. Of a row under a job's id it gives the job's status.
///
/// # Errors
/// No table has such a row, or a newer one.
pub(super) fn check(family: Family, key: &[u8], value: &[u8]) -> Result<Option<Status>, StoreError> {
    let prefix = key.first().and_then(|byte| Prefix::of(*byte)).filter(|prefix| prefix.family() == family);
    match intact(prefix, "a row's key")? {
        Prefix::Meta => Err(StoreError::damaged(codec::WHAT, "a row has what belongs into the header")),
        Prefix::Job => status(value).map(Some),
        Prefix::Image => codec::decode_image(value).map(|_| None),
        Prefix::IdempotencyKey => codec::decode_key(value).map(|_| None),
        Prefix::Answers => answers::until(value).map(|_| None),
        Prefix::FinishedJob | Prefix::Ready => codec::decode_job(value).map(|_| None),
        Prefix::Queue => codec::decode_queue(value).map(|_| None),
        Prefix::LaneMark => codec::decode_mark(value).map(|_| None),
        Prefix::Operation => codec::decode_operation(value).map(|_| None),
        Prefix::RunningOfKey | Prefix::Worker | Prefix::KeyTurn | Prefix::Holders => {
            codec::decode_count(value).map(|_| None)
        }
        // Bytes of somebody else, or nothing but the key.
        Prefix::Unique
        | Prefix::Held
        | Prefix::Payload
        | Prefix::Log
        | Prefix::LogPart
        | Prefix::Timer
        | Prefix::Ended
        | Prefix::ImageNamed
        | Prefix::KeyUsed
        | Prefix::Listed
        | Prefix::ListedByImage
        | Prefix::Kept
        | Prefix::ListedByKey
        | Prefix::ListedByTag
        | Prefix::ErrorOfQueue
        | Prefix::ErrorFor => Ok(None),
    }
}

/// The status of a job, by the row under its id.
fn status(value: &[u8]) -> Result<Status, StoreError> {
    match Place::of_value(value) {
        Some(Place::Lane { .. }) => Ok(Status::Queued),
        Some(Place::Finished { status, .. }) => Ok(status),
        None => codec::decode::<v1::Job, Job>(value).map(|job| job.status()),
    }
}

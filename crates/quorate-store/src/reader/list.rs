use quorate_core::{Job, JobId, JobsPage, JobsQuery};

use crate::StoreError;
use crate::limits;
use crate::table::codec;
use crate::table::db::{Db, Family, Found};
use crate::table::keys::{self, Prefix};

/// What one page may cost.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) records: usize,
    pub(crate) gone: u64,
    pub(crate) slices: usize,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { records: limits::LIST_RECORDS, gone: limits::LIST_GONE, slices: limits::LIST_SLICES }
    }
}

/// How wide the first slice is behind too many entries of jobs that are gone: the ids of about a second, since an
/// id begins with the milliseconds of its making in 48 of 128 bits.
const FIRST_SLICE: u128 = 1 << 90;

/// The jobs that fit among the next records, newest first.
///
/// Where a crowd of jobs has just finished, RocksDB still has their entries among the active ones and must walk over
/// them. It gives up without saying how far it came, so the list goes on in slices of the ids, narrower where there
/// is much, wider where there is little (from the highest id there could be, that is some forty), and ends the page
/// after some of them.
pub(crate) fn page(db: &Db, query: &JobsQuery, bounds: Bounds) -> Result<JobsPage, StoreError> {
    let prefix = match query.status {
        Some(status) if status.is_final() => Prefix::FinishedJob,
        Some(_) | None => Prefix::ActiveJob,
    };
    let mut page = JobsPage::default();
    let mut records = bounds.records;
    let mut end = query.before; // all from here on were looked at
    let mut width = u128::MAX;
    let mut slices = 0;
    // A page always gets further than the last one.
    while slices < bounds.slices || end == query.before {
        slices += 1;
        let from = end.map_or(u128::MAX, number).saturating_sub(width);
        let end_key = end.map_or(prefix.end(), |id| keys::by_id(prefix, &id.0));
        let mut gone = false;
        for found in
            db.scan_back(Family::Default, &keys::by_id(prefix, &from.to_be_bytes()), &end_key, bounds.gone)
        {
            let Found::Row((_, record)) = found? else {
                gone = true;
                break;
            };
            let job = codec::decode_job(&record)?;
            end = Some(job.id);
            if fits(&job, query) {
                page.jobs.push(job);
            }
            records -= 1;
            if page.jobs.len() >= query.n || records == 0 {
                page.next = end;
                return Ok(page);
            }
        }
        if gone && width > 1 {
            width = if width == u128::MAX { FIRST_SLICE } else { (width / 4).max(1) };
        } else if from == 0 {
            return Ok(page);
        } else {
            end = Some(JobId(from.to_be_bytes()));
            width = width.saturating_mul(2);
        }
    }
    page.next = end;
    Ok(page)
}

fn fits(job: &Job, query: &JobsQuery) -> bool {
    query.status.is_none_or(|status| job.status() == status)
        && query.image.as_ref().is_none_or(|image| job.image == *image)
}

fn number(id: JobId) -> u128 {
    u128::from_be_bytes(id.0)
}

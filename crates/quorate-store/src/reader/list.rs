use std::iter::Peekable;

use quorate_core::{Job, JobsPage, JobsQuery, Lane, Status};

use crate::StoreError;
use crate::limits;
use crate::rows::codec;
use crate::rows::db::{Db, Family, View};
use crate::rows::keys;
use crate::rows::meta::Meta;
use crate::rows::place::Place;

/// What one page may cost.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    /// Rows that it looks at, those that do not belong on it included.
    pub(crate) rows: usize,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { rows: limits::LIST_ROWS }
    }
}

/// What stands at one place in the order of a list.
struct Row {
    number: u64,
    /// `None` where it does not belong on the page.
    job: Option<Found>,
}

enum Found {
    Record(Box<Job>),
    /// The record stands under this key, or where that says.
    At(Vec<u8>),
}

type Rows<'a> = Box<dyn Iterator<Item = Result<Row, StoreError>> + 'a>;

/// The next jobs, newest first, as they were at one moment.
///
/// Each status has its rows in this order, and the queued jobs have their lanes; so no job of another status is walked over,
/// only those of another image where an image has no rows of its own, and in a lane those that were delayed first.
pub(crate) fn page(db: &Db, query: &JobsQuery, bounds: Bounds) -> Result<JobsPage, StoreError> {
    let view = db.view();
    let mut sources = Vec::new();
    for status in query.statuses() {
        sources.push(of_status(&view, query, *status).peekable());
        if *status == Status::Queued {
            for lane in Meta::of_value(view.get(Family::Default, &keys::meta())?.as_deref())?.lanes {
                sources.push(in_lane(&view, query, &lane).peekable());
            }
        }
    }
    let mut page = JobsPage::default();
    let mut looked = 0;
    while let Some(row) = newest(&mut sources) {
        let Row { number, job } = row?;
        if looked == bounds.rows || page.jobs.len() == query.n {
            page.next = Some(number + 1);
            break;
        }
        looked += 1;
        page.jobs.extend(match job {
            Some(Found::Record(job)) => Some(*job),
            Some(Found::At(key)) => {
                let missing = "a list names a job that is not there";
                let value = codec::intact(view.get(Family::Default, &key)?, missing)?;
                match Place::of_value(&value) {
                    None => Some(codec::decode_job(&value)?),
                    Some(place) => {
                        let record = view.get(place.family(), &place.key())?;
                        Some(codec::decode_job(&codec::intact(record, missing)?)?)
                    }
                }
            }
            None => None,
        });
    }
    Ok(page)
}

/// The jobs of a status, but those that are found in lanes.
fn of_status<'a>(view: &'a View<'_>, query: &JobsQuery, status: Status) -> Rows<'a> {
    let (image, queue) = (query.filter.image, query.filter.queue);
    if let Some(image) = image.filter(|_| keys::is_listed_by_image(status)) {
        let rows = rows(view, Family::Idx, query, move |number| keys::listed_by_image(image, status, number));
        return Box::new(rows.map(move |row| {
            let (number, value) = row?;
            let (id, of, _) = codec::intact(keys::of_listed(&value), "the row of an image's job")?;
            let key = if status.is_final() { keys::finished(status, number) } else { keys::job(id) };
            let belongs = queue.is_none_or(|queue| queue == of);
            Ok(Row { number, job: belongs.then_some(Found::At(key)) })
        }));
    }
    if status.is_final() {
        let rows = rows(view, Family::Default, query, move |number| keys::finished(status, number));
        return Box::new(rows.map(move |row| {
            let (number, record) = row?;
            let job = codec::decode_job(&record)?;
            let belongs = image.is_none_or(|image| image == job.image_id)
                && queue.is_none_or(|queue| queue == job.queue);
            Ok(Row { number, job: belongs.then(|| Found::Record(Box::new(job))) })
        }));
    }
    let rows = rows(view, Family::Idx, query, move |number| keys::listed(status, number));
    Box::new(rows.map(move |row| {
        let (number, value) = row?;
        let (id, of, of_image) = codec::intact(keys::of_listed(&value), "the row of a listed job")?;
        let belongs = image.is_none_or(|image| image == of_image) && queue.is_none_or(|queue| queue == of);
        Ok(Row { number, job: belongs.then(|| Found::At(keys::job(id))) })
    }))
}

/// The rows from where the page begins, by number; the newer, the earlier.
fn rows<'view, 'db, K: Fn(u64) -> Vec<u8>>(
    view: &'view View<'db>,
    family: Family,
    query: &JobsQuery,
    key: K,
) -> impl Iterator<Item = Result<(u64, Box<[u8]>), StoreError>> + use<'view, 'db, K> {
    let behind_last = [&key(0)[..], &[0]].concat();
    let first = match query.before {
        None => key(u64::MAX),
        Some(before) => before.checked_sub(1).map_or_else(|| behind_last.clone(), key),
    };
    view.scan(family, &first, &behind_last).map(|row| {
        let (key, value) = row?;
        Ok((codec::intact(keys::number_of(&key), "the key of a listed job")?, value))
    })
}

/// The jobs of a lane whose places in it are their numbers.
fn in_lane<'a>(view: &'a View<'_>, query: &JobsQuery, (lane, first): &(Lane, u64)) -> Rows<'a> {
    if query.filter.queue.is_some_and(|queue| queue != lane.queue)
        || query.filter.image.is_some_and(|image| image != lane.image)
    {
        return Box::new(std::iter::empty());
    }
    let front = keys::ready(lane, *first);
    let end = match query.before {
        None => keys::lane_end(lane),
        Some(before) => keys::ready(lane, before.max(*first)),
    };
    Box::new(view.scan_back(Family::Idx, &front, &end).map(|row| {
        let (key, record) = row?;
        let seq = codec::intact(keys::seq_of(&key), "the key of a queued job")?;
        let job = codec::decode_job(&record)?;
        let is_plain = job.number == seq;
        Ok(Row { number: seq, job: is_plain.then(|| Found::Record(Box::new(job))) })
    }))
}

/// The newest of what comes next.
fn newest(sources: &mut [Peekable<Rows<'_>>]) -> Option<Result<Row, StoreError>> {
    let next = (0..sources.len()).max_by_key(|at| match sources[*at].peek() {
        Some(Ok(row)) => Some(row.number),
        Some(Err(_)) => Some(u64::MAX),
        None => None,
    });
    sources[next?].next()
}

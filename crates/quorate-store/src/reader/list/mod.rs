//! A page of a list of jobs: [`narrow`] says which rows have them all, and [`source`] reads such rows.

mod narrow;
mod source;

use std::iter::Peekable;
use std::ops::Range;

use quorate_core::{JobsPage, JobsQuery, Order, Period};

use self::source::{Row, Rows, Source};
use crate::StoreError;
use crate::limits;
use crate::rows::db::{Db, Family, View};
use crate::rows::keys;
use crate::rows::meta::Meta;

/// What one page may cost.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    /// Rows that it looks at, those that do not belong on it included.
    pub(crate) rows: usize,
    /// Records that it reads at places of their own.
    pub(crate) records: usize,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { rows: limits::LIST_ROWS, records: limits::LIST_RECORDS }
    }
}

/// The next jobs in the order asked for, as they were at one moment.
///
/// They come from the rows of as few jobs as the filter allows, each in this order, and what these rows do not say of it is asked
/// of the jobs.
pub(crate) fn page(db: &Db, query: &JobsQuery, bounds: Bounds) -> Result<JobsPage, StoreError> {
    let view = db.view();
    let meta = Meta::of_value(view.get(Family::Default, &keys::meta())?.as_deref())?;
    let (numbers, created) = (numbers(query, meta.next_seq), created(query));
    let mut sources = Vec::new();
    for source in shortest(&view, narrow::ways(&query.filter, &meta), &numbers, query.order)? {
        let numbers = source.created_in(&view, numbers.clone(), created)?;
        sources.push(source.rows(&view, numbers, query).peekable());
    }
    let mut page = JobsPage::default();
    let (mut looked, mut read) = (0, 0);
    while let Some(row) = first(&mut sources, query.order) {
        let Row { number, found } = row?;
        if looked == bounds.rows || read == bounds.records || page.jobs.len() == query.n {
            page.next = Some(match query.order {
                Order::NewestFirst => number + 1,
                Order::OldestFirst => number.saturating_sub(1),
            });
            break;
        }
        looked += 1;
        let Some(found) = found else { continue };
        read += usize::from(!found.is_here());
        page.jobs.extend(Some(found.job(&view)?).filter(|job| query.fits(job)));
    }
    page.looked = looked + read * (limits::LIST_ROWS / limits::LIST_RECORDS);
    Ok(page)
}

/// Of several ways to all jobs of a list the one that ends first; of those that are all long, the first.
fn shortest(
    view: &View<'_>,
    mut ways: Vec<Vec<Source>>,
    numbers: &Range<u64>,
    order: Order,
) -> Result<Vec<Source>, StoreError> {
    let Some(others) = ways.len().checked_sub(1) else { return Ok(Vec::new()) };
    let rows = |source| Source::scan(source, view, numbers.clone(), order);
    let mut walks: Vec<_> = ways.iter().map(|way| way.iter().flat_map(rows)).collect();
    let ahead = if others > 0 { limits::LIST_AHEAD } else { 0 };
    for _ in 0..ahead {
        for (at, walk) in walks.iter_mut().enumerate() {
            if walk.next().transpose()?.is_none() {
                drop(walks);
                return Ok(ways.swap_remove(at));
            }
        }
    }
    drop(walks);
    Ok(ways.swap_remove(0))
}

/// The numbers that jobs behind the last page may have.
fn numbers(query: &JobsQuery, next: u64) -> Range<u64> {
    match (query.order, query.behind) {
        (_, None) => 0..next,
        (Order::NewestFirst, Some(behind)) => 0..behind.min(next),
        (Order::OldestFirst, Some(behind)) => behind.saturating_add(1)..next,
    }
}

/// When such jobs were created: before they finished.
fn created(query: &JobsQuery) -> Period {
    let Period { from, until } = query.filter.created;
    let until = [until, query.filter.finished.until].into_iter().flatten().min();
    Period { from, until }
}

/// The first of what comes next.
fn first(sources: &mut [Peekable<Rows<'_>>], order: Order) -> Option<Result<Row, StoreError>> {
    let next = (0..sources.len()).filter_map(|at| match sources[at].peek()? {
        Ok(row) => Some((order.place(row.number), at)),
        Err(_) => Some((0, at)),
    });
    let (_, first) = next.min()?;
    sources[first].next()
}

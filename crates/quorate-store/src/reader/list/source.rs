use std::ops::Range;

use quorate_core::{Job, JobsQuery, Lane, Order, Period, State, Status, Timestamp};

use crate::StoreError;
use crate::rows::codec;
use crate::rows::db::{Family, View};
use crate::rows::keys;
use crate::rows::listing::{self, Listing};
use crate::rows::place::Place;

/// Rows of jobs in the order of their numbers, with one beginning of their keys.
pub(super) struct Source {
    kind: Kind,
    beginning: Vec<u8>,
}

#[derive(Clone, Copy)]
enum Kind {
    /// The value says which job it is; its record is under its id, or, where it has finished so, among those.
    Listed { finished: Option<Status> },
    /// The record is the value.
    Finished,
    /// A lane: by place, from this one on, the oldest first. The record is the value, and its number is the place, or it is found
    /// elsewhere.
    Lane { first: u64 },
}

/// What stands at one place in the order of a list.
pub(super) struct Row {
    pub(super) number: u64,
    /// `None` where it cannot belong on the page.
    pub(super) found: Option<Found>,
}

pub(super) type Rows<'a> = Box<dyn Iterator<Item = Result<Row, StoreError>> + 'a>;

pub(super) enum Found {
    Here(Box<Job>),
    /// The record stands under this key, or where that says.
    At(Vec<u8>),
}

impl Found {
    pub(super) fn is_here(&self) -> bool {
        matches!(self, Found::Here(_))
    }

    pub(super) fn job(self, view: &View<'_>) -> Result<Job, StoreError> {
        const MISSING: &str = "a list names a job that is not there";
        let key = match self {
            Found::Here(job) => return Ok(*job),
            Found::At(key) => key,
        };
        let value = codec::intact(view.get(Family::Default, &key)?, MISSING)?;
        let Some(place) = Place::of_value(&value) else { return codec::decode_job(&value) };
        let record = view.get(place.family(), &place.key())?;
        codec::decode_job(&codec::intact(record, MISSING)?)
    }
}

impl Source {
    /// `None` where no job can have such a row.
    pub(super) fn listed(listing: Listing<'_>) -> Option<Source> {
        let kind = Kind::Listed { finished: listing.finished() };
        Some(Source { kind, beginning: listing.beginning()? })
    }

    pub(super) fn finished(status: Status) -> Source {
        Source { kind: Kind::Finished, beginning: keys::finished_in(status) }
    }

    /// The jobs of a lane whose places in it are their numbers.
    pub(super) fn lane(lane: &Lane, first: u64) -> Source {
        Source { kind: Kind::Lane { first }, beginning: keys::lane(lane) }
    }

    /// Those rows in the order of the query of which it cannot be seen at once that they do not belong.
    pub(super) fn rows<'a>(self, view: &'a View<'_>, numbers: Range<u64>, query: &JobsQuery) -> Rows<'a> {
        let (image, queue) = (query.filter.image, query.filter.queue);
        let rows = self.scan(view, numbers, query.order);
        Box::new(rows.map(move |row| {
            let (number, value) = row?;
            let belongs = |of, of_image| {
                queue.is_none_or(|queue| queue == of) && image.is_none_or(|image| image == of_image)
            };
            let found = match self.kind {
                Kind::Listed { .. } => {
                    let (_, of, of_image) = codec::intact(listing::of_value(&value), WHAT)?;
                    if belongs(of, of_image) { Some(self.found(number, &value)?) } else { None }
                }
                Kind::Finished => Some(self.found(number, &value)?),
                Kind::Lane { .. } => match self.found(number, &value)? {
                    Found::Here(job) if job.number != number => None,
                    found => Some(found),
                },
            };
            Ok(Row { number, found })
        }))
    }

    /// Those of the numbers whose jobs were created in a period: numbers rise with the time.
    pub(super) fn created_in(
        &self,
        view: &View<'_>,
        numbers: Range<u64>,
        period: Period,
    ) -> Result<Range<u64>, StoreError> {
        if period == Period::default() {
            return Ok(numbers);
        }
        // Nothing is looked for where rows were deleted: it would be walked over with each look.
        let end = |order| self.scan(view, numbers.clone(), order).next().transpose();
        let (Some((first, _)), Some((last, _))) = (end(Order::OldestFirst)?, end(Order::NewestFirst)?) else {
            return Ok(numbers);
        };
        let since = |time: Option<Timestamp>, open| {
            time.map_or(Ok(open), |time| self.first_since(view, first..last + 1, time))
        };
        Ok(since(period.from, first)?..since(period.until, last + 1)?)
    }

    /// The lowest number from which on no job is older: it halves the range with each look.
    fn first_since(&self, view: &View<'_>, numbers: Range<u64>, time: Timestamp) -> Result<u64, StoreError> {
        let Range { start: mut low, end: mut high } = numbers;
        while low < high {
            let middle = low + (high - low) / 2;
            let next = self.scan(view, middle..high, Order::OldestFirst).next().transpose()?;
            match next {
                Some((number, value)) if self.came(view, number, &value)? < time => low = number + 1,
                Some(_) | None => high = middle,
            }
        }
        Ok(low)
    }

    /// When the job of a row was created, or came into its lane, where that is one: what its number rises with.
    fn came(&self, view: &View<'_>, number: u64, value: &[u8]) -> Result<Timestamp, StoreError> {
        let job = self.found(number, value)?.job(view)?;
        if let (Kind::Lane { .. }, State::Queued { since, .. }) = (self.kind, &job.state) {
            return Ok(*since);
        }
        Ok(job.created_at)
    }

    fn found(&self, number: u64, value: &[u8]) -> Result<Found, StoreError> {
        match self.kind {
            Kind::Listed { finished: Some(status) } => Ok(Found::At(keys::finished(status, number))),
            Kind::Listed { finished: None } => {
                let (id, ..) = codec::intact(listing::of_value(value), WHAT)?;
                Ok(Found::At(keys::job(id)))
            }
            Kind::Finished | Kind::Lane { .. } => Ok(Found::Here(Box::new(codec::decode_job(value)?))),
        }
    }

    /// The rows of these numbers as they stand.
    pub(super) fn scan<'a>(&self, view: &'a View<'_>, numbers: Range<u64>, order: Order) -> Scan<'a> {
        let Range { start, end } = numbers;
        let key = |number: [u8; 8]| keys::behind(&self.beginning, number);
        let (family, is_newest_first) = match self.kind {
            Kind::Listed { .. } => (Family::Idx, true),
            Kind::Finished => (Family::Default, true),
            Kind::Lane { .. } => (Family::Idx, false),
        };
        let start = match self.kind {
            Kind::Lane { first } => start.max(first),
            Kind::Listed { .. } | Kind::Finished => start,
        };
        let Some(last) = end.checked_sub(1).filter(|last| start <= *last) else {
            return Box::new(std::iter::empty());
        };
        let number_of = if is_newest_first { keys::number_of } else { keys::seq_of };
        let (from, to) = if is_newest_first {
            (key(keys::newest_first(last)), key(keys::newest_first(start)))
        } else {
            (key(start.to_be_bytes()), key(last.to_be_bytes()))
        };
        let end = [&to[..], &[0]].concat();
        let forwards = is_newest_first == (order == Order::NewestFirst);
        let rows: Scan<'_, _> = if forwards {
            Box::new(view.scan(family, &from, &end))
        } else {
            Box::new(view.scan_back(family, &from, &end))
        };
        Box::new(rows.map(move |row| {
            let (key, value) = row?;
            Ok((codec::intact(number_of(&key), "the key of a listed job")?, value))
        }))
    }
}

pub(super) type Scan<'a, K = u64> = Box<dyn Iterator<Item = Result<(K, Box<[u8]>), StoreError>> + 'a>;

const WHAT: &str = "the row of a listed job";

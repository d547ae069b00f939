use quorate_core::{Filter, JobsQuery, Reason, Status};

use super::source::Source;
use crate::rows::listing::{Listing, Standing};
use crate::rows::meta::Meta;

/// The rows that have all jobs of a list, and of others as few as is known: those of a tag, of a key, or, status by status, those
/// that there are for the rest of the filter.
pub(super) fn sources(query: &JobsQuery, meta: &Meta) -> Vec<Source> {
    let filter = &query.filter;
    if let Some(tag) = filter.tags.first() {
        return Source::listed(Listing::Tagged(tag)).into_iter().collect();
    }
    if let Some(key) = filter.key.as_ref().filter(|key| !key.is_empty()) {
        return Source::listed(Listing::OfKey(key)).into_iter().collect();
    }
    let mut sources = Vec::new();
    // No others have a reason, or are dead or not.
    let only_errors = filter.reason.is_some() || filter.dead.is_some();
    let asked =
        |status: &Status| query.statuses().contains(status) && (!only_errors || *status == Status::Error);
    for status in Status::ALL.into_iter().filter(asked) {
        match status {
            Status::Error => sources.extend(errors(filter)),
            Status::Queued => {
                sources.extend(Source::listed(Listing::Unfinished(status)));
                let lanes = meta.lanes.iter().filter(|(lane, _)| {
                    filter.queue.is_none_or(|queue| queue == lane.queue)
                        && filter.image.is_none_or(|image| image == lane.image)
                });
                sources.extend(lanes.map(|(lane, first)| Source::lane(lane, *first)));
            }
            Status::Running => sources.extend(Source::listed(Listing::Unfinished(status))),
            Status::Success => sources.push(Source::finished(status)),
            Status::Delayed | Status::Cancelled => {
                let of_image = |image| Listing::OfImage(image, Standing::In(status));
                sources.extend(match filter.image {
                    Some(image) => Source::listed(of_image(image)),
                    None if status.is_final() => Some(Source::finished(status)),
                    None => Source::listed(Listing::Unfinished(status)),
                });
            }
        }
    }
    sources
}

/// The rows that have all errors of a list.
fn errors(filter: &Filter) -> Vec<Source> {
    let standings = match filter.dead {
        Some(true) => vec![Standing::Dead],
        Some(false) => vec![Standing::In(Status::Error)],
        None => vec![Standing::Dead, Standing::In(Status::Error)],
    };
    let reasons = filter.reason.map_or(Reason::ALL.to_vec(), |reason| vec![reason]);
    let of_reasons =
        || reasons.iter().flat_map(|reason| standings.iter().map(|standing| (*reason, *standing)));
    let listings: Vec<Listing<'_>> = match (filter.image, filter.queue) {
        (Some(image), _) => standings.iter().map(|standing| Listing::OfImage(image, *standing)).collect(),
        (None, Some(queue)) => {
            of_reasons().map(|(reason, standing)| Listing::OfQueue(queue, reason, standing)).collect()
        }
        (None, None) if filter.reason.is_none() && filter.dead.is_none() => {
            return vec![Source::finished(Status::Error)];
        }
        (None, None) => of_reasons().map(|(reason, standing)| Listing::For(reason, standing)).collect(),
    };
    listings.into_iter().filter_map(Source::listed).collect()
}

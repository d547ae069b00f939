use quorate_core::{Filter, Reason, Status};

use super::source::Source;
use crate::rows::listing::{Listing, Standing};
use crate::rows::meta::Meta;

/// The ways to all jobs of a list, each of which may pass by others: by status, which reads the most jobs where they stand, and by a
/// tag and by a key, which have their jobs in whatever status. The best comes first, where all are long. None where there is no such job.
pub(super) fn ways(filter: &Filter, meta: &Meta) -> Vec<Vec<Source>> {
    // No others have a reason, or are dead or not.
    let only_errors = filter.reason.is_some() || filter.dead.is_some();
    let is_asked = |status: &Status| {
        (filter.statuses.is_empty() || filter.statuses.contains(status))
            && (!only_errors || *status == Status::Error)
    };
    let statuses: Vec<Status> = Status::ALL.into_iter().filter(is_asked).collect();
    if statuses.is_empty() {
        return Vec::new();
    }
    let tag = filter.tags.first().map(|tag| Listing::Tagged(tag));
    let key = filter.key.as_deref().filter(|key| !key.is_empty()).map(Listing::OfKey);
    let texts = [tag, key].into_iter().flatten();
    let mut ways: Vec<Vec<Source>> =
        texts.map(|listing| Source::listed(listing).into_iter().collect()).collect();
    let by_status = statuses.iter().flat_map(|status| in_status(*status, filter, meta)).collect();
    let is_active = statuses.iter().all(|status| !status.is_final());
    ways.insert(if is_active { 0 } else { ways.len() }, by_status);
    ways
}

/// The rows that have all jobs of a list that are in one status.
fn in_status(status: Status, filter: &Filter, meta: &Meta) -> Vec<Source> {
    match status {
        Status::Error => errors(filter),
        Status::Queued => {
            let lanes = meta.lanes.iter().filter(|(lane, _)| {
                filter.queue.is_none_or(|queue| queue == lane.queue)
                    && filter.image.is_none_or(|image| image == lane.image)
                    && filter.key.as_ref().is_none_or(|key| *key == lane.key)
            });
            let lanes = lanes.map(|(lane, first)| Source::lane(lane, *first));
            Source::listed(Listing::Unfinished(status)).into_iter().chain(lanes).collect()
        }
        Status::Running => Source::listed(Listing::Unfinished(status)).into_iter().collect(),
        Status::Success => vec![Source::finished(status)],
        Status::Delayed | Status::Cancelled => {
            let of_image = |image| Listing::OfImage(image, Standing::In(status));
            let source = match filter.image {
                Some(image) => Source::listed(of_image(image)),
                None if status.is_final() => Some(Source::finished(status)),
                None => Source::listed(Listing::Unfinished(status)),
            };
            source.into_iter().collect()
        }
    }
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
    let listings: Vec<Listing<'_>> = match (filter.queue, filter.image) {
        (Some(queue), image) if image.is_none() || filter.reason.is_some() => {
            of_reasons().map(|(reason, standing)| Listing::OfQueue(queue, reason, standing)).collect()
        }
        // Their rows say the image, too: no record is read in vain.
        (_, Some(image)) if filter.reason.is_none() => {
            standings.iter().map(|standing| Listing::OfImage(image, *standing)).collect()
        }
        (_, None) if filter.reason.is_none() && filter.dead.is_none() => {
            return vec![Source::finished(Status::Error)];
        }
        (_, _) => of_reasons().map(|(reason, standing)| Listing::For(reason, standing)).collect(),
    };
    listings.into_iter().filter_map(Source::listed).collect()
}

use std::collections::VecDeque;

use quorate_core::JobId;

use super::db::{Db, Family};
use super::keys::{self, Prefix};
use crate::StoreError;

/// The highest ids of jobs that there ever were, some thousand of them. Ids begin with the time at which they were drawn, so that
/// a new one is about as high: that it is new need not be asked of the disk.
pub(crate) struct LatestIds {
    /// In ascending order: a new one goes to the end, or near it. (Of a node whose clock is behind, into the middle: then some
    /// KiB are moved.)
    highest: VecDeque<JobId>,
    /// All others are not above it.
    others: Option<JobId>,
    most: usize,
}

impl LatestIds {
    /// Reads the highest id of what stands in the table.
    pub(crate) fn load(db: &Db, most: usize) -> Result<LatestIds, StoreError> {
        let job = highest(db, Family::Default, Prefix::Job)?;
        // A retry may hold the payload of a job that was deleted.
        let payload = highest(db, Family::Bulk, Prefix::Payload)?;
        Ok(LatestIds { highest: VecDeque::new(), others: job.max(payload), most })
    }

    /// True when neither a job nor a payload stands under this id. False says nothing.
    pub(crate) fn is_new(&self, id: JobId) -> bool {
        Some(id) > self.others && self.place(id).is_err()
    }

    /// Notes the id of a job that is added.
    pub(crate) fn add(&mut self, id: JobId) {
        if Some(id) > self.others
            && let Err(place) = self.place(id)
        {
            self.highest.insert(place, id);
        }
        if self.highest.len() > self.most {
            self.others = self.highest.pop_front().or(self.others);
        }
    }

    /// Where it stands, or belongs.
    fn place(&self, id: JobId) -> Result<usize, usize> {
        match self.highest.back() {
            Some(last) if id <= *last => self.highest.binary_search(&id),
            Some(_) | None => Err(self.highest.len()),
        }
    }
}

fn highest(db: &Db, family: Family, prefix: Prefix) -> Result<Option<JobId>, StoreError> {
    let view = db.view();
    let last = view.scan_back(family, &prefix.start(), &prefix.end()).next().transpose()?;
    Ok(last.and_then(|(key, _)| keys::job_id_of(&key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> JobId {
        JobId([number; 16])
    }

    #[test]
    fn an_id_is_new_above_all_that_are_not_kept_and_not_among_those_that_are() {
        let mut latest = LatestIds { highest: VecDeque::new(), others: Some(id(10)), most: 2 };
        let new = |latest: &LatestIds| (0..=40).filter(|n| latest.is_new(id(*n))).collect::<Vec<_>>();
        assert_eq!(new(&latest), (11..=40).collect::<Vec<_>>());
        latest.add(id(5));
        latest.add(id(30));
        latest.add(id(20));
        assert_eq!(new(&latest), (11..=19).chain(21..=29).chain(31..=40).collect::<Vec<_>>());
        latest.add(id(35));
        assert_eq!(
            new(&latest),
            (21..=29).chain(31..=34).chain(36..=40).collect::<Vec<_>>(),
            "20 is the highest of the others"
        );
    }
}

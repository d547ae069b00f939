use quorate_core::{Job, Lane, State, Status};

use super::db::Family;
use super::keys;

/// Where the record of a job stands when it is not under the job's id: there, what says so is.
///
/// A queued job's is in its lane, so that a consume reads no other row; a finished one's as lists have it. So a record is written
/// once, whatever its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Lane { lane: Lane, seq: u64 },
    Finished { status: Status, number: u64 },
}

/// What such a value begins with, and no record: a message has no field of the number 0.
const MARK: u8 = 0;

impl Place {
    /// `None` for a job whose record stands under its id.
    pub(crate) fn of(job: &Job) -> Option<Place> {
        match job.state {
            State::Queued { seq, .. } => Some(Place::Lane { lane: Lane::of(job), seq }),
            State::Success | State::Error { .. } | State::Cancelled { .. } => {
                Some(Place::Finished { status: job.status(), number: job.number })
            }
            State::Delayed { .. } | State::Running { .. } => None,
        }
    }

    /// What stands under the id: the mark, and the key of the place.
    pub(crate) fn to_value(&self) -> Vec<u8> {
        let mut value = self.key();
        value.insert(0, MARK);
        value
    }

    /// `None` for a record.
    pub(crate) fn of_value(value: &[u8]) -> Option<Place> {
        let (&MARK, key) = value.split_first()? else { return None };
        let (prefix, rest) = key.split_first()?;
        if *prefix == keys::Prefix::Ready as u8 {
            let (lane, seq) = key.split_last_chunk()?;
            return Some(Place::Lane { lane: keys::lane_of(lane)?, seq: u64::from_be_bytes(*seq) });
        }
        let (status, _) = rest.split_first_chunk::<1>()?;
        let is_finished = *prefix == keys::Prefix::FinishedJob as u8 && rest.len() == 9;
        let status = keys::status_of_byte(status[0]).filter(|_| is_finished)?;
        Some(Place::Finished { status, number: keys::number_of(key)? })
    }

    pub(crate) fn family(&self) -> Family {
        match self {
            Place::Lane { .. } => Family::Idx,
            Place::Finished { .. } => Family::Default,
        }
    }

    pub(crate) fn key(&self) -> Vec<u8> {
        match self {
            Place::Lane { lane, seq } => keys::ready(lane, *seq),
            Place::Finished { status, number } => keys::finished(*status, *number),
        }
    }
}

#[cfg(test)]
mod tests {
    use quorate_core::{ImageId, Priority, QueueId};

    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written_and_nothing_else_is_one() {
        let lane = |key: &str| Lane {
            queue: QueueId(7),
            priority: Priority::SERVED[0],
            image: ImageId([9; 16]),
            key: key.into(),
        };
        let lanes = ["", "k", &"k".repeat(64)].map(|key| Place::Lane { lane: lane(key), seq: 1 << 40 });
        let finished = Status::ALL.map(|status| Place::Finished { status, number: u64::MAX - 1 });
        for place in finished.into_iter().chain(lanes) {
            let value = place.to_value();
            assert_eq!(Place::of_value(&value).as_ref(), Some(&place));
            for cut in 0..value.len() {
                assert_eq!(Place::of_value(&value[..cut]), None, "{place:?}, {cut}");
            }
        }
        // A record, and a status that there is not.
        for value in [&[0x0a, 0x12, 9][..], &[0, 0x15, 9, 0, 0, 0, 0, 0, 0, 0, 0]] {
            assert_eq!(Place::of_value(value), None, "{value:?}");
        }
    }
}

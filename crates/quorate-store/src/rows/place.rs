use quorate_core::{Job, Priority, QueueId, State, Status};

use super::db::Family;
use super::keys;

/// Where the record of a job stands when it is not under the job's id: there, what says so is.
///
/// A queued job's is in its lane, so that a consume reads no other row; a finished one's as lists have it. So a record is written
/// once, whatever its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Lane { queue: QueueId, priority: Priority, seq: u64 },
    Finished { status: Status, number: u64 },
}

impl Place {
    /// Of a value.
    pub(crate) const MOST_BYTES: usize = 13;

    /// `None` for a job whose record stands under its id.
    pub(crate) fn of(job: &Job) -> Option<Place> {
        match job.state {
            State::Queued { seq } => Some(Place::Lane { queue: job.queue, priority: job.priority, seq }),
            State::Success | State::Error { .. } | State::Cancelled { .. } => {
                Some(Place::Finished { status: job.status(), number: job.number })
            }
            State::Delayed { .. } | State::Running { .. } => None,
        }
    }

    /// What stands under the id. Its length says which it is: a record is longer than either.
    pub(crate) fn to_value(self) -> Vec<u8> {
        match self {
            Place::Lane { queue, priority, seq } => {
                [&queue.0.to_be_bytes()[..], &[priority.get()], &seq.to_be_bytes()].concat()
            }
            Place::Finished { status, number } => {
                [&[keys::status_byte(status)][..], &number.to_be_bytes()].concat()
            }
        }
    }

    /// `None` for a record.
    pub(crate) fn of_value(value: &[u8]) -> Option<Place> {
        if let Ok([queue @ .., p, s0, s1, s2, s3, s4, s5, s6, s7]) = <[u8; 13]>::try_from(value) {
            let seq = u64::from_be_bytes([s0, s1, s2, s3, s4, s5, s6, s7]);
            return Some(Place::Lane {
                queue: QueueId(u32::from_be_bytes(queue)),
                priority: Priority::new(p)?,
                seq,
            });
        }
        let [status, number @ ..] = <[u8; 9]>::try_from(value).ok()?;
        Some(Place::Finished { status: keys::status_of_byte(status)?, number: u64::from_be_bytes(number) })
    }

    pub(crate) fn family(self) -> Family {
        match self {
            Place::Lane { .. } => Family::Idx,
            Place::Finished { .. } => Family::Default,
        }
    }

    pub(crate) fn key(self) -> Vec<u8> {
        match self {
            Place::Lane { queue, priority, seq } => keys::ready(queue, priority, seq),
            Place::Finished { status, number } => keys::finished(status, number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written_and_nothing_else_is_one() {
        let lane = Place::Lane { queue: QueueId(7), priority: Priority::SERVED[0], seq: 1 << 40 };
        let finished = Status::ALL.map(|status| Place::Finished { status, number: u64::MAX - 1 });
        for place in finished.into_iter().chain([lane]) {
            assert_eq!(Place::of_value(&place.to_value()), Some(place));
        }
        // Too short, too long, a priority and a status that there are not.
        for value in [&[][..], &[1; 8], &[1; 10], &[1; 12], &[1; 14], &[9; 13], &[9; 9]] {
            assert_eq!(Place::of_value(value), None, "{value:?}");
        }
    }
}

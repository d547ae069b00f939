use quorate_core::{ImageId, Job, JobId, QueueId, Reason, State, Status};

use super::keys::{self, Prefix};

/// What a list is of that finds its jobs by rows of their own: they stand by number, the newest first, behind what they have in
/// common. Each is put once and deleted once.
///
/// Such a row costs every job that comes by it. A job without key and tags that succeeds comes by those of the running ones alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listing<'a> {
    /// In this status, which is none of the final ones. Not a job that was queued when it came, whose place in its lane is its
    /// number: lists find it there. One that was delayed first stands there behind newer ones.
    Unfinished(Status),
    /// Of this image. Of those that are queued or running, or have succeeded, a list of one image looks at all of them.
    OfImage(ImageId, Standing),
    /// Of this queue, and ended in error for this reason.
    OfQueue(QueueId, Reason, Standing),
    /// Ended in error for this reason.
    For(Reason, Standing),
    /// Of this key, whatever its status.
    OfKey(&'a str),
    /// With this tag, whatever its status.
    Tagged(&'a str),
}

impl<'a> Listing<'a> {
    /// The rows of a job.
    pub(crate) fn all_of(job: &'a Job) -> Vec<Listing<'a>> {
        let standing = Standing::of(job);
        let mut listings = Vec::new();
        match job.state {
            State::Queued { seq, .. } if seq == job.number => {}
            State::Queued { .. } | State::Running { .. } => {
                listings.push(Listing::Unfinished(job.status()));
            }
            State::Delayed { .. } => {
                listings.push(Listing::Unfinished(job.status()));
                listings.push(Listing::OfImage(job.image_id, standing));
            }
            State::Success => {}
            State::Cancelled { .. } => listings.push(Listing::OfImage(job.image_id, standing)),
            State::Error { reason, .. } => {
                listings.push(Listing::OfImage(job.image_id, standing));
                listings.push(Listing::OfQueue(job.queue, reason, standing));
                listings.push(Listing::For(reason, standing));
            }
        }
        if !job.key.is_empty() {
            listings.push(Listing::OfKey(&job.key));
        }
        listings.extend(job.tags.iter().map(|tag| Listing::Tagged(tag)));
        listings
    }

    /// What the keys of its rows begin with; behind it comes the number. `None` for a text that no job can have.
    pub(crate) fn beginning(self) -> Option<Vec<u8>> {
        Some(match self {
            Listing::Unfinished(status) => keys::join(Prefix::Listed, &[&[keys::status_byte(status)]]),
            Listing::OfImage(image, standing) => {
                keys::join(Prefix::ListedByImage, &[&image.0, &[standing.byte()]])
            }
            Listing::OfQueue(queue, reason, standing) => {
                let reason = [reason_byte(reason), standing.byte()];
                keys::join(Prefix::ErrorOfQueue, &[&queue.0.to_be_bytes(), &reason])
            }
            Listing::For(reason, standing) => {
                keys::join(Prefix::ErrorFor, &[&[reason_byte(reason), standing.byte()]])
            }
            Listing::OfKey(key) => of_text(Prefix::ListedByKey, key)?,
            Listing::Tagged(tag) => of_text(Prefix::ListedByTag, tag)?,
        })
    }

    /// The key of a job's row.
    pub(crate) fn key(self, number: u64) -> Vec<u8> {
        let beginning = self.beginning().expect("a key and tags within their limits");
        keys::behind(&beginning, keys::newest_first(number))
    }

    /// Where the record of a job stands that is found here: in which final status it is, if in one.
    pub(crate) fn finished(self) -> Option<Status> {
        match self {
            Listing::OfImage(_, standing) => Some(standing.status()).filter(|status| status.is_final()),
            Listing::OfQueue(..) | Listing::For(..) => Some(Status::Error),
            Listing::Unfinished(_) | Listing::OfKey(_) | Listing::Tagged(_) => None,
        }
    }
}

/// The length of the text stands before it: so no text's rows stand among another's.
fn of_text(prefix: Prefix, text: &str) -> Option<Vec<u8>> {
    let length = u8::try_from(text.len()).ok()?;
    Some(keys::join(prefix, &[&[length], text.as_bytes()]))
}

/// The value of such a row: the job's id, its queue, its image.
pub(crate) fn value(job: &Job) -> Vec<u8> {
    [&job.id.0[..], &job.queue.0.to_be_bytes(), &job.image_id.0].concat()
}

/// What such a value says.
pub(crate) fn of_value(value: &[u8]) -> Option<(JobId, QueueId, ImageId)> {
    let (id, rest) = value.split_first_chunk()?;
    let (queue, image) = rest.split_first_chunk()?;
    Some((JobId(*id), QueueId(u64::from_be_bytes(*queue)), ImageId(image.try_into().ok()?)))
}

/// A job's status, where an error that is dead is told from one that was retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// In this status, and not dead.
    In(Status),
    /// See [`Job::is_dead`].
    Dead,
}

impl Standing {
    fn of(job: &Job) -> Standing {
        if job.is_dead() { Standing::Dead } else { Standing::In(job.status()) }
    }

    fn status(self) -> Status {
        match self {
            Standing::In(status) => status,
            Standing::Dead => Status::Error,
        }
    }

    /// A number once given is never given to something else.
    fn byte(self) -> u8 {
        match self {
            Standing::In(status) => keys::status_byte(status),
            Standing::Dead => 7,
        }
    }
}

/// A number once given is never given to something else.
fn reason_byte(reason: Reason) -> u8 {
    match reason {
        Reason::Timeout => 1,
        Reason::Killed => 2,
        Reason::BadExit => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_told_apart_by_their_lengths() {
        let beginning = |tag| Listing::Tagged(tag).beginning().unwrap();
        assert!(!beginning("ab").starts_with(&beginning("a")));
        assert_ne!(Listing::OfKey("a").beginning(), Listing::Tagged("a").beginning());
        assert_eq!(Listing::OfKey(&"k".repeat(256)).beginning(), None);
    }
}

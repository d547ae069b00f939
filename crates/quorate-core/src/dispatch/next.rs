use super::open::Open;
use super::rank::Turn;
use super::{Dispatch, Lane, Source, Take};
use crate::id::mix;
use crate::{ImageId, QueueId, RequestId};

/// Which one a consumer gets.
impl Dispatch {
    /// The lane whose first job a consumer gets next, and whose turn that is. Where chance decides, it is that of the request, so that
    /// every replica draws the same: for its `nth` job.
    pub(crate) fn next(&self, take: &Take, request: RequestId, nth: usize) -> Option<(Lane, Turn)> {
        let point = mix(request.folded() ^ nth as u64);
        match &take.from {
            Source::InOrder(names) => names.iter().find_map(|name| self.next_of(self.named(name)?, take)),
            Source::ByWeight(names) => {
                let with_jobs = names.iter().filter_map(|(name, weight)| {
                    Some((self.next_of(self.named(name)?, take)?, u64::from(*weight)))
                });
                let with_jobs: Vec<((Lane, Turn), u64)> = with_jobs.collect();
                let all: u64 = with_jobs.iter().map(|(_, weight)| weight).sum();
                let mut drawn = point.checked_rem(all)?;
                with_jobs.into_iter().find_map(|(next, weight)| match drawn.checked_sub(weight) {
                    None => Some(next),
                    Some(rest) => {
                        drawn = rest;
                        None
                    }
                })
            }
            Source::All if take.images.is_empty() => self.next_of(drawn(&[self.open.queues()], point)?, take),
            Source::All => {
                let listed = take.images.iter().filter_map(|image| self.open_by_image.get(image));
                let crowded: Vec<QueueId> =
                    take.images.iter().flat_map(|image| self.open_crowded_with(*image)).collect();
                let choices: Vec<&[QueueId]> = listed.map(Open::queues).chain([&*crowded]).collect();
                self.next_of(drawn(&choices, point)?, take)
            }
        }
    }

    fn open_crowded_with(&self, image: ImageId) -> impl Iterator<Item = QueueId> {
        let crowded = self.open_crowded.queues().iter().copied();
        crowded.filter(move |queue| self.line(*queue).grantable(image) > 0)
    }

    fn next_of(&self, queue: QueueId, take: &Take) -> Option<(Lane, Turn)> {
        self.lines.get(&queue).filter(|line| line.open)?.next(&take.images)
    }

    /// True where others wait for their turn beside this lane's key.
    pub(crate) fn is_shared(&self, lane: &Lane) -> bool {
        self.lines.get(&lane.queue).is_some_and(|line| line.rank(lane.priority).is_shared())
    }
}

/// The queue that a random number means: each place is as likely as any other.
fn drawn(choices: &[&[QueueId]], random: u64) -> Option<QueueId> {
    let all: usize = choices.iter().map(|queues| queues.len()).sum();
    let mut place = usize::try_from(random.checked_rem(all as u64)?).ok()?;
    choices.iter().find_map(|queues| match place.checked_sub(queues.len()) {
        None => queues.get(place).copied(),
        Some(rest) => {
            place = rest;
            None
        }
    })
}

use crate::{QueueView, Status, Timestamp};

/// What all queues come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// How many queues there are.
    pub queues: u64,
    /// Jobs by status, in the order of [`Status::ALL`].
    pub by_status: [u64; 6],
    /// Of the queued, by priority.
    pub queued: [u64; 3],
    /// Since when the job waits that has waited longest; `None` when none does.
    pub oldest: Option<Timestamp>,
    /// How many jobs came, were granted and ended in the last whole minute.
    pub last_minute: [u64; 3],
}

impl Totals {
    /// Of these queues, as they are at that time.
    pub fn of<'a>(queues: impl Iterator<Item = &'a QueueView>, now: Timestamp) -> Totals {
        queues.fold(Totals::default(), |sum, QueueView { queue, oldest, .. }| Totals {
            queues: sum.queues + 1,
            by_status: added(sum.by_status, queue.counts.by_status),
            queued: added(sum.queued, queue.counts.queued),
            oldest: [sum.oldest, *oldest].into_iter().flatten().min(),
            last_minute: added(sum.last_minute, queue.counts.recent.last_minute(now)),
        })
    }

    /// The statuses, with how many jobs have each.
    pub fn statuses(&self) -> impl Iterator<Item = (Status, u64)> {
        Status::ALL.into_iter().zip(self.by_status)
    }
}

fn added<const N: usize>(sum: [u64; N], more: [u64; N]) -> [u64; N] {
    std::array::from_fn(|at| sum[at] + more[at])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Counts, Queue, QueueId, QueueName};

    #[test]
    fn queues_are_summed_and_the_oldest_of_their_jobs_is_the_oldest() {
        let view = |id: u64, queued: u64, oldest: Option<u64>| {
            let counts =
                Counts { by_status: [0, queued, 1, 0, 0, 0], queued: [queued, 0, 0], ..Counts::default() };
            let queue = Queue { counts, ..Queue::new(QueueId(id), QueueName::DEFAULT) };
            QueueView { queue, oldest: oldest.map(Timestamp), keys: None }
        };
        let views = [view(0, 2, Some(50)), view(1, 0, None), view(2, 5, Some(40))];
        let expected = Totals {
            queues: 3,
            by_status: [0, 7, 3, 0, 0, 0],
            queued: [7, 0, 0],
            oldest: Some(Timestamp(40)),
            last_minute: [0; 3],
        };
        assert_eq!(Totals::of(views.iter(), Timestamp(100)), expected);
    }
}

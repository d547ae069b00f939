use quorate_core::{ImageId, QueueName, Source, Take};

/// A line in which a consumer waits: for jobs of one queue or of any (`None`), of one image or of any.
///
/// Queues go by their names, since somebody may wait for one that is not there yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Line {
    pub(super) queue: Option<QueueName>,
    pub(super) image: Option<ImageId>,
}

impl Line {
    /// All that such a consumer waits in: each of its queues with each of its images.
    pub(super) fn of(take: &Take) -> impl Iterator<Item = Line> {
        let queues: Vec<Option<&QueueName>> = match &take.from {
            Source::InOrder(names) => names.iter().map(Some).collect(),
            Source::ByWeight(names) => names.iter().map(|(name, _)| Some(name)).collect(),
            Source::All => vec![None],
        };
        queues.into_iter().flat_map(|queue| {
            let any = take.images.is_empty().then_some(None);
            let images = take.images.iter().copied().map(Some).chain(any);
            images.map(move |image| Line { queue: queue.cloned(), image })
        })
    }
}

use std::collections::BTreeSet;

use quorate_core::{ImageId, QueueId};

/// The jobs of one image in one queue.
pub(super) type Pair = (QueueId, ImageId);

/// Some of them, found by either part or by none.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pairs {
    by_queue: BTreeSet<Pair>,
    by_image: BTreeSet<(ImageId, QueueId)>,
}

impl Pairs {
    /// Whether a pair is one of them. True where it has just become one.
    pub(super) fn set(&mut self, (queue, image): Pair, is_in: bool) -> bool {
        if is_in {
            self.by_image.insert((image, queue));
            self.by_queue.insert((queue, image))
        } else {
            self.by_image.remove(&(image, queue));
            self.by_queue.remove(&(queue, image));
            false
        }
    }

    /// The first one of this queue and of this image; of any, where that is `None`.
    pub(super) fn find(&self, queue: Option<QueueId>, image: Option<ImageId>) -> Option<Pair> {
        let first_image = ImageId([0; 16]);
        match (queue, image) {
            (Some(queue), Some(image)) => self.by_queue.get(&(queue, image)).copied(),
            (Some(queue), None) => {
                let first = self.by_queue.range((queue, first_image)..).next();
                first.filter(|pair| pair.0 == queue).copied()
            }
            (None, Some(image)) => {
                let first = self.by_image.range((image, QueueId(0))..).next();
                first.filter(|pair| pair.0 == image).map(|(image, queue)| (*queue, *image))
            }
            (None, None) => self.by_queue.first().copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_found_by_either_part_and_by_none() {
        let [low, high] = [ImageId([0; 16]), ImageId([255; 16])];
        let mut pairs = Pairs::default();
        assert_eq!(pairs.find(None, None), None);
        assert!(pairs.set((QueueId(2), high), true));
        assert!(!pairs.set((QueueId(2), high), true), "it is there");
        assert!(pairs.set((QueueId(5), low), true));
        assert_eq!(pairs.find(Some(QueueId(2)), None), Some((QueueId(2), high)));
        assert_eq!(pairs.find(None, Some(low)), Some((QueueId(5), low)));
        assert_eq!(pairs.find(Some(QueueId(5)), Some(low)), Some((QueueId(5), low)));
        for (queue, image) in [(2, Some(low)), (1, None), (3, None), (6, None)] {
            assert_eq!(pairs.find(Some(QueueId(queue)), image), None);
        }
        assert!(!pairs.set((QueueId(2), high), false));
        assert_eq!(pairs.find(None, Some(high)), None);
        assert_eq!(pairs.find(None, None), Some((QueueId(5), low)));
    }
}

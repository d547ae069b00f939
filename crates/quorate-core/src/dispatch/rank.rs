use std::collections::BTreeMap;

use crate::{ImageId, LaneMark, Timestamp};

/// The jobs of one priority of a queue: whose turn it is.
///
/// Keys take turns. A key's turn is where its first job stands, but not before it was served last: so one that has just come
/// waits for one job at most of each key that waits already, and a key with many jobs gets no more than one with few. Both
/// numbers are counted up by the log, hence no two turns are alike. (Start-time fair queueing, Goyal et al. 1996, with jobs of
/// one size.)
///
/// Those who take some images only have turns of their own, of each lane: else a key whose jobs of another image are served often
/// would wait with those of this one. Nor do they spend its turn among those who take any: its job that waits for that may be of an
/// image that they do not take. Who takes several spends the turn of one of them, whose key gets the first of its jobs that they take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rank {
    keys: Keys,
    /// Of the keys that are not blocked.
    turns: Turns,
    /// The same for those who take this image only.
    turns_of_image: BTreeMap<ImageId, Turns>,
}

/// Among whom a key has its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Turn {
    /// Those who take any image, or all that wait.
    Any,
    /// Those who take this image only.
    Of(ImageId),
}

/// The names of keys, by their turns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Turns(BTreeMap<u64, Box<str>>);

impl Turns {
    fn first(&self) -> Option<(u64, &str)> {
        self.0.first_key_value().map(|(turn, name)| (*turn, &**name))
    }

    /// A key has this turn now; `None`: it has none.
    fn change(&mut self, name: &str, before: Option<u64>, after: Option<u64>) {
        if before == after {
            return;
        }
        let known = before.and_then(|turn| self.0.remove(&turn));
        if let Some(turn) = after {
            let other = self.0.insert(turn, known.unwrap_or_else(|| name.into()));
            assert!(other.is_none(), "places in the order of the log are given once");
        }
    }
}

/// The jobs of each key. Most have none: those are found without a search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Keys {
    keyless: Option<Key>,
    keys: BTreeMap<Box<str>, Key>,
}

impl Keys {
    fn get(&self, name: &str) -> Option<&Key> {
        if name.is_empty() { self.keyless.as_ref() } else { self.keys.get(name) }
    }

    fn get_mut(&mut self, name: &str) -> Option<&mut Key> {
        if name.is_empty() { self.keyless.as_mut() } else { self.keys.get_mut(name) }
    }

    fn insert(&mut self, name: &str, key: Key) {
        if name.is_empty() {
            self.keyless = Some(key);
        } else {
            self.keys.insert(name.into(), key);
        }
    }

    fn remove(&mut self, name: &str) {
        if name.is_empty() {
            self.keyless = None;
        } else {
            self.keys.remove(name);
        }
    }

    fn len(&self) -> usize {
        self.keys.len() + usize::from(self.keyless.is_some())
    }

    fn iter(&self) -> impl Iterator<Item = (&str, &Key)> {
        let keyless = self.keyless.iter().map(|key| ("", key));
        keyless.chain(self.keys.iter().map(|(name, key)| (&**name, key)))
    }
}

/// One key's jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Key {
    served: u64,
    /// At its limit.
    blocked: bool,
    lanes: BTreeMap<ImageId, Waiting>,
    /// The same by their first jobs.
    firsts: BTreeMap<u64, ImageId>,
}

/// The jobs of one lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) first: u64,
    pub(super) since: Timestamp,
    pub(super) jobs: u64,
    /// When it had its last turn.
    pub(super) served: u64,
}

impl Waiting {
    pub(super) fn mark(self) -> LaneMark {
        let Waiting { first, since, jobs, served } = self;
        LaneMark { first, since, jobs, served }
    }

    fn turn(self) -> u64 {
        self.served.max(self.first)
    }
}

impl Key {
    /// `None`: it is blocked, or nothing waits.
    fn turn(&self) -> Option<u64> {
        let (first, _) = self.firsts.first_key_value().filter(|_| !self.blocked)?;
        Some(self.served.max(*first))
    }

    /// The same for those who take this image only.
    fn turn_of(&self, image: ImageId) -> Option<u64> {
        self.lanes.get(&image).filter(|_| !self.blocked).map(|waiting| waiting.turn())
    }

    /// The lane of its first job of these images.
    fn first_of(&self, images: &[ImageId]) -> Option<ImageId> {
        let first = |image: &ImageId| Some((self.lanes.get(image)?.first, *image));
        images.iter().filter_map(first).min().map(|(_, image)| image)
    }

    fn set(&mut self, image: ImageId, waiting: Option<Waiting>) {
        let before = match waiting {
            Some(waiting) => self.lanes.insert(image, waiting),
            None => self.lanes.remove(&image),
        };
        let [before, after] = [before, waiting].map(|waiting| waiting.map(|waiting| waiting.first));
        if before != after {
            if let Some(first) = before {
                self.firsts.remove(&first);
            }
            if let Some(first) = after {
                self.firsts.insert(first, image);
            }
        }
    }
}

impl Rank {
    pub(super) fn lane(&self, key: &str, image: ImageId) -> Option<Waiting> {
        self.keys.get(key)?.lanes.get(&image).copied()
    }

    pub(super) fn served(&self, key: &str) -> u64 {
        self.keys.get(key).map_or(0, |key| key.served)
    }

    /// All lanes with what waits in them.
    pub(super) fn lanes(&self) -> impl Iterator<Item = (&str, ImageId, Waiting)> {
        self.keys
            .iter()
            .flat_map(|(name, key)| key.lanes.iter().map(move |(image, waiting)| (name, *image, *waiting)))
    }

    pub(super) fn lanes_of_key(&self, key: &str) -> usize {
        self.keys.get(key).map_or(0, |key| key.lanes.len())
    }

    /// The images of a key's jobs.
    pub(super) fn images_of(&self, key: &str) -> Vec<(ImageId, u64)> {
        let lanes = self.keys.get(key).map(|key| &key.lanes);
        lanes.into_iter().flatten().map(|(image, waiting)| (*image, waiting.jobs)).collect()
    }

    /// Whether others wait besides this key.
    pub(super) fn is_shared(&self) -> bool {
        self.keys.len() > 1
    }

    /// The key whose turn it is, with the lane of its first job, among those of these images; of all where there are none.
    pub(super) fn next(&self, images: &[ImageId]) -> Option<(&str, ImageId, Turn)> {
        // Who takes all that waits takes turns of keys, as who takes any.
        let all = self.turns_of_image.len() <= images.len()
            && self.turns_of_image.keys().all(|image| images.contains(image));
        if images.is_empty() || all {
            let (_, name) = self.turns.first()?;
            let (_, image) = self.keys.get(name)?.firsts.first_key_value()?;
            return Some((name, *image, Turn::Any));
        }
        let of_image = |image: &ImageId| {
            let (turn, name) = self.turns_of_image.get(image)?.first()?;
            Some((turn, name, *image))
        };
        let (_, name, turn) = images.iter().filter_map(of_image).min()?;
        Some((name, self.keys.get(name)?.first_of(images)?, Turn::Of(turn)))
    }

    /// A lane is like that now; `None`: it is empty. A key that comes may be at its limit.
    pub(super) fn set(&mut self, name: &str, image: ImageId, waiting: Option<Waiting>, blocked: bool) {
        if self.keys.get(name).is_none() {
            self.keys.insert(name, Key { blocked, ..Key::default() });
        }
        self.change(name, Some(image), |key| key.set(image, waiting));
        if self.keys.get(name).is_some_and(|key| key.lanes.is_empty()) {
            self.keys.remove(name);
        }
    }

    /// A key had its turn among those who take this image only.
    pub(super) fn serve_lane(&mut self, name: &str, image: ImageId, at: u64) {
        self.change(name, Some(image), |key| {
            if let Some(lane) = key.lanes.get_mut(&image) {
                lane.served = at;
            }
        });
    }

    /// A key had its turn among those who take any.
    pub(super) fn serve_key(&mut self, name: &str, at: u64) {
        self.change(name, None, |key| key.served = at);
    }

    /// A key is at its limit, or no longer.
    pub(super) fn block(&mut self, name: &str, blocked: bool) {
        let Some(key) = self.keys.get_mut(name) else { return };
        let of_images = |key: &Key| key.lanes.keys().map(|image| key.turn_of(*image)).collect::<Vec<_>>();
        let (before, before_of_images) = (key.turn(), of_images(key));
        key.blocked = blocked;
        let (after, after_of_images) = (key.turn(), of_images(key));
        let images: Vec<ImageId> = key.lanes.keys().copied().collect();
        self.turns.change(name, before, after);
        for ((image, before), after) in images.into_iter().zip(before_of_images).zip(after_of_images) {
            self.change_of_image(name, image, before, after);
        }
    }

    /// Changes a key, and no lane of it but this one.
    fn change(&mut self, name: &str, image: Option<ImageId>, change: impl FnOnce(&mut Key)) {
        let Some(key) = self.keys.get_mut(name) else { return };
        let of_image = |key: &Key| image.and_then(|image| key.turn_of(image));
        let (before, before_of_image) = (key.turn(), of_image(key));
        change(key);
        let (after, after_of_image) = (key.turn(), of_image(key));
        self.turns.change(name, before, after);
        if let Some(image) = image {
            self.change_of_image(name, image, before_of_image, after_of_image);
        }
    }

    fn change_of_image(&mut self, name: &str, image: ImageId, before: Option<u64>, after: Option<u64>) {
        if before != after {
            let turns = self.turns_of_image.entry(image).or_default();
            turns.change(name, before, after);
            if turns.0.is_empty() {
                self.turns_of_image.remove(&image);
            }
        }
    }
}

use std::collections::{BTreeMap, BTreeSet};

use crate::{ImageId, LaneMark, Timestamp};

/// The jobs of one priority of a queue: whose turn it is.
///
/// Keys take turns. A key's turn is where its first job stands, but not before it was served last: so one that has just come
/// waits for one job at most of each key that waits already, and a key with many jobs gets no more than one with few. Both
/// numbers are counted up by the log, hence no two turns are alike. (Start-time fair queueing, Goyal et al. 1996, with jobs of
/// one size.)
///
/// Those who take some images only have turns of their own, of each lane: else a key whose jobs of another image are served often
/// would wait with those of this one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rank {
    keys: Keys,
    /// Of the keys that are not blocked.
    turns: BTreeSet<(u64, Box<str>)>,
    /// The same for those who take this image only.
    turns_of_image: BTreeMap<ImageId, BTreeSet<(u64, Box<str>)>>,
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
    firsts: BTreeSet<(u64, ImageId)>,
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
    fn turn(&self) -> Option<u64> {
        self.firsts.first().map(|(first, _)| self.served.max(*first))
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

    /// The images of a key's jobs.
    pub(super) fn images_of(&self, key: &str) -> Vec<(ImageId, u64)> {
        let lanes = self.keys.get(key).map(|key| &key.lanes);
        lanes.into_iter().flatten().map(|(image, waiting)| (*image, waiting.jobs)).collect()
    }

    /// Whether others wait besides this key.
    pub(super) fn is_shared(&self) -> bool {
        self.keys.len() > 1
    }

    /// The lane whose turn it is, among those of these images; of all where there are none.
    pub(super) fn next(&self, images: &[ImageId]) -> Option<(&str, ImageId)> {
        // Who takes all that waits takes turns of keys, as who takes any.
        let all = self.turns_of_image.len() <= images.len()
            && self.turns_of_image.keys().all(|image| images.contains(image));
        if images.is_empty() || all {
            let (_, name) = self.turns.first()?;
            let (_, image) = self.keys.get(name)?.firsts.first()?;
            return Some((name, *image));
        }
        let of_image = |image: &ImageId| {
            let (turn, name) = self.turns_of_image.get(image)?.first()?;
            Some((*turn, &**name, *image))
        };
        let (_, name, image) = images.iter().filter_map(of_image).min()?;
        Some((name, image))
    }

    /// A lane is like that now; `None`: it is empty. A key that comes may be at its limit.
    pub(super) fn set(&mut self, name: &str, image: ImageId, waiting: Option<Waiting>, blocked: bool) {
        if self.keys.get(name).is_none() {
            self.keys.insert(name, Key { blocked, ..Key::default() });
        }
        let Some(key) = self.keys.get_mut(name) else { return };
        let before = key.lanes.get(&image).copied();
        if let (Some(before), Some(after)) = (before, waiting)
            && before.turn() == after.turn()
            && before.first == after.first
        {
            key.lanes.insert(image, after);
            return;
        }
        self.withdraw(name, [image]);
        let Some(key) = self.keys.get_mut(name) else { return };
        if let Some(before) = before {
            key.lanes.remove(&image);
            key.firsts.remove(&(before.first, image));
        }
        if let Some(after) = waiting {
            key.lanes.insert(image, after);
            key.firsts.insert((after.first, image));
        }
        if key.lanes.is_empty() {
            self.keys.remove(name);
        } else {
            self.submit(name, [image]);
        }
    }

    /// A lane had its turn, and so had its key.
    pub(super) fn serve(&mut self, name: &str, image: ImageId, at: u64) {
        self.change(name, &[image], |key| {
            key.served = at;
            if let Some(lane) = key.lanes.get_mut(&image) {
                lane.served = at;
            }
        });
    }

    /// A key had its turn.
    pub(super) fn serve_key(&mut self, name: &str, at: u64) {
        self.change(name, &[], |key| key.served = at);
    }

    /// A key is at its limit, or no longer.
    pub(super) fn block(&mut self, name: &str, blocked: bool) {
        let Some(key) = self.keys.get(name) else { return };
        let images: Vec<ImageId> = key.lanes.keys().copied().collect();
        self.change(name, &images, |key| key.blocked = blocked);
    }

    fn change(&mut self, name: &str, images: &[ImageId], change: impl FnOnce(&mut Key)) {
        self.withdraw(name, images.iter().copied());
        self.keys.get_mut(name).map(change);
        self.submit(name, images.iter().copied());
    }

    /// Takes a key's turns away, of these images and of all.
    fn withdraw(&mut self, name: &str, images: impl IntoIterator<Item = ImageId>) {
        let Some(key) = self.keys.get(name).filter(|key| !key.blocked) else { return };
        if let Some(turn) = key.turn() {
            self.turns.remove(&(turn, name.into()));
        }
        for image in images {
            let Some(waiting) = key.lanes.get(&image) else { continue };
            if let Some(turns) = self.turns_of_image.get_mut(&image) {
                turns.remove(&(waiting.turn(), name.into()));
                if turns.is_empty() {
                    self.turns_of_image.remove(&image);
                }
            }
        }
    }

    /// Gives a key its turns, of these images and of all.
    fn submit(&mut self, name: &str, images: impl IntoIterator<Item = ImageId>) {
        let Some(key) = self.keys.get(name).filter(|key| !key.blocked) else { return };
        if let Some(turn) = key.turn() {
            self.turns.insert((turn, name.into()));
        }
        for image in images {
            if let Some(waiting) = key.lanes.get(&image) {
                let turn = (waiting.turn(), name.into());
                self.turns_of_image.entry(image).or_default().insert(turn);
            }
        }
    }
}

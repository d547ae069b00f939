use std::collections::BTreeMap;

use quorate_core::Timestamp;

use super::db::{Db, Family};
use super::keys;
use crate::StoreError;
use crate::blocking::blocking;

/// An ordered index on disk whose beginning is in memory.
///
/// All entries below the horizon are in memory; at and beyond it they are on the disk alone. Taking the first
/// entry, again and again, reads the disk once for `capacity` entries and never walks over what was removed before.
///
/// The disk shows what was written, not the write under way: what that one changes beyond the horizon is kept here
/// until [`Window::written`].
pub(crate) struct Window<V> {
    /// Everything below the horizon, by key.
    near: BTreeMap<Vec<u8>, V>,
    /// `None`: everything is in `near`.
    horizon: Option<Vec<u8>>,
    /// What the write under way put (`Some`) or removed (`None`) at and beyond the horizon.
    far: BTreeMap<Vec<u8>, Option<V>>,
    /// The first key behind the index.
    end: Vec<u8>,
    capacity: usize,
    decode: Decode<V>,
}

/// An entry of a row: its key and its value on disk.
pub(crate) type Decode<V> = fn(&[u8], &[u8]) -> Result<V, StoreError>;

impl<V: Clone> Window<V> {
    /// The index from `start`, below which the disk has nothing that counts, to `end`. Reads nothing yet.
    pub(crate) fn new(start: Vec<u8>, end: Vec<u8>, capacity: usize, decode: Decode<V>) -> Window<V> {
        assert!(capacity > 0, "a window shows something");
        Window { near: BTreeMap::new(), horizon: Some(start), far: BTreeMap::new(), end, capacity, decode }
    }

    /// An index that has no entry yet.
    pub(crate) fn empty(end: Vec<u8>, capacity: usize, decode: Decode<V>) -> Window<V> {
        Window { horizon: None, ..Window::new(Vec::new(), end, capacity, decode) }
    }

    /// Notes that the write under way puts an entry.
    pub(crate) fn put(&mut self, key: Vec<u8>, value: V) {
        if self.horizon.is_none()
            && self.near.len() >= self.capacity
            && self.near.last_key_value().is_some_and(|(last, _)| *last < key)
        {
            self.horizon = Some(key.clone());
        }
        if self.is_near(&key) {
            self.near.insert(key, value);
        } else {
            self.far.insert(key, Some(value));
        }
    }

    /// Notes that the write under way removes an entry. True when it was the first one.
    pub(crate) fn remove(&mut self, key: &[u8]) -> bool {
        if self.is_near(key) {
            let first = self.near.first_key_value().is_some_and(|(first, _)| first == key);
            let removed = self.near.remove(key);
            assert!(removed.is_some(), "what is removed from an index stands in it");
            first
        } else {
            self.far.insert(key.to_vec(), None);
            false
        }
    }

    /// The first entry, the write under way included.
    pub(crate) fn first(&mut self, db: &Db) -> Result<Option<(&[u8], &V)>, StoreError> {
        while self.near.is_empty()
            && let Some(from) = self.horizon.take()
        {
            blocking(|| self.load(db, &from))?;
        }
        Ok(self.near.first_key_value().map(|(key, value)| (key.as_slice(), value)))
    }

    /// The first entry of an index by time, if its time is not later than `until`.
    pub(crate) fn first_until(&mut self, db: &Db, until: Timestamp) -> Result<Option<V>, StoreError> {
        let first = self.first(db)?;
        Ok(first
            .filter(|(key, _)| keys::time_of(key).is_some_and(|at| at <= until))
            .map(|(_, value)| value.clone()))
    }

    /// Takes the next entries from the disk and moves the horizon behind them.
    fn load(&mut self, db: &Db, from: &[u8]) -> Result<(), StoreError> {
        for row in db.scan(Family::Idx, from, &self.end) {
            let (key, value) = row?;
            if self.near.len() == self.capacity {
                self.horizon = Some(key.into_vec());
                break;
            }
            let value = (self.decode)(&key, &value)?;
            self.near.insert(key.into_vec(), value);
        }
        let beyond = match &self.horizon {
            Some(horizon) => self.far.split_off(horizon),
            None => BTreeMap::new(),
        };
        for (key, change) in std::mem::replace(&mut self.far, beyond) {
            match change {
                Some(value) => self.near.insert(key, value),
                None => self.near.remove(&key),
            };
        }
        Ok(())
    }

    /// The write is on the disk. What has become too much for the memory is left to it.
    pub(crate) fn written(&mut self) {
        self.far.clear();
        if self.near.len() > 2 * self.capacity
            && let Some(horizon) = self.near.keys().nth(self.capacity).cloned()
        {
            self.near.split_off(&horizon);
            self.horizon = Some(horizon);
        }
    }

    /// How many entries are in memory.
    pub(crate) fn in_memory(&self) -> usize {
        self.near.len()
    }

    /// A key that no entry is before, the first one's where it is in memory; `None` when there is no entry.
    pub(crate) fn front(&self) -> Option<&[u8]> {
        self.near.keys().next().or(self.horizon.as_ref()).map(Vec::as_slice)
    }

    /// True when it holds no more in memory than it may after a write.
    #[cfg(test)]
    pub(crate) fn is_bounded(&self) -> bool {
        self.near.len() <= 2 * self.capacity && self.far.is_empty()
    }

    fn is_near(&self, key: &[u8]) -> bool {
        self.horizon.as_ref().is_none_or(|horizon| key < horizon.as_slice())
    }
}

//! The planted bugs of the log, at its walls to the disk: see [`crate::planted`].

use std::{io, ops::Deref, path::Path};

use rocksdb::WriteOptions;

use super::{
    disk::{self, Recovered},
    queue::Flush,
};
use crate::{
    StoreError,
    high_water::{self, Mark},
    planted::{Bug, planted},
    sizes::Sizes,
};

/// The log in RocksDB, as [`disk::Disk`] is, but for what is planted.
pub(super) struct Disk(disk::Disk);

impl Disk {
    pub(super) fn open(path: &Path, sizes: Sizes) -> Result<Disk, StoreError> {
        disk::Disk::open(path, sizes).map(Disk)
    }

    pub(super) fn recover(&self) -> Result<Recovered, StoreError> {
        let mut recovered = self.0.recover()?;
        if planted(Bug::ForgetVote) {
            recovered.vote = None;
        }
        Ok(recovered)
    }

    pub(super) fn write(&self, flush: &Flush) -> Result<(), StoreError> {
        if planted(Bug::AckBeforeFsync) {
            return self.0.write_opt(flush, &WriteOptions::default());
        }
        self.0.write(flush)
    }
}

impl Deref for Disk {
    type Target = disk::Disk;

    fn deref(&self) -> &disk::Disk {
        &self.0
    }
}

/// The high-water mark, as [`high_water::HighWater`] is, but for what is planted.
pub(super) struct HighWater(high_water::HighWater);

impl HighWater {
    pub(super) fn open(path: &Path) -> Result<(HighWater, Mark), StoreError> {
        let (file, mut mark) = high_water::HighWater::open(path)?;
        if planted(Bug::IgnoreHighWaterMark) {
            mark = Mark::default();
        }
        if planted(Bug::ForgetVote) {
            mark.vote = None;
        }
        Ok((HighWater(file), mark))
    }

    pub(super) fn put(&mut self, mark: Mark) -> io::Result<()> {
        self.0.put(mark)
    }

    pub(super) fn sync(&mut self) -> io::Result<()> {
        if planted(Bug::AckBeforeFsync) {
            return Ok(());
        }
        self.0.sync()
    }
}

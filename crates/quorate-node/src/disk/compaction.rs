use std::io;
use std::sync::Arc;
use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use openraft::metrics::RaftDataMetrics;
use openraft::{Instant as _, LogIdOptionExt};
use quorate_store::planted::{Bug, planted};
use quorate_store::{LogReader, LogStore, StoreError, TableSpace, TypeConfig};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::DiskState;
use crate::Raft;
use crate::disk::Disk;
use crate::limits;

/// Keeps the log short: takes a snapshot of the table when enough has come since the last one, and purges what a snapshot
/// has and nobody is about to need. By bytes, since it is bytes that a disk has; openraft alone would count entries.
///
/// When room is short it takes snapshots sooner, keeps no more than followers need that are almost there, and has the
/// stores give back what is purged and removed.
pub(crate) struct Compaction {
    raft: Raft,
    log: LogReader,
    reclaimable: Reclaimable,
    disk: Disk,
    bounds: Bounds,
    /// When the stores are to give back all that they can next, and the pause before.
    next_reclaim: (Instant, Duration),
    asked: Arc<Notify>,
}

/// How long the log may get.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Bytes of the whole log, as long as snapshots can be taken.
    pub(crate) bytes: u64,
    /// Entries since a snapshot after which the next one is taken.
    pub(crate) snapshot_every: u64,
    /// Entries before a snapshot that are kept.
    pub(crate) kept: u64,
}

/// What is kept of the log, in bytes.
#[derive(Clone, Copy, Debug)]
struct Keep {
    /// Before a snapshot, for a follower that comes back.
    anyway: u64,
    /// Of the whole log, for followers that lag and are alive.
    lagging: u64,
    /// Since the last snapshot.
    since_snapshot: u64,
}

impl Bounds {
    fn keep(&self, pressed: bool) -> Keep {
        let part = |part| self.bytes / part;
        match pressed {
            false => Keep { anyway: part(4), lagging: self.bytes, since_snapshot: part(4) },
            true => Keep { anyway: 0, lagging: part(8), since_snapshot: part(32) },
        }
    }
}

/// Where Raft is, in log indexes; 0 before the first.
#[derive(Clone, Debug)]
struct Progress {
    applied: u64,
    snapshot: u64,
    purged: u64,
    /// What the followers have that have answered lately, at a leader.
    followers: Vec<u64>,
}

impl Progress {
    fn of(raft: &Raft) -> Progress {
        let metrics = raft.data_metrics().borrow_watched().clone();
        let RaftDataMetrics::<TypeConfig> { last_applied, snapshot, purged, replication, heartbeat, .. } =
            metrics;
        let (replication, heartbeat) = (replication.unwrap_or_default(), heartbeat.unwrap_or_default());
        let alive = |id| {
            heartbeat.get(id).copied().flatten().is_some_and(|at| at.elapsed() < limits::FOLLOWER_SILENCE)
        };
        let followers = replication.iter().filter(|(id, _)| alive(*id));
        Progress {
            applied: last_applied.index().unwrap_or(0),
            snapshot: snapshot.index().unwrap_or(0),
            purged: purged.index().unwrap_or(0),
            followers: followers.map(|(_, matched)| matched.index().unwrap_or(0)).collect(),
        }
    }

    /// The last entry that nobody needs, when those from `for_anyone` on are kept in any case, and at most those from
    /// `for_followers` on while a follower lacks them.
    fn purgeable(&self, for_anyone: u64, for_followers: u64) -> u64 {
        // One that lacks what is purged already gets a snapshot, and after that what has come since.
        let lacks_from = self.followers.iter().map(|matched| (*matched).max(self.purged) + 1).min();
        let first_kept = lacks_from.map_or(for_anyone, |from| for_anyone.min(from.max(for_followers)));
        first_kept.saturating_sub(1).min(self.snapshot)
    }
}

impl Compaction {
    /// The log has at most an eighth of the disk, whatever `bounds` say.
    pub(crate) fn new(
        bounds: Bounds,
        raft: Raft,
        log: LogStore,
        table: TableSpace,
        disk: Disk,
    ) -> Compaction {
        let bounds = Bounds { bytes: bounds.bytes.min(disk.total() / limits::LOG_SHARE), ..bounds };
        let next_reclaim = (Instant::now(), limits::RECLAIM.0);
        let reclaimable = Reclaimable { log, table };
        Compaction {
            raft,
            log: reclaimable.log.reader(),
            reclaimable,
            disk,
            bounds,
            next_reclaim,
            asked: Arc::default(),
        }
    }

    /// Who notifies this asks it to give back all that it can, now.
    pub(crate) fn asked(&self) -> Arc<Notify> {
        Arc::clone(&self.asked)
    }

    pub(crate) async fn run(mut self) {
        let mut round = tokio::time::interval(limits::COMPACTION);
        round.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = round.tick() => self.look_after().await,
                () = self.asked.notified() => self.squeeze().await,
            }
        }
    }

    /// Gives back all that can be given back, until there is room; for a while.
    async fn squeeze(&mut self) {
        self.next_reclaim.0 = Instant::now();
        let until = Instant::now() + limits::SQUEEZE;
        while self.disk.state() != DiskState::Room && Instant::now() < until {
            self.look_after().await;
            // Snapshots are made, and purges done, a moment later.
            tokio::time::sleep(limits::SQUEEZE_PAUSE).await;
            self.disk.look();
        }
    }

    async fn look_after(&mut self) {
        if let Err(error) = self.round().await {
            // Of a log that cannot be read, others hear who need it.
            tracing::debug!(%error, "the log is not compacted");
        }
    }

    async fn round(&mut self) -> io::Result<()> {
        let pressed = self.disk.is_tight();
        let keep = self.bounds.keep(pressed);
        let progress = Progress::of(&self.raft);
        if self.snapshot_is_due(&progress, keep).await? && self.disk.fits(self.reclaimable.table.unflushed()?)
        {
            // Raft does nothing while one is being built.
            let _ = self.raft.trigger().snapshot().await;
        }
        if let Some(upto) = self.purgeable(&progress, keep, pressed).await? {
            let _ = self.raft.trigger().purge_log(upto).await;
        }
        if pressed {
            self.make_room().await?;
        }
        Ok(())
    }

    async fn snapshot_is_due(&self, progress: &Progress, keep: Keep) -> io::Result<bool> {
        let &Progress { applied, snapshot, .. } = progress;
        Ok(applied > snapshot
            && (applied - snapshot >= self.bounds.snapshot_every
                || (self.log.bytes_from(snapshot + 1).await? >= keep.since_snapshot
                    && !planted(Bug::LogByEntries))))
    }

    /// Up to where the log can be purged, if that is worth it.
    async fn purgeable(&self, progress: &Progress, keep: Keep, pressed: bool) -> io::Result<Option<u64>> {
        let &Progress { snapshot, purged, .. } = progress;
        if purged >= snapshot {
            return Ok(None);
        }
        let for_anyone = self.log.begin_of_last(keep.anyway).await?;
        let for_anyone = for_anyone.max((snapshot + 1).saturating_sub(self.bounds.kept));
        let for_followers = self.log.begin_of_last(keep.lagging).await?;
        let upto = progress.purgeable(for_anyone, for_followers);
        if upto <= purged {
            return Ok(None);
        }
        let bytes =
            self.log.bytes_from(purged + 1).await?.saturating_sub(self.log.bytes_from(upto + 1).await?);
        let worth_it = pressed
            || upto - purged >= limits::PURGE_ENTRIES.min(self.bounds.snapshot_every)
            || bytes >= self.bounds.bytes / 32;
        Ok(worth_it.then_some(upto))
    }

    /// Has the stores give back what is purged and removed.
    async fn make_room(&mut self) -> io::Result<()> {
        let (reclaimable, disk) = (self.reclaimable.clone(), self.disk.clone());
        let all = self.next_reclaim.0 <= Instant::now();
        let work = move || reclaimable.give_back(&disk, all);
        tokio::task::spawn_blocking(work).await.map_err(io::Error::other)??;
        if all {
            // What cannot be given back now cannot be so at once either.
            let pause = if self.disk.is_tight() { self.next_reclaim.1 * 2 } else { limits::RECLAIM.0 };
            let pause = pause.min(limits::RECLAIM.1);
            self.next_reclaim = (Instant::now() + pause, pause);
        }
        Ok(())
    }
}

/// What takes the disk's room.
#[derive(Clone)]
struct Reclaimable {
    log: LogStore,
    table: TableSpace,
}

impl Reclaimable {
    /// Makes files of what is in write-ahead logs alone, when that is so much that a start might find no room for it;
    /// with `all`, gives back everything that can be.
    fn give_back(&self, disk: &Disk, all: bool) -> Result<(), StoreError> {
        let much = |bytes: u64| all || bytes > disk.start_bytes();
        let unflushed = self.log.unflushed()?;
        if much(unflushed) && disk.fits(unflushed) {
            self.log.reclaim()?;
        }
        let unflushed = self.table.unflushed()?;
        if much(unflushed) && disk.fits(unflushed) {
            self.table.flush()?;
        }
        if self.table.pinned()? >= disk.start_bytes() && disk.fits(self.table.unflushed()?) {
            self.table.renew_snapshot()?;
        }
        if all {
            self.table.compact(|| disk.spare())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_snapshot_has_goes_but_for_what_followers_that_live_are_about_to_need() {
        let purgeable = |followers: &[u64], for_anyone, for_followers| {
            let followers = followers.to_vec();
            let progress = Progress { applied: 1_000, snapshot: 900, purged: 100, followers };
            progress.purgeable(for_anyone, for_followers)
        };
        assert_eq!(purgeable(&[], 801, 0), 800, "nobody lives who lacks anything");
        assert_eq!(purgeable(&[], 951, 0), 900, "what no snapshot has stays");
        assert_eq!(purgeable(&[1_000, 990], 801, 0), 800, "they have it all");
        assert_eq!(purgeable(&[1_000, 400], 801, 301), 400, "one lags");
        assert_eq!(purgeable(&[1_000, 400], 801, 501), 500, "it lags too far");
        assert_eq!(purgeable(&[1_000, 50], 801, 0), 100, "it gets a snapshot, and needs the rest then");
        assert_eq!(purgeable(&[1_000, 50], 801, 301), 300, "that takes too long");
    }
}

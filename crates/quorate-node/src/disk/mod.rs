//! The data directory's disk: how much room there is (here), how much is kept free (`reserve.rs`), how some is made
//! (`compaction.rs`).

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use quorate_store::planted::{Bug, planted};
use quorate_store::{Ballast, Space, WhenFull};
use tokio::sync::watch;

use crate::disk::reserve::Reserve;
use crate::limits;
use crate::task::Tasks;

pub(crate) mod compaction;
pub(crate) mod reserve;

/// How the data directory's disk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskState {
    /// There is room.
    Room,
    /// Little is left: what would make the table larger is refused, what makes room goes on.
    Short,
    /// Somebody has filled it: what makes room goes on, in the place of the ballast.
    Full,
}

impl DiskState {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            DiskState::Room => "room",
            DiskState::Short => "short",
            DiskState::Full => "full",
        }
    }
}

/// The data directory's disk: how much room there is, and the ballast that keeps some of it.
#[derive(Clone)]
pub(crate) struct Disk(Arc<Inner>);

struct Inner {
    dir: PathBuf,
    reserve: Reserve,
    ballast: Mutex<Ballast>,
    state: watch::Sender<DiskState>,
    /// Log entries of a leader are refused.
    refusing: AtomicBool,
    /// That was said.
    told: AtomicBool,
    /// Another node that has room is about to lead.
    successor: AtomicBool,
    /// What was free at the last look of [`Disk::tend`].
    last_free: AtomicU64,
    /// The node ends: nobody waits for room any more.
    ended: AtomicBool,
}

/// Why a command is not appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoRoom {
    /// This node's disk has none for it.
    Here,
    /// The same, and whoever has room is about to lead: the command is for that node.
    Successor,
}

/// There is no room for something, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lack {
    /// Must be free for it.
    pub(crate) needs: u64,
    /// Are free.
    pub(crate) free: u64,
}

/// What one look found, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// May be written now.
    free: u64,
    /// The same with what the ballast keeps.
    room: u64,
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Lack { needs, free } = self;
        write!(f, "this node's disk has no room for it: {needs} bytes must be free, and {free} are")
    }
}

impl Disk {
    /// Looks at the disk for the first time, and gives the ballast back if it is full: to open the stores may need that. It writes nothing
    /// into the directory, which may be somebody else's.
    pub(crate) fn new(dir: PathBuf, reserve: Reserve) -> Disk {
        let ballast = Mutex::new(Ballast::of(&dir));
        let disk = Disk(Arc::new(Inner {
            dir,
            reserve,
            ballast,
            state: watch::Sender::new(DiskState::Room),
            refusing: AtomicBool::new(false),
            told: AtomicBool::new(false),
            successor: AtomicBool::new(false),
            last_free: AtomicU64::new(0),
            ended: AtomicBool::new(false),
        }));
        disk.tend_to(false);
        disk
    }

    /// Looks at the disk again and again, and keeps a ballast while there is room.
    pub(crate) fn watch(&self, tasks: &Tasks) {
        let disk = self.clone();
        tasks.spawn("disk watch", async move {
            let mut clock = tokio::time::interval(limits::DISK_WATCH);
            loop {
                clock.tick().await;
                disk.tend();
            }
        });
    }

    /// Looks, and keeps the ballast or gives it back.
    pub(crate) fn tend(&self) {
        self.tend_to(true);
    }

    fn tend_to(&self, keeps: bool) {
        let seen = self.look();
        let free_before = self.0.last_free.swap(seen.free, Ordering::Relaxed);
        let Reserve { short, floor, ballast, .. } = self.0.reserve;
        match self.state() {
            DiskState::Room if keeps && seen.free >= short.saturating_add(ballast) => self.keep_ballast(),
            // Not while somebody is still filling it: that would only be filled as well.
            DiskState::Full if seen.free < floor / 2 && seen.free >= free_before => self.give_ballast_back(),
            DiskState::Room | DiskState::Short | DiskState::Full => {}
        }
        if seen.free >= self.0.reserve.clear_of_floor() {
            self.note_refusing(false);
        }
    }

    /// How it is, look by look.
    pub(crate) fn states(&self) -> watch::Receiver<DiskState> {
        self.0.state.subscribe()
    }

    /// How it was at the last look.
    pub(crate) fn state(&self) -> DiskState {
        *self.0.state.borrow()
    }

    /// Why the leader does not append a command, by how the disk was at the last look.
    pub(crate) fn refusal(&self, adds_jobs: bool) -> Option<NoRoom> {
        let adds_jobs = adds_jobs || planted(Bug::RefuseCure);
        let refused = match self.state() {
            DiskState::Room => false,
            DiskState::Short => adds_jobs,
            DiskState::Full => adds_jobs || !self.holds(0),
        };
        let successor = self.0.successor.load(Ordering::Relaxed);
        refused.then_some(if successor { NoRoom::Successor } else { NoRoom::Here })
    }

    /// Whether another node that has room is about to lead.
    pub(crate) fn expect_successor(&self, expected: bool) {
        self.0.successor.store(expected, Ordering::Relaxed);
    }

    /// Follows how it is.
    pub(crate) fn watch_state(&self) -> watch::Receiver<DiskState> {
        self.0.state.subscribe()
    }

    /// The disk's size in bytes.
    pub(crate) fn total(&self) -> u64 {
        Space::of(&self.0.dir).map_or(u64::MAX, |space| space.total)
    }

    /// The free bytes, the ballast included.
    pub(crate) fn room(&self) -> u64 {
        self.seen().room
    }

    /// Whether what is not needed should go, before anything must be refused.
    pub(crate) fn is_tight(&self) -> bool {
        self.seen().room < self.0.reserve.tight()
    }

    /// Whether so many bytes can be taken in and enough is left to start with.
    pub(crate) fn holds(&self, bytes: u64) -> bool {
        // What makes room is small, and goes on longer than what takes some.
        let floor = if bytes <= limits::SMALL { self.0.reserve.floor / 2 } else { self.0.reserve.floor };
        // What is in a log is soon in a table, too.
        self.look().free >= floor.saturating_add(bytes.saturating_mul(2))
    }

    /// Whether a snapshot of so many bytes can be taken in: its files become those of the table, and are there once.
    ///
    /// # Errors
    /// It cannot.
    pub(crate) fn holds_snapshot(&self, bytes: u64) -> Result<(), Lack> {
        let (needs, free) = (self.0.reserve.floor.saturating_add(bytes), self.look().free);
        if free >= needs { Ok(()) } else { Err(Lack { needs, free }) }
    }

    /// Whether a file of so many bytes can be made of what is elsewhere and can go then.
    pub(crate) fn fits(&self, bytes: u64) -> bool {
        self.look().free >= bytes.saturating_add(self.start_bytes())
    }

    /// So much in a write-ahead log does not keep a node from being started.
    pub(crate) fn start_bytes(&self) -> u64 {
        self.0.reserve.floor / 4
    }

    /// What files may take that replace others.
    pub(crate) fn spare(&self) -> u64 {
        self.look().free.saturating_sub(self.0.reserve.floor)
    }

    /// As `holds`, for what a leader sends. A refusal is noted: this node falls behind.
    pub(crate) fn takes(&self, bytes: u64) -> bool {
        let holds = self.holds(bytes);
        if !holds {
            self.note_refusing(true);
        }
        holds
    }

    /// True while this node refuses log entries: it learns nothing new.
    pub(crate) fn refuses(&self) -> bool {
        self.0.refusing.load(Ordering::Relaxed)
    }

    /// A write found no room.
    pub(crate) fn when_full(&self) -> WhenFull {
        if self.0.ended.load(Ordering::Relaxed) {
            return WhenFull::GiveUp;
        }
        if self.holds(0) { WhenFull::Room } else { WhenFull::Wait }
    }

    /// Nobody waits for room any more.
    pub(crate) fn end(&self) {
        self.0.ended.store(true, Ordering::Relaxed);
    }

    /// True once [`Disk::end`] was called.
    pub(crate) fn has_ended(&self) -> bool {
        self.0.ended.load(Ordering::Relaxed)
    }

    /// Looks, and says what has changed.
    pub(crate) fn look(&self) -> Seen {
        let seen = self.seen();
        let changed = self.0.state.send_if_modified(|known| {
            let state = self.0.reserve.state(*known, seen.room);
            std::mem::replace(known, state) != state
        });
        let state = self.state();
        if changed {
            let (dir, free) = (self.0.dir.display(), seen.room);
            match state {
                DiskState::Room => tracing::info!(%dir, free, "the disk has room"),
                DiskState::Short => tracing::warn!(%dir, free, "the disk is short of room: no new jobs"),
                DiskState::Full => {
                    tracing::error!(%dir, free, "the disk is full: only what makes room goes on")
                }
            }
        }
        seen
    }

    fn seen(&self) -> Seen {
        // A disk that does not say it is taken to have room: writes that fail say more.
        let free = Space::of(&self.0.dir).map_or(u64::MAX, |space| space.free);
        Seen { free, room: free.saturating_add(self.0.ballast.lock().held()) }
    }

    /// Says so once, however often it comes and goes while the disk is full.
    fn note_refusing(&self, refusing: bool) {
        self.0.refusing.store(refusing, Ordering::Relaxed);
        if refusing && !self.0.told.swap(true, Ordering::Relaxed) {
            tracing::error!(
                "the disk is full: this node takes log entries only as it makes room, and may fall behind"
            );
        }
        if !refusing && self.state() != DiskState::Full && self.0.told.swap(false, Ordering::Relaxed) {
            tracing::info!("the disk has room: this node takes log entries again");
        }
    }

    fn give_ballast_back(&self) {
        let mut ballast = self.0.ballast.lock();
        if ballast.held() > 0
            && let Err(error) = ballast.give_back()
        {
            tracing::error!(%error, "the ballast cannot be given back");
        }
    }

    fn keep_ballast(&self) {
        let bytes = self.0.reserve.ballast;
        let mut ballast = self.0.ballast.lock();
        if ballast.held() < bytes
            && let Err(error) = ballast.take(bytes)
        {
            // Not every file system can: then there is none.
            tracing::debug!(%error, "no ballast can be kept");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_needs_its_bytes_once() {
        let dir = tempfile::tempdir().unwrap();
        let free = Space::of(dir.path()).unwrap().free;
        let disk = Disk::new(dir.path().to_owned(), Reserve { floor: free / 4, ..Reserve::NONE });
        disk.holds_snapshot(free / 2).unwrap();
        let lack = disk.holds_snapshot(free).unwrap_err();
        assert_eq!(lack.needs, free + free / 4);
        assert!(!disk.holds(free / 2), "of the log, a table takes as much again");
    }
}

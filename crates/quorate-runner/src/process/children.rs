use std::collections::BTreeSet;
use std::io;
use std::process::{Child, Command, ExitStatus};
use std::sync::Once;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;
use parking_lot::{Mutex, MutexGuard};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use super::table;

/// The leaders of the jobs' groups, as long as nobody has waited for them.
static LEADERS: Mutex<BTreeSet<Pid>> = Mutex::new(BTreeSet::new());
/// One of them is no longer there.
static LEADER_LEFT: Notify = Notify::const_new();
static ADOPT: Once = Once::new();

/// The children of this process. Whoever has them keeps everybody else from starting one or waiting for one, so that no
/// number of a process or group changes hands meanwhile.
pub(crate) struct Children {
    leaders: MutexGuard<'static, BTreeSet<Pid>>,
}

/// What a look at a group of them found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Nobody,
    Living,
    /// One had ended, and was waited for.
    Dead,
}

impl Children {
    pub(crate) fn lock() -> Children {
        Children { leaders: LEADERS.lock() }
    }

    /// Starts a group's leader, and first makes this process the one that its descendants come to when they lose their
    /// parents.
    ///
    /// # Errors
    /// It can't be started.
    pub(crate) fn start(&mut self, command: &mut Command) -> io::Result<Child> {
        ADOPT.call_once(|| {
            if let Err(error) = prctl::set_child_subreaper(true) {
                tracing::warn!("what jobs leave behind can't be waited for: {error}");
            }
        });
        let child = command.spawn()?;
        self.leaders.insert(pid(&child));
        Ok(child)
    }

    /// How this leader ended, if it has.
    ///
    /// # Errors
    /// It can't be waited for.
    pub(crate) fn wait_for(&mut self, leader: &mut Child) -> io::Result<Option<ExitStatus>> {
        let ended = leader.try_wait();
        if !matches!(ended, Ok(None)) {
            self.leave(leader);
        }
        ended
    }

    /// Nobody will wait for this leader.
    pub(crate) fn leave(&mut self, leader: &Child) {
        self.leaders.remove(&pid(leader));
        LEADER_LEFT.notify_one();
    }

    /// Is this the number of a leader that nobody has waited for?
    pub(crate) fn lead(&self, group: Pid) -> bool {
        self.leaders.contains(&group)
    }

    /// Is one of them in this group, dead or alive?
    pub(crate) fn any_in(&self, group: Pid) -> bool {
        look(Id::PGid(group), WaitPidFlag::WNOWAIT) != Found::Nobody
    }

    /// Waits for one of this group that has ended.
    pub(crate) fn wait_in(&self, group: Pid) -> Found {
        look(Id::PGid(group), WaitPidFlag::empty())
    }

    /// Waits for all that have ended, but for leaders.
    fn wait_for_orphans(&self) {
        loop {
            match waitid(Id::All, WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT) {
                Ok(WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, ..)) if !self.lead(pid) => {
                    let _ = waitpid(pid, Some(WaitPidFlag::WNOHANG));
                }
                Err(Errno::EINTR) => {}
                // nix has no name for a real-time signal, and does not say whom it ended.
                Err(Errno::EINVAL) => return self.wait_for_orphans_by_the_table(),
                // Nobody; or a leader, and when that was waited for there will be another look.
                Ok(_) | Err(_) => return,
            }
        }
    }

    fn wait_for_orphans_by_the_table(&self) {
        for entry in table::processes() {
            if entry.is_zombie && entry.parent == Pid::this() && !self.lead(entry.pid) {
                let _ = waitpid(entry.pid, Some(WaitPidFlag::WNOHANG));
            }
        }
    }
}

/// From now on waits for every child of this process that is not the leader of a job's group, so that what jobs (and,
/// for process 1, everybody) leave behind does not stay as zombies. For a process that has no other use for its children.
///
/// # Errors
/// This process can't listen for signals.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn reap_orphans() -> io::Result<()> {
    let mut child_signals = signal(SignalKind::child())?;
    tokio::spawn(async move {
        loop {
            Children::lock().wait_for_orphans();
            tokio::select! {
                _ = child_signals.recv() => {}
                () = LEADER_LEFT.notified() => {}
            }
        }
    });
    Ok(())
}

pub(crate) fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("process ids are positive 32-bit numbers"))
}

fn look(id: Id<'_>, flags: WaitPidFlag) -> Found {
    match waitid(id, flags | WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG) {
        Ok(WaitStatus::StillAlive) => Found::Living,
        // EINVAL: as above.
        Ok(_) | Err(Errno::EINVAL) => Found::Dead,
        Err(_) => Found::Nobody,
    }
}

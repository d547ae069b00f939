use std::collections::BTreeSet;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, ExitStatus};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::signal::unix::{Signal as Signals, SignalKind, signal};
use tokio::time::timeout;

use super::children::{Children, Found, pid};
use super::table;
use crate::limits;

/// A process that leads a group of its own, and all that it starts.
///
/// This process is the reaper of its descendants: what loses its parent becomes our child, and stays in its group. So the
/// group is empty when no child of ours is in it; and as long as one is, dead or alive, its number can't become a
/// stranger's, and signals go out only then.
#[derive(Debug)]
pub(crate) struct Group {
    leader: Child,
    status: Option<ExitStatus>,
    /// The leader's, and those that its descendants went over to, as under `timeout` or a shell with job control.
    groups: BTreeSet<Pid>,
    child_signals: Signals,
    ended: bool,
}

impl Group {
    /// Starts the command as the leader of a group.
    ///
    /// # Errors
    /// It can't be started.
    pub(crate) fn start(command: &mut Command) -> io::Result<Group> {
        let child_signals = signal(SignalKind::child())?; // first, so that no end is missed
        let leader = Children::lock().start(command.process_group(0))?;
        let groups = BTreeSet::from([pid(&leader)]);
        Ok(Group { leader, status: None, groups, child_signals, ended: false })
    }

    /// The leader's standard input, once, if it was asked for.
    pub(crate) fn stdin(&mut self) -> Option<ChildStdin> {
        self.leader.stdin.take()
    }

    /// Waits until the leader has ended.
    ///
    /// # Errors
    /// It can't be waited for.
    pub(crate) async fn leader_ended(&mut self) -> io::Result<ExitStatus> {
        loop {
            if let Some(status) = self.look_for_leader()? {
                return Ok(status);
            }
            self.child_signals.recv().await;
        }
    }

    /// Ends what is left of the group: asks it to, and kills what is there after `grace`. How the leader ended, if it did.
    pub(crate) async fn end(mut self, grace: Duration) -> Option<ExitStatus> {
        for (signal, patience) in [(Signal::SIGTERM, grace), (Signal::SIGKILL, limits::KILL_PATIENCE)] {
            if self.is_empty() {
                break;
            }
            self.send(signal);
            let _ = timeout(patience, self.emptied()).await;
        }
        self.ended = true;
        if !self.is_empty() {
            tracing::warn!(group = pid(&self.leader).as_raw(), "does not end, not even by SIGKILL");
        }
        self.status
    }

    async fn emptied(&mut self) {
        while !self.is_empty() {
            self.child_signals.recv().await;
        }
    }

    fn look_for_leader(&mut self) -> io::Result<Option<ExitStatus>> {
        if self.status.is_none() {
            self.status = Children::lock().wait_for(&mut self.leader)?;
        }
        Ok(self.status)
    }

    fn is_empty(&mut self) -> bool {
        // Who can't be waited for is gone.
        if self.look_for_leader().is_ok_and(|status| status.is_none()) {
            return false;
        }
        let children = Children::lock();
        self.forget_strangers(&children);
        loop {
            let found: Vec<Found> = self.groups.iter().map(|group| children.wait_in(*group)).collect();
            if found.contains(&Found::Dead) {
                continue; // it may have left its children to us
            }
            return !found.contains(&Found::Living);
        }
    }

    fn send(&mut self, signal: Signal) {
        let children = Children::lock();
        self.forget_strangers(&children);
        let below = table::groups_below(&self.groups);
        self.groups.extend(&below);
        for group in self.groups.iter().filter(|group| below.contains(group) || children.any_in(**group)) {
            match killpg(*group, signal) {
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(error) => tracing::warn!(group = group.as_raw(), %signal, "could not signal: {error}"),
            }
        }
    }

    /// A group that was empty may have given its number to a new leader.
    fn forget_strangers(&mut self, children: &Children) {
        let own = self.status.is_none().then(|| pid(&self.leader));
        self.groups.retain(|group| Some(*group) == own || !children.lead(*group));
    }
}

/// Who does not wait for a group's end ends it.
impl Drop for Group {
    fn drop(&mut self) {
        if !self.ended {
            self.send(Signal::SIGKILL);
            Children::lock().leave(&self.leader);
        }
    }
}

use std::io;

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use tokio::signal::unix::{Signal as Signals, SignalKind, signal};

/// A process that leads a group of its own, and all that it starts.
///
/// The group's number is its leader's process id, and stays taken as long as the leader is not reaped. So signals go
/// out only before that: never to a stranger that got the number afterwards. Dropped, it kills the group.
#[derive(Debug)]
pub(crate) struct Group {
    leader: Pid,
    child_signals: Signals,
    reaped: bool,
}

impl Group {
    /// # Errors
    /// When the process can't listen for signals. Call it before the leader is spawned, so that its end is not missed.
    pub(crate) fn listen() -> io::Result<Signals> {
        signal(SignalKind::child())
    }

    pub(crate) fn new(leader: u32, child_signals: Signals) -> Group {
        let leader = Pid::from_raw(i32::try_from(leader).expect("process ids are positive 32-bit numbers"));
        Group { leader, child_signals, reaped: false }
    }

    /// Waits until the leader has ended, and leaves it a zombie.
    pub(crate) async fn leader_ended(&mut self) -> io::Result<()> {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        loop {
            match waitid(Id::Pid(self.leader), flags) {
                Ok(WaitStatus::StillAlive) => {
                    self.child_signals.recv().await;
                }
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Asks the group to end.
    pub(crate) fn terminate(&self) {
        self.send(Signal::SIGTERM);
    }

    /// Ends the group.
    pub(crate) fn kill(&self) {
        self.send(Signal::SIGKILL);
    }

    /// From here on the group's number may be somebody else's.
    pub(crate) fn release(mut self) {
        self.reaped = true;
    }

    fn send(&self, signal: Signal) {
        match killpg(self.leader, signal) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(error) => tracing::warn!(group = self.leader.as_raw(), %signal, "could not signal: {error}"),
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.reaped {
            self.kill();
        }
    }
}

use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::unistd::{SysconfVar, sysconf};

/// The nodes' processes, where they run on this machine.
#[derive(Default)]
pub(super) struct Processes(Vec<u32>);

/// Processor time that was taken, user and system.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cpu {
    /// By all nodes together; `None` where they are elsewhere.
    pub(super) nodes: Option<Duration>,
    /// By this load generator.
    pub(super) load: Duration,
}

impl Processes {
    pub(super) fn new(pids: impl Iterator<Item = u32>) -> Processes {
        Processes(pids.collect())
    }

    /// What they and this process have taken since they were started.
    pub(super) fn cpu(&self) -> Cpu {
        let nodes: Option<Duration> = self.0.iter().map(|pid| taken_by(*pid)).sum();
        Cpu { nodes: nodes.filter(|_| !self.0.is_empty()), load: own() }
    }
}

impl Cpu {
    /// What was taken since `before`.
    pub(super) fn since(self, before: Cpu) -> Cpu {
        let nodes = self.nodes.zip(before.nodes).map(|(now, before)| now.saturating_sub(before));
        Cpu { nodes, load: self.load.saturating_sub(before.load) }
    }
}

fn own() -> Duration {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return Duration::ZERO };
    let of = |time: nix::sys::time::TimeVal| {
        Duration::from_micros(u64::try_from(time.tv_sec() * 1_000_000 + time.tv_usec()).unwrap_or(0))
    };
    of(usage.user_time()) + of(usage.system_time())
}

/// Fields 14 and 15 of /proc/PID/stat, in clock ticks: proc_pid_stat(5). The name before them may have spaces.
fn taken_by(pid: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|field| field.parse::<u64>().ok())
        .sum::<Option<u64>>()?;
    let per_second = u64::try_from(sysconf(SysconfVar::CLK_TCK).ok()??).ok()?;
    Some(Duration::from_micros(ticks * 1_000_000 / per_second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_takes_is_seen() {
        let this = Processes::new([std::process::id()].into_iter());
        let before = this.cpu();
        let mut number = 1_u64;
        // A tick is 10 ms, and user and system time are each cut off at theirs.
        while this.cpu().since(before).nodes < Some(Duration::from_millis(100)) {
            number = std::hint::black_box(number.wrapping_mul(7));
        }
        assert!(this.cpu().since(before).load >= Duration::from_millis(70), "both are this process");
        assert_eq!(Processes::default().cpu().nodes, None);
    }
}

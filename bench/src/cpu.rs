use std::collections::BTreeMap;
use std::time::Duration;

use procfs::process::{Process, Stat, all_processes};

/// Processor time that was taken, user and system, to 10 ms for each process.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cpu {
    /// By all processes that this one has started, and theirs: the servers.
    pub(crate) servers: Duration,
    /// By this process: the clients.
    pub(crate) clients: Duration,
}

impl Cpu {
    /// What was taken so far.
    ///
    /// # Errors
    /// There is no /proc.
    pub(crate) fn now() -> anyhow::Result<Cpu> {
        let this = Process::myself()?.stat()?;
        // A process that ends meanwhile has no entry.
        let all = all_processes()?.filter_map(|process| process.ok()?.stat().ok());
        let all: BTreeMap<i32, Stat> = all.map(|stat| (stat.pid, stat)).collect();
        let servers = all.values().filter(|stat| stat.pid != this.pid && descends(stat, this.pid, &all));
        Ok(Cpu { servers: servers.map(taken).sum(), clients: taken(&this) })
    }

    /// What was taken since `before`.
    pub(crate) fn since(self, before: Cpu) -> Cpu {
        Cpu {
            servers: self.servers.saturating_sub(before.servers),
            clients: self.clients.saturating_sub(before.clients),
        }
    }
}

fn descends(stat: &Stat, from: i32, all: &BTreeMap<i32, Stat>) -> bool {
    std::iter::successors(Some(stat), |stat| all.get(&stat.ppid)).any(|stat| stat.pid == from)
}

fn taken(stat: &Stat) -> Duration {
    Duration::from_secs(stat.utime + stat.stime) / u32::try_from(procfs::ticks_per_second()).unwrap_or(100)
}

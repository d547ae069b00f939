use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};

/// What a node takes of the machine that it runs on beside its disk and its network: the time, and chance. Tests have machines
/// of their own. Pauses and deadlines are tokio's, whose time a test can hold.
pub trait Machine: Send + Sync + 'static {
    /// The wall clock, in milliseconds since the Unix epoch. May jump.
    fn wall_ms(&self) -> u64;
    /// How long the machine has been up, the time that it was suspended included. Never goes back, and never jumps but
    /// by time that has passed.
    fn uptime(&self) -> Duration;
    /// Names what [`Machine::uptime`] counts from: uptimes under one name can be compared, also by another process. `None`
    /// where that is not known.
    fn boot(&self) -> Option<String>;
    /// Bytes that nobody has drawn before.
    fn draw(&self) -> [u8; 16];
}

/// This one, by its operating system.
pub struct ThisMachine;

#[expect(clippy::disallowed_methods, reason = "this is the edge")]
impl Machine for ThisMachine {
    fn wall_ms(&self) -> u64 {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
    }

    fn uptime(&self) -> Duration {
        clock_gettime(ClockId::CLOCK_BOOTTIME).expect("Linux has CLOCK_BOOTTIME").into()
    }

    /// The boot, and the time namespace: in another one CLOCK_BOOTTIME may count from elsewhere (time_namespaces(7)).
    fn boot(&self) -> Option<String> {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let namespace = std::fs::read_link("/proc/self/ns/time").unwrap_or_default();
        Some(format!("{} {}", boot.trim(), namespace.display()))
    }

    fn draw(&self) -> [u8; 16] {
        rand::random()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_clocks_go_on() {
        let before = ThisMachine.uptime();
        assert!(before > Duration::ZERO);
        assert!(ThisMachine.uptime() >= before);
        assert!(ThisMachine.wall_ms() > 1_700_000_000_000);
        let boot = ThisMachine.boot();
        assert!(boot.as_ref().is_some_and(|boot| boot.len() > 30), "{boot:?}");
        assert_eq!(boot, ThisMachine.boot());
    }
}

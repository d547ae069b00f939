use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that ask a process to end in order: SIGTERM, Ctrl-C, and the SIGHUP of a terminal that goes away.
pub(crate) struct Ending {
    terminate: Signal,
    interrupt: Signal,
    /// `None` under `nohup`: to listen would undo it. Or where it means something else.
    hang_up: Option<Signal>,
}

impl Ending {
    /// Listens from now on; the signals do nothing by themselves any more.
    ///
    /// # Errors
    /// They cannot be listened for.
    pub(crate) fn listen() -> io::Result<Ending> {
        let hang_up = (!ignored(SignalKind::hangup())).then(|| signal(SignalKind::hangup())).transpose()?;
        Ok(Ending { hang_up, ..Ending::listen_but_to_hang_up()? })
    }

    /// The same without SIGHUP, which asks for something else.
    ///
    /// # Errors
    /// See [`Ending::listen`].
    pub(crate) fn listen_but_to_hang_up() -> io::Result<Ending> {
        Ok(Ending {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: None,
        })
    }

    /// Waits for the next one.
    pub(crate) async fn wait(&mut self) {
        let hang_up = async {
            match &mut self.hang_up {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = hang_up => {}
        }
    }
}

/// Whether this process was started with a signal ignored. Where there is no /proc, it was not.
fn ignored(signal: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal.as_raw_value() - 1) & 1 == 1
}

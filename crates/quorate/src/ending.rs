use std::fs::File;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// The signals that ask a process to end in order: SIGTERM, Ctrl-C, and the SIGHUP of a terminal that goes away.
pub(crate) struct Ending {
    terminate: Signal,
    interrupt: Signal,
    /// `None` under `nohup`: to listen would undo it.
    hang_up: Option<Signal>,
    /// Told of a SIGHUP that is no terminal's, once somebody listens: daemons are told so to read their files again.
    reload: Option<watch::Sender<()>>,
}

impl Ending {
    /// Listens from now on; the signals do nothing by themselves any more.
    ///
    /// # Errors
    /// They cannot be listened for.
    pub(crate) fn listen() -> io::Result<Ending> {
        Ok(Ending {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: if ignored(SignalKind::hangup()) { None } else { Some(signal(SignalKind::hangup())?) },
            reload: None,
        })
    }

    /// Has a process without a terminal go on at a SIGHUP, of which this tells.
    pub(crate) fn reloads(&mut self) -> watch::Receiver<()> {
        // Who has a terminal is sent one when it goes away.
        let reload = watch::Sender::new(());
        let reloads = reload.subscribe();
        if File::open("/dev/tty").is_err() {
            self.reload = Some(reload);
        }
        reloads
    }

    /// Waits for the next one.
    pub(crate) async fn wait(&mut self) {
        let hang_up = async {
            let Some(signal) = &mut self.hang_up else { return std::future::pending().await };
            loop {
                signal.recv().await;
                match &self.reload {
                    Some(reload) => reload.send_replace(()),
                    None => return,
                }
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

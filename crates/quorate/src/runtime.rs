use std::num::NonZero;
use std::time::Duration;

use tokio::runtime::Builder;

use crate::limits;

/// Runs a command that only asks others, to its end.
///
/// # Errors
/// The work's, or the system gives no threads.
pub(crate) fn on_one_thread<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    block_on(&mut Builder::new_current_thread(), Duration::ZERO, work)
}

/// The same on half of the processors, for what serves or runs something itself. It may end what it writes. The log, RocksDB
/// and the kernel need processors too, and with one thread for each of two, waking the other one cost an eighth (docs/performance.md).
///
/// # Errors
/// The work's, or the system gives no threads.
pub(crate) fn on_threads<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    block_on(Builder::new_multi_thread().worker_threads(processors.div_ceil(2)), limits::LAST_WORK, work)
}

/// A runtime that is dropped waits for all of its threads, and one of them may be looking up a node's name: the system's
/// resolver cannot be interrupted, and asks a DNS that is silent for 10 s and more.
fn block_on<T>(
    threads: &mut Builder,
    last_work: Duration,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let runtime = threads.enable_all().build()?;
    let done = runtime.block_on(work);
    runtime.shutdown_timeout(last_work);
    done
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    type BoxFuture = std::pin::Pin<Box<dyn Future<Output = anyhow::Result<()>>>>;

    /// It would never end if it waited.
    #[test]
    fn what_is_still_looked_up_is_left_behind() {
        type On = fn(BoxFuture) -> anyhow::Result<()>;
        for on in [on_one_thread as On, on_threads] {
            let (_answer, silence) = mpsc::channel::<()>();
            on(Box::pin(async move {
                tokio::task::spawn_blocking(move || silence.recv());
                Ok(())
            }))
            .unwrap();
        }
    }
}

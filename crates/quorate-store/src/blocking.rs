use tokio::runtime::{Handle, RuntimeFlavor};

/// Runs what waits for the disk, without holding up the runtime's other tasks. It costs two switches of threads and more, so
/// that what hardly ever waits does without.
pub(crate) fn blocking<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        Ok(_) | Err(_) => work(), // a test's runtime has no other thread
    }
}

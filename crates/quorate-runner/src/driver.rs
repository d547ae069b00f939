use bytes::Bytes;
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::output::Output;

/// Something that can run jobs of some images.
pub trait Driver: Send + Sync + 'static {
    /// Its name, for events and logs.
    fn name(&self) -> &'static str;

    /// Is a job of this image for this driver?
    fn takes(&self, image: &str) -> bool;

    /// All images for which that is so, if there is an end to them. A runner takes no jobs of others.
    fn images(&self) -> Option<Vec<String>> {
        None
    }

    /// Gets ready what may take long, as fetching the image; the job's time does not count yet. The future may be
    /// dropped at any moment.
    ///
    /// # Errors
    /// Why the job can't be run here.
    fn prepare<'a>(&'a self, work: &'a Work) -> BoxFuture<'a, Result<(), NotStarted>>;

    /// Starts the job; what comes of it runs it to its end, and puts what it writes into `output`. Once `stop` is cancelled, ends it: politely, then by force. It
    /// leaves nothing of the job running when it returns.
    ///
    /// # Errors
    /// Why it does not run.
    fn start<'a>(
        &'a self,
        work: &'a Work,
        output: &'a Output,
        stop: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<Running<'a>, NotStarted>>;
}

/// A job at work.
pub type Running<'a> = BoxFuture<'a, End>;

/// Why a job was not started, in words for its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotStarted {
    /// It asks for something that there is not, or that can't be done.
    Refused(String),
    /// This runner can't start it, and might not start another one either.
    Unable(String),
}

/// What is to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// The job's id.
    pub job_id: String,
    /// What to run.
    pub image: String,
    /// Its input.
    pub payload: Bytes,
}

impl Work {
    /// The payload as an environment variable, if it can be one: it is short enough, and text without a zero byte.
    pub(crate) fn payload_variable(&self) -> Option<&str> {
        let text = std::str::from_utf8(&self.payload).ok()?;
        (text.len() <= crate::limits::PAYLOAD_ENV_BYTES && !text.contains('\0')).then_some(text)
    }
}

/// The outcome of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It did what it should.
    Success,
    /// It failed, or was lost sight of; in words for its owner.
    BadExit(String),
    /// It was killed from outside, most often for want of memory.
    Killed(String),
    /// It was still at work when it was told to stop, however it ended then.
    Stopped,
}

impl End {
    /// By the code that a program or container ended with: 137 is what shells and engines say of one that SIGKILL ended.
    pub(crate) fn of_exit_status(code: i64) -> End {
        match code {
            0 => End::Success,
            137 => End::Killed("exit status 137".into()),
            code => End::BadExit(format!("exit status {code}")),
        }
    }
}

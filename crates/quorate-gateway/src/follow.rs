use bytes::Bytes;
use quorate_core::{JobId, Unavailable};
use tokio::sync::OwnedSemaphorePermit;

use crate::answer::Claim;
use crate::error::ApiError;
use crate::limits::{PIECE_BYTES, PIECES_HELD_BYTES};
use crate::looks::Looks;
use crate::memory::Share;
use crate::{Backend, Gateway, Reads};

/// A log as it comes, until its job has finished.
pub(crate) struct Follow<B> {
    gateway: Gateway<B>,
    id: JobId,
    looks: Looks,
    /// How much of the log has been sent.
    sent: usize,
    /// It waits, like a consume.
    _waiting: OwnedSemaphorePermit,
}

impl<B: Backend> Follow<B> {
    /// Follows the log of this job, and what that holds of the memory for answers.
    ///
    /// # Errors
    /// 429: too many wait, or there is no memory.
    pub(crate) async fn new(gateway: Gateway<B>, id: JobId) -> Result<(Follow<B>, Share), ApiError> {
        let waiting = gateway.may_wait()?;
        let mut share = gateway.answers().share();
        Claim::Read.resize(&mut share, PIECES_HELD_BYTES).await?;
        let looks = Looks::new(&gateway);
        Ok((Follow { gateway, id, looks, sent: 0, _waiting: waiting }, share))
    }

    /// What comes next; `None` at the end: the job has finished or is deleted, or this node takes leave of those who wait.
    ///
    /// # Errors
    /// The table cannot be read.
    pub(crate) async fn next_piece(&mut self) -> Result<Option<Bytes>, Unavailable> {
        loop {
            let reads = self.gateway.backend().reads();
            // First the job: what its end brought is in the log that is read after it.
            let Some(job) = reads.job(self.id).await? else { return Ok(None) };
            let has_more = job.log_bytes as usize > self.sent;
            if has_more && let Some(log) = reads.log(self.id).await? {
                let rest = log.get(self.sent..).unwrap_or_default();
                let piece = rest.get(..PIECE_BYTES).unwrap_or(rest);
                if !piece.is_empty() {
                    self.sent += piece.len();
                    self.looks.found();
                    // The log itself may be a megabyte, and the client slow.
                    return Ok(Some(Bytes::copy_from_slice(piece)));
                }
            }
            if job.status().is_final() || self.gateway.is_ending_waits() {
                return Ok(None);
            }
            tokio::select! {
                () = self.looks.next(&self.gateway) => {}
                () = self.gateway.ends_waits() => return Ok(None),
            }
        }
    }
}

use bytes::Bytes;
use quorate_core::{JobId, Unavailable};
use sha2::{Digest, Sha256};
use tokio::sync::OwnedSemaphorePermit;

use crate::answer::{Claim, PieceShare};
use crate::error::ApiError;
use crate::limits::{LOOK_LONGEST, PIECE_BYTES};
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
    /// Of that. A log that came with the job's end may be another one.
    digest: Sha256,
    /// Of the memory for answers. Empty: only pieces hold some, not who waits for one, maybe for ever.
    room: Share,
    share: PieceShare,
    /// It waits, like a consume.
    _waiting: OwnedSemaphorePermit,
}

impl<B: Backend> Follow<B> {
    /// Follows the log of this job; each piece puts there what it holds of the memory for answers.
    ///
    /// # Errors
    /// 429: too many wait.
    pub(crate) fn new(gateway: Gateway<B>, id: JobId, share: PieceShare) -> Result<Follow<B>, ApiError> {
        let waiting = gateway.may_wait()?;
        let (looks, room) = (Looks::new(&gateway), gateway.answers().share());
        Ok(Follow { gateway, id, looks, sent: 0, digest: Sha256::new(), room, share, _waiting: waiting })
    }

    /// What comes next; `None` at the end: the job has finished, maybe with another log, or is deleted, or this node takes leave of
    /// those who wait.
    ///
    /// # Errors
    /// The table cannot be read.
    pub(crate) async fn next_piece(&mut self) -> Result<Option<Bytes>, Unavailable> {
        loop {
            let reads = self.gateway.backend().reads();
            // First the job: what its end brought is in the log that is read after it.
            let Some(job) = reads.job(self.id).await? else { return Ok(None) };
            if job.log_bytes as usize > self.sent {
                let mut share = self.room.another();
                let claimed = tokio::select! {
                    biased;
                    claimed = Claim::Read.resize(&mut share, job.log_bytes as usize) => claimed,
                    () = self.gateway.ends_waits() => return Ok(None),
                };
                if claimed.is_err() {
                    // It has time.
                    tokio::time::sleep(LOOK_LONGEST).await;
                    continue;
                }
                if let Some(piece) = self.piece(share).await? {
                    return Ok(Some(piece));
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

    /// What comes next of the log, if there is more. The share is for all of the log as it is read.
    async fn piece(&mut self, mut share: Share) -> Result<Option<Bytes>, Unavailable> {
        let Some(log) = self.gateway.backend().reads().log(self.id).await? else { return Ok(None) };
        let Some((sent, rest)) = log.split_at_checked(self.sent) else { return Ok(None) };
        let is_whole =
            self.gateway.backend().reads().job(self.id).await?.is_some_and(|job| job.log_parts == 0);
        if is_whole && Sha256::digest(sent) != self.digest.clone().finalize() {
            return Ok(None);
        }
        let piece = rest.get(..PIECE_BYTES).unwrap_or(rest);
        // It may have grown since its share was claimed.
        if piece.is_empty() || Claim::Read.resize(&mut share, piece.len()).await.is_err() {
            return Ok(None);
        }
        // A copy: the log itself may be a megabyte, and the client slow.
        let piece = Bytes::copy_from_slice(piece);
        self.sent += piece.len();
        self.digest.update(&piece);
        self.looks.found();
        self.share.put(share);
        Ok(Some(piece))
    }
}

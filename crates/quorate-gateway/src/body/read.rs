use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream, HttpBody};
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use quorate_core::limits::BODY_BYTES;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::ApiError;
use crate::limits::{BODY_RESERVE_BYTES, DISCARDED_BYTES};

/// Reads request bodies, each within [`BODY_BYTES`] and a time, all together within some memory.
#[derive(Debug)]
pub(crate) struct BodyReader {
    time: Duration,
    /// A permit is a byte.
    memory: Arc<Semaphore>,
}

/// A request's body. Its memory counts until this is dropped.
#[derive(Debug)]
pub(crate) struct ReadBody {
    pub(crate) bytes: Bytes,
    _memory: Option<OwnedSemaphorePermit>,
}

impl BodyReader {
    pub(crate) fn new(time: Duration, memory: usize) -> BodyReader {
        BodyReader { time, memory: Arc::new(Semaphore::new(memory.min(Semaphore::MAX_PERMITS))) }
    }

    /// The whole body, counted as it comes.
    ///
    /// # Errors
    /// 413 over the limit, 429 when too many bodies are in memory, 408 when it takes too long, 400 when it breaks off.
    pub(crate) async fn read(&self, headers: &HeaderMap, body: Body) -> Result<ReadBody, ApiError> {
        match tokio::time::timeout(self.time, self.read_within_limits(headers, body)).await {
            Ok(read) => read,
            Err(_elapsed) => Err(ApiError::BodyTooSlow),
        }
    }

    async fn read_within_limits(&self, headers: &HeaderMap, body: Body) -> Result<ReadBody, ApiError> {
        let too_large = ApiError::TooLarge { what: "body", limit: BODY_BYTES };
        let announced = body.size_hint().lower();
        if announced > BODY_BYTES as u64 {
            // Who waits for `100 Continue` has sent nothing yet and reads this answer at once.
            if !headers.contains_key(header::EXPECT) {
                discard(body.into_data_stream()).await;
            }
            return Err(too_large);
        }
        let mut read = ReadBody { bytes: Bytes::new(), _memory: None };
        let mut joined = BytesMut::new();
        let mut stream = body.into_data_stream();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|_| ApiError::invalid("body", "broke off"))?;
            if read.bytes.len() + joined.len() + chunk.len() > BODY_BYTES {
                drop((read, joined));
                discard(stream).await;
                return Err(too_large);
            }
            read.count(&self.memory, chunk.len())?;
            // One chunk, the usual case, is not copied.
            if read.bytes.is_empty() && joined.is_empty() {
                read.bytes = chunk;
                continue;
            }
            if joined.is_empty() {
                joined.reserve(
                    (announced as usize).min(BODY_RESERVE_BYTES).max(read.bytes.len() + chunk.len()),
                );
                joined.extend_from_slice(&std::mem::take(&mut read.bytes));
            }
            joined.extend_from_slice(&chunk);
        }
        if !joined.is_empty() {
            read.bytes = joined.freeze();
        }
        Ok(read)
    }
}

impl ReadBody {
    fn count(&mut self, memory: &Arc<Semaphore>, bytes: usize) -> Result<(), ApiError> {
        let bytes = u32::try_from(bytes).map_err(|_| ApiError::Overloaded)?;
        let more = Arc::clone(memory).try_acquire_many_owned(bytes).map_err(|_| ApiError::Overloaded)?;
        match &mut self._memory {
            Some(memory) => memory.merge(more),
            none @ None => *none = Some(more),
        }
        Ok(())
    }
}

/// Reads on and throws away, for a while: many clients read no answer before they have written all they have.
async fn discard(mut stream: BodyDataStream) {
    let mut discarded = 0;
    while let Some(Ok(chunk)) = stream.next().await {
        discarded += chunk.len();
        if discarded > DISCARDED_BYTES {
            return;
        }
    }
}

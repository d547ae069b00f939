use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use futures::StreamExt;
use quorate_core::limits::BODY_BYTES;

use crate::error::ApiError;
use crate::heavy::Heavy;
use crate::limits::{BODY_RESERVE_BYTES, MEMORY_WAIT};
use crate::memory::{Memory, Pace, Share};

/// Reads request bodies, each within [`BODY_BYTES`] and a time, all together within some memory.
#[derive(Debug)]
pub(crate) struct BodyReader {
    time: Duration,
    memory: Arc<Memory>,
}

/// A request's body, which counts as long as its share is there.
#[derive(Debug)]
pub(crate) struct ReadBody {
    bytes: Bytes,
    share: Share,
}

impl ReadBody {
    /// What it means, found out aside if it is large. The share is that of what was made of the body.
    pub(crate) async fn understand<T: Send + 'static>(
        self,
        heavy: &Heavy,
        parse: impl FnOnce(Bytes) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<(T, Share), ApiError> {
        let ReadBody { bytes, share } = self;
        let understood = heavy.run_on(bytes.len(), move || parse(bytes)).await?;
        Ok((understood, share))
    }
}

impl BodyReader {
    pub(crate) fn new(time: Duration, memory: Arc<Memory>) -> BodyReader {
        BodyReader { time, memory }
    }

    /// The whole body, counted as it comes.
    ///
    /// # Errors
    /// 413 over the limit, 429 when too many bodies are in memory, 408 when it takes too long, or is slow while others need
    /// the memory, 400 when it breaks off.
    pub(crate) async fn read(&self, body: Body) -> Result<ReadBody, ApiError> {
        match tokio::time::timeout(self.time, self.read_within_limits(body)).await {
            Ok(read) => read,
            Err(_elapsed) => Err(ApiError::BodyTooSlow),
        }
    }

    async fn read_within_limits(&self, body: Body) -> Result<ReadBody, ApiError> {
        let too_large = ApiError::TooLarge { what: "body", limit: BODY_BYTES, unit: "bytes" };
        let announced = body.size_hint().lower();
        if announced > BODY_BYTES as u64 {
            return Err(too_large);
        }
        let mut share = self.memory.share();
        let mut first = Bytes::new();
        let mut joined = Vec::new();
        let mut stream = body.into_data_stream();
        let mut pace = Pace::start();
        loop {
            let came = share.wait(pace.due(), stream.next()).await.map_err(|_lost| ApiError::BodyTooSlow)?;
            let Some(chunk) = came else { break };
            let chunk = chunk.map_err(|_| ApiError::invalid("body", "broke off"))?;
            pace.came(chunk.len());
            let length = first.len() + joined.len() + chunk.len();
            if length > BODY_BYTES {
                return Err(too_large);
            }
            // One chunk, the usual case, is not copied.
            if first.is_empty() && joined.is_empty() {
                share.resize(length, MEMORY_WAIT).await?;
                first = chunk;
                continue;
            }
            if joined.capacity() < length {
                // What is promised is believed as far as twice what has come.
                let capacity = (announced as usize).clamp(length, (2 * length).max(BODY_RESERVE_BYTES));
                share.resize(capacity, MEMORY_WAIT).await?;
                joined.reserve_exact(capacity - joined.len());
            }
            joined.extend_from_slice(&std::mem::take(&mut first));
            joined.extend_from_slice(&chunk);
        }
        let bytes = if joined.is_empty() { first } else { joined.into() };
        Ok(ReadBody { bytes, share })
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use futures::stream;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_counts_as_it_comes() {
        let read = async |chunks: &[usize], memory: usize| {
            let reader = BodyReader::new(Duration::from_secs(60), Memory::new(memory, memory));
            let chunks: Vec<_> = chunks.iter().map(|bytes| io::Result::Ok(vec![b' '; *bytes])).collect();
            let read = reader.read(Body::from_stream(stream::iter(chunks))).await;
            read.map(|read| (read.bytes.len(), read.share.bytes()))
        };
        assert_eq!(read(&[100], 100).await, Ok((100, 100)));
        assert_eq!(read(&[60, 60], 120).await, Ok((120, 120)));
        for chunks in [&[100][..], &[60, 40]] {
            assert_eq!(read(chunks, 99).await, Err(ApiError::Overloaded), "{chunks:?}");
        }
    }
}

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use openraft::raft::{AppendEntriesRequest, StreamAppendError, StreamAppendResult};
use parking_lot::Mutex;
use quorate_core::Timestamp;
use quorate_proto::peer::v1 as pb;
use quorate_store::{NodeId, TypeConfig};
use tonic::{Status, Streaming};

use super::messages;
use super::sound::Judge;
use crate::disk::Disk;
use crate::peer_server::no_room;
use crate::process::Process;
use crate::time::clock::LogClock;

/// The frames of one append stream, judged before Raft hears of them. The first that is refused ends the stream: the leader
/// sends again what was not answered.
pub(crate) struct Frames {
    from: NodeId,
    judge: Judge,
    disk: Disk,
    frames: Streaming<pb::AppendFrame>,
    heard: Heard,
    refusal: Refusal,
}

/// Why a stream ended.
#[derive(Clone, Default)]
pub(crate) struct Refusal(Arc<Mutex<Option<Status>>>);

impl Refusal {
    /// What is said first counts.
    pub(crate) fn because(&self, why: Status) {
        self.0.lock().get_or_insert(why);
    }

    pub(crate) fn take(&self) -> Option<Status> {
        self.0.lock().take()
    }
}

/// The log times that came with frames, until Raft has said that it follows whoever sent them.
#[derive(Clone)]
pub(crate) struct Heard {
    clock: LogClock,
    waiting: Arc<Mutex<VecDeque<Word>>>,
}

/// What a frame said of log time, and when.
struct Word {
    term: u64,
    log_time: Option<Timestamp>,
    uptime: Duration,
}

impl Heard {
    /// The next frame was answered.
    pub(crate) fn answered(&self, result: &StreamAppendResult<TypeConfig>) {
        let Some(Word { term, log_time, uptime }) = self.waiting.lock().pop_front() else { return };
        match (result, log_time) {
            // A leader that is followed, though its log and this one do not fit together yet.
            (Ok(_) | Err(StreamAppendError::Conflict(_)), Some(log_time)) => {
                self.clock.heard(term, log_time, uptime);
            }
            (Err(StreamAppendError::HigherVote(_)), _) | (_, None) => {}
        }
    }
}

impl Frames {
    pub(crate) fn new(
        from: NodeId,
        judge: Judge,
        process: &Process,
        frames: Streaming<pb::AppendFrame>,
    ) -> Frames {
        let heard = Heard { clock: process.clock.clone(), waiting: Arc::default() };
        Frames { from, judge, disk: process.disk.clone(), frames, heard, refusal: Refusal::default() }
    }

    pub(crate) fn heard(&self) -> Heard {
        self.heard.clone()
    }

    pub(crate) fn refusal(&self) -> Refusal {
        self.refusal.clone()
    }

    /// Those that Raft may hear of.
    pub(crate) fn accepted(self) -> impl Stream<Item = AppendEntriesRequest<TypeConfig>> + Send + 'static {
        let Frames { from, judge, disk, frames, heard, refusal } = self;
        tokio_stream::StreamExt::map_while(frames, move |frame| {
            match frame.and_then(|frame| accept(from, &judge, &disk, &heard, frame)) {
                Ok(request) => Some(request),
                Err(status) => {
                    refusal.because(status);
                    None
                }
            }
        })
    }
}

fn accept(
    from: NodeId,
    judge: &Judge,
    disk: &Disk,
    heard: &Heard,
    frame: pb::AppendFrame,
) -> Result<AppendEntriesRequest<TypeConfig>, Status> {
    let log_time = (frame.log_time_ms != 0).then_some(Timestamp(frame.log_time_ms));
    let uptime = heard.clock.uptime();
    let judged = messages::append_request(frame).map_err(|malformed| malformed.to_string());
    let judged = judged.and_then(|request| match judge.append(from, &request, log_time) {
        Ok(()) => Ok(request),
        Err(unsound) => Err(unsound.to_string()),
    });
    let request = judged.map_err(|reason| {
        if judge.is_news(from, &reason) {
            tracing::error!(from, reason, "a peer's frame is refused");
        }
        Status::invalid_argument(reason)
    })?;
    // Before Raft hears of them: what it has accepted must be written. Heartbeats pass.
    let bytes = messages::entry_bytes(&request);
    if bytes > 0 && !disk.takes(bytes) {
        return Err(no_room());
    }
    heard.waiting.lock().push_back(Word { term: request.vote.leader_id.term, log_time, uptime });
    Ok(request)
}

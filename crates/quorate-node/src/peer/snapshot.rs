//! A snapshot on its way: start, then each file as head, chunks and end, then the end.

use futures::{Stream, StreamExt};
use openraft::alias::{SnapshotMetaOf, SnapshotOf};
use quorate_core::FeatureLevel;
use quorate_proto::Malformed;
use quorate_proto::peer::v1::{self as pb, snapshot_frame::Frame};
use quorate_store::{
    LogId, NodeId, ProtoForm, SnapshotDir, SnapshotStore, StoreError, StoredMembership, TypeConfig, Vote,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::sound::{self, Judge};
use super::target::Target;
use super::transport::{Purpose, within};
use crate::disk::Lack;
use crate::limits;

/// Sends a snapshot and waits until it is installed. The follower's vote comes back.
pub(super) async fn send(
    target: &Target,
    vote: Vote,
    snapshot: SnapshotOf<TypeConfig, SnapshotDir>,
) -> Result<Vote, Status> {
    let asker = vote;
    let (frames, waiting) = mpsc::channel(limits::SNAPSHOT_CHUNKS);
    let request = target.transport.request(target.id, ReceiverStream::new(waiting))?;
    let mut peer = target.peer(Purpose::Snapshot)?;
    let call = within(limits::SNAPSHOT, peer.snapshot(request));
    let feed = feed(frames, vote, snapshot);
    // A feed that fails has dropped its end of the channel, and the follower misses the end: it refuses, so the call
    // ends as well. What the follower says comes first.
    let (answer, fed) = tokio::join!(call, feed);
    let answer = answer?;
    fed.map_err(|error| Status::aborted(error.to_string()))?;
    let vote = answer.vote.ok_or_else(|| Status::internal("a snapshot's answer without a vote"))?;
    let answered = Vote::from_message(vote).map_err(|malformed| Status::internal(malformed.to_string()))?;
    sound::answered_vote(&asker, &answered)?;
    Ok(answered)
}

async fn feed(
    frames: mpsc::Sender<pb::SnapshotFrame>,
    vote: Vote,
    snapshot: SnapshotOf<TypeConfig, SnapshotDir>,
) -> Result<(), StoreError> {
    // A closed channel: the call has ended and says why.
    macro_rules! put {
        ($frame:expr) => {
            if frames.send(pb::SnapshotFrame { frame: Some($frame) }).await.is_err() {
                return Ok(());
            }
        };
    }
    let (meta, dir) = (snapshot.meta, snapshot.snapshot);
    put!(Frame::Start(pb::SnapshotStart {
        vote: Some(vote.to_message()),
        last_log_id: meta.last_log_id.as_ref().map(LogId::to_message),
        membership: Some(meta.last_membership.to_message()),
        format: SnapshotDir::FORMAT,
        bytes: dir.files().iter().map(|file| file.bytes).sum(),
        feature_level: dir.level().0,
    }));
    for file in dir.files() {
        put!(Frame::File(pb::SnapshotFile { name: file.name.clone(), bytes: file.bytes }));
        let mut reader = dir.open(file).await?;
        while let Some(chunk) = reader.chunk(limits::SNAPSHOT_CHUNK_BYTES).await? {
            put!(Frame::Chunk(chunk));
        }
        put!(Frame::FileEnd(pb::SnapshotFileEnd { crc32c: reader.crc32c() }));
    }
    let files = u32::try_from(dir.files().len()).unwrap_or(u32::MAX);
    put!(Frame::End(pb::SnapshotEnd { files }));
    Ok(())
}

/// A received snapshot: complete, checked and on disk.
pub(crate) struct Received {
    pub(crate) vote: Vote,
    pub(crate) snapshot: SnapshotOf<TypeConfig, SnapshotDir>,
}

/// Why no snapshot was received.
#[derive(Debug)]
pub(crate) enum NotReceived {
    /// It ended early: whoever sends it did, or the network.
    Cut(Status),
    /// This node does not take it.
    Refused(Status),
    /// This node's disk has no room for it.
    NoRoom(Lack),
}

/// Receives a snapshot, if there is room for its bytes: `holds` says so. What was received of an incomplete one is removed.
pub(crate) async fn receive(
    frames: Streaming<pb::SnapshotFrame>,
    snapshots: &SnapshotStore,
    judge: &Judge,
    from: NodeId,
    holds: impl Fn(u64) -> Result<(), Lack>,
) -> Result<Received, NotReceived> {
    let received = take(frames, snapshots, judge, from, holds);
    let late = |_| NotReceived::Cut(Status::deadline_exceeded("the snapshot takes too long to come"));
    tokio::time::timeout(limits::SNAPSHOT, received).await.map_err(late)?
}

async fn take(
    mut frames: Streaming<pb::SnapshotFrame>,
    snapshots: &SnapshotStore,
    judge: &Judge,
    from: NodeId,
    holds: impl Fn(u64) -> Result<(), Lack>,
) -> Result<Received, NotReceived> {
    let understood = judge.understood;
    let Frame::Start(start) = next(&mut frames).await? else {
        return Err(invalid("a snapshot that does not begin with its start"));
    };
    if start.format != SnapshotDir::FORMAT {
        return Err(refused(Status::failed_precondition(format!(
            "it is of format {}, but this node has {}",
            start.format,
            SnapshotDir::FORMAT
        ))));
    }
    if FeatureLevel(start.feature_level) > understood {
        return Err(refused(Status::failed_precondition(format!(
            "it is of feature level {}, and this version of Quorate understands {understood}: start this node with a newer one",
            start.feature_level
        ))));
    }
    holds(start.bytes).map_err(NotReceived::NoRoom)?;
    let mut to_come = ToCome { all: start.bytes, left: start.bytes };
    let (vote, meta) = head(start).map_err(|malformed| invalid(malformed.to_string()))?;
    judge.snapshot(from, &vote, &meta).map_err(|unsound| refused(unsound.into()))?;
    let mut receiver = snapshots.receive().await.map_err(unfit)?;
    let mut files = 0;
    loop {
        match next(&mut frames).await? {
            Frame::Start(_) => return Err(invalid("a snapshot that begins twice")),
            Frame::File(file) => {
                to_come.file(file.bytes, &holds)?;
                receiver.begin_file(&file.name, file.bytes).await.map_err(unfit)?;
            }
            Frame::Chunk(data) => receiver.chunk(&data).await.map_err(unfit)?,
            Frame::FileEnd(end) => {
                receiver.end_file(end.crc32c).await.map_err(unfit)?;
                files += 1;
            }
            Frame::End(end) if end.files != files => {
                let says = format!("{files} files of a snapshot that has {}", end.files);
                return Err(refused(Status::data_loss(says)));
            }
            Frame::End(_) => {
                let dir = receiver.finish(&meta).await.map_err(unfit)?;
                // It took some time.
                judge.snapshot(from, &vote, &meta).map_err(|unsound| refused(unsound.into()))?;
                return Ok(Received { vote, snapshot: SnapshotOf::<TypeConfig, _> { meta, snapshot: dir } });
            }
        }
    }
}

/// The bytes of a snapshot that are still to come.
struct ToCome {
    all: u64,
    left: u64,
}

impl ToCome {
    /// A file of so many of them comes, if there is room for all that are left: others write, too.
    fn file(&mut self, bytes: u64, holds: impl Fn(u64) -> Result<(), Lack>) -> Result<(), NotReceived> {
        // What has come is removed then, and comes again.
        let come = self.all - self.left;
        let of_all =
            |Lack { needs, free }| NotReceived::NoRoom(Lack { needs: needs + come, free: free + come });
        holds(self.left).map_err(of_all)?;
        let left = self.left.checked_sub(bytes);
        self.left = left.ok_or_else(|| invalid("a snapshot of more bytes than it has"))?;
        Ok(())
    }
}

pub(super) fn head(start: pb::SnapshotStart) -> Result<(Vote, SnapshotMetaOf<TypeConfig>), Malformed> {
    let missing = |field| Malformed::Field { message: "SnapshotStart", field };
    let vote = Vote::from_message(start.vote.ok_or_else(|| missing("vote"))?)?;
    let membership = start.membership.ok_or_else(|| missing("membership"))?;
    let meta = SnapshotMetaOf::<TypeConfig> {
        last_log_id: start.last_log_id.map(LogId::from_message).transpose()?,
        last_membership: StoredMembership::from_message(membership)?,
    };
    Ok((vote, meta))
}

async fn next(
    frames: &mut (impl Stream<Item = Result<pb::SnapshotFrame, Status>> + Unpin),
) -> Result<Frame, NotReceived> {
    let late = |_| NotReceived::Cut(Status::deadline_exceeded("the snapshot does not go on"));
    let frame = tokio::time::timeout(limits::SNAPSHOT_SILENCE, frames.next()).await.map_err(late)?;
    let frame = frame.ok_or_else(|| NotReceived::Cut(Status::aborted("the snapshot ends early")))?;
    frame.map_err(NotReceived::Cut)?.frame.ok_or_else(|| invalid("an empty frame"))
}

fn unfit(error: StoreError) -> NotReceived {
    refused(Status::aborted(error.to_string()))
}

fn invalid(says: impl Into<String>) -> NotReceived {
    refused(Status::invalid_argument(says))
}

fn refused(status: Status) -> NotReceived {
    NotReceived::Refused(status)
}

impl From<NotReceived> for Status {
    fn from(why: NotReceived) -> Status {
        match why {
            NotReceived::Cut(status) | NotReceived::Refused(status) => status,
            NotReceived::NoRoom(lack) => Status::resource_exhausted(lack.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    #[test]
    fn a_snapshot_that_finds_no_room_on_its_way_needs_room_for_all_of_it() {
        let holds = |free| move |bytes| if bytes <= free { Ok(()) } else { Err(Lack { needs: bytes, free }) };
        let mut to_come = ToCome { all: 100, left: 100 };
        to_come.file(60, holds(100)).unwrap();
        // Somebody else has written 15 meanwhile.
        let lack = to_come.file(10, holds(25)).unwrap_err();
        assert!(matches!(lack, NotReceived::NoRoom(Lack { needs: 100, free: 85 })), "{lack:?}");
        to_come.file(40, holds(40)).unwrap();
        assert!(matches!(to_come.file(1, holds(40)), Err(NotReceived::Refused(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_snapshot_that_does_not_go_on_is_given_up() {
        let mut frames = Box::pin(futures::stream::pending());
        let ended = next(&mut frames).await.err().map(|why| Status::from(why).code());
        assert_eq!(ended, Some(Code::DeadlineExceeded));
    }
}

//! A member that says what no member would say.

use futures::{Stream, StreamExt};
use prost::Message;
use quorate_proto::log::v1 as log;
use quorate_proto::peer::v1 as pb;
use quorate_proto::peer::v1::peer_client::PeerClient;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use super::{Cluster, LONG, call};

/// Calls one node, in the name of another.
pub struct Intruder {
    pub peer: PeerClient<Channel>,
    pub cluster_id: String,
    pub from: u64,
    pub to: u64,
    /// The term that the cluster is in.
    pub term: u64,
    /// The last entry of the node that is called.
    pub last: log::LogId,
}

impl Intruder {
    /// In the name of the node at `from`, at the one at `to`.
    pub async fn new(cluster: &Cluster, from: usize, to: usize) -> Intruder {
        let addr = format!("http://{}", cluster.config(to).peers[to].1);
        Intruder::over(Endpoint::from_shared(addr).unwrap().connect().await.unwrap(), cluster, from, to).await
    }

    /// The same, over this connection.
    pub async fn over(channel: Channel, cluster: &Cluster, from: usize, to: usize) -> Intruder {
        cluster.converged().await;
        let seen = cluster.at(to).cluster().await;
        let id = |at: usize| seen.members.iter().find(|m| m.name == cluster.config(at).name).unwrap();
        let peer = PeerClient::new(channel);
        let last = log::LogId { term: seen.term, index: cluster.at(to).gauges().last_log_index };
        Intruder {
            peer,
            cluster_id: seen.id.clone(),
            from: id(from).id,
            to: id(to).id,
            term: seen.term,
            last,
        }
    }

    pub fn request<T>(&self, message: T) -> Request<T> {
        call(message, &self.cluster_id, self.from, self.to)
    }

    /// As if a majority had elected it in this term.
    pub fn elected(&self, term: u64) -> Option<log::Vote> {
        Some(log::Vote { term, node_id: self.from, committed: true })
    }

    /// A frame with nothing wrong in it, of a leader of the next term.
    pub fn frame(&self, entries: &[log::Entry]) -> pb::AppendFrame {
        pb::AppendFrame {
            vote: self.elected(self.term + 1),
            prev_log_id: Some(self.last),
            entries: entries.iter().map(|entry| entry.encode_to_vec().into()).collect(),
            leader_commit: None,
            log_time_ms: 0,
        }
    }

    /// The entry that is so far behind the last one.
    pub fn entry(&self, behind: u64, batch: &log::Batch) -> log::Entry {
        let log_id = log::LogId { term: self.term + 1, index: self.last.index + behind };
        let batch = log::entry::Payload::Batch(batch.encode_to_vec().into());
        log::Entry { log_id: Some(log_id), payload: Some(batch) }
    }

    /// What comes back on the stream of such frames, up to its end.
    pub async fn append(
        &mut self,
        frames: Vec<pb::AppendFrame>,
    ) -> (Vec<pb::append_result::Result>, Option<Status>) {
        let request = self.request(open(frames));
        let mut results = self.peer.append(request).await.unwrap().into_inner();
        let mut answers = Vec::new();
        loop {
            match tokio::time::timeout(LONG, results.message()).await.expect("the stream goes on") {
                Ok(Some(result)) => answers.push(result.result.unwrap()),
                Ok(None) => return (answers, None),
                Err(status) => return (answers, Some(status)),
            }
        }
    }

    /// Why a frame is refused.
    pub async fn refused(&mut self, frame: pb::AppendFrame) -> String {
        let (answers, status) = self.append(vec![frame]).await;
        let status = status.unwrap_or_else(|| panic!("not refused: {answers:?}"));
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        status.message().to_owned()
    }

    /// Why a snapshot is refused.
    pub async fn refused_snapshot(&mut self, start: pb::SnapshotStart) -> String {
        let frame = pb::SnapshotFrame { frame: Some(pb::snapshot_frame::Frame::Start(start)) };
        let request = self.request(open(vec![frame]));
        let status = self.peer.snapshot(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        status.message().to_owned()
    }

    /// The answers to forwarded commands, so many or up to the stream's end, and why it ended.
    pub async fn forward(
        &mut self,
        envelopes: Vec<bytes::Bytes>,
        answers: usize,
    ) -> (Vec<pb::forward_answer::Kind>, Option<Code>) {
        let frames = envelopes.into_iter();
        let frames =
            frames.map(|envelope| pb::ForwardFrame { envelopes: vec![envelope], parents: Vec::new() });
        let request = self.request(open(frames.collect()));
        let mut results = self.peer.forward(request).await.unwrap().into_inner();
        let mut kinds = Vec::new();
        while kinds.len() < answers {
            match tokio::time::timeout(LONG, results.message()).await.unwrap() {
                Ok(Some(result)) => kinds.extend(result.answers.iter().map(pb::ForwardAnswer::kind)),
                Ok(None) => return (kinds, None),
                Err(status) => return (kinds, Some(status.code())),
            }
        }
        (kinds, None)
    }
}

/// A stream that stays open after its last item.
pub fn open<T: Send + 'static>(items: Vec<T>) -> impl Stream<Item = T> + Send {
    futures::stream::iter(items).chain(futures::stream::pending())
}

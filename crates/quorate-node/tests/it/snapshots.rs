//! Snapshots that no leader sends, or that come too late: nothing of them is on a disk.

use std::path::PathBuf;
use std::sync::Arc;

use crate::common::intruder::{Intruder, open};
use crate::common::*;
use futures::StreamExt;
use quorate_core::FEATURE_LEVEL;
use quorate_proto::log::v1 as log;
use quorate_proto::peer::v1 as pb;
use quorate_proto::peer::v1::snapshot_frame::Frame;
use quorate_store::{AppliedEntry, ApplyObserver, DataDir, JobTable, ProtoForm, SnapshotDir};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

/// Of a leader of the next term, with nothing wrong in it: so many bytes are to come.
fn start(intruder: &Intruder, bytes: u64) -> pb::SnapshotStart {
    let member = |node_id: u64| log::Member { node_id, ..log::Member::default() };
    let configs = vec![log::VoterSet { node_ids: vec![intruder.from] }];
    let members = vec![member(intruder.from), member(intruder.to)];
    let last = log::LogId { index: intruder.last.index + 9, ..intruder.last };
    let (log_id, membership) = (Some(last), Some(log::Membership { configs, members }));
    pb::SnapshotStart {
        vote: intruder.elected(intruder.term + 1),
        last_log_id: Some(last),
        membership: Some(log::StoredMembership { log_id, membership }),
        format: SnapshotDir::FORMAT,
        bytes,
        feature_level: 1,
    }
}

fn frame(frame: Frame) -> pb::SnapshotFrame {
    pb::SnapshotFrame { frame: Some(frame) }
}

fn file(bytes: u64) -> Frame {
    Frame::File(pb::SnapshotFile { name: "000007.sst".to_owned(), bytes })
}

/// Somebody who speaks for a follower, at the other one; and where that one has its snapshots.
async fn intruder(cluster: &Cluster) -> (Intruder, PathBuf) {
    put(cluster.at(0), 1).await;
    let leader = cluster.leader().await;
    let (from, to) = ((leader + 1) % 3, (leader + 2) % 3);
    (Intruder::new(cluster, from, to).await, cluster.dir(to).join("snapshot"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_was_not_begun() {
    let cluster = Cluster::started(3).await;
    let (mut intruder, dir) = intruder(&cluster).await;
    // No directory can be made there.
    std::fs::remove_dir_all(&dir).unwrap();
    std::fs::write(&dir, b"").unwrap();
    let many = vec![log::Member::default(); 100];
    let membership = Some(log::Membership { members: many, ..Default::default() });
    let membership = Some(log::StoredMembership { log_id: None, membership });
    let sound = start(&intruder, 1);
    for (refused, why) in [
        (pb::SnapshotStart { last_log_id: None, ..sound.clone() }, "a snapshot of nothing"),
        (pb::SnapshotStart { membership, ..sound.clone() }, "Membership.members"),
    ] {
        let said = intruder.refused_snapshot(refused).await;
        assert!(said.contains(why), "{said}");
    }
    let request = intruder.request(open(vec![frame(Frame::Start(sound))]));
    let begun = intruder.peer.snapshot(request).await.unwrap_err();
    assert_eq!(begun.code(), Code::Aborted, "{begun}");
    std::fs::remove_file(&dir).unwrap();
    std::fs::create_dir(&dir).unwrap();
    put(cluster.at(0), 2).await;
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_has_no_more_bytes_than_it_was_to_have() {
    let cluster = Cluster::started(3).await;
    let (mut intruder, dir) = intruder(&cluster).await;
    let request = intruder.request(open(vec![frame(Frame::Start(start(&intruder, 10))), frame(file(11))]));
    let refused = intruder.peer.snapshot(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    assert_eq!(being_received(&dir), 0);
    put(cluster.at(0), 2).await;
    cluster.stop_all().await;
}

fn being_received(dir: &PathBuf) -> usize {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    entries.filter(|name| name.to_str().unwrap().starts_with("tmp-")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_sends_one_snapshot_at_a_time() {
    let cluster = Cluster::started(3).await;
    let (intruder, dir) = intruder(&cluster).await;
    let send = || {
        let frames = open(vec![frame(Frame::Start(start(&intruder, 10))), frame(file(10))]);
        let (request, mut peer) = (intruder.request(frames), intruder.peer.clone());
        tokio::spawn(async move { peer.snapshot(request).await.unwrap_err().code() })
    };
    let mut last = send();
    for _ in 0..3 {
        eventually("it is begun", async || being_received(&dir) == 1).await;
        let next = send();
        assert_eq!(last.await.unwrap(), Code::Aborted);
        last = next;
    }
    eventually("one is there", async || being_received(&dir) == 1).await;
    last.abort();
    eventually("none is left of one that is given up", async || being_received(&dir) == 0).await;
    put(cluster.at(0), 2).await;
    cluster.stop_all().await;
}

/// For a table that nobody follows.
struct Nobody;

impl ApplyObserver for Nobody {
    fn applied(&self, _: AppliedEntry) {}

    fn installed(&self) {}
}

/// A snapshot of what a node has that has ended, without its vote: as it is sent.
async fn snapshot_of(dir: PathBuf) -> Vec<Frame> {
    let dir = DataDir::open(&dir).unwrap();
    let table = JobTable::open(&dir, Arc::new(Nobody), FEATURE_LEVEL).unwrap();
    table.space().renew_snapshot().unwrap();
    let current = table.snapshots().current().unwrap();
    let (meta, snapshot) = (current.meta, current.snapshot);
    let start = pb::SnapshotStart {
        last_log_id: meta.last_log_id.as_ref().map(quorate_store::LogId::to_message),
        membership: Some(meta.last_membership.to_message()),
        format: SnapshotDir::FORMAT,
        bytes: snapshot.files().iter().map(|file| file.bytes).sum(),
        feature_level: snapshot.level().0,
        ..Default::default()
    };
    let mut frames = vec![Frame::Start(start)];
    for file in snapshot.files() {
        frames.push(Frame::File(pb::SnapshotFile { name: file.name.clone(), bytes: file.bytes }));
        let mut reader = snapshot.open(file).await.unwrap();
        while let Some(chunk) = reader.chunk(1 << 20).await.unwrap() {
            frames.push(Frame::Chunk(chunk));
        }
        frames.push(Frame::FileEnd(pb::SnapshotFileEnd { crc32c: reader.crc32c() }));
    }
    frames
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_is_not_its_leaders_any_more_when_it_has_come_is_not_installed() {
    let mut cluster = Cluster::started(3).await;
    put(cluster.at(0), 1).await;
    let leader = cluster.leader().await;
    let (from, to) = ((leader + 1) % 3, (leader + 2) % 3);
    let intruder = Intruder::new(&cluster, from, to).await;
    // Somebody whose vote nobody else has.
    let mut other = Intruder { from: 4_711, ..Intruder::new(&cluster, leader, to).await };
    cluster.crash(from).await;
    cluster.crash(leader).await;
    let mut frames = snapshot_of(cluster.dir(leader)).await;
    let files = frames.iter().filter(|frame| matches!(frame, Frame::File(_))).count() as u32;
    let Some(Frame::Start(start)) = frames.first_mut() else { panic!("no start") };
    start.vote = intruder.elected(intruder.term + 1);

    let (sender, waiting) = mpsc::channel(1);
    let request = intruder.request(ReceiverStream::new(waiting).map(frame));
    let mut peer = intruder.peer.clone();
    let sent = tokio::spawn(async move { peer.snapshot(request).await });
    for part in frames {
        sender.send(part).await.unwrap();
    }
    eventually("all is there", async || being_received(&cluster.dir(to).join("snapshot")) == 1).await;
    // Meanwhile it follows somebody else in that term.
    let heartbeat = other.frame(&[]);
    let request = other.request(open(vec![heartbeat]));
    let mut results = other.peer.append(request).await.unwrap().into_inner();
    assert!(results.message().await.unwrap().is_some());
    sender.send(Frame::End(pb::SnapshotEnd { files })).await.unwrap();
    let refused = sent.await.unwrap().unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    assert!(refused.message().contains("two leaders"), "{refused}");
    eventually("nothing is left", async || being_received(&cluster.dir(to).join("snapshot")) == 0).await;
    assert_eq!(cluster.at(to).gauges().first_log_index, 0, "it has its own log");
    cluster.crash(to).await;
}

//! What a peer says that cannot be true: it is refused, and nothing comes of it. No node ends, nothing is on a disk, no clock moves.

use crate::common::follower::Follower;
use crate::common::intruder::{Intruder, open};
use crate::common::liar::Liar;
use crate::common::*;
use bytes::Bytes;
use prost::Message;
use quorate_core::limits::COMMANDS_PER_ENTRY;
use quorate_core::{Command, Envelope, FeatureLevel, JobId, QueueName, RequestId, Timestamp};
use quorate_proto::log::v1 as log;
use quorate_proto::peer::v1 as pb;
use quorate_proto::peer::v1::discovery_client::DiscoveryClient;
use quorate_proto::peer::v1::forward_answer::Kind;
use tonic::Code;

const DAY_MS: u64 = 24 * HOUR_MS;
const YEAR_MS: u64 = 365 * DAY_MS;
/// Longer than a test takes, far shorter than what it is told.
const HOUR_MS: u64 = 3_600 * 1_000;

/// Nothing has come of it: all nodes are there, in the same term, with the same log, and write.
pub(crate) struct Unharmed {
    term: u64,
    last: u64,
    time: Timestamp,
}

impl Unharmed {
    pub(crate) async fn so_far(cluster: &Cluster) -> Unharmed {
        put(cluster.at(0), 1).await;
        cluster.converged().await;
        let gauges = cluster.at(0).gauges();
        Unharmed { term: gauges.term, last: gauges.last_log_index, time: cluster.at(0).log_time() }
    }

    pub(crate) async fn still(self, mut cluster: Cluster) {
        for at in cluster.up() {
            let gauges = cluster.at(at).gauges();
            assert_eq!((gauges.term, gauges.last_log_index), (self.term, self.last), "node {at}");
            assert!(cluster.at(at).log_time().0 < self.time.0 + HOUR_MS, "node {at}");
        }
        for at in cluster.up() {
            put(cluster.at(at), 100 + at as u64).await;
        }
        // Nor does anything wait on a disk.
        for at in cluster.up() {
            Box::pin(cluster.stop(at)).await;
            cluster.start(at).await;
            eventually("it is back", async || cluster.at(at).ready().await).await;
        }
        put(cluster.at(0), 2).await;
        cluster.converged().await;
        Box::pin(cluster.stop_all()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_term_that_no_cluster_reaches_is_refused_in_every_call() {
    let cluster = Cluster::started(3).await;
    let unharmed = Unharmed::so_far(&cluster).await;
    let leader = cluster.leader().await;
    for to in 0..3 {
        let from = (0..3).find(|at| *at != to && *at != leader).unwrap();
        let mut intruder = Intruder::new(&cluster, from, to).await;
        for term in [u64::MAX, u64::MAX - 1, unharmed.term + (1 << 32) + 1] {
            let vote = Some(log::Vote { term, node_id: intruder.from, committed: false });
            let last_log_id = Some(intruder.last);
            let ask = pb::VoteRequest { vote, last_log_id, leadership_transfer: true };
            let request = intruder.request(ask);
            assert_eq!(intruder.peer.vote(request).await.unwrap_err().code(), Code::InvalidArgument);
            let request = intruder.request(ask);
            assert_eq!(intruder.peer.pre_vote(request).await.unwrap_err().code(), Code::InvalidArgument);
            let request = intruder.request(pb::ReadIndexRequest { vote });
            assert_eq!(intruder.peer.read_index(request).await.unwrap_err().code(), Code::InvalidArgument);
            let elected = intruder.elected(term);
            let (from_leader, to_node_id) = (elected, intruder.to);
            let transfer = pb::TransferLeaderRequest { from_leader, to_node_id, last_log_id };
            let request = intruder.request(transfer);
            assert_eq!(
                intruder.peer.transfer_leader(request).await.unwrap_err().code(),
                Code::InvalidArgument
            );
            let frame = pb::AppendFrame { vote: elected, ..intruder.frame(&[]) };
            let refused = intruder.refused(frame).await;
            assert!(refused.contains("no cluster gets there"), "{refused}");
            let start = snapshot(elected, last_log_id, &intruder);
            let refused = intruder.refused_snapshot(start).await;
            assert!(refused.contains("no cluster gets there"), "{refused}");
        }
    }
    unharmed.still(cluster).await;
}

/// The start of a snapshot that would replace all that a node has.
fn snapshot(
    vote: Option<log::Vote>,
    last_log_id: Option<log::LogId>,
    intruder: &Intruder,
) -> pb::SnapshotStart {
    let node = |node_id: u64| log::Member { node_id, ..log::Member::default() };
    let configs = vec![log::VoterSet { node_ids: vec![intruder.from] }];
    let membership = log::Membership { configs, members: vec![node(intruder.from), node(intruder.to)] };
    let membership = log::StoredMembership {
        log_id: Some(log::LogId { term: 0, index: 0 }),
        membership: Some(membership),
    };
    pb::SnapshotStart {
        vote,
        last_log_id,
        membership: Some(membership),
        format: quorate_store::SnapshotDir::FORMAT,
        bytes: 1,
        feature_level: 1,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_contradicts_what_is_committed_or_its_leader_is_refused_before_its_files() {
    let cluster = Cluster::started(3).await;
    let unharmed = Unharmed::so_far(&cluster).await;
    let leader = cluster.leader().await;
    let [from, to] = followers(leader);
    let mut intruder = Intruder::new(&cluster, from, to).await;
    let (term, last) = (intruder.term, intruder.last);
    let at = |term, index| Some(log::LogId { term, index });
    let elected = intruder.elected(term + 1);
    let cases = [
        (elected, at(term + 1, last.index - 1), "is committed"),
        (elected, at(term + 1, last.index), "is committed"),
        (elected, at(term - 1, last.index + 9), "is committed"),
        (elected, at(term + 2, last.index + 9), "of a leader of term"),
        (elected, at(term + 1, u64::MAX), "no log gets there"),
        (elected, None, "a snapshot of nothing"),
        (
            Some(log::Vote { committed: false, ..elected.unwrap() }),
            at(term + 1, last.index + 9),
            "not committed",
        ),
        (
            Some(log::Vote { node_id: intruder.to, ..elected.unwrap() }),
            at(term + 1, last.index + 9),
            "speaks for",
        ),
    ];
    for (vote, last_log_id, why) in cases {
        let start = snapshot(vote, last_log_id, &intruder);
        let refused = intruder.refused_snapshot(start).await;
        assert!(refused.contains(why), "{last_log_id:?}: {refused}");
    }
    unharmed.still(cluster).await;
}

fn followers(leader: usize) -> [usize; 2] {
    match leader {
        0 => [1, 2],
        1 => [2, 0],
        _ => [0, 1],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_no_leader_sends_ends_its_stream_and_nothing_else() {
    let cluster = Cluster::started(3).await;
    let unharmed = Unharmed::so_far(&cluster).await;
    let leader = cluster.leader().await;
    let [from, to] = followers(leader);
    let mut intruder = Intruder::new(&cluster, from, to).await;
    let (term, last) = (intruder.term, intruder.last);
    let now = unharmed.time.0;
    let tick = |stamp_ms: u64| log::Batch { stamp_ms, envelopes: Vec::new() };
    let entry = |behind: u64| intruder.entry(behind, &tick(now));
    let id = |term, index| Some(log::LogId { term, index });
    let sound = intruder.frame(&[]);
    let vote = sound.vote.unwrap();
    let with_id = |log_id| log::Entry { log_id, ..entry(1) };
    let raise = log::Envelope::from(Envelope {
        request_id: RequestId([1; 16]),
        deadline: Timestamp(now),
        command: Command::Raise { level: FeatureLevel(9) },
    });
    let batch = |envelope: &log::Envelope, count: usize| log::Batch {
        stamp_ms: now,
        envelopes: vec![envelope.clone(); count],
    };
    let long = Command::Succeed { id: JobId([1; 16]), log: Bytes::from(vec![0; 20 << 20]) };
    let long = log::Envelope::from(Envelope {
        command: long,
        request_id: RequestId([2; 16]),
        deadline: Timestamp(now),
    });
    let members = log::Membership { members: vec![log::Member::default(); 100], ..Default::default() };
    let members = Some(log::entry::Payload::Membership(members));
    let bytes = |bytes: &'static [u8]| {
        let batch = log::entry::Payload::Batch(Bytes::from_static(bytes));
        log::Entry { payload: Some(batch), ..entry(1) }
    };
    let cases = [
        ("a gap", intruder.frame(&[entry(2)]), "behind"),
        ("a gap within", intruder.frame(&[entry(1), entry(3)]), "behind"),
        ("the same twice", intruder.frame(&[entry(1), entry(1)]), "behind"),
        ("backwards", intruder.frame(&[entry(2), entry(1)]), "behind"),
        ("an earlier term", intruder.frame(&[entry(1), with_id(id(term, last.index + 2))]), "behind"),
        ("a later term", intruder.frame(&[with_id(id(term + 2, last.index + 1))]), "of a leader of term"),
        ("the last index", intruder.frame(&[with_id(id(term + 1, u64::MAX))]), "no log gets there"),
        (
            "the last index before",
            pb::AppendFrame { prev_log_id: id(term, u64::MAX), ..sound.clone() },
            "gets there",
        ),
        (
            "the last index committed",
            pb::AppendFrame { leader_commit: id(term, u64::MAX), ..sound.clone() },
            "gets there",
        ),
        // openraft orders log ids by term first: it would take the smaller one of this and the entry for committed.
        (
            "committed in an earlier term",
            pb::AppendFrame {
                leader_commit: id(term, last.index + 1_000_000),
                ..intruder.frame(&[entry(1)])
            },
            "has said before",
        ),
        (
            "over what is committed",
            pb::AppendFrame {
                prev_log_id: id(term, last.index - 2),
                ..intruder.frame(&[with_id(id(term + 1, last.index - 1))])
            },
            "is committed",
        ),
        ("from the start", pb::AppendFrame { prev_log_id: id(term + 1, 1), ..sound.clone() }, "is committed"),
        (
            "another's past",
            pb::AppendFrame { prev_log_id: id(0, last.index + 1), ..sound.clone() },
            "is committed",
        ),
        (
            "no leader",
            pb::AppendFrame { vote: Some(log::Vote { committed: false, ..vote }), ..sound.clone() },
            "not committed",
        ),
        (
            "in its own name",
            pb::AppendFrame { vote: Some(log::Vote { node_id: intruder.to, ..vote }), ..sound.clone() },
            "speaks for",
        ),
        ("two leaders", pb::AppendFrame { vote: intruder.elected(term), ..sound.clone() }, "two leaders"),
        ("no batch", intruder.frame(&[bytes(b"\xff\xff\xff")]), "cannot be applied"),
        ("a newer batch", intruder.frame(&[bytes(b"\xf8\x3f\x01")]), "cannot be applied"),
        ("the end of time", intruder.frame(&[intruder.entry(1, &tick(u64::MAX))]), "log time"),
        ("in ten years", intruder.frame(&[intruder.entry(1, &tick(now + 10 * YEAR_MS))]), "log time"),
        ("said", pb::AppendFrame { log_time_ms: now + 2 * DAY_MS, ..sound.clone() }, "log time"),
        ("a level", intruder.frame(&[intruder.entry(1, &batch(&raise, 1))]), "feature level 9"),
        (
            "too many",
            intruder.frame(&[intruder.entry(1, &batch(&raise, COMMANDS_PER_ENTRY + 1))]),
            "cannot be applied",
        ),
        ("too long", intruder.frame(&[intruder.entry(1, &batch(&long, 1))]), "an entry of"),
        (
            "nothing but entries",
            pb::AppendFrame { entries: vec![Bytes::new(); 5_000], ..sound.clone() },
            "AppendFrame.entries",
        ),
        ("nothing but members", intruder.frame(&[log::Entry { payload: members, ..entry(1) }]), "Membership"),
    ];
    for (name, frame, why) in cases {
        let refused = intruder.refused(frame).await;
        assert!(refused.contains(why), "{name}: {refused}");
    }
    unharmed.still(cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_member_tells_of_log_time_moves_nobody_who_follows_a_leader() {
    let mut cluster = Cluster::started(3).await;
    let unharmed = Unharmed::so_far(&cluster).await;
    let leader = cluster.leader().await;
    let liar = if leader == 2 { 1 } else { 2 };
    let seen = cluster.at(leader).cluster().await;
    let member = seen.members.iter().find(|m| m.name == cluster.config(liar).name).unwrap().clone();
    cluster.crash(liar).await;
    let lie = pb::DiscoverResponse {
        name: member.name,
        node_id: member.id,
        cluster_id: seen.id.clone(),
        initialised: true,
        wall_ms: unharmed.time.0,
        log_time: Some(pb::LogTime {
            term: unharmed.term,
            time_ms: unharmed.time.0 + 12 * HOUR_MS,
            stopped: false,
        }),
        ..Default::default()
    };
    let liar = Liar::serve(&member.peer_addr, lie).await;
    let names: Vec<String> = cluster.up().into_iter().map(|at| cluster.config(at).name.clone()).collect();
    eventually("all have heard it", async || names.iter().all(|name| liar.asked_by(name) > 1)).await;
    unharmed.still(cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_move_log_time_by_a_day_at_most_however_many_they_are() {
    let cluster = Cluster::started(3).await;
    put(cluster.at(0), 1).await;
    let [from, to] = followers(cluster.leader().await);
    eventually("the clocks are known", async || cluster.at(to).gauges().log_time_offset_ms.is_some()).await;
    let mut intruder = Intruder::new(&cluster, from, to).await;
    let now = cluster.at(to).log_time().0;
    let say = |intruder: &Intruder, hours| pb::AppendFrame {
        log_time_ms: now + hours * HOUR_MS,
        ..intruder.frame(&[])
    };
    let frames = vec![say(&intruder, 20), say(&intruder, 40)];
    let (answers, status) = intruder.append(frames).await;
    assert!(matches!(answers[..], [pb::append_result::Result::Matched(_)]), "{answers:?}");
    assert!(status.unwrap().message().contains("log time"));
    // Nor in another term.
    intruder.term += 10;
    assert!(intruder.refused(say(&intruder, 40)).await.contains("log time"));
    put(cluster.at(to), 2).await;
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_raft_refuses_moves_no_clock() {
    let mut cluster = Cluster::started(3).await;
    put(cluster.at(0), 1).await;
    let [from, to] = followers(cluster.leader().await);
    let mut intruder = Intruder::new(&cluster, from, to).await;
    for at in (0..3).filter(|at| *at != to) {
        cluster.crash(at).await;
    }
    let before = cluster.at(to).log_time();
    // It has promised itself to a later leader, so one of the term that it knows comes late.
    let vote = Some(log::Vote { term: intruder.term + 1, node_id: intruder.from, committed: false });
    let ask = pb::VoteRequest { vote, last_log_id: Some(intruder.last), leadership_transfer: true };
    let request = intruder.request(ask);
    assert!(intruder.peer.vote(request).await.unwrap().into_inner().granted);
    let log_time_ms = before.0 + 12 * HOUR_MS;
    let frame = pb::AppendFrame { vote: intruder.elected(intruder.term), log_time_ms, ..intruder.frame(&[]) };
    let (answers, status) = intruder.append(vec![frame]).await;
    assert!(matches!(answers[..], [pb::append_result::Result::HigherVote(_)]), "{answers:?} {status:?}");
    assert!(cluster.at(to).log_time().0 < before.0 + HOUR_MS);
    for at in (0..3).filter(|at| *at != to) {
        cluster.start(at).await;
    }
    put(cluster.at(to), 2).await;
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_answers_what_cannot_be_harms_nobody() {
    use pb::append_result::Result::{Conflict, HigherVote, Matched};
    let mut cluster = Cluster::started(3).await;
    let unharmed = Unharmed::so_far(&cluster).await;
    let leader = cluster.leader().await;
    let [liar, _] = followers(leader);
    let members = cluster.at(leader).cluster().await.members;
    let id_of = |at: usize| members.iter().find(|m| m.name == cluster.config(at).name).unwrap().clone();
    let (lying, leading) = (id_of(liar), id_of(leader).id);
    cluster.crash(liar).await;
    let follower = Follower::serve(&lying).await;
    let id = |term, index| log::LogId { term, index };
    let vote = |term, node_id| log::Vote { term, node_id, committed: true };
    let lies = [
        HigherVote(vote(u64::MAX, lying.id)),
        HigherVote(vote(unharmed.term + 1, leading)),
        Matched(pb::Matched { log_id: Some(id(unharmed.term, u64::MAX)) }),
        Matched(pb::Matched { log_id: None }),
        Conflict(id(unharmed.term, u64::MAX)),
        Conflict(id(u64::MAX, 1)),
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        follower.lie(Some(lie));
        put(cluster.at(leader), 10 + number as u64).await;
        let told = follower.lies();
        eventually("it has lied to the leader again", async || follower.lies() > told + 1).await;
        let gauges = cluster.at(leader).gauges();
        assert!(gauges.leads && gauges.term == unharmed.term, "{lie:?}");
    }
    cluster.stop_all().await;
}

fn encoded(number: u8, deadline: u64, command: Command) -> Vec<u8> {
    let request_id = RequestId([number; 16]);
    let envelope = Envelope { request_id, deadline: Timestamp(deadline), command };
    log::Envelope::from(envelope).encode_to_vec()
}

/// So many groups in one another, of a field that no version has.
fn nested(depth: usize) -> Vec<u8> {
    [vec![0x4b; depth], vec![0x4c; depth]].concat()
}

/// A command whose length says nothing of a field that it has too much: what is left out where it is encoded anew is made up for
/// by lists of one number, which take a byte more in their usual form.
fn disguised(number: u8, deadline: u64, depth: usize) -> Vec<u8> {
    // Setting.backoff.delays.seconds, one number, not packed.
    let setting = [0x12, 6, 0x3a, 4, 0x1a, 2, 0x08, 1];
    let name = b"\x0a\x01q";
    let mut configure = name.to_vec();
    let hidden = nested(depth);
    for _ in 0..hidden.len() {
        configure.extend(setting);
    }
    let mut envelope = encoded(number, deadline, Command::DeleteQueue { name: QueueName::new("q").unwrap() });
    // The command is the last field: its key takes two bytes, as that of ConfigureQueue.
    envelope.truncate(envelope.len() - 2 - 1 - name.len());
    prost::encoding::encode_key(21, prost::encoding::WireType::LengthDelimited, &mut envelope);
    prost::encoding::encode_varint(configure.len() as u64, &mut envelope);
    [envelope, configure, hidden].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forwarded_gets_into_the_log_as_apply_will_understand_it() {
    let cluster = Cluster::started(3).await;
    let unharmed = Unharmed::so_far(&cluster).await;
    let leader = cluster.leader().await;
    let mut intruder = Intruder::new(&cluster, followers(leader)[0], leader).await;
    let deadline = unharmed.time.0 + 30_000;

    // The deepest that a decoder takes, one level above where the log has it.
    let plain =
        [encoded(1, deadline, Command::Touch { id: JobId([1; 16]), progress: None }), nested(100)].concat();
    let refused = intruder.forward(vec![plain.into()], 2).await;
    assert_eq!(refused, (vec![Kind::NotUnderstood], Some(Code::InvalidArgument)));

    let disguised = Bytes::from(disguised(3, deadline, 100));
    assert!(quorate_proto::decode_envelope(disguised.clone()).is_ok(), "it is well disguised");
    assert_eq!(intruder.forward(vec![disguised], 1).await.0, [Kind::Appended]);
    cluster.converged().await;
    let appended = cluster.at(0).gauges().last_log_index;
    Unharmed { last: appended, ..unharmed }.still(cluster).await;
}

/// In the log it would end every node, for good.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_who_forwards_raises_the_level() {
    let cluster = Cluster::started(3).await;
    let unharmed = Unharmed::so_far(&cluster).await;
    let leader = cluster.leader().await;
    let mut intruder = Intruder::new(&cluster, followers(leader)[0], leader).await;
    let deadline = unharmed.time.0 + 30_000;
    for (number, level) in [(1, 2), (2, 9), (3, u32::MAX)] {
        let raise = encoded(number, deadline, Command::Raise { level: FeatureLevel(level) });
        assert_eq!(intruder.forward(vec![raise.into()], 1).await.0, [Kind::NotUnderstood], "{level}");
    }
    unharmed.still(cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_no_frame_could_carry_is_refused_for_itself() {
    let cluster = Cluster::started(3).await;
    let unharmed = Unharmed::so_far(&cluster).await;
    let leader = cluster.leader().await;
    let mut intruder = Intruder::new(&cluster, followers(leader)[0], leader).await;
    let deadline = unharmed.time.0 + 30_000;
    let succeed = |bytes: usize| {
        let log = Bytes::from(vec![0; bytes]);
        Bytes::from(encoded(1, deadline, Command::Succeed { id: JobId([1; 16]), log }))
    };
    // As long as a frame may be, with its head.
    const LONGEST: usize = 33_554_426;
    let overhead = succeed(LONGEST).len() - LONGEST;
    let longest = succeed(LONGEST - overhead);
    assert_eq!(longest.len(), LONGEST);
    let refused = intruder.forward(vec![longest], 2).await;
    assert_eq!(refused, (vec![Kind::NotUnderstood], Some(Code::InvalidArgument)));
    unharmed.still(cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_has_no_log_time_yet_moves_no_clock() {
    let cluster = Cluster::started(3).await;
    let before = cluster.at(0).log_time();
    put(cluster.at(0), 1).await;
    let [from, to] = followers(cluster.leader().await);
    let mut intruder = Intruder::new(&cluster, from, to).await;
    let frame = pb::AppendFrame { log_time_ms: 0, ..intruder.frame(&[]) };
    let request = intruder.request(open(vec![frame]));
    let mut results = intruder.peer.append(request).await.unwrap().into_inner();
    let answer = results.message().await.unwrap().unwrap().result;
    assert!(matches!(answer, Some(pb::append_result::Result::Matched(_))), "{answer:?}");
    assert!(cluster.at(to).log_time() >= before);
    put(cluster.at(to), 2).await;
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_without_entries_commands_or_files_is_short() {
    let cluster = Cluster::started(3).await;
    let unharmed = Unharmed::so_far(&cluster).await;
    let leader = cluster.leader().await;
    let mut intruder = Intruder::new(&cluster, followers(leader)[0], leader).await;
    let to = pb::order_request::TransferLeader { to: "n".repeat(100_000) };
    let order = pb::OrderRequest { members_index: 0, order: Some(pb::order_request::Order::Transfer(to)) };
    let request = intruder.request(order);
    assert_eq!(intruder.peer.order(request).await.unwrap_err().code(), Code::OutOfRange);
    unharmed.still(cluster).await;
}

/// One that nobody has asked for is shown to operators, for a while, and is nowhere else.
#[tokio::test(flavor = "multi_thread")]
async fn who_asks_to_join_as_many_is_no_member_and_not_in_the_log() {
    let cluster = Cluster::started(3).await;
    let unharmed = Unharmed::so_far(&cluster).await;
    let leader = cluster.leader().await;
    let mut intruder = Intruder::new(&cluster, followers(leader)[0], leader).await;
    let addr = format!("http://{}", cluster.config(leader).peers[leader].1);
    let mut discovery = DiscoveryClient::connect(addr).await.unwrap();
    for node_id in 1..=450_u64 {
        let (name, peer_addr) = (format!("n{}", 3 + node_id), "127.0.0.1:1".to_owned());
        let (applies, cluster_id) = (true, intruder.cluster_id.clone());
        let question = pb::DiscoverRequest {
            name: name.clone(),
            node_id,
            cluster_id,
            peer_addr: peer_addr.clone(),
            applies,
            ..Default::default()
        };
        discovery.discover(question).await.unwrap();
        intruder.from = node_id;
        let http_addr = peer_addr.clone();
        let member = log::Member { node_id, name, peer_addr, http_addr, replaces: 0 };
        let request = intruder.request(pb::JoinRequest { member: Some(member), feature_level: 1 });
        let answer = intruder.peer.join(request).await.unwrap().into_inner();
        assert!(answer.applicant && !answer.voter, "{answer:?}");
    }
    let seen = cluster.at(leader).cluster().await;
    assert_eq!(seen.members.len(), 3);
    assert!((1..=16).contains(&seen.outsiders.len()), "{} are shown", seen.outsiders.len());
    unharmed.still(cluster).await;
}

/// Anybody can ask under a node's identity: that is no second process of it.
#[tokio::test(flavor = "multi_thread")]
async fn who_asks_as_the_node_that_is_asked_ends_it_not() {
    let cluster = Cluster::started(3).await;
    let unharmed = Unharmed::so_far(&cluster).await;
    for to in 0..3 {
        let intruder = Intruder::new(&cluster, (to + 1) % 3, to).await;
        let seen = cluster.at(to).cluster().await;
        let addr = |at: u64| seen.members.iter().find(|member| member.id == at).unwrap().peer_addr.clone();
        let (own, other) = (addr(intruder.to), addr(intruder.from));
        let mut discovery = DiscoveryClient::connect(format!("http://{own}")).await.unwrap();
        for peer_addr in [String::new(), "127.0.0.1:1".to_owned(), own, other] {
            let question = pb::DiscoverRequest {
                node_id: intruder.to,
                cluster_id: intruder.cluster_id.clone(),
                peer_addr,
                run: Some(pb::Run { started_ms: 0, drawn: 0 }),
                ..Default::default()
            };
            assert_eq!(discovery.discover(question).await.unwrap().into_inner().node_id, intruder.to);
        }
    }
    unharmed.still(cluster).await;
}

/// Names and addresses go into the membership, into logs and before operators.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_called_or_found_as_no_node_is() {
    let cluster = Cluster::started(3).await;
    let unharmed = Unharmed::so_far(&cluster).await;
    let leader = cluster.leader().await;
    let from = (leader + 1) % 3;
    let mut intruder = Intruder::new(&cluster, from, leader).await;
    // A member that has moved, as it says.
    let own = cluster.config(from);
    let (name, addr) = (own.name.as_str(), own.peers[from].1.as_str());
    for (name, peer_addr, http_addr) in [
        (name, addr, "\u{1b}[2J"),
        (name, addr, &*"n".repeat(1_000)),
        (name, "n9:9080/\n", ""),
        (name, "", ""),
        ("n\n9", addr, ""),
        ("", addr, ""),
    ] {
        let (node_id, name, peer_addr) = (intruder.from, name.to_owned(), peer_addr.to_owned());
        let member = log::Member { node_id, name, peer_addr, http_addr: http_addr.to_owned(), replaces: 0 };
        let request = intruder.request(pb::JoinRequest { member: Some(member), feature_level: 99 });
        let refused = intruder.peer.join(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    }
    let to = format!("http://{}", cluster.config(leader).peers[leader].1);
    let mut discovery = DiscoveryClient::connect(to).await.unwrap();
    for (name, peer_addr) in [("n\n9", "127.0.0.1:1"), ("n9", "n9:9080/\n")] {
        let (name, peer_addr, cluster_id) =
            (name.to_owned(), peer_addr.to_owned(), intruder.cluster_id.clone());
        let question =
            pb::DiscoverRequest { name, peer_addr, cluster_id, applies: true, ..Default::default() };
        assert_eq!(discovery.discover(question).await.unwrap_err().code(), Code::InvalidArgument);
    }
    unharmed.still(cluster).await;
}

//! Nodes that know each other by certificates: who has none gets nothing, and nobody speaks for another one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::common::authority::{Authority, connect, mask};
use crate::common::follower::Follower;
use crate::common::intruder::{Intruder, open};
use crate::common::liar::Liar;
use crate::common::*;
use crate::connections::unfinished;
use crate::hostile::Unharmed;
use futures::StreamExt;
use quorate_node::{Order, OrderError, PeerTls, Role, Standing, StartError};
use quorate_proto::log::v1 as log;
use quorate_proto::peer::v1 as pb;
use quorate_proto::peer::v1::discovery_client::DiscoveryClient;
use tonic::transport::Channel;
use tonic::{Code, Status};

#[tokio::test(flavor = "multi_thread")]
async fn nodes_with_certificates_make_a_cluster_elect_and_come_back() {
    let authority = Authority::new();
    let mut cluster = authority.cluster().await;
    for at in 0..3 {
        put(cluster.at(at), at as u64).await;
    }
    let leader = cluster.leader().await;
    cluster.crash(leader).await;
    let next = cluster.leader().await;
    assert_ne!(next, leader);
    put(cluster.at(next), 10).await;
    cluster.start(leader).await;
    eventually("it is back", async || cluster.at(leader).ready().await).await;
    put(cluster.at(leader), 11).await;
    // With all it had on its disk, a node is let in again in its own place.
    std::fs::remove_dir_all({
        cluster.crash(leader).await;
        cluster.dir(leader)
    })
    .unwrap();
    cluster.start(leader).await;
    eventually("a new one has its place", async || cluster.at(leader).ready().await).await;
    cluster.converged().await;
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_joins_by_its_name_and_one_that_nobody_asked_for_does_not() {
    let authority = Authority::new();
    let mut cluster = Cluster::tuned(4, |config| authority.certify(config));
    for at in 0..3 {
        cluster.configure(at, |config| config.peers.truncate(3));
        cluster.start(at).await;
    }
    cluster.leader().await;
    cluster.start(3).await;
    eventually("it applies", async || {
        cluster.at(0).cluster().await.outsiders.iter().any(|outsider| outsider.name == "n4")
    })
    .await;
    assert_eq!(cluster.voter_names(0).await, ["n1", "n2", "n3"]);
    cluster.order(0, Order::Add { name: "n4".into(), peer_addr: None, replaces: None }).await.unwrap();
    eventually("it is a member", async || cluster.at(3).ready().await).await;
    put(cluster.at(3), 1).await;
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_knows_no_member_is_not_taken_for_an_old_one() {
    let authority = Authority::new();
    let mut cluster = Cluster::tuned(2, |config| authority.certify(config));
    cluster.configure(0, |config| config.peers.truncate(1));
    cluster.start(0).await;
    cluster.leader().await;
    let nowhere = ("n9".to_owned(), free_addrs(1).remove(0));
    cluster.configure(1, |config| config.peers[0] = nowhere);
    cluster.start(1).await;
    let peer_addr = Some(cluster.config(1).peers[1].1.clone());
    let add = Order::Add { name: "n2".into(), peer_addr, replaces: None };
    let Err(OrderError::Refused(refused)) = cluster.order(0, add).await else { panic!("not refused") };
    assert!(refused.message.starts_with("n2 knows no member of this cluster"), "{}", refused.message);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_does_not_start_with_the_certificate_of_another_one() {
    let authority = Authority::new();
    let cluster = Cluster::tuned(1, |config| config.tls = Some(authority.issue(&["n2"])));
    let refused = quorate_node::Node::start(cluster.config(0).clone()).await;
    assert!(matches!(refused, Err(StartError::Config { setting: "peer-cert", .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_renamed_has_both_names_until_the_others_know_it() {
    let authority = Authority::new();
    let mut cluster = authority.cluster().await;
    cluster.stop(2).await;
    cluster.configure(2, |config| {
        config.name = "n9".into();
        config.peers[2].0 = "n9".into();
        config.tls = Some(authority.issue(&["n9"]));
    });
    let refused = quorate_node::Node::start(cluster.config(2).clone()).await.err().unwrap();
    assert!(
        matches!(&refused, StartError::Config { setting: "peer-cert", reason } if reason.contains("both names, n3 and n9")),
        "{refused}"
    );
    cluster.configure(2, |config| config.tls = Some(authority.issue(&["n9", "n3"])));
    cluster.start(2).await;
    eventually("it is taken over", async || cluster.voter_names(0).await == ["n1", "n2", "n9"]).await;
    eventually("all know it", async || cluster.voter_names(2).await == ["n1", "n2", "n9"]).await;
    put(cluster.at(2), 1).await;
    cluster.stop(2).await;
    cluster.configure(2, |config| config.tls = Some(authority.issue(&["n9"])));
    cluster.start(2).await;
    eventually("it is back", async || cluster.at(2).ready().await).await;
    cluster.stop_all().await;
}

/// What each call of a member's is answered, with what would be done if it were one's.
async fn call_all(intruder: &mut Intruder) -> Vec<(&'static str, Status)> {
    let vote = Some(log::Vote { term: intruder.term + 1, node_id: intruder.from, committed: false });
    let elected = intruder.elected(intruder.term + 1);
    let (last_log_id, to_node_id) = (Some(intruder.last), intruder.to);
    let ask = pb::VoteRequest { vote, last_log_id, leadership_transfer: true };
    let transfer = pb::TransferLeaderRequest { from_leader: elected, to_node_id, last_log_id };
    let frame = intruder.frame(&[]);
    let start = pb::SnapshotStart { vote: elected, last_log_id, ..Default::default() };
    let snapshot = pb::SnapshotFrame { frame: Some(pb::snapshot_frame::Frame::Start(start)) };
    let remove = pb::order_request::RemoveMember { name: "n3".into(), force: true };
    let order = pb::OrderRequest { members_index: 0, order: Some(pb::order_request::Order::Remove(remove)) };
    let drain = pb::DrainRequest { mode: pb::drain_request::Mode::Leave.into() };
    let mut answers = Vec::new();
    macro_rules! call {
        ($name:ident, $message:expr) => {
            let request = intruder.request($message);
            let answer = intruder.peer.$name(request).await.map(|_| ());
            answers.push((stringify!($name), answer.err().unwrap_or_else(|| Status::ok("answered"))));
        };
    }
    call!(vote, ask);
    call!(pre_vote, ask);
    call!(transfer_leader, transfer);
    call!(append, open(vec![frame]));
    call!(snapshot, open(vec![snapshot]));
    call!(forward, open(vec![pb::ForwardFrame::default()]));
    call!(read_index, pb::ReadIndexRequest { vote });
    call!(current_vote, pb::CurrentVoteRequest {});
    call!(order, order);
    call!(drain, drain);
    answers
}

/// Somebody who says it is the member at `from`, and has this certificate.
async fn intruder(cluster: &Cluster, from: usize, to: usize, tls: &PeerTls) -> Intruder {
    let channel = connect(&cluster.config(to).peers[to].1, tls).await.unwrap();
    Intruder::over(channel, cluster, from, to).await
}

async fn gets_nothing(cluster: &Cluster, from: usize, to: usize, tls: &PeerTls) {
    for (call, status) in call_all(&mut intruder(cluster, from, to, tls).await).await {
        assert_eq!(status.code(), Code::PermissionDenied, "{call}: {status}");
    }
}

async fn joins(intruder: &mut Intruder, id: u64, name: &str) -> Result<pb::JoinResponse, Status> {
    let member =
        log::Member { node_id: id, name: name.into(), peer_addr: "127.0.0.1:1".into(), ..Default::default() };
    intruder.from = id;
    let request = intruder.request(pb::JoinRequest { member: Some(member), feature_level: 99 });
    intruder.peer.join(request).await.map(tonic::Response::into_inner)
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_speaks_for_another_node() {
    let authority = Authority::new();
    let cluster = authority.cluster().await;
    let unharmed = Unharmed::so_far(&cluster).await;
    let (n2, n9) = (authority.issue(&["n2"]), authority.issue(&["n9"]));
    for to in [1, 2] {
        gets_nothing(&cluster, 0, to, &n2).await;
        gets_nothing(&cluster, 0, to, &n9).await;
    }
    // A star is no node.
    gets_nothing(&cluster, 0, 2, &authority.issue(&["*", "*.n1", "N1"])).await;
    let leader = cluster.leader().await;
    let mut stranger = intruder(&cluster, 0, leader, &n9).await;
    let id = stranger.from;
    for (id, name) in [(id, "n9"), (id, "n1"), (99, "n1")] {
        let refused = joins(&mut stranger, id, name).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{id} {name}: {refused}");
    }
    let applies = joins(&mut stranger, 99, "n9").await.unwrap();
    assert!(applies.applicant && !applies.voter, "{applies:?}");
    // Nor does it get more once it has asked.
    for (call, status) in call_all(&mut stranger).await {
        assert_eq!(status.code(), Code::PermissionDenied, "{call}: {status}");
    }
    let mut discovery = discovery(&cluster, leader, &n9).await;
    for (node_id, name) in [(id, "n9"), (99, "n1")] {
        let question = pb::DiscoverRequest { node_id, name: name.into(), ..Default::default() };
        assert_eq!(discovery.discover(question).await.unwrap_err().code(), Code::PermissionDenied);
    }
    // Who asks in his own name hears what one that applies must know.
    let question = pb::DiscoverRequest {
        node_id: 99,
        name: "n9".into(),
        cluster_id: stranger.cluster_id.clone(),
        ..Default::default()
    };
    let answer = discovery.discover(question).await.unwrap().into_inner();
    assert_eq!((answer.node_id, answer.leads, answer.has_asker), (stranger.to, true, false), "{answer:?}");
    assert_eq!((answer.log_time, answer.last_log_id, answer.vote, answer.run), (None, None, None, None));
    assert_eq!((answer.version, answer.http_addr, answer.disk_free_bytes), ("".into(), "".into(), 0));
    // The test could fail: a member itself is heard.
    let mut member = intruder(&cluster, 1, 0, &n2).await;
    let request = member.request(pb::CurrentVoteRequest {});
    member.peer.current_vote(request).await.unwrap();
    unharmed.still(cluster).await;
}

async fn discovery(cluster: &Cluster, to: usize, tls: &PeerTls) -> DiscoveryClient<Channel> {
    DiscoveryClient::new(connect(&cluster.config(to).peers[to].1, tls).await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_valid_certificate_is_not_heard_at_all() {
    let authority = Authority::new();
    let cluster = authority.cluster().await;
    let unharmed = Unharmed::so_far(&cluster).await;
    let addr = cluster.config(1).peers[1].1.clone();
    let question = pb::DiscoverRequest { name: "n1".into(), ..Default::default() };
    let plain = tonic::transport::Endpoint::from_shared(format!("http://{addr}")).unwrap().connect_lazy();
    DiscoveryClient::new(plain).discover(question.clone()).await.unwrap_err();
    let theirs = Authority::new();
    let ours = authority.issue(&["n1"]);
    let foreign = PeerTls { trust: ours.trust.clone(), ..theirs.issue(&["n1"]) };
    // A client's of the same authority is none, whatever name it bears.
    for tls in [foreign, authority.expired("n1"), authority.client(&["n1"])] {
        // In TLS 1.3 who connects is done before it is judged.
        if let Ok(channel) = connect(&addr, &tls).await {
            DiscoveryClient::new(channel).discover(question.clone()).await.unwrap_err();
        }
    }
    // The test could fail: with the right one it is.
    DiscoveryClient::new(connect(&addr, &ours).await.unwrap()).discover(question).await.unwrap();
    unharmed.still(cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_removed_gets_nothing_even_over_a_connection_that_it_had() {
    let authority = Authority::new();
    let mut cluster = authority.cluster().await;
    cluster.leader().await;
    let n3 = cluster.config(2).tls.clone().unwrap();
    let mut before = intruder(&cluster, 2, 0, &n3).await;
    let id = before.from;
    let request = before.request(pb::CurrentVoteRequest {});
    before.peer.current_vote(request).await.unwrap();
    let request = before.request(open(Vec::<pb::ForwardFrame>::new()));
    let mut stream = before.peer.forward(request).await.unwrap().into_inner();
    cluster.order(0, Order::Remove { name: "n3".into(), force: true }).await.unwrap();
    for at in [0, 1] {
        eventually("it is removed", async || cluster.at(at).cluster().await.members.len() == 2).await;
    }
    cluster.stop(2).await;
    let ended = tokio::time::timeout(LONG, stream.message()).await.expect("its streams end");
    assert!(!matches!(ended, Ok(Some(_))), "{ended:?}");
    // Whatever somebody has said a moment ago who did not know it yet.
    for to in [0, 1] {
        let mut after = Intruder { from: id, ..intruder(&cluster, 0, to, &n3).await };
        for (call, status) in call_all(&mut after).await {
            assert_eq!(status.code(), Code::PermissionDenied, "{call}: {status}");
        }
    }
    put(cluster.at(0), 1).await;
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_removed_tells_the_others_nothing() {
    let authority = Authority::new();
    let mut cluster = authority.cluster().await;
    cluster.leader().await;
    let before = cluster.at(0).cluster().await;
    let id = before.members.iter().find(|member| member.name == "n3").unwrap().id;
    cluster.order(0, Order::Remove { name: "n3".into(), force: true }).await.unwrap();
    for at in [0, 1] {
        eventually("it is removed", async || cluster.at(at).cluster().await.members.len() == 2).await;
    }
    cluster.stop(2).await;
    // It says that they were removed, and who is a member.
    let lie = pb::DiscoverResponse {
        name: "n3".into(),
        node_id: id,
        cluster_id: before.id.clone(),
        initialised: true,
        leads: true,
        members_index: 1 << 63,
        effective_members_index: 1 << 63,
        members: vec![pb::KnownMember { node_id: 99, name: "n9".into() }],
        ..Default::default()
    };
    let behind = free_addrs(1).remove(0);
    let liar = Liar::serve(&behind, lie).await;
    let addr = cluster.config(2).peers[2].1.clone();
    let masked = mask(&addr, cluster.config(2).tls.as_ref().unwrap(), behind).await;
    // Whoever asks again has taken what it was answered.
    eventually("all have heard it", async || ["n1", "n2"].iter().all(|name| liar.asked_by(name) > 1)).await;
    for at in [0, 1] {
        assert_eq!(cluster.at(at).cluster().await.standing, Standing::Member);
        put(cluster.at(at), at as u64).await;
        let n9 = authority.issue(&["n9"]);
        let mut stranger = Intruder { from: 99, ..intruder(&cluster, 0, at, &n9).await };
        for (call, status) in call_all(&mut stranger).await {
            assert_eq!(status.code(), Code::PermissionDenied, "{call}: {status}");
        }
    }
    masked.drop().await;
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_member_has_another_look_whether_it_was_removed() {
    let authority = Authority::new();
    let mut cluster = authority.cluster().await;
    cluster.leader().await;
    let members = cluster.at(0).cluster().await;
    let member = |name: &str| members.members.iter().find(|member| member.name == name).unwrap();
    let (n2, n3) = (member("n2").clone(), member("n3").clone());
    cluster.crash(2).await;
    // It counts how often n1 looks.
    let behind = free_addrs(1).remove(0);
    let answer = pb::DiscoverResponse {
        name: "n3".into(),
        node_id: n3.id,
        cluster_id: members.id.clone(),
        initialised: true,
        ..Default::default()
    };
    let counter = Liar::serve(&behind, answer).await;
    let masked = mask(&n3.peer_addr, cluster.config(2).tls.as_ref().unwrap(), behind).await;
    eventually("it looks by itself", async || counter.asked_by("n1") > 0).await;

    // How often it is dismissed until it has looked twice.
    let dismissed = async |tls: &PeerTls, node_id: u64, name: &str, peer_addr: &str| {
        let mut discovery = discovery(&cluster, 0, tls).await;
        let question = pb::DiscoverRequest {
            node_id,
            name: name.into(),
            peer_addr: peer_addr.into(),
            cluster_id: members.id.clone(),
            errand: pb::Errand::Dismiss.into(),
            ..Default::default()
        };
        let (before, mut times) = (counter.asked_by("n1"), 0_u64);
        while counter.asked_by("n1") < before + 2 {
            discovery.discover(question.clone()).await.unwrap();
            times += 1;
        }
        times
    };
    let by_member = dismissed(cluster.config(1).tls.as_ref().unwrap(), n2.id, "n2", &n2.peer_addr).await;
    let by_stranger = dismissed(&authority.issue(&["n9"]), 99, "n9", "127.0.0.1:1").await;
    // It looks every few seconds whoever says what.
    assert!(by_stranger > 5 * by_member, "{by_stranger} by a stranger, {by_member} by a member");
    masked.drop().await;
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_no_member_holds_no_memory_in_a_members_name() {
    let authority = Authority::new();
    let cluster = authority.cluster().await;
    let unharmed = Unharmed::so_far(&cluster).await;
    let n9 = authority.issue(&["n9"]);
    let mut calls = futures::stream::FuturesUnordered::new();
    for (path, code) in [("Vote", Code::PermissionDenied), ("Join", Code::OutOfRange)] {
        for _ in 0..3 {
            let stranger = intruder(&cluster, 0, 1, &n9).await;
            let channel = connect(&cluster.config(1).peers[1].1, &n9).await.unwrap();
            calls.push(async move { (code, unfinished(channel, &stranger, path).await) });
        }
    }
    // None waits for the rest of its message.
    while let Some((code, refused)) =
        tokio::time::timeout(LONG / 2, calls.next()).await.expect("all are refused")
    {
        assert_eq!(refused.code(), code, "{refused}");
    }
    drop(calls);
    unharmed.still(cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_listens_in_a_members_place_is_not_taken_for_it() {
    let authority = Authority::new();
    let mut cluster = authority.cluster().await;
    let leader = cluster.leader().await;
    let members = cluster.at(leader).cluster().await.members;
    let mut member = members.into_iter().find(|member| member.role == Role::Follower).unwrap();
    let at = cluster.with_id(member.id).await;
    cluster.crash(at).await;
    // It says that it is this member.
    let addr = std::mem::replace(&mut member.peer_addr, free_addrs(1).remove(0));
    let follower = Follower::serve(&member).await;
    let masked = mask(&addr, &authority.issue(&["n9"]), member.peer_addr.clone()).await;
    eventually("it is found to be away", async || {
        let members = cluster.at(leader).cluster().await.members;
        members.iter().any(|one| one.id == member.id && !one.reachable)
    })
    .await;
    for number in 0..20 {
        put(cluster.at(leader), number).await;
    }
    assert_eq!(follower.followed(), log::Vote::default(), "nothing was sent to it");
    assert_eq!(follower.seen().questions, 0);
    // The test could fail: with the member's certificate it gets what the member would.
    masked.drop().await;
    let own = cluster.config(at).tls.clone().unwrap();
    let masked = mask(&addr, &own, member.peer_addr.clone()).await;
    eventually("it is taken for it", async || follower.followed() != log::Vote::default()).await;
    masked.drop().await;
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_and_authorities_are_replaced_while_writes_go_on() {
    let (old, new) = (Authority::new(), Authority::new());
    let mut cluster = old.cluster().await;
    cluster.leader().await;
    let ends = Arc::new(AtomicBool::new(false));
    let writer = {
        let (ends, handle) = (ends.clone(), cluster.at(0).clone());
        tokio::spawn(async move {
            let mut number = 1_000;
            while !ends.load(Ordering::Relaxed) {
                put(&handle, number).await;
                number += 1;
            }
            number
        })
    };
    let old_one = old.issue(&["other"]);
    old.trusts("other", &[&old, &new]);
    old_one.trust.reload().unwrap();
    let mut stranger = discovery(&cluster, 0, &old_one).await;
    let question = pb::DiscoverRequest { name: "other".into(), ..Default::default() };
    stranger.discover(question.clone()).await.unwrap();
    for step in 0..3 {
        for at in 0..3 {
            let config = cluster.config(at);
            match step {
                0 => old.trusts(&config.name, &[&old, &new]),
                1 => old.reissued_by(&new, &config.name),
                _ => old.trusts(&config.name, &[&new]),
            }
            let tls = config.tls.as_ref().unwrap();
            assert!(tls.trust.reload().unwrap() || tls.identity.reload().unwrap(), "step {step}");
            put(cluster.at(at), step * 10 + at as u64).await;
        }
    }
    // Who had a certificate of the old one loses even the connection that it has.
    eventually("the old certificate is nothing any more", async || {
        stranger.discover(question.clone()).await.is_err()
    })
    .await;
    ends.store(true, Ordering::Relaxed);
    writer.await.unwrap();
    let leader = cluster.leader().await;
    cluster.crash(leader).await;
    cluster.start(leader).await;
    eventually("it is back", async || cluster.at(leader).ready().await).await;
    put(cluster.at(leader), 500).await;
    cluster.converged().await;
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_spoken_to_any_more_whose_authority_is_none_any_more() {
    let (old, new) = (Authority::new(), Authority::new());
    let mut cluster = old.cluster().await;
    let leader = cluster.leader().await;
    let members = cluster.at(leader).cluster().await.members;
    let mut member = members.into_iter().find(|member| member.role == Role::Follower).unwrap();
    let at = cluster.with_id(member.id).await;
    cluster.crash(at).await;
    let addr = std::mem::replace(&mut member.peer_addr, free_addrs(1).remove(0));
    let follower = Follower::serve(&member).await;
    let masked = mask(&addr, cluster.config(at).tls.as_ref().unwrap(), member.peer_addr.clone()).await;
    eventually("it follows", async || follower.followed() != log::Vote::default()).await;
    for step in 0..3 {
        for at in cluster.up() {
            let config = cluster.config(at);
            match step {
                0 => old.trusts(&config.name, &[&old, &new]),
                1 => old.reissued_by(&new, &config.name),
                _ => old.trusts(&config.name, &[&new]),
            }
            let tls = config.tls.as_ref().unwrap();
            assert!(tls.trust.reload().unwrap() || tls.identity.reload().unwrap(), "step {step}");
        }
    }
    eventually("nobody is connected to it", async || masked.open() == 0).await;
    put(cluster.at(leader), 1).await;
    masked.drop().await;
    cluster.stop_all().await;
}

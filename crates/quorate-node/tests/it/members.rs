//! What operators ask: nodes that are added, removed and replaced, drained, and made to lead.

use std::time::Duration;

use crate::common::follower::Follower;
use crate::common::*;
use quorate_core::Unavailable;
use quorate_node::{Order, OrderError, Refused, Standing, Unready, Why};
use quorate_proto::log::v1 as log;
use quorate_proto::peer::v1 as pb;
use quorate_proto::peer::v1::peer_client::PeerClient;

fn add(name: &str) -> Order {
    Order::Add { name: name.into(), peer_addr: None, replaces: None }
}

fn remove(name: &str) -> Order {
    Order::Remove { name: name.into(), force: true }
}

fn replace(old: &str, new: &str) -> Order {
    Order::Add { name: new.into(), peer_addr: None, replaces: Some(old.into()) }
}

fn transfer(to: &str) -> Order {
    Order::Transfer { to: Some(to.into()) }
}

/// Why an order was refused.
fn refused<T: std::fmt::Debug>(answer: Result<T, OrderError>) -> Why {
    match answer {
        Err(OrderError::Refused(Refused { why, .. })) => why,
        other => panic!("not refused: {other:?}"),
    }
}

async fn index(cluster: &Cluster, at: usize) -> u64 {
    cluster.at(at).cluster().await.members_index
}

fn name(cluster: &Cluster, at: usize) -> String {
    cluster.config(at).name.clone()
}

async fn votes(cluster: &Cluster, at: usize, names: &[&str]) {
    eventually("the voters are these", async || cluster.voter_names(at).await == names).await;
}

async fn knows_that_it_was_removed(cluster: &Cluster, at: usize) {
    eventually("it knows that it was removed", async || {
        cluster.at(at).unready().await == Some(Unready::Removed)
    })
    .await;
    assert_eq!(cluster.at(at).cluster().await.standing, Standing::Removed);
    assert_eq!(submit(cluster.at(at), enqueue(1_000)).await, Err(Unavailable::NotMember));
    assert_eq!(cluster.at(at).barrier(LONG).await, Err(Unavailable::NotMember));
}

async fn warns(cluster: &Cluster, at: usize, kind: &str) {
    eventually(kind, async || {
        cluster.at(at).cluster().await.warnings.iter().any(|warning| warning.kind() == kind)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_waits_until_somebody_asks_for_it() {
    let mut cluster = Cluster::of_first(3, 4).await;
    // That members know it means nothing.
    let all = cluster.config(3).peers.clone();
    for at in 0..3 {
        cluster.stop(at).await;
        cluster.configure(at, |config| config.peers.clone_from(&all));
        cluster.start(at).await;
    }
    assert_eq!(refused(cluster.order(0, add("n4")).await), Why::NoSuchNode);
    cluster.start(3).await;
    applies(&cluster, 3).await;
    let seen = cluster.at(3).cluster().await;
    assert_eq!((seen.standing, seen.members.len()), (Standing::Applicant, 0));
    // It says at once that it is no member.
    assert_eq!(submit(cluster.at(3), enqueue(1_000)).await, Err(Unavailable::NotMember));
    assert_eq!(cluster.at(3).barrier(LONG).await, Err(Unavailable::NotMember));
    assert_eq!(cluster.order(3, add("n4")).await, Err(Unavailable::NotMember.into()));
    for at in 0..3 {
        eventually("it is shown", async || {
            let seen = cluster.at(at).cluster().await;
            seen.outsiders.iter().any(|one| one.name == "n4" && !one.removed)
                && seen.warnings.iter().any(|warning| warning.kind() == "applicant")
        })
        .await;
    }
    assert_eq!(cluster.voter_names(0).await, ["n1", "n2", "n3"]);

    let follower = usize::from(cluster.at(0).gauges().leads);
    let before = index(&cluster, follower).await;
    assert!(cluster.order(follower, add("n4")).await.unwrap().changed);
    votes(&cluster, follower, &["n1", "n2", "n3", "n4"]).await;
    eventually("it is ready", async || cluster.at(3).ready().await).await;
    put(cluster.at(3), 1).await;
    let after = index(&cluster, follower).await;
    assert!(after > before);
    // Again, and as of what was then: it is done.
    let again = cluster.at(follower).order(add("n4"), Some(before), LONG).await.unwrap();
    assert_eq!((again.changed, again.members_index), (false, after));
    assert!(cluster.at(0).cluster().await.outsiders.is_empty());
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_in_no_cluster_yet_says_so_at_once() {
    let mut cluster = Cluster::new(2);
    // Without the first of the list, which would make the cluster.
    cluster.start(1).await;
    waits_for(&cluster, 1, "n1 to make the cluster").await;
    assert_eq!(submit(cluster.at(1), enqueue(1)).await, Err(Unavailable::NotMember));
    assert_eq!(cluster.at(1).barrier(LONG).await, Err(Unavailable::NotMember));
    assert_eq!(cluster.order(1, add("n2")).await, Err(Unavailable::NotMember.into()));
    cluster.stop_all().await;
}

/// Only the leader is sure to be asked for a newcomer, and it knows nothing but a follower.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_knows_no_leader_asks_to_be_a_member_all_the_same() {
    let mut cluster = Cluster::of_first(3, 4).await;
    let follower = cluster.follower().await;
    let knows = [follower, 3].map(|at| cluster.config(3).peers[at].clone());
    cluster.configure(3, |config| config.peers = knows.to_vec());
    cluster.start(3).await;
    applies(&cluster, 3).await;
    assert_eq!(cluster.at(3).cluster().await.standing, Standing::Applicant);
    warns(&cluster, follower, "applicant").await;
    assert!(cluster.order(follower, add("n4")).await.unwrap().changed);
    votes(&cluster, follower, &["n1", "n2", "n3", "n4"]).await;
    cluster.stop_all().await;
}

/// A node on an empty directory hears of its cluster by those that are left of it, and of no leader.
#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_node_says_that_it_needs_a_majority() {
    let mut cluster = Cluster::started(3).await;
    for at in [1, 2] {
        cluster.crash(at).await;
    }
    std::fs::remove_dir_all(cluster.dir(1)).unwrap();
    cluster.start(1).await;
    let told = async || cluster.at(1).unready().await.map(|why| why.to_string()).unwrap_or_default();
    eventually("it says what it needs", async || told().await.contains("a majority of its members must run"))
        .await;
    cluster.stop_all().await;
}

/// What it has waited for before is not what it waits for now.
#[tokio::test(flavor = "multi_thread")]
async fn an_applicant_whose_cluster_loses_its_majority_says_that_it_needs_one() {
    let mut cluster = Cluster::of_first(3, 4).await;
    cluster.start(3).await;
    applies(&cluster, 3).await;
    for at in [1, 2] {
        cluster.crash(at).await;
    }
    waits_for(&cluster, 3, "a majority of its members must run").await;
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_much_to_apply_is_given_no_vote_and_does_not_lead() {
    let mut cluster = Cluster::started(3).await;
    let leader = cluster.leader().await;
    let followers = Follower::in_the_place_of_all(&mut cluster, leader).await;
    // More entries than may be missing. The followers have them all in their logs.
    for number in 0..1_010 {
        put(cluster.at(leader), number).await;
    }
    let seen = cluster.at(leader).cluster().await;
    for follower in &followers {
        let refused = cluster.order(leader, transfer(follower.name())).await.unwrap_err().to_string();
        assert!(refused.contains("is not up to date"), "{refused}");
        assert_eq!(follower.successors(), [0; 0]);
    }
    assert_eq!(refused(cluster.order(leader, Order::Transfer { to: None }).await), Why::Unsafe);
    followers[0].yield_leadership();
    let said = cluster.order(leader, transfer(followers[0].name())).await.unwrap_err().to_string();
    assert!(said.contains("is about to be removed"), "{said}");

    let leading = seen.members.iter().find(|member| member.name == name(&cluster, leader)).unwrap();
    let mut newcomer = leading.clone();
    (newcomer.name, newcomer.id, newcomer.peer_addr) = ("n4".into(), 4_711, free_addrs(1).remove(0));
    let learner = Follower::serve(&newcomer).await;
    let add = Order::Add { name: "n4".into(), peer_addr: Some(newcomer.peer_addr.clone()), replaces: None };
    assert!(cluster.order(leader, add).await.unwrap().changed);
    let mut peer = PeerClient::connect(format!("http://{}", leading.peer_addr)).await.unwrap();
    let mut asks = async || {
        let member = log::Member {
            node_id: newcomer.id,
            name: newcomer.name.clone(),
            peer_addr: newcomer.peer_addr.clone(),
            http_addr: newcomer.http_addr.clone(),
            ..log::Member::default()
        };
        let join = pb::JoinRequest { member: Some(member), feature_level: 1 };
        peer.join(call(join, &seen.id, newcomer.id, leading.id)).await.unwrap().into_inner()
    };
    eventually("it has the log", async || {
        let answer = asks().await;
        assert!(!answer.voter, "it has applied nothing of it");
        answer.message.contains("it applies what is in its log")
    })
    .await;
    learner.applies(cluster.at(leader).gauges().applied_index);
    eventually("it votes", async || asks().await.voter).await;

    followers[1].applies(u64::MAX);
    // It takes nothing over, but it is named.
    let _ = cluster.order(leader, transfer(followers[1].name())).await;
    assert!(!followers[1].successors().is_empty());
    cluster.crash(leader).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_does_not_know_the_cluster_is_added_by_its_address() {
    let mut cluster = Cluster::of_first(1, 2).await;
    let nowhere = free_addrs(1).remove(0);
    cluster.configure(1, |config| config.peers[0] = ("n0".to_owned(), nowhere));
    cluster.start(1).await;
    let addr = cluster.config(1).peers[1].1.clone();
    assert_eq!(refused(cluster.order(0, add("n2")).await), Why::NoSuchNode);
    let at_addr =
        |name: &str| Order::Add { name: name.into(), peer_addr: Some(addr.clone()), replaces: None };
    assert_eq!(refused(cluster.order(0, at_addr("n3")).await), Why::Unfit);
    assert!(cluster.order(0, at_addr("n2")).await.unwrap().changed);
    votes(&cluster, 0, &["n1", "n2"]).await;
    eventually("it is ready", async || cluster.at(1).ready().await).await;
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_refused_goes_on_to_form_its_own_cluster() {
    let mut cluster = Cluster::of_first(1, 3).await;
    for at in [1, 2] {
        cluster.configure(at, |config| drop(config.peers.remove(0)));
    }
    cluster.start(1).await;
    let peer_addr = Some(cluster.config(1).peers[0].1.clone());
    let order = Order::Add { name: "n9".into(), peer_addr, replaces: None };
    assert_eq!(refused(cluster.order(0, order).await), Why::Unfit);
    cluster.start(2).await;
    votes(&cluster, 1, &["n2", "n3"]).await;
    votes(&cluster, 0, &["n1"]).await;
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_a_members_name_does_not_take_its_place_when_it_is_restarted() {
    let mut cluster = Cluster::of_first(3, 4).await;
    let leader = cluster.leader().await;
    let bearer = cluster.follower().await;
    let bearer_name = name(&cluster, bearer);
    cluster.configure(3, |config| {
        config.peers.remove(bearer);
        config.name.clone_from(&bearer_name);
        config.peers.last_mut().unwrap().0.clone_from(&bearer_name);
    });
    cluster.start(3).await;
    warns(&cluster, leader, "name_borne").await;
    waits_for(&cluster, 3, "the member that bears its name").await;
    let before = cluster.voters(leader).await;
    cluster.stop(bearer).await;
    // As long as a restart takes. The namesake asks every second.
    tokio::time::sleep(Duration::from_secs(3)).await;
    cluster.start(bearer).await;
    eventually("it is ready", async || cluster.at(bearer).ready().await).await;
    assert_eq!(cluster.voters(leader).await, before);

    // Gone for good, it is replaced.
    cluster.stop(bearer).await;
    eventually("the namesake votes", async || {
        let now = cluster.voters(leader).await;
        now.len() == 3 && now != before && cluster.at(3).ready().await
    })
    .await;
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_only_voter_is_replaced() {
    let mut cluster = Cluster::of_first(1, 2).await;
    put(cluster.at(0), 1).await;
    cluster.start(1).await;
    applies(&cluster, 1).await;
    assert!(cluster.order(0, replace("n1", "n2")).await.unwrap().changed);
    votes(&cluster, 1, &["n2"]).await;
    eventually("it leads", async || cluster.at(1).gauges().leads).await;
    knows_that_it_was_removed(&cluster, 0).await;
    put(cluster.at(1), 2).await;
    assert_eq!(queued(cluster.at(1)), 2);
    cluster.stop_all().await;
}

/// Those that stay are asked again after those that go had time for their last answers.
#[tokio::test(flavor = "multi_thread")]
async fn a_voter_that_dies_while_another_one_leaves_is_not_left_to_be_needed() {
    let mut cluster = Cluster::started(3).await;
    let leader = cluster.leader().await;
    let followers = Follower::in_the_place_of_all(&mut cluster, leader).await;
    let [goes, stays] = &followers[..] else { panic!("two followers") };
    let dies = stays.clone();
    goes.when_drained(move || dies.fall_silent());
    assert_eq!(refused(cluster.order(leader, remove(goes.name())).await), Why::Unsafe);
    assert_eq!(cluster.voters(leader).await.len(), 3);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_learner_that_never_comes_to_vote_is_removed() {
    let cluster = Cluster::started(3).await;
    let mut idle = cluster.at(0).cluster().await.members.remove(0);
    (idle.name, idle.id, idle.peer_addr) = ("n4".into(), 4_711, free_addrs(1).remove(0));
    // It follows, and asks for nothing.
    let _idle = Follower::serve(&idle).await;
    let add = Order::Add { name: "n4".into(), peer_addr: Some(idle.peer_addr), replaces: Some("n1".into()) };
    assert!(cluster.order(0, add.clone()).await.unwrap().changed);
    assert!(!cluster.order(0, add).await.unwrap().changed, "it is under way");
    assert_eq!(refused(cluster.order(0, replace("n2", "n4")).await), Why::Unfit);
    assert_eq!(refused(cluster.order(0, transfer("n4")).await), Why::Unfit);
    assert_eq!(refused(cluster.order(0, replace("n4", "n5")).await), Why::Unfit);
    let seen = cluster.at(0).cluster().await;
    assert_eq!((seen.members.len(), cluster.voter_names(0).await.len()), (4, 3));
    assert!(cluster.order(0, remove("n4")).await.unwrap().changed);
    assert_eq!(cluster.at(0).cluster().await.members.len(), 3);
    put(cluster.at(0), 1).await;
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_failure_that_is_survived_is_not_given_up_unasked() {
    let mut cluster = Cluster::started(3).await;
    let leader = cluster.leader().await;
    let [one, other] = cluster.up().into_iter().filter(|at| *at != leader).collect::<Vec<_>>()[..] else {
        panic!("three nodes")
    };
    let unforced = |cluster: &Cluster, at| Order::Remove { name: name(cluster, at), force: false };
    for at in [leader, one] {
        assert_eq!(refused(cluster.order(leader, unforced(&cluster, at)).await), Why::Unsafe);
    }
    // One that is dead counts for nothing that is given up.
    cluster.crash(other).await;
    assert!(cluster.order(leader, unforced(&cluster, other)).await.unwrap().changed);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_node_knows_it_and_stays_so_until_it_is_wiped() {
    let mut cluster = Cluster::of_first(3, 3).await;
    let leader = cluster.leader().await;
    let [gone, stays] = cluster.up().into_iter().filter(|at| *at != leader).collect::<Vec<_>>()[..] else {
        panic!("three nodes")
    };
    let gone_name = name(&cluster, gone);
    // By itself.
    let done = cluster.order(gone, remove(&gone_name)).await.unwrap();
    assert!(done.changed);
    assert!(!cluster.order(stays, remove(&gone_name)).await.unwrap().changed, "it is gone");
    knows_that_it_was_removed(&cluster, gone).await;
    put(cluster.at(stays), 1).await;
    eventually("that it runs is shown", async || {
        let seen = cluster.at(stays).cluster().await;
        seen.warnings.iter().any(|warning| warning.kind() == "removed_runs")
    })
    .await;
    assert_eq!(refused(cluster.order(stays, add(&gone_name)).await), Why::Unfit);

    // Also where nobody tells it.
    cluster.stop(gone).await;
    cluster.crash(leader).await;
    cluster.crash(stays).await;
    cluster.start(gone).await;
    assert_eq!(cluster.at(gone).unready().await, Some(Unready::Removed));
    cluster.start(leader).await;
    cluster.start(stays).await;
    eventually("they go on", async || cluster.at(stays).ready().await).await;
    knows_that_it_was_removed(&cluster, gone).await;

    // A new node under its name has to be asked for.
    cluster.stop(gone).await;
    std::fs::remove_dir_all(cluster.dir(gone)).unwrap();
    cluster.start(gone).await;
    applies(&cluster, gone).await;
    assert_eq!(cluster.voters(stays).await.len(), 2);
    assert!(cluster.order(stays, add(&gone_name)).await.unwrap().changed);
    votes(&cluster, stays, &["n1", "n2", "n3"]).await;
    eventually("it is ready", async || cluster.at(gone).ready().await).await;
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_away_when_it_was_removed_learns_of_it() {
    let mut cluster = Cluster::started(3).await;
    let leader = cluster.leader().await;
    let gone = cluster.follower().await;
    cluster.stop(gone).await;
    assert!(cluster.order(leader, remove(&name(&cluster, gone))).await.unwrap().changed);
    // Whoever answers knows, not only who leads now.
    cluster.start(gone).await;
    knows_that_it_was_removed(&cluster, gone).await;
    let term = cluster.at(leader).gauges().term;
    put(cluster.at(leader), 1).await;
    assert_eq!(cluster.at(leader).gauges().term, term, "it disturbs nobody");
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leader_is_removed() {
    let cluster = Cluster::started(3).await;
    let leader = cluster.leader().await;
    let gone = name(&cluster, leader);
    assert!(cluster.order(leader, remove(&gone)).await.unwrap().changed);
    let stays = (0..3).find(|at| *at != leader).unwrap();
    assert_eq!(cluster.voters(stays).await.len(), 2);
    put(cluster.at(stays), 1).await;
    knows_that_it_was_removed(&cluster, leader).await;
    assert!(!cluster.at(leader).gauges().leads);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_stop_the_cluster_is_refused() {
    let cluster = Cluster::started(1).await;
    assert_eq!(refused(cluster.order(0, remove("n1")).await), Why::Unsafe);
    assert_eq!(refused(cluster.order(0, Order::Transfer { to: None }).await), Why::Unsafe);
    cluster.stop_all().await;

    let mut cluster = Cluster::started(3).await;
    let leader = cluster.leader().await;
    let dead = cluster.follower().await;
    cluster.crash(dead).await;
    let alive = cluster.up().into_iter().find(|at| *at != leader).unwrap();
    for who in [alive, leader] {
        assert_eq!(refused(cluster.order(alive, remove(&name(&cluster, who))).await), Why::Unsafe);
    }
    assert_eq!(cluster.voters(leader).await.len(), 3);
    assert_eq!(cluster.leader().await, leader, "it has not handed over for it");
    // The dead one is what can be spared.
    assert!(cluster.order(alive, remove(&name(&cluster, dead))).await.unwrap().changed);
    put(cluster.at(alive), 1).await;
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_operators_who_have_seen_the_same_one_is_refused() {
    let cluster = Cluster::started(3).await;
    let seen = index(&cluster, 0).await;
    assert_eq!(refused(cluster.at(0).order(remove("n2"), Some(seen + 1), LONG).await), Why::Changed);
    let (one, other) = tokio::join!(
        cluster.at(0).order(remove("n2"), Some(seen), LONG),
        cluster.at(0).order(remove("n3"), Some(seen), LONG)
    );
    let (done, not_done) = if one.is_ok() { (one, other) } else { (other, one) };
    assert!(done.unwrap().changed);
    assert_eq!(refused(not_done), Why::Changed);
    let left = cluster.at(0).cluster().await.members.len();
    assert_eq!(left, 2);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voter_is_replaced_in_one_change_the_leader_too() {
    let mut cluster = Cluster::of_first(3, 5).await;
    for number in 0..20 {
        put(cluster.at(0), number).await;
    }
    for (at, leads) in [(3, false), (4, true)] {
        let leader = cluster.leader().await;
        let is_old = |at: &usize| (*at == leader) == leads && *at < 3;
        let old = cluster.up().into_iter().find(is_old);
        // An earlier newcomer may lead.
        let old = old.unwrap_or(leader);
        let (old_name, new_name) = (name(&cluster, old), name(&cluster, at));
        assert_eq!(refused(cluster.order(old, replace("n9", &new_name)).await), Why::NoSuchNode);
        cluster.start(at).await;
        applies(&cluster, at).await;
        assert!(cluster.order(old, replace(&old_name, &new_name)).await.unwrap().changed);
        eventually("it is replaced", async || {
            let names = cluster.voter_names(at).await;
            names.len() == 3 && names.contains(&new_name) && !names.contains(&old_name)
        })
        .await;
        knows_that_it_was_removed(&cluster, old).await;
        let again = cluster.order(at, replace(&old_name, &new_name)).await.unwrap();
        assert!(!again.changed, "{again:?}");
        cluster.stop(old).await;
    }
    assert_eq!(cluster.voters(3).await.len(), 3);
    cluster.at(4).barrier(LONG).await.unwrap();
    assert_eq!(queued(cluster.at(4)), 20);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leadership_goes_where_an_operator_wants_it() {
    let mut cluster = Cluster::started(3).await;
    let leader = cluster.leader().await;
    let [to, other] = cluster.up().into_iter().filter(|at| *at != leader).collect::<Vec<_>>()[..] else {
        panic!("three nodes")
    };
    let to_name = name(&cluster, to);
    assert!(cluster.order(other, transfer(&to_name)).await.unwrap().changed);
    assert_eq!(cluster.leader().await, to);
    assert!(!cluster.order(other, transfer(&to_name)).await.unwrap().changed, "it leads");
    assert_eq!(refused(cluster.order(other, transfer("n9")).await), Why::NoSuchNode);
    cluster.crash(other).await;
    assert_eq!(refused(cluster.order(leader, transfer(&name(&cluster, other))).await), Why::Unfit);
    assert!(cluster.order(leader, Order::Transfer { to: None }).await.unwrap().changed);
    assert_eq!(cluster.leader().await, leader, "the one that answers");
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_drained_does_not_lead_where_another_can() {
    let mut cluster = Cluster::started(3).await;
    let drained = cluster.leader().await;
    let others: Vec<usize> = cluster.up().into_iter().filter(|at| *at != drained).collect();
    let drained_name = name(&cluster, drained);
    assert!(cluster.at(others[0]).drain(&drained_name, false).await.unwrap().changed);
    assert!(!cluster.at(others[0]).drain(&drained_name, false).await.unwrap().changed);
    assert!(!cluster.at(drained).gauges().leads && cluster.at(drained).gauges().draining);
    assert_eq!(cluster.at(drained).unready().await, Some(Unready::Draining));
    put(cluster.at(drained), 1).await;
    assert_eq!(refused(cluster.order(others[0], transfer(&drained_name)).await), Why::Unfit);

    // The one that leads dies, and the drained one is the only one that has the log, or is elected: it hands over.
    let leads = |cluster: &Cluster, at: usize| cluster.at(at).gauges().leads;
    eventually("another one leads", async || others.iter().any(|at| leads(&cluster, *at))).await;
    let (dies, stays) =
        if leads(&cluster, others[0]) { (others[0], others[1]) } else { (others[1], others[0]) };
    cluster.crash(dies).await;
    eventually("the other one leads", async || leads(&cluster, stays)).await;

    assert!(cluster.at(stays).drain(&drained_name, true).await.unwrap().changed);
    eventually("it is ready", async || cluster.at(drained).ready().await).await;
    // Its start ends it, too.
    cluster.at(stays).drain(&drained_name, false).await.unwrap();
    cluster.start(dies).await;
    cluster.stop(drained).await;
    cluster.start(drained).await;
    eventually("it is ready", async || cluster.at(drained).ready().await).await;
    cluster.stop_all().await;
}

//! Wall clocks that step, machines that are started again, leaders that change: no timer fires early for it.

use std::time::Duration;

use crate::common::*;
use prost::Message;
use quorate_core::{Command, JobId, NewJob, Status};
use quorate_proto::log::v1 as log;
use quorate_proto::peer::v1 as pb;
use quorate_proto::peer::v1::append_result::Result::Matched;
use quorate_proto::peer::v1::peer_client::PeerClient;

const HOUR: i64 = 3_600_000;
/// What a test may take, in milliseconds: far less than the steps, the delays and the timeouts.
const MINUTE: u64 = 60_000;

fn delayed(number: u64, delay: u32) -> Command {
    Command::Enqueue { jobs: vec![NewJob { delay, ..job(number) }], key: None }
}

/// A job with a delay of 1,800 s, and one that runs, with a timeout of 600 s from a touch.
async fn begin_timers(cluster: &Cluster) -> [(JobId, Status); 2] {
    let node = cluster.at(0);
    submit(node, delayed(1, 1_800)).await.unwrap().outcome.unwrap();
    put(node, 2).await;
    assert_eq!(jobs(submit(node, consume(1)).await.unwrap())[0].id, job(2).id);
    submit(node, Command::Touch { id: job(2).id, progress: None }).await.unwrap().outcome.unwrap();
    [(job(1).id, Status::Delayed), (job(2).id, Status::Running)]
}

/// Log time, after what is due has happened: every entry carries it out.
async fn log_time(cluster: &Cluster, number: u64) -> u64 {
    let mut time = 0;
    // Deadlines drawn at any node are good.
    for (at, number) in cluster.up().into_iter().zip(number..) {
        time = jobs(put(cluster.at(at), number).await)[0].created_at.0;
    }
    time
}

async fn assert_none_has_fired(cluster: &Cluster, timers: &[(JobId, Status)]) {
    for at in cluster.up() {
        cluster.at(at).barrier(LONG).await.unwrap();
        for (id, status) in timers {
            let job = cluster.at(at).reader().job(*id).await.unwrap().unwrap();
            assert_eq!(job.status(), *status, "{job:?}");
        }
    }
}

async fn change_leader(cluster: &mut Cluster) {
    let leader = cluster.leader().await;
    cluster.crash(leader).await;
    assert_ne!(cluster.leader().await, leader);
    cluster.start(leader).await;
    eventually("it is back", async || cluster.at(leader).ready().await).await;
}

async fn crash_all(cluster: &mut Cluster) {
    for at in cluster.up() {
        cluster.crash(at).await;
    }
}

fn set_all(cluster: &Cluster, ahead_ms: i64) {
    for at in 0..3 {
        cluster.hands(at).set(ahead_ms);
    }
}

fn boot_all(cluster: &Cluster) {
    for at in 0..3 {
        cluster.hands(at).boot();
    }
}

/// All nodes show the same difference of log time to the wall clocks, about that.
async fn shows_offset(cluster: &Cluster, ms: i64) {
    let is_it = |offset: Option<i64>| offset.is_some_and(|offset| offset.abs_diff(ms) < MINUTE);
    eventually("log time is that much ahead of the wall clocks", async || {
        for at in cluster.up() {
            let shown = cluster.at(at).cluster().await.log_time_offset_ms;
            if !is_it(shown) || !is_it(cluster.at(at).gauges().log_time_offset_ms) {
                return false;
            }
        }
        true
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_of_all_wall_clocks_and_then_another_leader() {
    for step in [HOUR, -HOUR] {
        let mut cluster = Cluster::started(3).await;
        let timers = begin_timers(&cluster).await;
        let before = log_time(&cluster, 10).await;
        set_all(&cluster, step);
        shows_offset(&cluster, -step).await;
        change_leader(&mut cluster).await;
        let after = log_time(&cluster, 20).await;
        assert!((before..before + MINUTE).contains(&after), "from {before} to {after}");
        assert_none_has_fired(&cluster, &timers).await;
        shows_offset(&cluster, -step).await;
        cluster.stop_all().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_that_were_slow_when_all_began_are_mended_and_then_another_leader() {
    let mut cluster = Cluster::new(3);
    set_all(&cluster, -HOUR);
    cluster.start_all().await;
    let timers = begin_timers(&cluster).await;
    shows_offset(&cluster, 0).await;
    set_all(&cluster, 0);
    change_leader(&mut cluster).await;
    log_time(&cluster, 10).await;
    assert_none_has_fired(&cluster, &timers).await;
    shows_offset(&cluster, -HOUR).await;
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_nodes_are_started_again_with_other_wall_clocks() {
    for machines_too in [false, true] {
        for step in [HOUR, -HOUR] {
            let mut cluster = Cluster::started(3).await;
            let timers = begin_timers(&cluster).await;
            let before = log_time(&cluster, 10).await;
            crash_all(&mut cluster).await;
            set_all(&cluster, step);
            if machines_too {
                boot_all(&cluster);
            }
            cluster.start_all().await;
            let after = log_time(&cluster, 20).await;
            assert!((before..before + MINUTE).contains(&after), "from {before} to {after}");
            assert_none_has_fired(&cluster, &timers).await;
            cluster.stop_all().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_without_timers_and_after_a_restart_of_all_machines_log_time_follows_the_wall_clocks() {
    let mut cluster = Cluster::started(3).await;
    let first = log_time(&cluster, 10).await;
    crash_all(&mut cluster).await;
    set_all(&cluster, HOUR);
    cluster.start_all().await;
    let second = log_time(&cluster, 20).await;
    assert!((first..first + MINUTE).contains(&second), "from {first} to {second}");
    shows_offset(&cluster, -HOUR).await;

    crash_all(&mut cluster).await;
    boot_all(&cluster);
    // One of three clocks is off.
    cluster.hands(0).set(24 * HOUR);
    cluster.start_all().await;
    shows_offset(&cluster, 0).await;
    let third = log_time(&cluster, 30).await;
    let hour = HOUR.unsigned_abs();
    assert!((second + hour - MINUTE..second + hour + MINUTE).contains(&third), "from {second} to {third}");
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_three_come_back_after_an_outage_one_of_them_with_a_slow_clock() {
    let mut cluster = Cluster::started(3).await;
    let timers = begin_timers(&cluster).await;
    crash_all(&mut cluster).await;
    // An hour later.
    boot_all(&cluster);
    set_all(&cluster, HOUR);
    cluster.hands(0).set(0);
    for at in [0, 1] {
        cluster.start(at).await;
    }
    let before = log_time(&cluster, 10).await;
    cluster.start(2).await;
    for number in [20, 30, 40] {
        change_leader(&mut cluster).await;
        let after = log_time(&cluster, number).await;
        assert!((before..before + 2 * MINUTE).contains(&after), "from {before} to {after}");
        assert_none_has_fired(&cluster, &timers).await;
    }
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_started_again_learns_log_time_from_one_that_was_not() {
    let mut cluster = Cluster::started(3).await;
    let before = log_time(&cluster, 10).await;
    let (leader, survivor) = (cluster.leader().await, cluster.follower().await);
    let third = cluster.up().into_iter().find(|at| ![leader, survivor].contains(at)).unwrap();
    // It has the longest log, hence leads next. Without timers it would begin anew if it knew no better.
    cluster.crash(survivor).await;
    log_time(&cluster, 20).await;
    cluster.crash(leader).await;
    cluster.crash(third).await;
    std::fs::remove_file(cluster.dir(third).join("log-time")).unwrap();
    set_all(&cluster, HOUR);
    cluster.start(survivor).await;
    cluster.start(third).await;
    assert_eq!(cluster.leader().await, third);
    let after = log_time(&cluster, 30).await;
    assert!((before..before + MINUTE).contains(&after), "from {before} to {after}");
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_that_is_of_no_use_keeps_no_node_from_starting() {
    let mut cluster = Cluster::started(1).await;
    let timers = begin_timers(&cluster).await;
    let note = cluster.dir(0).join("log-time");
    for damage in ["damaged", "a directory", "gone"] {
        cluster.crash(0).await;
        let _ = std::fs::remove_dir(&note);
        match damage {
            "damaged" => std::fs::write(&note, b"this is no note").unwrap(),
            "gone" => {}
            _ => {
                std::fs::remove_file(&note).unwrap();
                std::fs::create_dir(&note).unwrap();
            }
        }
        cluster.start_all().await;
        assert_none_has_fired(&cluster, &timers).await;
    }
    cluster.stop_all().await;
}

/// More than a node's clock may be off.
const WEEKEND: Duration = Duration::from_secs(30 * 3_600);

/// All nodes take commands, whatever they take the time for.
async fn all_take_commands(cluster: &Cluster, first: u64) {
    for (at, number) in cluster.up().into_iter().zip(first..) {
        eventually("it takes commands", async || {
            let answered = submit(cluster.at(at), enqueue(number)).await;
            answered.is_ok_and(|answered| answered.outcome.is_ok())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_machine_was_stopped_over_the_weekend_follows_the_others() {
    let cluster = Cluster::started(3).await;
    let before = log_time(&cluster, 10).await;
    shows_offset(&cluster, 0).await;
    let stopped = cluster.follower().await;
    for at in (0..3).filter(|at| *at != stopped) {
        cluster.hands(at).pass(WEEKEND);
    }
    all_take_commands(&cluster, 20).await;
    let after = log_time(&cluster, 30).await;
    let passed = after - before;
    assert!(passed.abs_diff(WEEKEND.as_millis() as u64) < 3 * MINUTE, "{passed} ms");
    let offset = cluster.at(stopped).log_time().0.abs_diff(after);
    assert!(offset < MINUTE, "{offset} ms");
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_weekend_for_which_the_majority_was_stopped_the_next_leader_hears_of_it() {
    let mut cluster = Cluster::started(3).await;
    shows_offset(&cluster, 0).await;
    let before = log_time(&cluster, 10).await;
    let leader = cluster.leader().await;
    let awake = (leader + 1) % 3;
    cluster.hands(awake).pass(WEEKEND);
    // The one that was not stopped goes along, and keeps what it knows.
    all_take_commands(&cluster, 30).await;
    let meanwhile = log_time(&cluster, 40).await;
    assert!(meanwhile < before + MINUTE, "from {before} to {meanwhile}");
    let weekend = i64::try_from(WEEKEND.as_millis()).unwrap();
    for at in (0..3).filter(|at| *at != awake) {
        cluster.hands(at).set(weekend);
    }
    shows_offset(&cluster, -weekend).await;
    change_leader(&mut cluster).await;
    all_take_commands(&cluster, 50).await;
    let passed = log_time(&cluster, 60).await - before;
    // What is only heard goes on a little slower.
    assert!(passed.abs_diff(weekend.unsigned_abs()) < 3 * MINUTE, "{passed} ms");
    cluster.stop_all().await;
}

/// Log time that is far ahead of the clocks is no lie.
#[tokio::test(flavor = "multi_thread")]
async fn clocks_that_were_a_year_ahead_when_all_began_are_mended() {
    const YEAR: i64 = 365 * 24 * HOUR;
    let mut cluster = Cluster::new(3);
    set_all(&cluster, YEAR);
    cluster.start_all().await;
    let timers = begin_timers(&cluster).await;
    let before = log_time(&cluster, 10).await;
    set_all(&cluster, 0);
    shows_offset(&cluster, YEAR).await;
    change_leader(&mut cluster).await;
    crash_all(&mut cluster).await;
    cluster.start_all().await;
    let after = log_time(&cluster, 20).await;
    assert!((before..before + 2 * MINUTE).contains(&after), "from {before} to {after}");
    assert_none_has_fired(&cluster, &timers).await;
    shows_offset(&cluster, YEAR).await;
    cluster.stop_all().await;
}

/// What a leader of a later term would have sent to this node before it ended: an entry that is not committed yet.
async fn append(cluster: &Cluster, at: usize, term: u64, entry: log::Batch) {
    eventually("it has read its log", async || cluster.at(at).gauges().last_log_index > 0).await;
    let (from, to, cluster_id, last_term) = {
        let seen = cluster.at(at).cluster().await;
        let member = |own: bool| seen.members.iter().find(|m| (m.name == seen.node) == own).unwrap().id;
        (member(false), member(true), seen.id.clone(), seen.term)
    };
    let last = cluster.at(at).gauges().last_log_index;
    let appended = log::Entry {
        log_id: Some(log::LogId { term, index: last + 1 }),
        payload: Some(log::entry::Payload::Batch(entry.encode_to_vec().into())),
    };
    let frame = pb::AppendFrame {
        vote: Some(log::Vote { term, node_id: from, committed: true }),
        prev_log_id: Some(log::LogId { term: last_term, index: last }),
        entries: vec![appended.encode_to_vec().into()],
        ..Default::default()
    };
    let request = call(futures::stream::iter([frame]).chain_pending(), &cluster_id, from, to);
    let addr = &cluster.config(at).peers[at].1;
    let mut peer = PeerClient::connect(format!("http://{addr}")).await.unwrap();
    let mut results = peer.append(request).await.unwrap().into_inner();
    let result = results.message().await.unwrap().unwrap().result;
    assert!(matches!(result, Some(Matched(_))), "{result:?}");
}

/// A stream that stays open after its last item.
trait ChainPending: futures::Stream + Sized {
    fn chain_pending(self) -> impl futures::Stream<Item = Self::Item> {
        futures::StreamExt::chain(self, futures::stream::pending())
    }
}

impl<S: futures::Stream> ChainPending for S {}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_leader_stamps_nothing_below_the_entries_that_it_has_not_applied_yet() {
    let mut cluster = Cluster::started(3).await;
    let time = log_time(&cluster, 10).await;
    cluster.converged().await;
    crash_all(&mut cluster).await;
    // Nobody remembers log time, and the clocks are slow.
    boot_all(&cluster);
    set_all(&cluster, -HOUR);
    for at in 0..3 {
        std::fs::remove_file(cluster.dir(at).join("log-time")).unwrap();
    }
    cluster.start(0).await;
    let an_hour_later = log::Batch { stamp_ms: time + HOUR.unsigned_abs(), envelopes: Vec::new() };
    append(&cluster, 0, 1_000, an_hour_later).await;
    cluster.crash(0).await;
    cluster.start(0).await;
    cluster.start(1).await;

    submit(cluster.at(1), delayed(50, 1)).await.unwrap().outcome.unwrap();
    eventually("the delay ends", async || {
        cluster.at(1).reader().job(job(50).id).await.unwrap().unwrap().status() == Status::Queued
    })
    .await;
    cluster.stop_all().await;
}

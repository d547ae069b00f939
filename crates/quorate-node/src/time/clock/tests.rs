//! Log time on machines whose clocks are set by hand; `latest.rs`: what is too late to be true.

mod latest;

use std::sync::atomic::{AtomicU64, Ordering};

use futures::FutureExt;

use super::*;
use crate::limits;

const SECOND: u64 = 1_000;
const HOUR: u64 = 3_600 * SECOND;
const DAY: u64 = 24 * HOUR;
/// The members but this node, in a cluster of three.
const OTHERS: [NodeId; 2] = [2, 3];
const TIMERS: bool = true;
const NO_TIMERS: bool = false;

/// A machine whose clocks are set by hand.
#[derive(Clone, Default)]
struct Hands {
    wall: Arc<AtomicU64>,
    uptime: Arc<AtomicU64>,
}

impl Hands {
    fn pass(&self, ms: u64) {
        self.wall.fetch_add(ms, Ordering::Relaxed);
        self.uptime.fetch_add(ms, Ordering::Relaxed);
    }

    fn step(&self, to: u64) {
        self.wall.store(to, Ordering::Relaxed);
    }
}

impl Machine for Hands {
    fn wall_ms(&self) -> u64 {
        self.wall.load(Ordering::Relaxed)
    }

    fn uptime(&self) -> Duration {
        Duration::from_millis(self.uptime.load(Ordering::Relaxed))
    }

    fn boot(&self) -> Option<String> {
        Some("boot".to_owned())
    }

    fn draw(&self) -> [u8; 16] {
        [4; 16]
    }
}

/// A node whose wall clock says `wall`, on a machine that has been up for an hour.
fn node(wall: u64) -> (Hands, LogClock) {
    let hands = Hands::default();
    hands.step(wall);
    hands.uptime.store(HOUR, Ordering::Relaxed);
    (hands.clone(), LogClock::new(Arc::new(hands)))
}

/// One that leads in term 1, alone, from that time on.
fn leader_at(time: u64) -> (Hands, LogClock) {
    let (hands, clock) = node(time);
    assert_eq!(clock.start(1, NO_TIMERS, &[]), Some(Start::Anew));
    (hands, clock)
}

/// A follower that hears the leader of term 4 say that time.
fn follower_at(time: u64) -> (Hands, LogClock) {
    let (hands, clock) = node(time);
    clock.heard(4, Timestamp(time), clock.uptime());
    (hands, clock)
}

/// Both other members' wall clocks are seen, at that time.
fn see(clock: &LogClock, wall: u64) {
    for peer in OTHERS {
        clock.saw_wall(peer, wall, Duration::ZERO);
    }
}

fn lag(ms: u64) -> u64 {
    ms * u64::from(limits::HEARD_LAG_PPM) / 1_000_000
}

fn slewed(ms: u64) -> u64 {
    ms * u64::from(limits::SLEW_PPM) / 1_000_000
}

#[test]
fn log_time_follows_the_uptime_and_not_the_wall_clock() {
    let (hands, clock) = leader_at(10 * HOUR);
    hands.pass(250);
    for step in [99 * HOUR, HOUR, 0] {
        hands.step(step);
        assert_eq!(clock.lead(1), Some(Timestamp(10 * HOUR + 250)));
    }
}

#[test]
fn the_time_of_a_suspended_machine_has_passed() {
    let (hands, clock) = follower_at(10 * HOUR);
    hands.pass(HOUR);
    assert_eq!(clock.start(5, TIMERS, &OTHERS), Some(Start::WentOn));
    assert_eq!(clock.lead(5), Some(Timestamp(11 * HOUR - lag(HOUR))));
}

#[test]
fn a_new_leader_goes_on_whatever_the_wall_clocks_say() {
    for wall in [0, HOUR, 9 * HOUR, 11 * HOUR, 99 * HOUR] {
        for timers in [TIMERS, NO_TIMERS] {
            let (hands, clock) = follower_at(10 * HOUR);
            hands.pass(SECOND);
            hands.step(wall);
            see(&clock, wall);
            assert_eq!(clock.start(5, timers, &OTHERS), Some(Start::WentOn));
            assert_eq!(clock.lead(5), Some(Timestamp(10 * HOUR + SECOND - lag(SECOND))));
        }
    }
}

#[test]
fn log_time_is_never_below_what_the_table_has() {
    for timers in [TIMERS, NO_TIMERS] {
        let (_, knows) = follower_at(10 * HOUR);
        knows.applied(Timestamp(11 * HOUR));
        assert_eq!(knows.start(5, timers, &OTHERS), Some(Start::WentOn));
        assert_eq!(knows.lead(5), Some(Timestamp(11 * HOUR)));

        let (_, knows_nothing) = node(10 * HOUR);
        see(&knows_nothing, 10 * HOUR);
        knows_nothing.applied(Timestamp(11 * HOUR));
        assert!(knows_nothing.start(5, timers, &OTHERS).is_some());
        assert_eq!(knows_nothing.lead(5), Some(Timestamp(11 * HOUR)));
    }
}

#[test]
fn nothing_is_stamped_before_log_time_has_started_in_the_term() {
    let (_, clock) = follower_at(10 * HOUR);
    assert_eq!(clock.lead(5), None);
    let mut waiting = Box::pin(clock.leads(5));
    assert!(waiting.as_mut().now_or_never().is_none());
    assert!(clock.start(5, TIMERS, &OTHERS).is_some());
    assert_eq!(waiting.as_mut().now_or_never(), Some(Timestamp(10 * HOUR)));
    assert_eq!(clock.lead(4), None);
    assert_eq!(clock.lead(6), None);
}

#[test]
fn where_nobody_knows_log_time_and_a_timer_runs_it_has_stood_still() {
    let (_, clock) = node(15 * HOUR);
    see(&clock, 15 * HOUR);
    clock.applied(Timestamp(10 * HOUR));
    assert_eq!(clock.start(5, TIMERS, &OTHERS), Some(Start::StoodStill));
    assert_eq!(clock.lead(5), Some(Timestamp(10 * HOUR)));
}

#[test]
fn where_nobody_knows_log_time_and_no_timer_runs_the_median_counts() {
    let (_, ahead) = node(20 * HOUR);
    ahead.applied(Timestamp(9 * HOUR));
    ahead.saw_wall(2, 10 * HOUR, Duration::ZERO);
    ahead.saw_wall(3, 10 * HOUR + 7, Duration::ZERO);
    assert_eq!(ahead.start(1, NO_TIMERS, &OTHERS), Some(Start::Anew));
    assert_eq!(ahead.lead(1), Some(Timestamp(10 * HOUR + 7)));
    assert_eq!(ahead.own_offset_ms(&OTHERS), i64::try_from(10 * HOUR).unwrap() - 7);

    let (_, behind) = node(HOUR);
    behind.saw_wall(2, 10 * HOUR, Duration::ZERO);
    behind.saw_wall(3, 10 * HOUR + 7, Duration::ZERO);
    assert_eq!(behind.start(1, NO_TIMERS, &OTHERS), Some(Start::Anew));
    assert_eq!(behind.lead(1), Some(Timestamp(10 * HOUR)));
}

#[test]
fn a_median_needs_a_majority_of_fresh_clocks() {
    let (hands, clock) = node(10 * HOUR);
    assert_eq!(clock.start(1, NO_TIMERS, &OTHERS), None);
    clock.saw_wall(9, 99 * HOUR, Duration::ZERO);
    assert_eq!(clock.start(1, NO_TIMERS, &OTHERS), None, "no member");
    clock.saw_wall(2, 99 * HOUR, Duration::ZERO);
    hands.pass(u64::try_from(limits::CLOCK_AGE.as_millis()).unwrap() + 1);
    assert_eq!(clock.offset_ms(2), None);
    assert_eq!(clock.own_offset_ms(&OTHERS), 0);
    assert_eq!(clock.start(1, NO_TIMERS, &OTHERS), None, "too old");
    assert_eq!(clock.lead(1), None);
    clock.saw_wall(2, 99 * HOUR, Duration::ZERO);
    assert_eq!(clock.start(1, NO_TIMERS, &[2, 3, 4]), None, "two of four");
    assert_eq!(clock.start(1, NO_TIMERS, &OTHERS), Some(Start::Anew));
    // Of two clocks the earlier one.
    assert_eq!(clock.lead(1).unwrap().0, clock.wall_ms());
}

#[test]
fn a_step_of_the_own_wall_clock_does_not_move_what_was_seen_of_the_others() {
    let (hands, clock) = node(10 * HOUR);
    see(&clock, 10 * HOUR);
    hands.pass(SECOND);
    hands.step(20 * HOUR);
    assert_eq!(clock.offset_ms(2), Some(-i64::try_from(10 * HOUR - SECOND).unwrap()));
    assert_eq!(clock.start(1, NO_TIMERS, &OTHERS), Some(Start::Anew));
    assert_eq!(clock.lead(1), Some(Timestamp(10 * HOUR + SECOND)));
}

#[test]
fn a_reading_counts_from_the_middle_of_its_round_trip() {
    let (_, clock) = node(10 * HOUR);
    clock.saw_wall(2, 10 * HOUR, Duration::from_millis(80));
    assert_eq!(clock.offset_ms(2), Some(40));
}

#[test]
fn a_follower_goes_on_from_what_it_heard() {
    let (hands, clock) = node(HOUR);
    assert_eq!(clock.now(), None);
    let mut waiting = Box::pin(clock.known());
    assert!(waiting.as_mut().now_or_never().is_none());
    clock.heard(4, Timestamp(50 * HOUR), clock.uptime());
    assert_eq!(waiting.now_or_never(), Some(Timestamp(50 * HOUR)));
    hands.pass(30 * SECOND);
    let gone_on = Timestamp(50 * HOUR + 30 * SECOND - lag(30 * SECOND));
    assert_eq!(clock.now(), Some(gone_on));
    clock.heard(3, Timestamp(99 * HOUR), clock.uptime());
    assert_eq!(clock.now(), Some(gone_on), "an old leader is not heard");
    let a_little_less = Timestamp(gone_on.0 - 50);
    clock.heard(4, a_little_less, clock.uptime());
    assert_eq!(clock.now(), Some(a_little_less), "the leader has the word");
    clock.heard(5, Timestamp(49 * HOUR), clock.uptime());
    assert_eq!(clock.now(), Some(Timestamp(49 * HOUR)), "the next one too");
}

#[test]
fn what_lay_in_a_buffer_while_the_process_was_stopped_is_no_news() {
    let (hands, clock) = follower_at(10 * HOUR);
    hands.pass(10 * SECOND);
    clock.heard(4, Timestamp(10 * HOUR + 100), clock.uptime());
    assert_eq!(clock.now(), Some(Timestamp(10 * HOUR + 10 * SECOND - lag(10 * SECOND))));
}

#[test]
fn what_goes_on_to_be_old_is_what_the_leader_has() {
    let (hands, clock) = follower_at(10 * HOUR);
    // It stayed up while the majority was stopped.
    hands.pass(HOUR);
    for second in 0..10 {
        clock.heard(4, Timestamp(10 * HOUR + second * SECOND), clock.uptime());
        assert!(clock.now() > Some(Timestamp(10 * HOUR + HOUR / 2)), "after {second} s");
        hands.pass(SECOND);
    }
    clock.heard(4, Timestamp(10 * HOUR + 10 * SECOND), clock.uptime());
    assert_eq!(clock.now(), Some(Timestamp(10 * HOUR + 10 * SECOND)));
    hands.pass(SECOND);
    clock.heard(4, Timestamp(10 * HOUR + 11 * SECOND), clock.uptime());
    assert_eq!(clock.now(), Some(Timestamp(10 * HOUR + 11 * SECOND)));
    // The next leader goes on from what is known.
    assert!(clock.knowledge().unwrap().time > Timestamp(10 * HOUR + HOUR / 2));
    assert_eq!(clock.start(5, TIMERS, &OTHERS), Some(Start::WentOn));
    assert!(clock.lead(5) > Some(Timestamp(10 * HOUR + HOUR / 2)) && clock.now() == clock.lead(5));
}

#[test]
fn what_a_follower_knows_is_never_ahead_of_a_leader_that_slews_back() {
    let (leader_hands, leader) = leader_at(10 * HOUR);
    let (follower_hands, follower) = follower_at(10 * HOUR);
    see(&leader, HOUR);
    leader_hands.step(HOUR);
    leader.steer(1, &OTHERS);
    for _ in 0..48 {
        leader_hands.pass(HOUR);
        follower_hands.pass(HOUR);
        assert!(follower.now() <= leader.lead(1));
    }
}

#[test]
fn what_is_known_of_the_latest_term_counts_and_of_it_the_latest() {
    let known = |term, goes_on, hours| Knowledge { term, goes_on, time: Timestamp(hours * HOUR) };
    let in_order =
        [known(3, false, 99), known(3, true, 50), known(3, true, 51), known(4, false, 2), known(4, true, 1)];
    for (at, better) in in_order.iter().enumerate() {
        for worse in &in_order[..at] {
            let (_, clock) = node(HOUR);
            clock.learn(*worse);
            clock.learn(*better);
            assert_eq!(clock.knowledge(), Some(*better));
            clock.learn(*worse);
            assert_eq!(clock.knowledge(), Some(*better));
        }
    }
}

#[test]
fn a_new_leader_learns_from_those_who_know() {
    let (hands, clock) = node(99 * HOUR);
    see(&clock, 99 * HOUR);
    clock.learn(Knowledge { term: 3, goes_on: true, time: Timestamp(10 * HOUR) });
    assert_eq!(clock.now(), None, "no leader was heard: no deadline is drawn from this");
    hands.pass(SECOND);
    assert_eq!(clock.start(4, NO_TIMERS, &OTHERS), Some(Start::WentOn));
    assert_eq!(clock.lead(4), Some(Timestamp(10 * HOUR + SECOND - lag(SECOND))));
}

#[test]
fn a_leader_is_not_told_what_time_it_is() {
    let (_, clock) = leader_at(10 * HOUR);
    clock.learn(Knowledge { term: 1, goes_on: true, time: Timestamp(11 * HOUR) });
    clock.learn(Knowledge { term: 0, goes_on: true, time: Timestamp(12 * HOUR) });
    assert_eq!(clock.lead(1), Some(Timestamp(10 * HOUR)));
    // One of a later term was elected meanwhile.
    clock.heard(2, Timestamp(13 * HOUR), clock.uptime());
    assert_eq!(clock.lead(1), None);
    assert_eq!(clock.start(1, NO_TIMERS, &[]), Some(Start::WentOn));
    assert_eq!(clock.lead(1), None);
    assert_eq!(clock.now(), Some(Timestamp(13 * HOUR)));
}

#[test]
fn a_restart_on_the_same_boot_goes_on() {
    for (leads, at) in [(true, leader_at(10 * HOUR)), (false, follower_at(10 * HOUR))] {
        let (hands, clock) = at;
        hands.pass(SECOND);
        let memory = clock.memory().unwrap();
        hands.pass(HOUR);
        hands.step(99 * HOUR);
        let restarted = LogClock::new(Arc::new(hands));
        restarted.remember(memory, true);
        assert_eq!(restarted.now(), None);
        see(&restarted, 99 * HOUR);
        assert_eq!(restarted.start(5, NO_TIMERS, &OTHERS), Some(Start::WentOn));
        let lag = if leads { lag(HOUR) } else { lag(HOUR + SECOND) };
        assert_eq!(restarted.lead(5), Some(Timestamp(11 * HOUR + SECOND - lag)));
    }
}

#[test]
fn after_a_restart_of_the_machine_log_time_has_stood_still_where_it_was_last_noted() {
    let memory = Memory { term: 4, time: Timestamp(10 * HOUR), uptime: Duration::from_secs(10 * DAY) };
    for on_this_boot in [false, true] {
        // Of this boot it cannot be: the machine was not up for so long.
        let (hands, clock) = node(99 * HOUR);
        see(&clock, 99 * HOUR);
        clock.applied(Timestamp(HOUR));
        clock.remember(memory.clone(), on_this_boot);
        assert_eq!(clock.memory(), None, "it must not be taken for one of this boot later");
        hands.pass(SECOND);
        assert_eq!(clock.start(5, TIMERS, &OTHERS), Some(Start::StoodStill));
        assert_eq!(clock.lead(5), Some(Timestamp(10 * HOUR)));
    }
    let (_, clock) = node(99 * HOUR);
    see(&clock, 99 * HOUR);
    clock.remember(memory, false);
    assert_eq!(clock.start(5, NO_TIMERS, &OTHERS), Some(Start::Anew));
    assert_eq!(clock.lead(5), Some(Timestamp(99 * HOUR)));
}

#[test]
fn a_difference_to_the_median_is_slewed_both_ways() {
    for (wall, sign) in [(11 * HOUR, 1), (9 * HOUR, -1)] {
        let (hands, clock) = leader_at(10 * HOUR);
        hands.step(wall);
        let by = |clock: &LogClock, passed: u64| {
            i64::try_from(clock.lead(1).unwrap().0).unwrap() - i64::try_from(10 * HOUR + passed).unwrap()
        };
        // Looked at as often as you like: the bound is one of the time that passes.
        let mut passed = 0;
        let mut last = clock.lead(1);
        for step in [1, 1, 5 * SECOND, 7, 5 * SECOND, 0, 0, HOUR, 10 * SECOND] {
            see(&clock, hands.wall_ms());
            clock.steer(1, &OTHERS);
            hands.pass(step);
            passed += step;
            let most = i64::try_from(slewed(passed)).unwrap() + 1;
            let slewed = sign * by(&clock, passed);
            assert!((most - 2..=most).contains(&slewed), "{slewed} ms of {most} in {passed} ms");
            assert!(clock.lead(1) >= last, "log time goes back");
            last = clock.lead(1);
        }
    }
}

#[test]
fn a_slew_ends_at_the_median() {
    for wall in [10 * HOUR + 20, 10 * HOUR - 20] {
        let (hands, clock) = leader_at(10 * HOUR);
        hands.step(wall);
        see(&clock, wall);
        clock.steer(1, &OTHERS);
        hands.pass(HOUR);
        assert_eq!(clock.lead(1), Some(Timestamp(wall + HOUR)));
    }
}

#[test]
fn without_the_clocks_of_a_majority_nothing_is_slewed() {
    let (hands, clock) = leader_at(10 * HOUR);
    hands.step(20 * HOUR);
    see(&clock, 20 * HOUR);
    clock.steer(1, &OTHERS);
    hands.pass(HOUR);
    let reached = 11 * HOUR + slewed(HOUR);
    assert_eq!(clock.lead(1), Some(Timestamp(reached)));
    clock.steer(1, &OTHERS);
    hands.pass(HOUR);
    assert_eq!(clock.lead(1), Some(Timestamp(reached + HOUR)));
}

#[test]
fn only_the_leader_slews() {
    let (hands, clock) = follower_at(10 * HOUR);
    see(&clock, 20 * HOUR);
    clock.steer(4, &OTHERS);
    hands.pass(HOUR);
    assert_eq!(clock.now(), Some(Timestamp(11 * HOUR - lag(HOUR))));
}

#[test]
fn the_difference_of_log_time_to_the_median_is_known_where_both_are() {
    let (_, clock) = node(10 * HOUR);
    assert_eq!(clock.log_time_offset_ms(&OTHERS), None);
    clock.heard(4, Timestamp(9 * HOUR), clock.uptime());
    assert_eq!(clock.log_time_offset_ms(&OTHERS), None);
    see(&clock, 10 * HOUR);
    assert_eq!(clock.log_time_offset_ms(&OTHERS), Some(-i64::try_from(HOUR).unwrap()));
}

use super::*;

const YEAR: u64 = 365 * DAY;
const CENTURY: u64 = 100 * YEAR;
const NOW: u64 = 56 * YEAR;
/// As long as nobody is in the office.
const WEEKEND: u64 = 60 * HOUR;

/// A node that knows the members' wall clocks, which are right; its own says `wall`.
fn among(wall: u64) -> (Hands, LogClock) {
    let (hands, clock) = node(wall);
    clock.among(OTHERS.to_vec());
    see(&clock, NOW);
    (hands, clock)
}

/// One that follows the leader of term 4, which says this.
fn follower_among(wall: u64, time: u64) -> (Hands, LogClock) {
    let (hands, clock) = among(wall);
    clock.heard(4, Timestamp(time), clock.uptime());
    (hands, clock)
}

fn learn_latest(clock: &LogClock, term: u64) {
    clock.learn(Knowledge { term, goes_on: true, time: clock.latest_told(term) });
}

/// Time goes by, and all clocks with it.
fn pass(hands: &Hands, clock: &LogClock, ms: u64) {
    hands.pass(ms);
    see(clock, clock.0.machine.wall_ms());
}

#[test]
fn nobody_walks_away_with_the_time_of_one_that_has_heard_its_leader() {
    let (hands, clock) = follower_among(NOW, NOW);
    for _ in 0..1_000 {
        learn_latest(&clock, 4);
        pass(&hands, &clock, 10);
    }
    let here = NOW + 10 * SECOND;
    assert!(clock.now().unwrap().0 <= here + SECOND + lag(10 * SECOND), "{:?} at {here}", clock.now());
    // In a term whose leader was not heard: no more than a day, however often.
    for _ in 0..1_000 {
        learn_latest(&clock, 5);
        assert!(clock.now() <= Some(Timestamp(here + DAY)));
    }
    // And its leader has the word.
    clock.heard(5, Timestamp(here), clock.uptime());
    assert_eq!(clock.now(), Some(Timestamp(here)));
}

#[test]
fn a_leader_moves_it_by_a_day_and_no_further_however_often_it_speaks() {
    let (hands, clock) = follower_among(NOW, NOW);
    for _ in 0..1_000 {
        clock.heard(4, clock.latest_of_leader(), clock.uptime());
        pass(&hands, &clock, 10);
    }
    assert!(clock.now().unwrap().0 <= clock.wall_ms() + DAY + SECOND, "in one term");
    for term in 5..105 {
        clock.heard(term, clock.latest_of_leader(), clock.uptime());
        pass(&hands, &clock, 10);
    }
    assert!(clock.now().unwrap().0 <= clock.wall_ms() + DAY + 102 * SECOND, "a second with each election");
}

#[test]
fn what_another_follower_knows_of_the_same_leader_is_heard() {
    let (leader_hands, leader) = leader_at(NOW);
    let (hands, clock) = follower_among(NOW, NOW);
    // The leader slews ahead.
    see(&leader, NOW + HOUR);
    leader_hands.step(NOW + HOUR);
    leader.steer(1, &OTHERS);
    for _ in 0..100 {
        leader_hands.pass(HOUR);
        pass(&hands, &clock, HOUR);
        assert!(leader.now().unwrap() <= clock.latest_told(4));
    }
}

#[test]
fn one_that_was_stopped_over_the_weekend_goes_by_the_others_clocks() {
    for log_time in [NOW, NOW + YEAR] {
        let (_, clock) = follower_among(NOW, log_time);
        let monday = Timestamp(log_time + WEEKEND);
        assert!(
            clock.latest_of_leader() < monday.max(Timestamp(NOW + WEEKEND)),
            "it knows nothing of it yet"
        );
        see(&clock, NOW + WEEKEND);
        assert!(monday <= clock.latest_of_leader() && monday <= clock.latest_told(4));
        clock.heard(4, monday, clock.uptime());
        assert_eq!(clock.now(), Some(monday));
    }
}

#[test]
fn where_a_majority_was_stopped_one_that_was_not_is_heard_once_the_clocks_are_right() {
    let (hands, clock) = follower_among(NOW, NOW);
    let monday = Timestamp(NOW + WEEKEND);
    clock.saw_wall(2, monday.0, Duration::ZERO);
    assert!(clock.latest_of_leader() < monday && clock.latest_told(4) < monday);
    hands.step(monday.0);
    assert!(monday <= clock.latest_of_leader() && monday <= clock.latest_told(4));
}

#[test]
fn the_clock_of_one_that_is_wrong_counts_for_nothing() {
    for wall in [0, NOW - YEAR, NOW + YEAR] {
        let (_, clock) = follower_among(wall, NOW);
        assert_eq!(clock.latest_of_leader(), Timestamp(NOW + DAY));
        assert_eq!(clock.latest_told(5), Timestamp(NOW + DAY));
    }
    // One of two that are seen makes the median earlier, and gains nothing when it takes that back.
    let (_, clock) = node(NOW);
    clock.among(OTHERS.to_vec());
    clock.saw_wall(2, 0, Duration::ZERO);
    clock.heard(4, Timestamp(NOW), clock.uptime());
    see(&clock, NOW);
    assert!(clock.latest_told(4) <= Timestamp(NOW + SECOND));
}

#[test]
fn log_time_that_is_a_year_ahead_goes_on() {
    let (hands, clock) = follower_among(NOW, NOW + YEAR);
    for term in 4..8 {
        pass(&hands, &clock, 30 * DAY);
        let here = Timestamp(clock.wall_ms() + YEAR);
        assert!(here <= clock.latest_of_leader() && here <= clock.latest_told(term));
        clock.heard(term, here, clock.uptime());
    }
    // One that was started again.
    let memory = clock.memory().unwrap();
    let restarted = LogClock::new(Arc::new(hands.clone()));
    restarted.remember(memory, true);
    restarted.among(OTHERS.to_vec());
    pass(&hands, &restarted, HOUR);
    learn_latest(&restarted, 7);
    let told = restarted.knowledge().unwrap().time.0;
    assert!(told <= clock.wall_ms() + YEAR + SECOND + lag(HOUR), "{told}");
    // Clocks that are set back make no difference, nor does a restart, whether the machine's too or not.
    hands.step(NOW - YEAR);
    see(&clock, NOW - YEAR);
    assert!(clock.now().unwrap() <= clock.latest_of_leader());
    let memory = clock.memory().unwrap();
    for on_this_boot in [true, false] {
        let restarted = LogClock::new(Arc::new(hands.clone()));
        restarted.among(OTHERS.to_vec());
        see(&restarted, NOW);
        restarted.remember(memory.clone(), on_this_boot);
        hands.pass(30 * DAY);
        see(&restarted, NOW + 30 * DAY);
        assert!(Timestamp(memory.time.0 + 30 * DAY) <= restarted.latest_of_leader());
    }
    // By the table alone.
    let (_, restarted) = among(NOW);
    restarted.applied(Timestamp(NOW + YEAR));
    assert!(Timestamp(NOW + YEAR + 30 * DAY) <= restarted.latest_of_leader());
}

#[test]
fn what_nobody_can_know_is_bounded_by_a_century() {
    // A machine that starts with the epoch, alone or as a newcomer.
    for clock in [node(0).1, among(0).1] {
        assert_eq!(clock.latest_of_leader(), Timestamp((NOW + DAY).max(CENTURY)));
    }
    // One that follows, and hears nobody's clock for a while: it has its own, if that is not wrong.
    let (hands, clock) = follower_among(0, NOW);
    hands.pass(HOUR);
    assert_eq!(clock.latest_of_leader(), Timestamp(HOUR + CENTURY));
    let (hands, clock) = follower_among(NOW, NOW + DAY);
    hands.pass(HOUR);
    assert!(clock.latest_of_leader() <= Timestamp(NOW + HOUR + DAY + SECOND + lag(HOUR)));
    assert!(clock.latest_told(5) <= clock.latest_of_leader());
    let (hands, clock) = follower_among(NOW, NOW);
    hands.pass(HOUR);
    assert!(clock.latest_told(4) <= Timestamp(NOW + HOUR + SECOND + lag(HOUR)));
    // One that was just started knows what it was, and when.
    let (_, clock) = among(NOW);
    clock.applied(Timestamp(NOW - HOUR));
    assert_eq!(clock.latest_of_leader(), Timestamp(NOW + DAY));
}

#[test]
fn one_voter_has_its_own_clock() {
    let (_, clock) = node(NOW);
    clock.among(Vec::new());
    assert_eq!(clock.start(1, NO_TIMERS, &[]), Some(Start::Anew));
    assert_eq!(clock.latest_of_leader(), Timestamp(NOW + DAY));
}

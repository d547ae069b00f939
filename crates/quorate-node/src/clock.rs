use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use quorate_core::Timestamp;
use quorate_store::NodeId;
use tokio::sync::watch;

use crate::limits;

/// The machine's clocks. Tests have their own.
pub(crate) trait Source: Send + Sync + 'static {
    /// Milliseconds since the Unix epoch. May jump.
    fn wall_ms(&self) -> u64;
    /// Never goes back, never jumps.
    fn monotonic(&self) -> Duration;
}

/// The clocks of the operating system.
pub(crate) struct System {
    origin: Instant,
}

impl System {
    pub(crate) fn new() -> System {
        System { origin: Instant::now() }
    }
}

impl Source for System {
    fn wall_ms(&self) -> u64 {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
    }

    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }
}

/// Log time. The leader makes it: from its election on it follows its monotonic clock, so no wall clock that jumps
/// moves it. It starts at what log time had reached, or at the median of the members' wall clocks where that is later,
/// so that one bad wall clock neither fires timers early nor freezes them. The others hear it in every append frame.
#[derive(Clone)]
pub(crate) struct LogClock(Arc<Inner>);

struct Inner {
    source: Box<dyn Source>,
    state: Mutex<State>,
    /// True once log time is known: a leader was heard, or this node led.
    known: watch::Sender<bool>,
}

struct State {
    /// Log time of the last applied batch.
    applied: Timestamp,
    running: Option<Running>,
    /// Each peer's wall clock minus this node's, and when that was found.
    offsets: BTreeMap<NodeId, (i64, Duration)>,
}

/// Log time as it goes on.
struct Running {
    /// The term of the leader that makes it.
    term: u64,
    /// It was this time,
    time: Timestamp,
    /// at this point of the monotonic clock.
    at: Duration,
}

impl LogClock {
    /// `applied` is the log time that the table has.
    pub(crate) fn new(source: impl Source, applied: Timestamp) -> LogClock {
        LogClock(Arc::new(Inner {
            source: Box::new(source),
            state: Mutex::new(State { applied, running: None, offsets: BTreeMap::new() }),
            known: watch::Sender::new(false),
        }))
    }

    /// This node's wall clock, in milliseconds since the epoch.
    pub(crate) fn wall_ms(&self) -> u64 {
        self.0.source.wall_ms()
    }

    /// Log time now, as far as this node knows; `None` before any leader was heard.
    pub(crate) fn now(&self) -> Option<Timestamp> {
        let monotonic = self.0.source.monotonic();
        self.0.state.lock().running.as_ref().map(|running| running.at(monotonic))
    }

    /// Log time now; waits until it is known.
    pub(crate) async fn known(&self) -> Timestamp {
        loop {
            if let Some(now) = self.now() {
                return now;
            }
            let mut known = self.0.known.subscribe();
            // Cannot fail: the sender lives as long as this clock.
            let _ = known.wait_for(|known| *known).await;
        }
    }

    /// A follower heard the leader of `term` say that log time is `time`.
    pub(crate) fn heard(&self, term: u64, time: Timestamp) {
        let at = self.0.source.monotonic();
        let mut state = self.0.state.lock();
        if state.running.as_ref().is_none_or(|running| running.term <= term) {
            state.running = Some(Running { term, time, at });
            drop(state);
            self.0.known.send_replace(true);
        }
    }

    /// A batch was applied; `clock` is log time after it.
    pub(crate) fn applied(&self, clock: Timestamp) {
        self.0.state.lock().applied = clock;
    }

    /// Log time at the leader of `term`, which is this node. The first call in a term fixes where it starts.
    pub(crate) fn lead(&self, term: u64) -> Timestamp {
        let monotonic = self.0.source.monotonic();
        let wall_ms = self.0.source.wall_ms();
        let mut state = self.0.state.lock();
        if let Some(running) = state.running.as_ref().filter(|running| running.term >= term) {
            return running.at(monotonic);
        }
        let reached = state.running.as_ref().map_or(Timestamp::ZERO, |running| running.at(monotonic));
        let median = Timestamp(state.median_ms(wall_ms, monotonic));
        let time = reached.max(state.applied).max(median);
        state.running = Some(Running { term, time, at: monotonic });
        drop(state);
        self.0.known.send_replace(true);
        time
    }

    /// A peer answered that its wall clock is at `wall_ms`; the question left `round_trip` ago.
    pub(crate) fn saw_wall(&self, peer: NodeId, wall_ms: u64, round_trip: Duration) {
        let at = self.0.source.monotonic();
        let half = u64::try_from(round_trip.as_millis() / 2).unwrap_or(u64::MAX);
        let offset = signed_difference(wall_ms.saturating_add(half), self.0.source.wall_ms());
        self.0.state.lock().offsets.insert(peer, (offset, at));
    }

    /// By how many milliseconds a peer's wall clock is ahead of this node's, if that was seen lately.
    pub(crate) fn offset_ms(&self, peer: NodeId) -> Option<i64> {
        let now = self.0.source.monotonic();
        let state = self.0.state.lock();
        state.offsets.get(&peer).filter(|(_, at)| fresh(*at, now)).map(|(offset, _)| *offset)
    }

    /// By how many milliseconds this node's wall clock is ahead of the members' median.
    pub(crate) fn own_offset_ms(&self) -> i64 {
        let (wall_ms, now) = (self.0.source.wall_ms(), self.0.source.monotonic());
        signed_difference(wall_ms, self.0.state.lock().median_ms(wall_ms, now))
    }
}

impl Running {
    fn at(&self, monotonic: Duration) -> Timestamp {
        let elapsed = monotonic.saturating_sub(self.at);
        self.time.plus_millis(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
    }
}

impl State {
    /// The median of the wall clocks seen lately, this node's included; of two in the middle the earlier one, since
    /// log time that lags is made up for by what it had reached, and log time that leads cannot be taken back.
    fn median_ms(&self, wall_ms: u64, now: Duration) -> u64 {
        let peers = self.offsets.values().filter(|(_, at)| fresh(*at, now)).map(|(offset, _)| *offset);
        let mut offsets: Vec<i64> = peers.chain([0]).collect();
        offsets.sort_unstable();
        wall_ms.saturating_add_signed(offsets[(offsets.len() - 1) / 2])
    }
}

fn fresh(at: Duration, now: Duration) -> bool {
    now.saturating_sub(at) <= limits::CLOCK_AGE
}

fn signed_difference(a: u64, b: u64) -> i64 {
    i64::try_from(i128::from(a) - i128::from(b)).unwrap_or(if a > b { i64::MAX } else { i64::MIN })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    const HOUR: u64 = 3_600_000;

    #[derive(Clone, Default)]
    struct Hands {
        wall: Arc<AtomicU64>,
        monotonic: Arc<AtomicU64>,
    }

    impl Hands {
        fn at(wall: u64) -> Hands {
            let hands = Hands::default();
            hands.wall.store(wall, Ordering::Relaxed);
            hands
        }

        fn pass(&self, ms: u64) {
            self.wall.fetch_add(ms, Ordering::Relaxed);
            self.monotonic.fetch_add(ms, Ordering::Relaxed);
        }

        fn jump(&self, to: u64) {
            self.wall.store(to, Ordering::Relaxed);
        }
    }

    impl Source for Hands {
        fn wall_ms(&self) -> u64 {
            self.wall.load(Ordering::Relaxed)
        }

        fn monotonic(&self) -> Duration {
            Duration::from_millis(self.monotonic.load(Ordering::Relaxed))
        }
    }

    fn clock_at(wall: u64, applied: u64) -> (Hands, LogClock) {
        let hands = Hands::at(wall);
        (hands.clone(), LogClock::new(hands, Timestamp(applied)))
    }

    #[test]
    fn a_leader_alone_starts_at_its_wall_clock_and_follows_the_monotonic_one() {
        let (hands, clock) = clock_at(10 * HOUR, 0);
        assert_eq!(clock.lead(1), Timestamp(10 * HOUR));
        hands.pass(250);
        hands.jump(90 * HOUR);
        assert_eq!(clock.lead(1), Timestamp(10 * HOUR + 250));
    }

    #[test]
    fn a_wall_clock_behind_does_not_freeze_log_time() {
        let (hands, clock) = clock_at(10 * HOUR, 11 * HOUR);
        assert_eq!(clock.lead(1), Timestamp(11 * HOUR));
        hands.pass(40);
        assert_eq!(clock.lead(1), Timestamp(11 * HOUR + 40));
    }

    #[test]
    fn the_median_outvotes_one_bad_wall_clock() {
        let (_, ahead) = clock_at(20 * HOUR, 0);
        ahead.saw_wall(2, 10 * HOUR, Duration::ZERO);
        ahead.saw_wall(3, 10 * HOUR + 7, Duration::ZERO);
        assert_eq!(ahead.lead(1), Timestamp(10 * HOUR + 7));
        assert_eq!(ahead.own_offset_ms(), i64::try_from(10 * HOUR).unwrap() - 7);

        let (_, behind) = clock_at(HOUR, 0);
        behind.saw_wall(2, 10 * HOUR, Duration::ZERO);
        behind.saw_wall(3, 10 * HOUR + 7, Duration::ZERO);
        assert_eq!(behind.lead(1), Timestamp(10 * HOUR));
    }

    #[test]
    fn of_two_clocks_the_earlier_one_counts() {
        let (_, clock) = clock_at(10 * HOUR, 0);
        clock.saw_wall(2, 99 * HOUR, Duration::ZERO);
        assert_eq!(clock.lead(1), Timestamp(10 * HOUR));
    }

    #[test]
    fn an_old_reading_is_not_used() {
        let (hands, clock) = clock_at(10 * HOUR, 0);
        clock.saw_wall(2, HOUR, Duration::ZERO);
        hands.pass(u64::try_from(limits::CLOCK_AGE.as_millis()).unwrap() + 1);
        assert_eq!(clock.offset_ms(2), None);
        assert_eq!(clock.own_offset_ms(), 0);
    }

    #[test]
    fn a_reading_counts_from_the_middle_of_its_round_trip() {
        let (_, clock) = clock_at(10 * HOUR, 0);
        clock.saw_wall(2, 10 * HOUR, Duration::from_millis(80));
        assert_eq!(clock.offset_ms(2), Some(40));
    }

    #[test]
    fn a_follower_goes_on_from_what_it_heard() {
        let (hands, clock) = clock_at(HOUR, 0);
        assert_eq!(clock.now(), None);
        clock.heard(4, Timestamp(50 * HOUR));
        hands.pass(30);
        assert_eq!(clock.now(), Some(Timestamp(50 * HOUR + 30)));
        clock.heard(3, Timestamp(7));
        assert_eq!(clock.now(), Some(Timestamp(50 * HOUR + 30)), "an old leader is not heard");
    }

    #[test]
    fn a_new_leader_does_not_fall_behind_what_it_heard() {
        let (hands, clock) = clock_at(HOUR, 0);
        clock.heard(4, Timestamp(50 * HOUR));
        hands.pass(1_000);
        assert_eq!(clock.lead(5), Timestamp(50 * HOUR + 1_000));
    }

    #[test]
    fn a_new_leader_may_say_less_than_the_one_before() {
        let (_, clock) = clock_at(HOUR, 0);
        clock.heard(4, Timestamp(50 * HOUR));
        clock.heard(5, Timestamp(49 * HOUR));
        assert_eq!(clock.now(), Some(Timestamp(49 * HOUR)));
    }
}

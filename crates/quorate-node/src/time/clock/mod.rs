//! Log time: what delays and timeouts are measured in. See `DESIGN.md`.

mod anchor;
mod known;
#[cfg(test)]
mod tests;
mod walls;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quorate_core::Timestamp;
use quorate_store::NodeId;
use quorate_store::planted::{Bug, planted};
use tokio::sync::watch;

use self::anchor::Anchor;
use self::known::Known;
use self::walls::Walls;
use crate::limits;
use crate::machine::Machine;

/// Log time. The leader makes it; the others hear it in every append frame and carry it on when there is no leader, so
/// that the next one goes on where the last one was. It follows the time for which machines are up, so no wall clock
/// that jumps moves it. What it is off the median of the members' wall clocks, the leader makes up for little by little.
#[derive(Clone)]
pub(crate) struct LogClock(Arc<Inner>);

struct Inner {
    machine: Arc<dyn Machine>,
    state: Mutex<State>,
    /// Says when there is something to know, or something else, for those who wait.
    news: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    /// Log time of the last applied batch.
    applied: Timestamp,
    known: Option<Known>,
    /// A leader was heard, or this node led, since it started: what it knows is no mere memory.
    current: bool,
    anchor: Option<Anchor>,
    /// Since this uptime all that the leader says is old. What lay in a buffer is read at once, and this goes on:
    old_since: Option<Duration>,
    /// then the leader has lost time, as its machine was stopped. It has the word, and the next one hears what is known.
    behind: Option<Known>,
    walls: Walls,
    /// Whose clocks count beside this node's, once that is known.
    others: Option<Vec<NodeId>>,
}

impl State {
    fn majority_median(&self, wall_ms: u64, uptime: Duration) -> Option<u64> {
        self.walls.majority_median(wall_ms, self.others.as_deref()?, uptime)
    }

    /// A leader has said this, which may be this node.
    fn anchor(&mut self, term: u64, time: Timestamp, uptime: Duration, wall_ms: u64) {
        let others = self.others.as_deref();
        let latest = others.and_then(|others| self.walls.majority_latest(wall_ms, others, uptime));
        self.anchor = Some(Anchor::after(self.anchor, term, time, uptime, latest));
    }

    /// A follower hears what the leader says.
    fn hear(&mut self, word: Known, time: Timestamp, uptime: Duration, wall_ms: u64) {
        (self.known, self.old_since, self.behind) = (Some(word), None, None);
        self.anchor(word.term, time, uptime, wall_ms);
    }

    /// The latest that the members' clocks make log time: a day after their median, whatever this node's own clock says. Where that is
    /// not known its own one counts, which may be wrong by years unless it agrees with what its leader has said.
    fn by_walls(&self, wall_ms: u64, uptime: Duration) -> Timestamp {
        const DAY: u64 = limits::LOG_TIME_AHEAD_MILLIS;
        let agrees = |reach: Timestamp| reach.0.abs_diff(wall_ms) <= 2 * DAY;
        let (wall_ms, ahead_ms) = match self.majority_median(wall_ms, uptime) {
            Some(median) => (median, DAY),
            None if self.current && self.reach(wall_ms, uptime).is_some_and(agrees) => (wall_ms, DAY),
            None => (wall_ms, limits::LOG_TIME_UNSURE_MILLIS),
        };
        Timestamp(wall_ms).plus_millis(ahead_ms)
    }

    fn reach(&self, wall_ms: u64, uptime: Duration) -> Option<Timestamp> {
        let median = self.majority_median(wall_ms, uptime);
        self.anchor.map(|anchor| anchor.reach(uptime, median))
    }

    /// What this node knows to have been log time, by its disk.
    fn durable(&self, uptime: Duration) -> Timestamp {
        self.known.map_or(self.applied, |known| known.now(uptime).max(self.applied))
    }
}

/// What one node tells another of log time. The greater of two is what is known better: of the later term, and of the two
/// that are both never more than log time the later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Knowledge {
    /// The term of the leader that made it.
    pub(crate) term: u64,
    /// Log time has gone on since. False where it is from before the machine was started again.
    pub(crate) goes_on: bool,
    /// What it is now, or was then; never more.
    pub(crate) time: Timestamp,
}

/// What a node notes of log time, to go on from after a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Memory {
    pub(crate) term: u64,
    /// Log time
    pub(crate) time: Timestamp,
    /// at this uptime of the machine.
    pub(crate) uptime: Duration,
}

/// Where log time has started in a term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// It has gone on.
    WentOn,
    /// Nobody knows how long ago it was made last, and a timer runs: it has stood still.
    StoodStill,
    /// The same, and no timer runs: it is what the members' wall clocks say.
    Anew,
}

impl LogClock {
    pub(crate) fn new(machine: Arc<dyn Machine>) -> LogClock {
        LogClock(Arc::new(Inner { machine, state: Mutex::default(), news: watch::Sender::new(()) }))
    }

    /// This node's wall clock, in milliseconds since the epoch.
    pub(crate) fn wall_ms(&self) -> u64 {
        self.0.machine.wall_ms()
    }

    /// Log time now, as far as this node knows; `None` while it has heard no leader since it started.
    pub(crate) fn now(&self) -> Option<Timestamp> {
        let uptime = self.0.machine.uptime();
        let state = self.0.state.lock();
        state.behind.or(state.known).filter(|_| state.current).map(|known| known.now(uptime))
    }

    /// Log time now; waits until a leader is heard.
    pub(crate) async fn known(&self) -> Timestamp {
        self.once(LogClock::now).await
    }

    /// Log time at the leader of `term`, which is this node; `None` before it has started there.
    pub(crate) fn lead(&self, term: u64) -> Option<Timestamp> {
        let uptime = self.0.machine.uptime();
        let state = self.0.state.lock();
        state.known.filter(|known| known.is_made_in(term)).map(|known| known.now(uptime))
    }

    /// The same; waits until it has started. Never ends when another node leads meanwhile.
    pub(crate) async fn leads(&self, term: u64) -> Timestamp {
        self.once(|clock| clock.lead(term)).await
    }

    async fn once(&self, look: impl Fn(&LogClock) -> Option<Timestamp>) -> Timestamp {
        if let Some(time) = look(self) {
            return time;
        }
        let mut news = self.0.news.subscribe();
        loop {
            if let Some(time) = look(self) {
                return time;
            }
            // Cannot fail: the sender lives as long as this clock.
            let _ = news.changed().await;
        }
    }

    /// Ends when something is known for the first time, or made by another leader.
    pub(crate) fn news(&self) -> watch::Receiver<()> {
        self.0.news.subscribe()
    }

    /// For how long this node's machine is up.
    pub(crate) fn uptime(&self) -> Duration {
        self.0.machine.uptime()
    }

    /// The other members whose clocks count.
    pub(crate) fn among(&self, others: Vec<NodeId>) {
        self.0.state.lock().others = Some(others);
    }

    /// The latest log time that a leader can say, in a frame or by a stamp. Nobody moves it by what he says.
    pub(crate) fn latest_of_leader(&self) -> Timestamp {
        let (uptime, wall_ms) = (self.0.machine.uptime(), self.0.machine.wall_ms());
        let state = self.0.state.lock();
        let by_walls = state.by_walls(wall_ms, uptime);
        if state.current {
            return by_walls.max(state.reach(wall_ms, uptime).unwrap_or_default());
        }
        // A node that was just started knows by its disk whether log time is far ahead of the clocks, but not how far by now; and a new
        // one knows nothing.
        match state.durable(uptime) {
            durable if durable == Timestamp::default() || durable > by_walls => {
                by_walls.max(Timestamp(wall_ms).plus_millis(limits::LOG_TIME_UNSURE_MILLIS))
            }
            durable => by_walls.max(durable.plus_millis(limits::LOG_TIME_AHEAD_MILLIS)),
        }
    }

    /// The latest log time of this term that another one can tell. Where its leader was heard, both go on from the same source.
    pub(crate) fn latest_told(&self, term: u64) -> Timestamp {
        let (uptime, wall_ms) = (self.0.machine.uptime(), self.0.machine.wall_ms());
        let state = self.0.state.lock();
        let (by_walls, reach) = (state.by_walls(wall_ms, uptime), state.reach(wall_ms, uptime));
        match reach {
            Some(reach) if state.anchor.is_some_and(|anchor| anchor.term == term) => reach,
            reach => by_walls.max(reach.unwrap_or_default()),
        }
    }

    /// A follower heard the leader of `term` say, when the machine was up for `uptime`, that log time was `time`.
    pub(crate) fn heard(&self, term: u64, time: Timestamp, uptime: Duration) {
        let wall_ms = self.0.machine.wall_ms();
        let mut state = self.0.state.lock();
        if state.known.is_some_and(|known| known.term > term) {
            return;
        }
        let is_news = !state.current || state.known.is_none_or(|known| known.term < term);
        let word = Known::heard(term, time, uptime);
        // Else it was only told, and its leader has the word.
        let was_heard = state.anchor.is_some_and(|anchor| anchor.term == term);
        match state.known {
            Some(known) if was_heard && known.makes_old(term, time, uptime) => {
                let since = *state.old_since.get_or_insert(uptime);
                let goes_on = uptime.saturating_sub(since) >= limits::OLD_WORDS;
                let is_true = state.reach(wall_ms, uptime).is_some_and(|reach| known.now(uptime) <= reach);
                if goes_on && is_true {
                    state.behind = Some(word);
                } else if goes_on {
                    state.anchor = None;
                    state.hear(word, time, uptime, wall_ms);
                }
            }
            _ => state.hear(word, time, uptime, wall_ms),
        }
        state.current = true;
        drop(state);
        if is_news {
            self.0.news.send_replace(());
        }
    }

    /// Another member says what it knows.
    pub(crate) fn learn(&self, told: Knowledge) {
        let uptime = self.0.machine.uptime();
        let mut state = self.0.state.lock();
        let is_better = |known: Known| !known.is_made_in(told.term) && known.knowledge(uptime) < told;
        if state.known.is_none_or(is_better) {
            state.known = Some(match told.goes_on {
                true => Known::heard(told.term, told.time, uptime),
                false => Known::stopped(told.term, told.time),
            });
        }
    }

    /// What this node can tell another one.
    pub(crate) fn knowledge(&self) -> Option<Knowledge> {
        let uptime = self.0.machine.uptime();
        self.0.state.lock().known.map(|known| known.knowledge(uptime))
    }

    /// What is to be known after a restart.
    pub(crate) fn memory(&self) -> Option<Memory> {
        let uptime = self.0.machine.uptime();
        self.0.state.lock().known.and_then(|known| known.memory(uptime))
    }

    /// Takes up what this node noted before it was restarted; `on_this_boot` when under the same [`Machine::boot`].
    pub(crate) fn remember(&self, Memory { term, time, uptime }: Memory, on_this_boot: bool) {
        let known = match on_this_boot && uptime <= self.0.machine.uptime() {
            true => Known::heard(term, time, uptime),
            false => Known::stopped(term, time),
        };
        let mut state = self.0.state.lock();
        if state.known.is_none() {
            state.known = Some(known);
            state.anchor = known.goes_on().then(|| Anchor::after(None, term, time, uptime, None));
        }
    }

    /// A batch was applied; `clock` is log time after it.
    pub(crate) fn applied(&self, clock: Timestamp) {
        self.0.state.lock().applied = clock;
    }

    /// Starts log time in a term that this node leads. Everything before the term must have been applied, so that no
    /// stamp is below the table's time; `timers` says whether a job is running or delayed then. `None` when that needs
    /// the wall clocks of a majority, and they were not seen lately.
    pub(crate) fn start(&self, term: u64, timers: bool, others: &[NodeId]) -> Option<Start> {
        let (uptime, wall_ms) = (self.0.machine.uptime(), self.0.machine.wall_ms());
        let mut state = self.0.state.lock();
        let (jumps, timers) = (planted(Bug::LogTimeJumps), timers && !planted(Bug::LogTimeJumps));
        let (start, time) = match state.known {
            // A later leader was heard meanwhile: it has the word.
            Some(known) if known.term > term => return Some(Start::WentOn),
            Some(known) if known.goes_on() && !jumps => (Start::WentOn, known.now(uptime)),
            Some(known) if timers => (Start::StoodStill, known.now(uptime)),
            None if timers => (Start::StoodStill, state.applied),
            Some(_) | None => (Start::Anew, Timestamp(state.walls.majority_median(wall_ms, others, uptime)?)),
        };
        let time = time.max(state.applied);
        (state.known, state.behind) = (Some(Known::made(term, time, uptime)), None);
        state.anchor(term, time, uptime, wall_ms);
        state.current = true;
        drop(state);
        self.0.news.send_replace(());
        Some(start)
    }

    /// Slews log time, at the leader of `term`, to the median of the members' wall clocks; lets it be where the clocks of a
    /// majority were not seen lately.
    pub(crate) fn steer(&self, term: u64, others: &[NodeId]) {
        let (uptime, wall_ms) = (self.0.machine.uptime(), self.0.machine.wall_ms());
        let mut state = self.0.state.lock();
        let median = state.walls.majority_median(wall_ms, others, uptime);
        if let Some(known) = state.known.as_mut().filter(|known| known.is_made_in(term)) {
            let by = median.map_or(0, |median| difference(median, known.now(uptime).0));
            known.slew(by, uptime);
        }
    }

    /// By how many milliseconds log time is ahead of the median of the members' wall clocks; `None` where one of them is
    /// not known.
    pub(crate) fn log_time_offset_ms(&self, others: &[NodeId]) -> Option<i64> {
        let now = self.now()?;
        let (uptime, wall_ms) = (self.0.machine.uptime(), self.0.machine.wall_ms());
        let median = self.0.state.lock().walls.majority_median(wall_ms, others, uptime)?;
        Some(difference(now.0, median))
    }

    /// A peer answered that its wall clock is at `wall_ms`; the question left `round_trip` ago.
    pub(crate) fn saw_wall(&self, peer: NodeId, wall_ms: u64, round_trip: Duration) {
        let uptime = self.0.machine.uptime();
        self.0.state.lock().walls.saw(peer, wall_ms, uptime, round_trip);
    }

    /// How long the last question to a peer took, if that was lately.
    pub(crate) fn round_trip(&self, peer: NodeId) -> Option<Duration> {
        let uptime = self.0.machine.uptime();
        self.0.state.lock().walls.round_trip(peer, uptime)
    }

    /// By how many milliseconds a peer's wall clock is ahead of this node's, if that was seen lately.
    pub(crate) fn offset_ms(&self, peer: NodeId) -> Option<i64> {
        let (uptime, wall_ms) = (self.0.machine.uptime(), self.0.machine.wall_ms());
        self.0.state.lock().walls.of(peer, uptime).map(|peer_ms| difference(peer_ms, wall_ms))
    }

    /// By how many milliseconds this node's wall clock is ahead of the members' median.
    pub(crate) fn own_offset_ms(&self, others: &[NodeId]) -> i64 {
        let (uptime, wall_ms) = (self.0.machine.uptime(), self.0.machine.wall_ms());
        difference(wall_ms, self.0.state.lock().walls.median(wall_ms, others, uptime))
    }
}

fn difference(a: u64, b: u64) -> i64 {
    i64::try_from(i128::from(a) - i128::from(b)).unwrap_or(if a > b { i64::MAX } else { i64::MIN })
}

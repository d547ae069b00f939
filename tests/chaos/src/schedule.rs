use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use tokio::time::Instant;

use crate::fault::Fault;

/// What a run is to do.
#[derive(Clone, Debug)]
pub enum Plan {
    /// Draw from all faults that the host can do, until the time is over, and no less than each once.
    For(Duration),
    /// Exactly these, in an order that is drawn.
    Each(Vec<Fault>),
}

/// One fault, with what is left alone around it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// Nothing happens for so long.
    pub(crate) quiet: Duration,
    pub(crate) fault: Fault,
    /// The fault lasts so long.
    pub(crate) hold: Duration,
}

/// Draws the steps of a run. The same seed gives the same steps.
pub(crate) struct Schedule {
    rng: StdRng,
    /// What is dealt again when `left` is empty, if the plan goes by time.
    deck: Vec<Fault>,
    left: Vec<Fault>,
    until: Option<Instant>,
    /// Every fault has had its turn.
    dealt_once: bool,
}

impl Schedule {
    pub(crate) fn new(plan: &Plan, possible: &[Fault], seed: u64) -> Schedule {
        let rng = StdRng::seed_from_u64(seed);
        let (deck, until) = match plan {
            Plan::For(time) => (possible.to_vec(), Some(Instant::now() + *time)),
            Plan::Each(faults) => (faults.clone(), None),
        };
        let mut schedule = Schedule { rng, left: deck.clone(), deck, until, dealt_once: false };
        schedule.left.shuffle(&mut schedule.rng);
        schedule
    }

    /// The next step; none when the plan is done.
    pub(crate) fn next(&mut self) -> Option<Step> {
        if self.left.is_empty() {
            self.dealt_once = true;
            self.until?;
            self.left = self.deck.clone();
            self.left.shuffle(&mut self.rng);
        }
        if self.dealt_once && self.until.is_some_and(|until| Instant::now() >= until) {
            return None;
        }
        let fault = self.left.pop()?;
        // A quarter of the windows is quiet: some errors show only when things calm down.
        let quiet = if self.rng.random_bool(0.25) { 3_000..6_000 } else { 300..1_200 };
        let quiet = Duration::from_millis(self.rng.random_range(quiet));
        let hold = Duration::from_millis(self.rng.random_range(300..4_000));
        Some(Step { quiet, fault, hold })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Action, Victim};

    #[test]
    fn the_same_seed_gives_the_same_steps_and_each_fault_has_its_turn() {
        let faults: Vec<Fault> = [Action::Kill, Action::Pause, Action::Restart, Action::Wipe]
            .map(|action| Fault::new(action, Victim::Leader))
            .into();
        let draw = |seed| {
            let mut schedule = Schedule::new(&Plan::Each(faults.clone()), &[], seed);
            std::iter::from_fn(move || schedule.next())
                .map(|step| (step.fault, step.hold))
                .collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        let mut drawn: Vec<Fault> = draw(7).into_iter().map(|(fault, _)| fault).collect();
        drawn.sort();
        assert_eq!(drawn, faults);
    }

    #[test]
    fn a_plan_whose_time_is_over_still_deals_every_fault_once() {
        let faults = [Fault::new(Action::Kill, Victim::Leader), Fault::new(Action::Kill, Victim::All)];
        let mut schedule = Schedule::new(&Plan::For(Duration::ZERO), &faults, 1);
        assert_eq!(std::iter::from_fn(|| schedule.next()).count(), 2);
    }
}

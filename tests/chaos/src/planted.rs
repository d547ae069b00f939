use std::path::Path;

use anyhow::{Context, bail, ensure};

use crate::fault::Action::{
    ClockAhead, FillDisk, Kill, LoseLog, LoseTail, Pause, PowerCut, Restart, RevokeToken, RotateCerts, Wipe,
};
use crate::fault::Victim::{All, Follower, Leader, Runner};
use crate::fault::{Action, Fault, Victim};
use crate::run::{HostKind, Options, Verdict, run};
use crate::schedule::Plan;

/// Runs with other seeds before a bug counts as not found.
const SEEDS: u64 = 3;
/// Requests that must succeed in a run without a bug.
const MIN_OK: usize = 500;

/// A bug that a test build of `quorate` has when it is told to, the faults under which it shows, and how.
#[derive(Clone, Copy, Debug)]
pub struct Experiment {
    /// Its name there; none for the control, which has no bug and must pass.
    pub bug: Option<&'static str>,
    /// Each so many times.
    faults: &'static [(Action, Victim, usize)],
    /// The rule that must be broken, or what the run must say: any other failure does not count.
    shows: &'static str,
    /// With large jobs on small disks.
    bulk: bool,
}

/// All of them, the control first.
pub const EXPERIMENTS: [Experiment; 29] = [
    Experiment {
        bug: None,
        faults: &[
            (Kill, Leader, 2),
            (Kill, All, 1),
            (Pause, Follower, 1),
            (Wipe, Follower, 1),
            (LoseTail, Follower, 1),
            (PowerCut, Follower, 2),
            (PowerCut, All, 1),
            (ClockAhead, All, 1),
            (FillDisk, Leader, 1),
            (FillDisk, All, 1),
            (LoseLog, Runner, 1),
            (RotateCerts, All, 1),
            (RevokeToken, All, 1),
        ],
        shows: "",
        bulk: false,
    },
    Experiment::new("ack-before-fsync", &[(PowerCut, All, 2)], "`kept`"),
    Experiment::new("forget-vote", &[(Kill, Leader, 4), (Kill, All, 4)], "has lost entries or votes"),
    Experiment::new("ignore-high-water-mark", &[(LoseTail, Follower, 3)], "as if it had not"),
    Experiment::new("wiped-node-votes", &[(Wipe, Follower, 3)], "as if it had not"),
    Experiment::new("local-clock", &[(Kill, Follower, 1)], "`converged`"),
    Experiment::new("double-grant", &[(Kill, Leader, 3)], "`granted-once`"),
    Experiment::new("forget-keys", &[(Kill, Leader, 2)], "`one-effect`"),
    Experiment::new("split-batch", &[(Kill, Leader, 8)], "`batch`"),
    Experiment::new("stale-read", &[(Pause, Follower, 4)], "`linearizable`"),
    Experiment::new("log-time-jumps", &[(ClockAhead, All, 2)], "`delay`"),
    Experiment::new("lost-turn", &[(Kill, Follower, 8)], "`woken`"),
    Experiment::new("spent-key-waits", &[(Kill, Follower, 2)], "`spent`"),
    Experiment { bulk: true, ..Experiment::new("log-by-entries", &[(Kill, Follower, 1)], "do not pass") },
    Experiment::new("refuse-cure", &[(FillDisk, All, 2)], "`cure`"),
    Experiment::new("one-more", &[(Restart, All, 4)], "`limits`"),
    Experiment::new("forget-pause", &[(Kill, All, 6)], "`paused`"),
    Experiment::new("refill-rate", &[(Kill, All, 3)], "`rates`"),
    Experiment::new("forget-unique", &[(Kill, All, 3)], "`unique`"),
    Experiment::new("miscount", &[(Kill, Follower, 2)], "`counts`"),
    Experiment::new("release-for-ever", &[(Kill, Follower, 8)], "`release`"),
    Experiment::new("last-queue-first", &[(Kill, Follower, 2)], "`in-order`"),
    Experiment::new("no-chance", &[(Kill, Follower, 4)], "`weights`"),
    Experiment::new("forget-turns", &[(Kill, Follower, 2)], "`turns`"),
    Experiment::new("step-too-far", &[(Kill, Follower, 2)], "`operations`"),
    Experiment::new("only-full-steps", &[(Kill, Follower, 2)], "`operation-ends`"),
    Experiment::new("keep-certificate", &[(RotateCerts, All, 1)], "does not show its new certificate"),
    Experiment::new("keep-authority", &[(RotateCerts, All, 1)], "does not believe two authorities"),
    Experiment::new("keep-token", &[(RevokeToken, All, 1)], "a token that was removed"),
];

/// What came of an experiment.
#[derive(Clone, Debug)]
pub struct Finding {
    /// How many runs it took.
    pub runs: u64,
    /// What the last run said is wrong; none where it took the cluster for a good one.
    pub found: Option<String>,
    /// The tests say what they should.
    pub as_expected: bool,
}

impl Experiment {
    const fn new(
        bug: &'static str,
        faults: &'static [(Action, Victim, usize)],
        shows: &'static str,
    ) -> Experiment {
        Experiment { bug: Some(bug), faults, shows, bulk: false }
    }

    /// The bug's name, or `control`.
    pub fn name(&self) -> &'static str {
        self.bug.unwrap_or("control")
    }

    /// The faults of a run, as text.
    pub fn faults(&self) -> String {
        let faults = self.faults.iter().map(|(action, victim, times)| match times {
            1 => Fault::new(*action, *victim).to_string(),
            _ => format!("{} × {times}", Fault::new(*action, *victim)),
        });
        faults.collect::<Vec<_>>().join(", ")
    }

    /// Runs clusters of this build, until the bug shows as it must.
    ///
    /// # Errors
    /// The build is not one that can have bugs, or a run proves nothing.
    pub async fn conduct(&self, binary: &Path, dir: &Path) -> anyhow::Result<Finding> {
        let most = if self.bug.is_some() { SEEDS } else { 1 };
        let mut runs = 0;
        loop {
            runs += 1;
            let found = self.run_once(binary, dir, runs).await?;
            let as_expected = match (&found, self.bug) {
                (None, None) => true,
                (Some(found), Some(_)) => found.contains(self.shows),
                (None, Some(_)) | (Some(_), None) => false,
            };
            if as_expected || runs == most {
                return Ok(Finding { runs, found, as_expected });
            }
        }
    }

    async fn run_once(&self, binary: &Path, dir: &Path, seed: u64) -> anyhow::Result<Option<String>> {
        let dir = dir.join(format!("{}-{seed}", self.name()));
        let each = |&(action, victim, times): &(Action, Victim, usize)| {
            std::iter::repeat_n(Fault::new(action, victim), times)
        };
        let options = Options {
            host: HostKind::Processes {
                binary: binary.to_owned(),
                before: None,
                planted_bug: self.bug.map(ToOwned::to_owned),
            },
            dir: dir.clone(),
            seed,
            plan: Plan::Each(self.faults.iter().flat_map(each).collect()),
            bulk: self.bulk,
            clients: 10,
            // A bug may let little succeed.
            min_ok: if self.bug.is_some() { 1 } else { MIN_OK },
            max_pause: None,
        };
        let found = match run(&options).await? {
            Verdict::Good(_) => None,
            Verdict::Broken(summary, _, _) => Some(format!("`{}`", summary.broken.join("`, `"))),
            Verdict::Stuck(what) => Some(format!("{what}{}", errors(&dir)?)),
            Verdict::Skipped(why) => bail!("{why}"),
        };
        let log = std::fs::read_to_string(dir.join("n1.log")).context("the log of n1")?;
        ensure!(
            log.contains(&format!("PLANTED BUGS bug=\"{}\"", self.bug.unwrap_or("none"))),
            "{} has no such bug: build it with `--features planted-bugs`",
            binary.display()
        );
        Ok(found)
    }
}

/// The last error that each node has logged.
fn errors(dir: &Path) -> anyhow::Result<String> {
    let mut errors = String::new();
    for node in ["n1", "n2", "n3"] {
        let log = std::fs::read_to_string(dir.join(format!("{node}.log")))?;
        let last = log.lines().rev().find_map(|line| line.split_once(" ERROR "));
        errors.extend(last.map(|(_, error)| format!("; {node}: {error}")));
    }
    Ok(errors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bug_that_can_be_planted_has_its_experiment() {
        let bugs = include_str!("../../../crates/quorate-store/src/planted.rs");
        let known: Vec<&str> =
            bugs.lines().filter_map(|line| line.trim().strip_prefix("(Bug::")?.split('"').nth(1)).collect();
        let tried: Vec<&str> = EXPERIMENTS.iter().filter_map(|experiment| experiment.bug).collect();
        assert_eq!(tried, known);
    }
}

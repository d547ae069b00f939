use std::path::Path;

use anyhow::{Context, ensure};

use crate::fault::Action::{Kill, LoseTail, Pause, PowerCut, Wipe};
use crate::fault::Victim::{All, Follower, Leader};
use crate::fault::{Action, Fault, Victim};
use crate::run::{HostKind, Options, Verdict, run};
use crate::schedule::Plan;

/// Runs with other seeds before a bug counts as not found.
const SEEDS: u64 = 3;

/// A bug that a test build of `quorate` has when it is told to, and the faults under which it shows.
#[derive(Clone, Copy, Debug)]
pub struct Experiment {
    /// Its name there; none for the control, which has no bug and must pass.
    pub bug: Option<&'static str>,
    /// Each so many times.
    faults: &'static [(Action, Victim, usize)],
}

/// All of them, the control first.
pub const EXPERIMENTS: [Experiment; 11] = [
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
        ],
    },
    Experiment { bug: Some("ack-before-fsync"), faults: &[(PowerCut, All, 2)] },
    Experiment { bug: Some("forget-vote"), faults: &[(Kill, Leader, 4), (Kill, All, 4)] },
    Experiment { bug: Some("ignore-high-water-mark"), faults: &[(LoseTail, Follower, 3)] },
    Experiment { bug: Some("wiped-node-votes"), faults: &[(Wipe, Follower, 3)] },
    Experiment { bug: Some("local-clock"), faults: &[(Kill, Follower, 1)] },
    Experiment { bug: Some("double-grant"), faults: &[(Kill, Leader, 3)] },
    Experiment { bug: Some("forget-keys"), faults: &[(Kill, Leader, 8)] },
    Experiment { bug: Some("split-batch"), faults: &[(Kill, Leader, 8)] },
    Experiment { bug: Some("stale-read"), faults: &[(Pause, Follower, 4)] },
    Experiment { bug: Some("read-before-recovery"), faults: &[(PowerCut, Follower, 20)] },
];

/// What came of an experiment.
#[derive(Clone, Debug)]
pub struct Finding {
    /// How many runs it took.
    pub runs: u64,
    /// What the runs said of it; none where every one of them took the cluster for a good one.
    pub caught_by: Option<String>,
}

impl Experiment {
    /// The faults of a run, as text.
    pub fn faults(&self) -> String {
        let faults = self.faults.iter().map(|(action, victim, times)| match times {
            1 => Fault::new(*action, *victim).to_string(),
            _ => format!("{} × {times}", Fault::new(*action, *victim)),
        });
        faults.collect::<Vec<_>>().join(", ")
    }

    /// True where the tests say what they should: a bug is found, and none where there is none.
    pub fn succeeded(&self, finding: &Finding) -> bool {
        self.bug.is_some() == finding.caught_by.is_some()
    }

    /// Runs a cluster of this build, until something is found.
    ///
    /// # Errors
    /// The build is not one that can have bugs, or a run proves nothing.
    pub async fn conduct(&self, binary: &Path, dir: &Path) -> anyhow::Result<Finding> {
        let most = if self.bug.is_some() { SEEDS } else { 1 };
        for seed in 1..=most {
            let dir = dir.join(format!("{}-{seed}", self.bug.unwrap_or("control")));
            let faults = self.faults.iter();
            let options = Options {
                host: HostKind::Processes {
                    binary: binary.to_owned(),
                    planted_bug: self.bug.map(ToOwned::to_owned),
                },
                dir: dir.clone(),
                seed,
                plan: Plan::Each(
                    faults
                        .flat_map(|(action, victim, times)| {
                            std::iter::repeat_n(Fault::new(*action, *victim), *times)
                        })
                        .collect(),
                ),
                clients: 10,
                min_ok: 1,
            };
            let verdict = run(&options).await;
            let log = std::fs::read_to_string(dir.join("n1.log")).context("the log of n1")?;
            ensure!(
                log.contains("A BUG IS PLANTED"),
                "{} can have no bugs: build it with `--features planted-bugs`",
                binary.display()
            );
            let caught_by = match verdict? {
                Verdict::Good(_) => continue,
                Verdict::Broken(summary, _, _) => format!("`{}`", summary.broken.join("`, `")),
                Verdict::Stuck(what) => what,
            };
            return Ok(Finding { runs: seed, caught_by: Some(caught_by) });
        }
        Ok(Finding { runs: most, caught_by: None })
    }
}

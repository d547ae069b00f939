//! A small fixed set of faults on processes: the same run as `make chaos`, short enough for every `make test`.

mod common;

use common::binary;
use quorate_chaos::{Action, Fault, HostKind, Options, Plan, Verdict, Victim, run};

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_jobs_survive_kills_pauses_restarts_and_a_wiped_node() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let faults = [
        (Action::Kill, Victim::Leader),
        (Action::Kill, Victim::Leader),
        (Action::Kill, Victim::Follower),
        (Action::Kill, Victim::All),
        (Action::Pause, Victim::Leader),
        (Action::Restart, Victim::Leader),
        (Action::Wipe, Victim::Follower),
    ];
    let options = Options {
        host: HostKind::Processes { binary: binary(), planted_bug: None },
        dir: dir.path().to_owned(),
        seed: 1,
        plan: Plan::Each(faults.map(|(action, victim)| Fault::new(action, victim)).into()),
        clients: 6,
        min_ok: 200,
    };
    match run(&options).await.expect("the run proves something") {
        Verdict::Good(summary) => println!("{summary}"),
        Verdict::Broken(summary, _, report) => {
            panic!("{report}\n{summary}\nThe history is kept in {}", dir.keep().display())
        }
        Verdict::Stuck(what) => panic!("{what}\nLogs are kept in {}", dir.keep().display()),
    }
}

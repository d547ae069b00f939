//! A small fixed set of faults on processes: the same run as `make chaos`, short enough for every `make test`.

use std::path::PathBuf;

use quorate_chaos::{Action, Fault, HostKind, Options, Plan, Verdict, Victim, run};

/// The `quorate` that was built with this test.
fn binary() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    // target/PROFILE/deps/fixed-HASH
    let profile = test.ancestors().nth(2).expect("cargo puts tests into target/PROFILE/deps");
    let binary = profile.join("quorate");
    assert!(
        binary.is_file(),
        "{} is missing: run `cargo build --bin quorate` before this test",
        binary.display()
    );
    binary
}

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
        host: HostKind::Processes { binary: binary() },
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

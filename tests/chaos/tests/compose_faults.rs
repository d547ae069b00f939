//! A small fixed set of faults on the compose stack: the same run as `make chaos-compose`, short enough for every
//! `make test`.

mod common;

use quorate_chaos::{Action, Fault, HostKind, Options, Plan, Verdict, Victim, run};

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_jobs_survive_killed_paused_cut_off_and_recreated_containers() {
    if let Err(why) = common::image() {
        println!("SKIPPED chaos with docker-compose: {why}");
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let faults = [
        (Action::Kill, Victim::Leader),
        (Action::Pause, Victim::Leader),
        (Action::Disconnect, Victim::Leader),
        (Action::Wipe, Victim::Follower),
        (Action::Recreate, Victim::All),
    ];
    let options = Options {
        host: HostKind::Compose {
            file: common::root().join("deploy/compose.yaml"),
            image: common::IMAGE.to_owned(),
            project: "quorate-chaos-test".to_owned(),
        },
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
        Verdict::Stuck(what) => panic!("{what}\nThe history is kept in {}", dir.keep().display()),
    }
}

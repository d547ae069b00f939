//! A small fixed set of faults on the compose stack: the same run as `make chaos-compose`, short enough for every
//! `make test`.

mod common;

use quorate_chaos::{Action, HostKind, Victim};

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_jobs_survive_killed_paused_crashed_cut_off_and_recreated_containers() {
    if let Err(why) = common::image() {
        println!("SKIPPED: {why}");
        return;
    }
    let host = HostKind::Compose {
        file: common::root().join("deploy/compose.yaml"),
        image: common::IMAGE.to_owned(),
        project: "quorate-chaos-test".to_owned(),
    };
    let faults = [
        (Action::Kill, Victim::Leader),
        (Action::Pause, Victim::Leader),
        (Action::Crash, Victim::Follower),
        (Action::Disconnect, Victim::Leader),
        (Action::Wipe, Victim::Follower),
        (Action::Recreate, Victim::All),
        (Action::RotateCerts, Victim::All),
        (Action::RevokeToken, Victim::All),
    ];
    common::every_rule_holds(host, &faults).await;
}

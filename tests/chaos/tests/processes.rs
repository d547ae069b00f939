//! A small fixed set of faults on processes: the same run as `make chaos`, short enough for every `make test`.

mod common;

use quorate_chaos::{Action, HostKind, Victim};

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_jobs_survive_kills_pauses_restarts_lost_data_and_new_certificates_and_tokens() {
    let host = HostKind::Processes { binary: common::binary(), before: None, planted_bug: None };
    let faults = [
        (Action::Kill, Victim::Leader),
        (Action::ClockAhead, Victim::All),
        (Action::LoseLog, Victim::Runner),
        (Action::Kill, Victim::All),
        (Action::Pause, Victim::Leader),
        (Action::Restart, Victim::Leader),
        (Action::Wipe, Victim::Follower),
        (Action::LoseTail, Victim::Follower),
        (Action::Roll, Victim::All),
        (Action::Rejoin, Victim::Leader),
        (Action::RotateCerts, Victim::All),
        (Action::RevokeToken, Victim::All),
    ];
    common::every_rule_holds(host, &faults).await;
}

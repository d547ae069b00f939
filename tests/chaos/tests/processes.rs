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

#[test]
fn a_binary_that_is_older_than_a_source_is_known() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let at = |name: &str| dir.path().join(name);
    let write = |name: &str, seconds: u64, text: &str| {
        std::fs::write(at(name), text).expect("a file");
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        std::fs::File::open(at(name)).and_then(|file| file.set_modified(time)).expect("a time");
    };
    std::fs::create_dir(at("deps")).expect("a directory");
    write("deps/quorate-1", 3, "the program");
    std::fs::hard_link(at("deps/quorate-1"), at("quorate")).expect("a link");
    for name in ["main.rs", "lib.rs", "tests.rs", "other.rs"] {
        write(name, 2, "");
    }
    for (note, target, source) in [
        ("quorate-1.d", "quorate-1", "main.rs"),
        ("quorate_core-2.d", "libquorate_core-2.rlib", "lib.rs"),
        ("quorate-3.d", "quorate-3", "tests.rs"),
        ("other-4.d", "libother-4.rlib", "other.rs"),
    ] {
        let made = at("deps").join(target);
        write(&format!("deps/{note}"), 3, &format!("{}: {}\n", made.display(), at(source).display()));
    }
    let newer = || common::newer_source(&at("quorate"));
    for (name, is_its) in [("main.rs", true), ("lib.rs", true), ("tests.rs", false), ("other.rs", false)] {
        assert_eq!(newer(), None);
        write(name, 4, "");
        assert_eq!(newer(), is_its.then(|| at(name)));
        write(name, 2, "");
    }
}

use quorate_core::{Command, Take, Timestamp};

use super::harness::Harness;
use super::jobs::{batch, enqueue, id, new_job, succeed};
use crate::table::tuning::Tuning;

/// Who holds what, as a reader sees it: each write changes it, and a restart does not.
#[tokio::test]
async fn readers_see_who_holds_what() {
    let take = |n, worker: &str| Command::Consume {
        take: Take { worker: worker.into(), ..Take::default_queue(n) },
        key: None,
    };
    let mut harness = Harness::new(Tuning::default());
    harness.apply([batch(1, [enqueue((1..=3).map(new_job)), take(2, "w"), take(1, "v")])]).await;
    let seen = |harness: &mut Harness, after: Option<&str>| {
        let workers = harness.table().reader().workers(after, 9);
        workers
            .into_iter()
            .map(|worker| (worker.name.to_string(), worker.holds, worker.jobs))
            .collect::<Vec<_>>()
    };
    let both = [("v".to_owned(), 1, vec![id(3)]), ("w".to_owned(), 2, vec![id(1), id(2)])];
    assert_eq!(seen(&mut harness, None), both);
    assert_eq!(seen(&mut harness, Some("v")), both[1..]);
    assert_ne!(harness.table().reader().workers(None, 1)[0].heard, Timestamp(0));

    harness.apply([batch(2, [succeed(1, ""), Command::WorkerGone { worker: "v".into() }])]).await;
    let left = [("w".to_owned(), 1, vec![id(2)])];
    assert_eq!(seen(&mut harness, None), left);
    harness.reopen(Tuning::default());
    assert_eq!(seen(&mut harness, None), left);
}

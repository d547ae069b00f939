use quorate_core::{Job, QueueId, Reply, Table};
use quorate_proto::log::v1;

use super::harness::Harness;
use super::jobs::{batch, consume, enqueue, id, new_job};
use crate::StoreError;
use crate::rows::lane::Lane;
use crate::table::tuning::Tuning;

/// Enqueues the jobs of `numbers`, and has them granted in their order.
async fn through(harness: &mut Harness, index: u64, numbers: std::ops::Range<u64>) {
    let jobs = numbers.clone().map(new_job);
    harness.apply([batch(index, [enqueue(jobs)])]).await;
    let wanted = u32::try_from(numbers.end - numbers.start).unwrap();
    let answers = harness.apply([batch(index + 1, [consume(wanted)])]).await;
    let Ok(Reply::Jobs(granted)) = &answers[0][0].outcome else { panic!("{answers:?}") };
    assert!(granted.iter().map(|job| job.id).eq(numbers.map(id)), "first in, first out");
}

/// Far more grants than are erased at once, with restarts in between: keys of granted jobs neither come back nor stay.
#[tokio::test]
async fn a_lane_is_erased_behind_its_front_and_a_restart_forgets_nothing() {
    let tuning = Tuning { erase: 65_536, ..Tuning::default() };
    let mut harness = Harness::new(tuning);
    // These wait all the while, so the lane is never empty.
    harness.apply([batch(1, [enqueue((0..3).map(new_job))])]).await;
    for round in 0..70 {
        let from = 3 + round * 1_000;
        let jobs = (from..from + 1_000).map(new_job);
        harness.apply([batch(2 + 2 * round, [enqueue(jobs)])]).await;
        let answers = harness.apply([batch(3 + 2 * round, [consume(1_000)])]).await;
        let Ok(Reply::Jobs(granted)) = &answers[0][0].outcome else { panic!("{answers:?}") };
        assert!(granted.iter().map(|job| job.id).eq((from - 3..from + 997).map(id)), "first in, first out");
        if round % 23 == 22 {
            harness.reopen(tuning);
            assert_eq!(harness.table().reader().queued(QueueId::DEFAULT), 3);
        }
    }
    // `dump` finds nothing below the erased mark, which must have moved.
    assert_eq!(harness.dump().queued, (70_000..70_003).map(id).collect::<Vec<_>>());
    let lanes = harness.table().applier().meta().lanes.clone();
    assert!(lanes.iter().all(|lane| lane.erased >= 65_536), "{lanes:?}");
}

/// A start takes the windows up from the marks, whatever was granted, and is not misled by an empty lane.
#[tokio::test]
async fn an_emptied_lane_goes_on_after_a_restart() {
    let tuning = Tuning { lane: 2, erase: 3, ..Tuning::default() };
    let mut harness = Harness::new(tuning);
    for round in 0..6 {
        through(&mut harness, 1 + 2 * round, round * 5..round * 5 + 5).await;
        harness.reopen(tuning);
        assert_eq!(harness.dump().queued, []);
    }
}

/// The core does not change a queued job today; if it does, its lane has it as it is.
#[tokio::test]
async fn a_queued_job_that_is_changed_stays_at_its_place() {
    let mut harness = Harness::new(Tuning { lane: 1, ..Tuning::default() });
    harness.apply([batch(1, [enqueue((0..3).map(new_job))])]).await;
    let applier = harness.table().applier();
    for n in 0..3 {
        let before = applier.job(id(n)).unwrap().unwrap();
        let after = Job { timeout: 77, ..before.clone() };
        applier.put_job(Some(&before), &after).unwrap();
    }
    applier.write().unwrap();
    harness.dump(); // compares the lane's records
    let answers = harness.apply([batch(2, [consume(3)])]).await;
    let Ok(Reply::Jobs(granted)) = &answers[0][0].outcome else { panic!("{answers:?}") };
    assert!(granted.iter().map(|job| (job.id, job.timeout)).eq((0..3).map(|n| (id(n), 77))));
}

/// It would erase from behind the front on: what is queued.
#[test]
fn a_lane_that_has_erased_more_than_it_has_granted_is_damaged() {
    let lane = v1::Lane { queue: 0, priority: 1, front: 7, erased: 8, queued: 0 };
    assert!(matches!(Lane::load(&lane, 1), Err(StoreError::Damaged { .. })));
    assert!(Lane::load(&v1::Lane { erased: 7, ..lane }, 1).is_ok());
}

use quorate_core::testing::{Rng, Workload};
use quorate_core::{Table, next_due_at, next_timer_at};

use super::harness::{Harness, assert_same, small};

/// Two replicas follow one history, in other portions, through restarts; one of them misses parts and gets snapshots
/// instead. After each portion both hold what the model holds, and gave its answers.
async fn follow(seed: u64, portions: usize) {
    let mut rng = Rng::new(seed ^ 0x5eed);
    let mut workload = Workload::new(seed);
    let mut steady = Harness::new(small(&mut rng));
    let mut lagging = Harness::new(small(&mut rng));
    let mut missing = false;
    for portion in 0..portions {
        let batches: Vec<_> = workload.by_ref().take(1 + usize::try_from(rng.below(6)).unwrap()).collect();
        let expected: Vec<_> = batches.iter().map(|applied| applied.answers.clone()).collect();
        let entries = || batches.iter().map(|applied| (applied.index, applied.batch.clone()));
        let model = workload.model();

        assert_eq!(steady.apply(entries()).await, expected, "seed {seed}, portion {portion}");
        assert_same(&steady.dump(), &model.dump(), &format!("seed {seed}, portion {portion}"));
        check_published(&mut steady, &mut model.clone());

        missing |= rng.one_in(12);
        if !missing {
            assert_eq!(lagging.apply(entries()).await, expected, "seed {seed}, portion {portion}");
            assert_same(&lagging.dump(), &model.dump(), &format!("seed {seed}, portion {portion}"));
        } else if rng.one_in(4) {
            steady.send_snapshot(&mut lagging).await;
            assert_same(
                &lagging.dump(),
                &model.dump(),
                &format!("seed {seed}, portion {portion}, installed"),
            );
            check_published(&mut lagging, &mut model.clone());
            missing = false;
        }
        for replica in [&mut steady, &mut lagging] {
            if rng.one_in(12) {
                let before = replica.dump();
                replica.reopen(small(&mut rng));
                assert_same(
                    &replica.dump(),
                    &before,
                    &format!("seed {seed}, portion {portion}, opened again"),
                );
            }
        }
    }
}

fn check_published(replica: &mut Harness, model: &mut quorate_core::model::Model) {
    let reader = replica.table().reader();
    assert_eq!(reader.clock(), model.clock());
    assert_eq!(reader.settings(), model.settings());
    let Ok(next) = next_due_at(model);
    assert_eq!(reader.next_work(), next);
    let Ok(timer) = next_timer_at(model);
    assert_eq!(reader.next_timer(), timer);
    let dump = model.dump();
    for queue in [quorate_core::QueueId(0), quorate_core::QueueId(1), quorate_core::QueueId(7)] {
        let queued = dump.queued.iter().filter(|id| dump.jobs[*id].queue == queue).count();
        assert_eq!(reader.queued(queue), queued as u64);
    }
}

#[tokio::test]
async fn replicas_hold_what_the_model_holds() {
    for seed in 0..5 {
        follow(seed, 120).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_hold_what_the_model_holds_on_many_threads() {
    follow(1_000, 60).await;
}

//! The same log makes the same table: from the start, and from a snapshot at any place of the log.

use quorate_core::model::Model;
use quorate_core::testing::{Entry, Workload};
use quorate_core::{Dump, apply};

fn replay(mut table: Model, log: &[Entry]) -> Dump {
    for entry in log {
        let applied = apply(&mut table, entry.index, &entry.batch);
        assert_eq!(applied.as_ref(), Ok(&entry.applied), "entry {}", entry.index);
    }
    table.dump()
}

#[test]
fn the_same_log_makes_the_same_bytes() {
    for seed in 100..104 {
        let log: Vec<Entry> = Workload::new(seed).take(1_000).collect();
        let again: Vec<Entry> = Workload::new(seed).take(1_000).collect();
        assert_eq!(log, again, "the generator itself is repeatable");
        let first = replay(Model::new(), &log).to_bytes();
        assert!(first == replay(Model::new(), &log).to_bytes(), "seed {seed}");
    }
}

#[test]
fn a_snapshot_anywhere_changes_nothing() {
    for (seed, length) in (200..).zip([1, 2, 3, 10, 50, 150, 300]) {
        let log: Vec<Entry> = Workload::new(seed).take(length).collect();
        let whole = replay(Model::new(), &log).to_bytes();
        let mut table = Model::new();
        for cut in 0..=log.len() {
            let restored = Model::restore(table.dump());
            assert!(restored == table, "seed {seed}, cut {cut}: the restored table differs");
            assert!(whole == replay(restored, &log[cut..]).to_bytes(), "seed {seed}, cut {cut}");
            if let Some(next) = log.get(cut) {
                let Ok(_) = apply(&mut table, next.index, &next.batch);
            }
        }
    }
}

#[test]
fn different_seeds_make_different_histories() {
    let [one, other] = [1, 2].map(|seed| Workload::new(seed).take(20).collect::<Vec<_>>());
    assert_ne!(one, other);
}

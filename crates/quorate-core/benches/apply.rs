//! What a log entry costs in the core, over the table in memory.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use quorate_core::limits::LANES_OF_KEY;
use quorate_core::model::Model;
use quorate_core::testing::{Load, Step};
use quorate_core::{Batch, Command, Envelope, QueueName, RequestId, Setting, apply};

/// Jobs that wait from the beginning on.
const QUEUED: usize = 1_000;
/// Steps of a kind in an entry.
const PACKED: usize = 64;

fn applying(criterion: &mut Criterion) {
    let mut load = Load::new(256);
    let mut table = Model::new();
    carry_out(&mut table, &mut load, &[Step::Enqueue; QUEUED]);

    let mut group = criterion.benchmark_group("apply");
    let mut entry = |name: &str, steps: &[Step], table: &mut Model| {
        group.throughput(Throughput::Elements(steps.len() as u64));
        let batch = load.clone().batch(steps);
        group.bench_function(name, |bencher| {
            let fresh = || table.clone();
            bencher.iter_batched_ref(fresh, |table| apply(table, 2, &batch), BatchSize::LargeInput);
        });
        carry_out(table, &mut load, steps);
    };
    entry("enqueue", &[Step::Enqueue; PACKED], &mut table);
    entry("consume", &[Step::Consume; PACKED], &mut table);
    entry("succeed", &[Step::Succeed; PACKED], &mut table);
    entry("cycle", &Step::CYCLE.repeat(PACKED), &mut table);
    group.finish();
}

/// A queue or a key that is full, where jobs of many images wait: each that ends opens it, and the next one closes it.
fn full(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("full");
    let one = Some(1);
    let (queue, key) = (Setting::MaxRunning(one), Setting::MaxRunningPerKey(one));
    for (what, images, setting) in [
        ("queue", 10, &queue),
        ("queue", 500, &queue),
        ("queue", 99_999, &queue),
        ("key", 10, &key),
        ("key", LANES_OF_KEY - 1, &key),
    ] {
        let key = if what == "key" { "key" } else { "" };
        let mut load = Load::new(256).of_images(images as u64).of_key(key);
        let mut table = Model::new();
        let command = Command::ConfigureQueue { name: QueueName::DEFAULT, settings: vec![setting.clone()] };
        let Batch { stamp, .. } = load.batch(&[]);
        let deadline = stamp.plus_millis(1_000);
        let envelopes = vec![Envelope { request_id: RequestId([9; 16]), deadline, command }];
        let Ok(_) = apply(&mut table, 1, &Batch { stamp, envelopes });
        carry_out(&mut table, &mut load, &vec![Step::Enqueue; images]);
        carry_out(&mut table, &mut load, &[Step::Consume]);
        let cycle = [Step::Enqueue, Step::Succeed, Step::Consume];
        group.bench_function(format!("{what}/{images}"), |bencher| {
            bencher.iter(|| carry_out(&mut table, &mut load, &cycle));
        });
    }
    group.finish();
}

/// A refusal would cost less than what is measured.
fn carry_out(table: &mut Model, load: &mut Load, steps: &[Step]) {
    let Ok(applied) = apply(table, 1, &load.batch(steps));
    assert!(applied.answers.iter().all(|answer| answer.outcome.is_ok()), "a step was refused");
}

criterion_group!(benches, applying, full);
criterion_main!(benches);

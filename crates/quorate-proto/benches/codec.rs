//! What it costs to encode and decode a command, a log entry and a job's record.

use bytes::Bytes;
use criterion::{
    BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use prost::Message;
use quorate_core::Job;
use quorate_core::model::Model;
use quorate_core::testing::{Load, Step};
use quorate_proto::log::v1 as pb;
use quorate_proto::{decode, decode_batch, decode_envelope};

/// Commands in an entry.
const PACKED: usize = 64;

fn coding(criterion: &mut Criterion) {
    let batch = Load::new(256).batch(&[Step::Enqueue; PACKED]);

    let group = criterion.benchmark_group("envelope");
    let message = |envelope| pb::Envelope::from(envelope).encode_to_vec();
    both(group, &batch.envelopes[0], message, decode_envelope);

    // As the leader has it: each command was encoded by the node that took it.
    let group = criterion.benchmark_group("batch");
    let envelopes = batch.envelopes.iter().map(|envelope| message(envelope.clone()).into()).collect();
    let packed = pb::PackedBatch { stamp_ms: batch.stamp.0, envelopes };
    both(group, &packed, |packed| packed.encode_to_vec(), decode_batch);

    let group = criterion.benchmark_group("record");
    let mut table = Model::new();
    let Ok(_) = quorate_core::apply(&mut table, 1, &batch);
    let job = table.jobs().values().next().expect("a job");
    both(
        group,
        job,
        |job| pb::Job::from(&job).encode_to_vec(),
        |bytes| Job::try_from(decode::<pb::Job>(bytes)?),
    );
}

/// Measures both ways.
fn both<T: Clone, D, E: std::fmt::Debug>(
    mut group: BenchmarkGroup<'_, WallTime>,
    value: &T,
    encode: impl Fn(T) -> Vec<u8>,
    decode: impl Fn(Bytes) -> Result<D, E>,
) {
    let bytes = Bytes::from(encode(value.clone()));
    decode(bytes.clone()).expect("what was encoded");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("encode", |bencher| {
        bencher.iter_batched(|| value.clone(), &encode, BatchSize::SmallInput);
    });
    group.bench_function("decode", |bencher| {
        bencher.iter_batched(|| bytes.clone(), &decode, BatchSize::SmallInput);
    });
    group.finish();
}

criterion_group!(benches, coding);
criterion_main!(benches);

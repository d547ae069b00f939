//! What it costs to have a log entry on the disk: that of the temporary directory.

use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use openraft::EntryPayload;
use openraft::storage::RaftLogStorageExt;
use openraft::vote::leader_id_std::CommittedLeaderId;
use quorate_core::testing::{Load, Step};
use quorate_proto::encode_batch;
use quorate_store::{BatchBytes, DataDir, Entry, LogId, LogStore};

/// Commands in an entry.
const PACKED: usize = 64;

fn appending(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a directory");
    let data_dir = DataDir::open(dir.path()).expect("a data directory");
    let mut log = LogStore::open(&data_dir, Arc::new(|e| panic!("the log failed: {e}"))).expect("a log");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");

    let batch = BatchBytes(encode_batch(Load::new(300).batch(&[Step::Enqueue; PACKED])));
    let mut index = 0;
    let mut next = || {
        index += 1;
        let log_id = LogId { leader_id: CommittedLeaderId::new(1), index };
        Entry { log_id, payload: EntryPayload::Normal(batch.clone()) }
    };
    let mut group = criterion.benchmark_group("log");
    group.throughput(Throughput::Elements(PACKED as u64));
    group.bench_function("append", |bencher| {
        let append = |entry| runtime.block_on(log.blocking_append([entry])).expect("appended");
        bencher.iter_batched(&mut next, append, BatchSize::PerIteration);
    });
    group.finish();
}

criterion_group!(benches, appending);
criterion_main!(benches);

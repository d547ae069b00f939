//! What it costs to apply a log entry to the job table on disk, with as many jobs queued as ever. How that changes with the
//! number of jobs: `examples/table_cost.rs`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use openraft::EntryPayload;
use openraft::storage::RaftStateMachine;
use openraft::vote::leader_id_std::CommittedLeaderId;
use quorate_core::FEATURE_LEVEL;
use quorate_core::testing::{Load, Step};
use quorate_proto::encode_batch;
use quorate_store::{AppliedEntry, ApplyObserver, BatchBytes, DataDir, Entry, JobTable, LogId};
use tokio::runtime::{Builder, Runtime};

/// Commands in an entry.
const PACKED: usize = 64;

/// Hears that nothing was refused, which would cost less than what is measured.
struct Carried;

impl ApplyObserver for Carried {
    fn applied(&self, entry: AppliedEntry) {
        assert!(entry.answered.iter().all(|answer| answer.outcome.is_ok()), "a step was refused");
    }

    fn installed(&self) {}
}

struct Run {
    table: JobTable,
    load: Load,
    index: u64,
    runtime: Runtime,
}

impl Run {
    /// Applies an entry of such steps, and says how long that took.
    fn apply(&mut self, step: Step) -> Duration {
        self.index += 1;
        let log_id = LogId { leader_id: CommittedLeaderId::new(1), index: self.index };
        let batch = BatchBytes(encode_batch(self.load.batch(&[step; PACKED])));
        let entries =
            futures::stream::iter([Ok((Entry { log_id, payload: EntryPayload::Normal(batch) }, None))]);
        let begin = Instant::now();
        self.runtime.block_on(self.table.apply(entries)).expect("applied");
        begin.elapsed()
    }
}

fn writing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("table");
    group.throughput(Throughput::Elements(PACKED as u64));
    for (measured, name) in Step::CYCLE.into_iter().zip(["enqueue", "consume", "succeed"]) {
        // Each has a table of its own, so that it can be measured alone.
        let dir = tempfile::tempdir().expect("a directory");
        let data_dir = DataDir::open(dir.path()).expect("a data directory");
        let table = JobTable::open(&data_dir, Arc::new(Carried), FEATURE_LEVEL).expect("a table");
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        let mut run = Run { table, load: Load::new(300), index: 0, runtime };
        group.bench_function(name, |bencher| {
            // All three, whichever is measured: what is enqueued is gone afterwards.
            bencher.iter_custom(|times| {
                let mut cycle = || Step::CYCLE.map(|step| (step, run.apply(step)));
                let taken = (0..times).flat_map(|_| cycle());
                taken.filter(|(step, _)| *step == measured).map(|(_, taken)| taken).sum()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, writing);
criterion_main!(benches);

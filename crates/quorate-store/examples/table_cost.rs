//! What the job table costs: processor time of the apply thread per command, and bytes on disk, at a given depth.
//!
//! ```text
//! cargo run --release -p quorate-store --example table_cost -- [queued jobs] [jobs to run through] [commands an entry]
//! ```

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use openraft::EntryPayload;
use openraft::storage::RaftStateMachine;
use openraft::vote::leader_id_std::CommittedLeaderId;
use quorate_core::testing::{Load, Step};
use quorate_core::{FEATURE_LEVEL, QueueName, Status};
use quorate_store::{AppliedEntry, ApplyObserver, BatchBytes, DataDir, Entry, JobTable, LogId};

struct Unheard;

impl ApplyObserver for Unheard {
    fn applied(&self, _: AppliedEntry) {}

    fn installed(&self) {}
}

struct Run {
    table: JobTable,
    load: Load,
    /// Commands in a log entry.
    packed: usize,
    index: u64,
}

impl Run {
    /// Does these steps, an entry a write, and prints what one took.
    async fn apply(&mut self, what: &str, steps: &[Step]) {
        let (mut cpu, mut wall) = (0, 0);
        for packed in steps.chunks(self.packed) {
            let entry = self.entry(packed);
            let (cpu_before, wall_before) = (thread_cpu(), Instant::now());
            self.table.apply(futures::stream::iter([Ok((entry, None))])).await.expect("applied");
            cpu += thread_cpu() - cpu_before;
            wall += wall_before.elapsed().as_nanos() as u64;
        }
        let (count, each) = (steps.len(), |nanos: u64| nanos as f64 / steps.len() as f64 / 1_000.0);
        println!("{what:24} {count:>9} commands  {:6.2} us cpu  {:6.2} us wall each", each(cpu), each(wall));
    }

    fn entry(&mut self, steps: &[Step]) -> Entry {
        self.index += 1;
        let log_id = LogId { leader_id: CommittedLeaderId::new(1), index: self.index };
        let batch = BatchBytes(quorate_proto::encode_batch(self.load.batch(steps)));
        Entry { log_id, payload: EntryPayload::Normal(batch) }
    }
}

/// Nanoseconds that this thread has run on a processor.
fn thread_cpu() -> u64 {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    stat.split_whitespace().next().and_then(|nanos| nanos.parse().ok()).expect("a number")
}

fn bytes_in(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).expect("a directory").flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => bytes_in(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .sum()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse().expect("a number"));
    let [depth, through, packed] = [20_000, 100_000, 64].map(|usual| arguments.next().unwrap_or(usual));

    let dir = tempfile::tempdir().expect("a directory");
    let data_dir = DataDir::open(dir.path()).expect("a data directory");
    let table = JobTable::open(&data_dir, Arc::new(Unheard), FEATURE_LEVEL).expect("a table");
    let mut run = Run { table, load: Load::new(300), packed, index: 0 };

    run.apply("fill", &vec![Step::Enqueue; depth]).await;
    for (step, from) in (0..through).step_by(10_000).enumerate() {
        let jobs = 10_000.min(through - from);
        run.apply(&format!("enqueue, round {step}"), &vec![Step::Enqueue; jobs]).await;
        run.apply(&format!("consume, round {step}"), &vec![Step::Consume; jobs]).await;
        run.apply(&format!("succeed, round {step}"), &vec![Step::Succeed; jobs]).await;
    }
    run.apply("all three, mixed", &Step::CYCLE.repeat(10_000)).await;
    println!("on disk: {} MB", bytes_in(dir.path()) >> 20);

    let Run { table, .. } = run;
    drop(table);
    let opening = Instant::now();
    let table = JobTable::open(&data_dir, Arc::new(Unheard), FEATURE_LEVEL).expect("a table");
    println!(
        "opened again in {:?}, {} jobs queued",
        opening.elapsed(),
        table.reader().queue(&QueueName::DEFAULT).map_or(0, |view| view.queue.counts.of(Status::Queued))
    );
}

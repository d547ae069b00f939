//! What the job table costs: processor time of the apply thread per command, and bytes on disk, at a given depth.
//!
//! ```text
//! cargo run --release -p quorate-store --example table_cost -- [queued jobs] [jobs to run through] [commands an entry]
//! ```

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use openraft::alias::EntryOf;
use openraft::entry::RaftEntry;
use openraft::storage::RaftStateMachine;
use openraft::vote::leader_id_std::CommittedLeaderId;
use quorate_core::{
    Batch, Command, Envelope, FEATURE_LEVEL, ImageId, JobId, NewJob, Priority, QueueId, RequestId, Timestamp,
};
use quorate_store::{AppliedEntry, ApplyObserver, BatchBytes, DataDir, JobTable, LogId, TypeConfig};

struct Unheard;

impl ApplyObserver for Unheard {
    fn applied(&self, _: AppliedEntry) {}

    fn installed(&self) {}
}

struct Run {
    table: JobTable,
    /// Commands in a log entry.
    packed: usize,
    index: u64,
    clock: u64,
    request: u128,
}

impl Run {
    /// Applies commands, an entry a write, and prints what one took.
    async fn apply(&mut self, what: &str, commands: impl Iterator<Item = Command>) {
        let (mut cpu, mut wall, mut count) = (0, 0, 0);
        let mut commands = commands.peekable();
        while commands.peek().is_some() {
            let packed: Vec<_> = commands.by_ref().take(self.packed).collect();
            count += packed.len();
            let entry = self.entry(packed);
            let (cpu_before, wall_before) = (thread_cpu(), Instant::now());
            self.table.apply(futures::stream::iter([Ok((entry, None))])).await.expect("applied");
            cpu += thread_cpu() - cpu_before;
            wall += wall_before.elapsed().as_nanos() as u64;
        }
        let each = |nanos: u64| nanos as f64 / count as f64 / 1_000.0;
        println!("{what:24} {count:>9} commands  {:6.2} us cpu  {:6.2} us wall each", each(cpu), each(wall));
    }

    fn entry(&mut self, commands: Vec<Command>) -> EntryOf<TypeConfig> {
        self.index += 1;
        self.clock += 1;
        let envelopes = commands.into_iter().map(|command| {
            self.request += 1;
            let mut id = self.request.to_be_bytes();
            id.reverse(); // random ids: any order but theirs
            Envelope { request_id: RequestId(id), deadline: Timestamp(self.clock + 2_000), command }
        });
        let batch = Batch { stamp: Timestamp(self.clock), envelopes: envelopes.collect() };
        let log_id = LogId { leader_id: CommittedLeaderId::new(1), index: self.index };
        EntryOf::<TypeConfig>::new_normal(log_id, BatchBytes(quorate_proto::encode_batch(batch)))
    }
}

fn enqueue(n: u64) -> Command {
    let job = NewJob {
        id: id(n),
        queue: QueueId::DEFAULT,
        priority: Priority::default(),
        image: "registry.example/team/image:1".into(),
        image_id: ImageId([1; 16]),
        payload: Bytes::from(format!("{:0300}", n * 7_919)),
        delay: 0,
        timeout: 3_600,
        max_retries: 3,
        retries_delay: 10,
    };
    Command::Enqueue { jobs: vec![job], key: None }
}

fn consume(_: u64) -> Command {
    Command::Consume { queue: QueueId::DEFAULT, n: 1, key: None }
}

fn succeed(n: u64) -> Command {
    Command::Succeed { id: id(n), log: Bytes::from_static(b"done, in a log of some length") }
}

/// As a UUIDv7: time first, then what looks random.
fn id(n: u64) -> JobId {
    let random = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    JobId((u128::from(n / 32) << 80 | u128::from(random)).to_be_bytes())
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
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>().expect("a number"));
    let depth = arguments.next().unwrap_or(20_000);
    let through = arguments.next().unwrap_or(100_000);

    let packed = arguments.next().map_or(64, |packed| usize::try_from(packed).expect("a small number"));

    let dir = tempfile::tempdir().expect("a directory");
    let data_dir = DataDir::open(dir.path()).expect("a data directory");
    let table = JobTable::open(&data_dir, Arc::new(Unheard), FEATURE_LEVEL).expect("a table");
    let mut run = Run { table, packed, index: 0, clock: 1_700_000_000_000, request: 0 };

    run.apply("fill", (0..depth).map(enqueue)).await;
    for (step, from) in (0..through).step_by(10_000).enumerate() {
        let to = (from + 10_000).min(through);
        let show = |what: &str| format!("{what}, round {step}");
        run.apply(&show("enqueue"), (depth + from..depth + to).map(enqueue)).await;
        run.apply(&show("consume"), (from..to).map(consume)).await;
        run.apply(&show("succeed"), (from..to).map(succeed)).await;
    }
    let mixed = (through..through + 10_000).flat_map(|n| [enqueue(depth + n), consume(n), succeed(n)]);
    run.apply("all three, mixed", mixed).await;
    println!("on disk: {} MB", bytes_in(dir.path()) >> 20);

    let Run { table, .. } = run;
    drop(table);
    let opening = Instant::now();
    let table = JobTable::open(&data_dir, Arc::new(Unheard), FEATURE_LEVEL).expect("a table");
    println!(
        "opened again in {:?}, {} jobs queued",
        opening.elapsed(),
        table.reader().queued(QueueId::DEFAULT)
    );
}

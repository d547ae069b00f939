//! Runs the tables in `tests/tables/`: each line is one action with its answer and the jobs after it.
//! `tests/tables/README.md` tells how to read and write them.

#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod common;
mod golden;

/// One test for each table.
macro_rules! tables {
    ($($name:ident),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                golden::run(concat!(stringify!($name), ".txt"));
            }
        )*

        #[test]
        fn every_table_is_run() {
            assert_eq!(golden::files(), [$(concat!(stringify!($name), ".txt")),*]);
        }
    };
}

tables! {
    automatic_retry,
    batches,
    cancel,
    consume,
    deadlines,
    delay,
    delete,
    enqueue,
    finish,
    idempotency_keys,
    images,
    level,
    log_and_progress,
    manual_retry,
    queue_limits,
    queues,
    release,
    repeated_requests,
    retention,
    succeed_and_fail,
    time,
    timeout_and_touch,
    unique,
    workers,
}

use quorate_core::{
    Action, Command, Filter, NewOperation, Operation, OperationId, OperationState, Selection, Status,
};

use super::harness::Harness;
use super::jobs::{batch, enqueue, id, new_job};
use crate::table::tuning::Tuning;

fn start(number: u8) -> Command {
    let filter = Filter { statuses: vec![Status::Queued], ..Filter::default() };
    let operation = NewOperation {
        id: OperationId([number; 16]),
        action: Action::Cancel,
        details: "all".into(),
        selection: Selection::Filter(filter),
        words: "queued".into(),
    };
    Command::StartOperation { operation, key: None }
}

/// Work on many jobs, as a reader sees it: each write changes it, a restart does not, and a snapshot brings it along.
#[tokio::test]
async fn readers_see_work_on_many_jobs() {
    let mut harness = Harness::new(Tuning::default());
    harness.apply([batch(1, [enqueue([new_job(1)]), start(9), start(1)])]).await;
    let step = Command::StepOperation {
        id: OperationId([9; 16]),
        action: Action::Cancel,
        from: 0,
        to: Some(7),
        jobs: vec![id(1)],
    };
    harness.apply([batch(2, [step, Command::StopOperation { id: OperationId([1; 16]) }])]).await;
    let seen = |harness: &mut Harness| {
        let operations = harness.table().reader().operations();
        let seen = operations.iter().map(|one| {
            let Operation { id, state, cursor, done, .. } = **one;
            (id.0[0], state, cursor, done)
        });
        seen.collect::<Vec<_>>()
    };
    let expected = [(9, OperationState::Running, 7, 1), (1, OperationState::Stopped, 0, 0)];
    assert_eq!(seen(&mut harness), expected);
    let first = harness.table().reader().operation(OperationId([9; 16]));
    harness.reopen(Tuning::default());
    assert_eq!(seen(&mut harness), expected);
    assert_eq!(harness.table().reader().operation(OperationId([9; 16])), first);
    let mut other = Harness::new(Tuning::default());
    harness.send_snapshot(&mut other).await;
    assert_eq!(seen(&mut other), expected);
}

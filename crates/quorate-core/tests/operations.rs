//! Work on many jobs: what each step does, and that it is done once.

#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod common;

use common::{Log, T0, Watched, job_id, new_job};
use quorate_core::limits::{
    LANE_MILLIS, OPERATION_DETAILS_BYTES, OPERATION_JOBS_PER_STEP, OPERATIONS, OPERATIONS_RUNNING,
};
use quorate_core::{
    Action, Command, Effect, Filter, IdempotencyKey, ImageId, Job, JobId, NewJob, NewOperation, Operation,
    OperationId, OperationState, Outcome, QueueId, Reason, Refusal, Reply, Selection, State, Status, Table,
    Take, Timestamp, WaitBounds, apply,
};

const NOW: Timestamp = Timestamp(T0.0 + 1_000);

fn operation_id(number: u64) -> OperationId {
    OperationId(u128::from(number).to_be_bytes())
}

/// A table with operations.
struct World(Log);

impl World {
    /// Jobs 1 to `queued` are queued, those behind them, up to `failed`, have failed, with that many retries left.
    fn new(queued: u64, failed: u64, max_retries: u32) -> World {
        let mut world = World(Log::new(Watched::default()));
        let new = |number| NewJob { max_retries: Some(max_retries), ..new_job(number) };
        let enqueue = |from, to| Command::Enqueue { jobs: (from..=to).map(new).collect(), key: None };
        if failed > queued {
            world.run(enqueue(queued + 1, failed)).unwrap();
            let n = u32::try_from(failed - queued).unwrap();
            world.run(Command::Consume { take: Take::default_queue(n), key: None }).unwrap();
            for number in queued + 1..=failed {
                world.fail(job_id(number));
            }
        }
        if queued > 0 {
            world.run(enqueue(1, queued)).unwrap();
        }
        world
    }

    fn run(&mut self, command: Command) -> Outcome {
        let outcome = self.0.run(NOW, command);
        self.0.table.check();
        outcome
    }

    fn fail(&mut self, id: JobId) {
        let (reason, details, log) = (Reason::BadExit, "".into(), "".into());
        self.run(Command::Fail { id, reason, details, log, for_good: false }).unwrap();
    }

    fn start(&mut self, number: u64, action: Action, selection: Selection) -> Outcome {
        let operation = NewOperation {
            id: operation_id(number),
            action,
            details: "all of them".into(),
            selection,
            words: "w".into(),
        };
        self.run(Command::StartOperation { operation, key: None })
    }

    /// Starts operation 1 for all jobs of these statuses.
    fn start_for(&mut self, action: Action, statuses: &[Status]) {
        let filter = Filter { statuses: statuses.to_vec(), ..Filter::default() };
        let started = self.start(1, action, Selection::Filter(filter));
        assert_eq!(started, Ok(Reply::Operation(operation_id(1))));
    }

    /// A step of operation 1, from `from`, with these jobs.
    fn step(&mut self, from: u64, to: Option<u64>, jobs: &[u64]) {
        let action = self.operation(1).action;
        let jobs = jobs.iter().map(|number| job_id(*number)).collect();
        let step = Command::StepOperation { id: operation_id(1), action, from, to, jobs };
        assert_eq!(self.run(step), Ok(Reply::Done));
    }

    fn operation(&self, number: u64) -> Operation {
        Operation::clone(&self.0.table.operations()[&operation_id(number)])
    }

    /// Operation 1: its state, where it stands, and its counts.
    fn stands(&self) -> (OperationState, u64, u64, u64) {
        let Operation { state, cursor, done, skipped, .. } = self.operation(1);
        (state, cursor, done, skipped)
    }

    fn job(&mut self, number: u64) -> Job {
        self.0.table.job(job_id(number)).unwrap().unwrap()
    }

    fn count(&self, status: Status) -> usize {
        self.0.table.model.jobs().values().filter(|job| job.status() == status).count()
    }
}

#[test]
fn a_retry_enqueues_what_nobody_has_retried() {
    let mut world = World::new(0, 3, 0);
    world.run(Command::Retry { id: job_id(2), new_id: job_id(9), anew: false, key: None }).unwrap();
    world.start_for(Action::Retry, &[Status::Error]);
    world.step(0, Some(7), &[1, 2]);
    assert_eq!(world.stands(), (OperationState::Running, 7, 1, 1));
    let retry = world.job(1).retry_id.unwrap();
    let retry = world.0.table.job(retry).unwrap().unwrap();
    assert_eq!((retry.status(), retry.retry_of, retry.attempt), (Status::Queued, Some(job_id(1)), 1));
    assert_eq!(world.job(2).retry_id, Some(job_id(9)));

    world.step(7, None, &[3]);
    assert_eq!(world.stands(), (OperationState::Done, 7, 2, 1));
    assert_eq!(world.operation(1).ended_at, Some(NOW));
    assert_eq!(world.count(Status::Queued), 3);
}

#[test]
fn what_is_retried_has_all_its_automatic_retries_again() {
    let mut world = World::new(0, 1, 1);
    let last = world.job(1).retry_id.unwrap();
    world.run(Command::Retry { id: job_id(1), new_id: job_id(9), anew: false, key: None }).unwrap();
    world.run(Command::Consume { take: Take::default_queue(1), key: None }).unwrap();
    let (reason, details) = (Reason::BadExit, "".into());
    world.run(Command::Fail { id: last, reason, details, log: "".into(), for_good: false }).unwrap();
    world.start(1, Action::Retry, Selection::Ids(vec![last])).unwrap();
    let (id, action, jobs) = (operation_id(1), Action::Retry, vec![last]);
    world.run(Command::StepOperation { id, action, from: 0, to: None, jobs }).unwrap();
    let last = world.0.table.job(last).unwrap().unwrap();
    let retry = world.0.table.job(last.retry_id.unwrap()).unwrap().unwrap();
    assert_eq!((last.max_retries, retry.max_retries, retry.attempt), (0, 1, 1));
}

#[test]
fn a_retry_does_not_let_automatic_ones_wait_and_leaves_those_that_run() {
    let mut world = World::new(0, 2, 1);
    let second = world.job(2).retry_id.unwrap();
    world.run(Command::Cancel { id: second, details: "".into() }).unwrap();
    world.start_for(Action::Retry, &[Status::Error]);
    world.step(0, None, &[1, 2]);
    assert_eq!(world.stands(), (OperationState::Done, 0, 1, 1));
    let first = world.job(1).retry_id.unwrap();
    let first = world.0.table.job(first).unwrap().unwrap();
    assert_eq!((first.status(), first.attempt), (Status::Queued, 2));
    assert_eq!(world.job(2).retry_id, Some(second), "it was called off, and is no reason for another one");
}

#[test]
fn what_a_retry_did_that_is_gone_is_repeated_only_where_the_job_is_named() {
    let mut world = World::new(0, 1, 0);
    world.run(Command::Retry { id: job_id(1), new_id: job_id(9), anew: false, key: None }).unwrap();
    world.run(Command::Consume { take: Take::default_queue(1), key: None }).unwrap();
    world.run(Command::Succeed { id: job_id(9), log: "".into() }).unwrap();
    world.run(Command::Delete { id: job_id(9) }).unwrap();
    world.start_for(Action::Retry, &[Status::Error]);
    world.step(0, None, &[1]);
    assert_eq!(world.stands(), (OperationState::Done, 0, 0, 1));
    assert_eq!(world.count(Status::Queued), 0);

    world.start(2, Action::Retry, Selection::Ids(vec![job_id(1)])).unwrap();
    let (id, action, jobs) = (operation_id(2), Action::Retry, vec![job_id(1)]);
    world.run(Command::StepOperation { id, action, from: 0, to: None, jobs }).unwrap();
    assert_eq!((world.operation(2).done, world.count(Status::Queued)), (1, 1));
}

/// A job of a key that no other has.
fn alone(number: u64) -> NewJob {
    NewJob { key: number.to_string().into(), max_retries: Some(0), ..new_job(number) }
}

#[test]
fn a_retry_goes_as_far_as_there_are_lanes_and_gets_nowhere_without_any() {
    let mut world = World::new(0, 0, 0);
    world.run(Command::Enqueue { jobs: (1..=3).map(alone).collect(), key: None }).unwrap();
    world.run(Command::Consume { take: Take::default_queue(3), key: None }).unwrap();
    (1..=3).for_each(|number| world.fail(job_id(number)));
    world.0.table.bound_lanes(10);
    let first = 1_000;
    world.run(Command::Enqueue { jobs: (first..first + 9).map(alone).collect(), key: None }).unwrap();
    world.start_for(Action::Retry, &[Status::Error]);
    let mut go_on = |from, jobs: std::ops::RangeInclusive<u64>, cancels: &[u64]| {
        for job in cancels {
            world.0.run(NOW, Command::Cancel { id: job_id(*job), details: "".into() }).unwrap();
        }
        let (id, action) = (operation_id(1), Action::Retry);
        let step = Command::StepOperation { id, action, from, to: None, jobs: jobs.map(job_id).collect() };
        let outcome = world.0.run(NOW, step);
        (outcome, world.stands())
    };
    let number = |world: &mut World, job| world.job(job).number;
    let (running, full) = (OperationState::Running, Err(Refusal::TooManyLanes));
    let (outcome, stands) = go_on(0, 1..=3, &[]);
    let second = stands.1;
    assert_eq!((outcome, stands), (Ok(Reply::Done), (running, second, 1, 0)), "there was one lane");
    assert_eq!(go_on(second, 2..=3, &[]), (full, (running, second, 1, 0)));
    let (outcome, stands) = go_on(second, 2..=3, &[first]);
    let third = stands.1;
    assert_eq!((outcome, stands), (Ok(Reply::Done), (running, third, 2, 0)), "and one came free");
    assert_eq!(go_on(third, 3..=3, &[first + 1]), (Ok(Reply::Done), (OperationState::Done, third, 3, 0)));
    assert_eq!([second, third], [2, 3].map(|job| number(&mut world, job)), "it stands at who waits");
    world.0.table.check();
}

#[test]
fn a_retry_does_not_stop_at_a_key_that_has_no_lane() {
    let mut world = World::new(0, 0, 0);
    let of = |key: &str, number, max_retries| NewJob {
        key: key.into(),
        image_id: ImageId(u128::from(number).to_be_bytes()),
        max_retries: Some(max_retries),
        ..new_job(number)
    };
    let failed = vec![of("full", 1, 0), of("full", 2, 1), of("other", 3, 0)];
    world.run(Command::Enqueue { jobs: failed, key: None }).unwrap();
    world.run(Command::Consume { take: Take::default_queue(3), key: None }).unwrap();
    (1..=3).for_each(|number| world.fail(job_id(number)));
    world.0.table.bound(WaitBounds { lanes_of_key: 1, ..WaitBounds::default() });
    world.run(Command::Enqueue { jobs: vec![of("full", 4, 0)], key: None }).unwrap();
    let retry = |world: &mut World, number| {
        let retry = world.job(number).retry_id.unwrap();
        world.0.table.job(retry).unwrap().unwrap()
    };
    let waits = retry(&mut world, 2);

    world.start_for(Action::Retry, &[Status::Error]);
    world.step(0, None, &[1, 2, 3]);
    assert_eq!(world.stands(), (OperationState::Done, 0, 2, 1));
    let again = NOW.plus_millis(LANE_MILLIS);
    assert_eq!(retry(&mut world, 1).state, State::Delayed { due: again }, "it looks for a lane by itself");
    assert_eq!(retry(&mut world, 2), waits, "its time comes first");
    assert_eq!(retry(&mut world, 3).status(), Status::Queued);
}

#[test]
fn what_is_for_a_queue_that_is_gone_is_refused() {
    let mut world = World::new(1, 1, 0);
    let of = |queue| Selection::Filter(Filter { queue: Some(queue), ..Filter::default() });
    for none in [QueueId(9), QueueId::NONE] {
        assert_eq!(world.start(1, Action::Cancel, of(none)), Err(Refusal::NoSuchQueue));
    }
    world.start(1, Action::Cancel, of(QueueId::DEFAULT)).unwrap();
}

#[test]
fn a_cancel_calls_off_what_has_not_finished() {
    let mut world = World::new(3, 4, 0);
    world.run(Command::Consume { take: Take::default_queue(1), key: None }).unwrap();
    world.start_for(Action::Cancel, &[Status::Queued, Status::Running]);
    world.step(0, None, &[1, 2, 3, 4]);
    assert_eq!(world.stands(), (OperationState::Done, 0, 3, 1));
    let details = |job: Job| match job.state {
        State::Cancelled { details, .. } => details,
        other => panic!("{other:?}"),
    };
    assert_eq!(&*details(world.job(1)), "all of them");
    assert_eq!(&*details(world.job(3)), "all of them");
    assert_eq!(world.count(Status::Error), 1);
}

#[test]
fn a_delete_removes_what_has_finished() {
    let mut world = World::new(1, 3, 0);
    world.start_for(Action::Delete, &[Status::Error, Status::Queued]);
    world.step(0, None, &[1, 2, 3, 77]);
    assert_eq!(world.stands(), (OperationState::Done, 0, 2, 2));
    let left: Vec<_> = world.0.table.model.jobs().keys().copied().collect();
    assert_eq!(left, [job_id(1)]);
}

#[test]
fn jobs_are_judged_as_they_are_when_their_turn_comes() {
    let mut world = World::new(0, 2, 0);
    world.start_for(Action::Delete, &[Status::Error]);
    // A leader saw it as one that had failed; in between somebody else has removed it and another one has come.
    world.run(Command::Delete { id: job_id(1) }).unwrap();
    world.step(0, None, &[1, 2]);
    assert_eq!(world.stands(), (OperationState::Done, 0, 1, 1));
}

#[test]
fn jobs_that_came_later_are_not_meant() {
    let mut world = World::new(1, 1, 0);
    world.start_for(Action::Cancel, &[Status::Queued]);
    world.run(Command::Enqueue { jobs: vec![new_job(2)], key: None }).unwrap();
    world.step(0, None, &[1, 2]);
    assert_eq!(world.stands(), (OperationState::Done, 0, 1, 1));
    assert_eq!(world.job(2).status(), Status::Queued);
}

#[test]
fn a_running_job_whose_deadline_has_come_is_none_that_runs() {
    let mut world = World::new(1, 1, 0);
    world.run(Command::Consume { take: Take::default_queue(1), key: None }).unwrap();
    world.start_for(Action::Cancel, &[Status::Running]);
    let step = Command::StepOperation {
        id: operation_id(1),
        action: Action::Cancel,
        from: 0,
        to: None,
        jobs: vec![job_id(1)],
    };
    world.0.run(NOW.plus_seconds(60), step).unwrap();
    assert_eq!(world.stands(), (OperationState::Done, 0, 0, 1));
    assert_eq!(world.job(1).status(), Status::Error);
}

#[test]
fn a_step_is_done_once_however_often_it_is_proposed() {
    let mut world = World::new(0, 4, 0);
    let ids = (1..=4).map(job_id).collect();
    world.start(1, Action::Retry, Selection::Ids(ids)).unwrap();
    world.step(0, Some(2), &[1, 2]);
    // Another leader, which was elected in between, proposes the same; one that was deposed, another part.
    world.step(0, Some(2), &[1, 2]);
    world.step(0, Some(3), &[1, 2, 3]);
    assert_eq!(world.stands(), (OperationState::Running, 2, 2, 0));
    assert_eq!(world.count(Status::Queued), 2);
    world.step(2, None, &[3, 4]);
    world.step(2, None, &[3, 4]);
    assert_eq!(world.stands(), (OperationState::Done, 2, 4, 0));
}

#[test]
fn ids_that_were_not_named_are_not_touched() {
    let mut world = World::new(0, 2, 0);
    world.start(1, Action::Delete, Selection::Ids(vec![job_id(1)])).unwrap();
    world.step(0, None, &[1, 2]);
    assert_eq!(world.stands(), (OperationState::Done, 0, 1, 1));
    assert_eq!(world.job(2).status(), Status::Error);
}

#[test]
fn a_stop_ends_it_and_what_was_done_stays() {
    let mut world = World::new(0, 2, 0);
    world.start_for(Action::Delete, &[Status::Error]);
    world.step(0, Some(2), &[1]);
    let stop = Command::StopOperation { id: operation_id(1) };
    assert_eq!(world.run(stop.clone()), Ok(Reply::Done));
    world.step(2, None, &[2]);
    assert_eq!(world.stands(), (OperationState::Stopped, 2, 1, 0));
    assert_eq!(world.job(2).status(), Status::Error);
    let ended = world.operation(1);
    assert_eq!(world.run(stop), Ok(Reply::Done), "it has ended already");
    assert_eq!(world.operation(1), ended);
    let unknown = Command::StopOperation { id: operation_id(9) };
    assert_eq!(world.run(unknown), Err(Refusal::NoSuchOperation));
}

#[test]
fn under_one_key_it_is_started_once() {
    let mut world = World::new(1, 1, 0);
    let start = |number| {
        let selection = Selection::Ids(vec![job_id(1)]);
        let operation = NewOperation {
            id: operation_id(number),
            action: Action::Cancel,
            details: "".into(),
            selection,
            words: "".into(),
        };
        let key = Some(IdempotencyKey { key: "once".into(), body_hash: [1; 32] });
        Command::StartOperation { operation, key }
    };
    assert_eq!(world.run(start(1)), Ok(Reply::Operation(operation_id(1))));
    assert_eq!(world.run(start(2)), Ok(Reply::Operation(operation_id(1))));
    assert_eq!(world.0.table.operations().len(), 1);
}

#[test]
fn what_is_outside_of_its_limits_is_refused() {
    let mut world = World::new(1, 1, 0);
    let ids = |n| Selection::Ids(vec![job_id(1); n]);
    let invalid = |field| Err(Refusal::Invalid { field });
    assert_eq!(world.start(1, Action::Retry, ids(0)), invalid("ids"));
    assert_eq!(world.start(1, Action::Retry, ids(1_001)), invalid("ids"));
    let key = Some("k".repeat(65).into());
    let filter = Selection::Filter(Filter { key, ..Filter::default() });
    assert_eq!(world.start(1, Action::Retry, filter), invalid("filter"));
    let operation = NewOperation {
        id: operation_id(1),
        action: Action::Cancel,
        details: "d".repeat(OPERATION_DETAILS_BYTES + 1).into(),
        selection: ids(1),
        words: "".into(),
    };
    assert_eq!(world.run(Command::StartOperation { operation, key: None }), invalid("details"));
    world.start(1, Action::Retry, ids(1)).unwrap();
    assert_eq!(world.start(1, Action::Retry, ids(1)), Err(Refusal::IdTaken));
    let jobs = vec![job_id(1); OPERATION_JOBS_PER_STEP + 1];
    let (id, action) = (operation_id(1), Action::Retry);
    let step = Command::StepOperation { id, action, from: 0, to: None, jobs };
    assert_eq!(world.run(step), invalid("ids"));
}

#[test]
fn so_many_go_on_at_once_and_so_many_are_remembered() {
    let mut world = World::new(1, 1, 0);
    let ids = || Selection::Ids(vec![job_id(1)]);
    let running = OPERATIONS_RUNNING as u64;
    for number in 1..=running {
        world.start(number, Action::Retry, ids()).unwrap();
    }
    assert_eq!(world.start(running + 1, Action::Retry, ids()), Err(Refusal::TooManyOperations));
    let other = OPERATIONS as u64 + 100;
    world.start(other, Action::Delete, ids()).unwrap();
    world.run(Command::StopOperation { id: operation_id(other) }).unwrap();
    // The first one goes on all the time, all others end at once.
    for number in 2..=running {
        world.run(Command::StopOperation { id: operation_id(number) }).unwrap();
    }
    for number in running + 1..=OPERATIONS as u64 + 2 {
        world.start(number, Action::Retry, ids()).unwrap();
        world.0.run(NOW, Command::StopOperation { id: operation_id(number) }).unwrap();
    }
    let known: Vec<_> = world.0.table.operations().keys().copied().collect();
    assert_eq!((known.len(), known[0]), (OPERATIONS, operation_id(1)));
    assert_eq!(known[1], operation_id(5), "those that ended first were pushed out");
}

#[test]
fn each_change_is_told() {
    let mut world = World::new(1, 1, 0);
    let log = &mut world.0;
    let selection = Selection::Ids(vec![job_id(1)]);
    let (id, action) = (operation_id(1), Action::Cancel);
    let operation = NewOperation { id, action, details: "".into(), selection, words: "".into() };
    let commands = [
        Command::StartOperation { operation, key: None },
        Command::StepOperation { id, action, from: 0, to: Some(1), jobs: vec![] },
        Command::StopOperation { id },
    ];
    for command in commands {
        let envelopes = vec![log.envelope(NOW, command)];
        log.index += 1;
        let applied =
            apply(&mut log.table, log.index, &quorate_core::Batch { stamp: NOW, envelopes }).unwrap();
        assert_eq!(applied.effects, [Effect::Operation(id)]);
    }
}

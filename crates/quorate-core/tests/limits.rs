//! The limits of one entry's work, and that a command is not misled by due work that a limit left over.

#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod common;

use bytes::Bytes;
use common::{Log, T0, Watched, job_id, new_job, ok_job, ok_jobs};
use quorate_core::limits::{
    CONSUME_BYTES, DUE_PER_BATCH, IDEMPOTENCY_KEYS, IDEMPOTENCY_MILLIS, JOBS_PER_REQUEST, LANE_MILLIS,
    PAYLOAD_BYTES,
};
use quorate_core::{
    Batch, Command, Ending, Envelope, Failure, IdempotencyKey, ImageId, NewJob, Reason, Refusal, Reply,
    Settings, State, Status, Take, Timestamp, Unique, Until, WaitBounds, next_due_at,
};

/// More jobs than one batch carries timers of.
const MANY: u64 = 2 * DUE_PER_BATCH as u64 + 1;

fn enqueue(log: &mut Log, jobs: Vec<NewJob>) {
    for chunk in jobs.chunks(JOBS_PER_REQUEST) {
        log.run(T0, Command::Enqueue { jobs: chunk.to_vec(), key: None }).unwrap();
    }
}

fn consume(log: &mut Log, now: Timestamp, n: u32) -> Vec<u64> {
    let granted = ok_jobs(log.run(now, Command::Consume { take: Take::default_queue(n), key: None }));
    granted.iter().map(|job| u64::try_from(u128::from_be_bytes(job.id.0)).unwrap()).collect()
}

fn count(log: &Log, status: Status) -> u64 {
    log.table.model.jobs().values().filter(|job| job.status() == status).count() as u64
}

/// A log whose jobs run, past their deadline of a second.
fn overdue() -> (Log, Timestamp) {
    let mut log = Log::new(Watched::default());
    enqueue(&mut log, (1..=MANY).map(|number| NewJob { timeout: Some(1), ..new_job(number) }).collect());
    for _ in 0..2 {
        consume(&mut log, T0, JOBS_PER_REQUEST as u32);
    }
    assert_eq!(count(&log, Status::Running), MANY);
    (log, T0.plus_seconds(1))
}

#[test]
fn due_work_is_bounded_and_goes_on_with_the_next_entry() {
    let (mut log, now) = overdue();
    for left in [MANY - DUE_PER_BATCH as u64, 1, 0, 0] {
        log.tick(now);
        assert_eq!(count(&log, Status::Running), left);
        let due = next_due_at(&mut log.table).unwrap().unwrap();
        assert_eq!(due <= now, left > 0, "what is left over is due in the past");
    }
}

#[test]
fn due_work_keeps_up_with_what_is_added() {
    let mut log = Log::new(Watched::default());
    let (mut now, mut number) = (T0, 0);
    for _ in 0..5 {
        let jobs = (number + 1..=number + MANY).map(|number| NewJob { timeout: Some(1), ..new_job(number) });
        log.run(now, Command::Enqueue { jobs: jobs.collect(), key: None }).unwrap();
        assert!(next_due_at(&mut log.table).unwrap().is_none_or(|due| due > now), "as much is due as comes");

        number += MANY;
        let granted = consume(&mut log, now, JOBS_PER_REQUEST as u32);
        assert_eq!(granted.len() as u64, MANY);
        // Half of them fail, half time out.
        let failure = Some(Failure { reason: Reason::Timeout, details: "".into(), for_good: false });
        let ending =
            |number: &u64| Ending { id: job_id(*number), failure: failure.clone(), log: Bytes::new() };
        let endings = granted.iter().step_by(2).map(ending).collect();
        log.run(now, Command::Finish { endings, take: None, key: None }).unwrap();
        now = now.plus_seconds(1);
    }
}

#[test]
fn a_command_looks_at_its_own_deadline_though_the_due_work_is_behind() {
    let last = job_id(MANY);
    let refused = Err(Refusal::WrongStatus { status: Status::Error });
    let commands = [
        Command::Succeed { id: last, log: Bytes::new() },
        Command::Touch { id: last, progress: None },
        Command::Cancel { id: last, details: "".into() },
    ];
    for command in commands {
        let (mut log, now) = overdue();
        assert_eq!(log.run(now, command.clone()), refused, "{command:?}");
        log.table.check();
        // The job itself beyond the bound, and no other.
        assert_eq!(count(&log, Status::Error), DUE_PER_BATCH as u64 + 1);
    }
    let (mut log, now) = overdue();
    assert!(log.run(now, Command::Delete { id: last }).is_ok(), "it has timed out, so it may go");
}

#[test]
fn answers_given_again_look_at_deadlines_too() {
    // Job 0 is retried by hand, as the job with the highest id: its timer is the last.
    let mut log = Log::new(Watched::default());
    let last = job_id(MANY + 1);
    enqueue(&mut log, vec![NewJob { timeout: Some(1), ..new_job(0) }]);
    log.run(T0, Command::Cancel { id: job_id(0), details: "".into() }).unwrap();
    enqueue(&mut log, (1..=MANY).map(|number| NewJob { timeout: Some(1), ..new_job(number) }).collect());
    let retry = |new_id| Command::Retry { id: job_id(0), new_id, anew: false, key: None };
    log.run(T0, retry(last)).unwrap();
    consume(&mut log, T0, 1_000);
    let rest = Command::Consume { take: Take::default_queue(1_000), key: None };
    let rest = Envelope { deadline: T0.plus_seconds(5), ..log.envelope(T0, rest) };
    log.apply(Batch { stamp: T0, envelopes: vec![rest.clone()] });

    let now = T0.plus_seconds(1);
    assert_eq!(
        ok_job(log.run(now, retry(job_id(MANY + 2)))).id,
        job_id(MANY + 2),
        "the first retry has timed out"
    );
    let again = log.apply(Batch { stamp: now, envelopes: vec![rest] }).remove(0).outcome;
    assert_eq!(ok_jobs(again), [], "all of them have timed out");
}

#[test]
fn a_delayed_job_that_is_due_counts_as_queued_though_the_due_work_is_behind() {
    let mut log = Log::new(Watched::default());
    enqueue(&mut log, (1..=MANY).map(|number| NewJob { delay: 1, ..new_job(number) }).collect());
    let now = T0.plus_seconds(1);
    let queued = Err(Refusal::WrongStatus { status: Status::Queued });
    assert_eq!(log.run(now, Command::Touch { id: job_id(MANY), progress: None }), queued);
    assert_eq!(count(&log, Status::Queued), DUE_PER_BATCH as u64);
    // It was not moved ahead of those that were due before it.
    log.tick(now);
    log.tick(now);
    let mut order = vec![];
    while order.len() < MANY as usize {
        order.extend(consume(&mut log, now, 1_000));
    }
    assert_eq!(order, (1..=MANY).collect::<Vec<_>>());
}

#[test]
fn timers_go_before_the_removal_of_finished_jobs() {
    let (mut log, _) = overdue();
    log.run(T0, Command::Configure { settings: Settings { retention: 60 } }).unwrap();
    enqueue(&mut log, vec![new_job(MANY + 1)]);
    log.run(T0, Command::Cancel { id: job_id(MANY + 1), details: "".into() }).unwrap();
    let now = T0.plus_seconds(100);
    for _ in 0..2 {
        log.tick(now);
        assert_eq!(count(&log, Status::Cancelled), 1, "timers take the whole bound");
    }
    log.tick(now);
    assert_eq!((count(&log, Status::Running), count(&log, Status::Cancelled)), (0, 0));
}

/// Twenty delayed jobs, each with a key of its own, whose time comes where ten lanes may be, and a spare one.
fn too_many_keys() -> (Log, Timestamp) {
    let mut log = Log::new(Watched::default());
    log.table.bound_lanes(10);
    for number in 1..=20 {
        enqueue(&mut log, vec![NewJob { delay: 1, key: format!("{number}").into(), ..new_job(number) }]);
    }
    let now = T0.plus_seconds(1);
    log.tick(now);
    assert_eq!((count(&log, Status::Queued), count(&log, Status::Delayed)), (11, 9));
    (log, now)
}

#[test]
fn a_job_that_is_due_and_finds_no_lane_looks_again_and_comes_before_new_ones() {
    let (mut log, now) = too_many_keys();
    let again = now.plus_millis(LANE_MILLIS);
    assert_eq!(next_due_at(&mut log.table), Ok(Some(again)), "and not all the time");
    // One that shares a lane needs none.
    let beside = NewJob { delay: 600, key: "1".into(), ..new_job(21) };
    log.run(now, Command::Enqueue { jobs: vec![beside], key: None }).unwrap();
    let alone = NewJob { delay: 1, key: "99".into(), ..new_job(99) };
    let alone = Command::Enqueue { jobs: vec![alone], key: None };
    assert_eq!(log.run(now, alone), Err(Refusal::TooManyLanes), "it would have the spare one");

    assert_eq!(consume(&mut log, now, 3), [1, 2, 3]);
    let new = |number| Command::Enqueue {
        jobs: vec![NewJob { key: format!("{number}").into(), ..new_job(number) }],
        key: None,
    };
    log.run(now, new(22)).unwrap();
    log.run(now, new(23)).unwrap();
    assert_eq!(log.run(now, new(24)), Err(Refusal::TooManyLanes));
    log.tick(Timestamp(again.0 - 1));
    assert_eq!(count(&log, Status::Queued), 10);
    log.tick(again);
    assert_eq!(log.run(again, new(24)), Err(Refusal::TooManyLanes), "the spare lane is not for it");
    assert_eq!(consume(&mut log, again, 30), [4, 5, 6, 7, 8, 9, 10, 11, 22, 23, 12]);
    for _ in 0..2 {
        log.tick(again.plus_millis(LANE_MILLIS));
    }
    assert_eq!(consume(&mut log, again.plus_millis(LANE_MILLIS), 30).len(), 9, "all had their turn");
}

/// Four lanes of a key may be.
fn few_lanes_of_a_key() -> Log {
    let mut log = Log::new(Watched::default());
    log.table.bound(WaitBounds { lanes_of_key: 4, ..WaitBounds::default() });
    log
}

/// A job of that key, and of an image of its own.
fn of_key(number: u64, key: &str) -> NewJob {
    let image = u128::from(number);
    let name = image.to_string().into();
    NewJob { key: key.into(), image: name, image_id: ImageId(image.to_be_bytes()), ..new_job(number) }
}

#[test]
fn the_lanes_of_a_key_are_few() {
    let mut log = few_lanes_of_a_key();
    let mut add = |numbers: std::ops::RangeInclusive<u64>, key| {
        let jobs = numbers.map(|number| of_key(number, key)).collect();
        log.run(T0, Command::Enqueue { jobs, key: None }).map(|_| ())
    };
    let never = Err(Refusal::Invalid { field: "key" });
    assert_eq!(add(1..=5, "k"), never, "to try again would not help");
    assert_eq!(add(1..=3, "k"), Ok(()));
    assert_eq!(add(4..=5, "k"), Err(Refusal::TooManyLanes), "all or none");
    assert_eq!(add(4..=4, "k"), Ok(()));
    assert_eq!(add(5..=5, "k"), Err(Refusal::TooManyLanes));
    assert_eq!(add(5..=8, "l"), Ok(()), "another key has its own");
    assert_eq!(add(10..=20, ""), Ok(()), "and who has none needs none");
    let beside: Vec<NewJob> =
        (21..=30).map(|number| NewJob { id: job_id(number), ..of_key(1, "k") }).collect();
    log.run(T0, Command::Enqueue { jobs: beside, key: None }).unwrap();
    let again = (1..=5).map(|image| NewJob { id: job_id(50 + image), ..of_key(image, "k") }).collect();
    let again = Command::Enqueue { jobs: again, key: None };
    assert_eq!(log.run(T0, again).map(|_| ()), never, "four of its lanes are there, and five would be");
    let later = (31..=40).map(|number| NewJob { delay: 1, ..of_key(number, "k") }).collect();
    log.run(T0, Command::Enqueue { jobs: later, key: None }).unwrap();
}

#[test]
fn what_was_taken_has_a_lane_of_its_key_before_what_is_new() {
    let mut log = few_lanes_of_a_key();
    enqueue(&mut log, (1..=4).map(|number| of_key(number, "k")).collect());
    assert_eq!(consume(&mut log, T0, 1), [1]);
    enqueue(&mut log, vec![of_key(5, "k")]);
    let release = Command::Release { id: job_id(1), new_id: job_id(6), delay: 0 };
    let released = ok_job(log.run(T0, release));
    let again = T0.plus_millis(LANE_MILLIS);
    assert_eq!(released.state, State::Delayed { due: again }, "it is not refused");
    let retry = Command::Retry { id: job_id(1), new_id: job_id(7), anew: false, key: None };
    assert_eq!(log.run(T0, retry.clone()), Err(Refusal::TooManyLanes));
    assert_eq!(consume(&mut log, T0, 1), [2]);
    assert_eq!(ok_job(log.run(T0, retry)).id, job_id(6), "and queued once there is one");
}

#[test]
fn a_duplicate_needs_no_lane() {
    let mut log = Log::new(Watched::default());
    log.table.bound_lanes(1);
    let unique = Some(Unique { key: "u".into(), until: Until::Finished });
    let new = |number: u64| NewJob { key: format!("{number}").into(), ..new_job(number) };
    enqueue(&mut log, vec![NewJob { unique: unique.clone(), ..new(1) }]);
    let again = Command::Enqueue { jobs: vec![NewJob { unique, ..new(2) }], key: None };
    let Ok(Reply::Enqueued { jobs, duplicates }) = log.run(T0, again.clone()) else {
        panic!("it is refused")
    };
    assert_eq!((jobs[0].id, &*duplicates), (job_id(1), &[0][..]));
    let Command::Enqueue { jobs, .. } = again else { unreachable!("it is one") };
    let with_another = Command::Enqueue { jobs: [jobs, vec![new(3)]].concat(), key: None };
    assert_eq!(log.run(T0, with_another), Err(Refusal::TooManyLanes));
}

#[test]
fn nor_does_one_that_its_own_request_keeps_away() {
    let mut log = few_lanes_of_a_key();
    let unique = Some(Unique { key: "u".into(), until: Until::Finished });
    let alike = |number| NewJob { unique: unique.clone(), ..of_key(number, "k") };
    let jobs: Vec<NewJob> = (1..=9).map(alike).collect();
    let Ok(Reply::Enqueued { jobs, duplicates }) = log.run(T0, Command::Enqueue { jobs, key: None }) else {
        panic!("it is refused")
    };
    assert_eq!((jobs[8].id, duplicates), (job_id(1), (1..9).collect::<Vec<_>>()));
}

#[test]
fn delayed_jobs_are_refused_where_no_lane_is_free_at_all() {
    let mut log = Log::new(Watched::default());
    log.table.bound_lanes(2);
    let new = |delay, number: u64| NewJob { delay, key: format!("{number}").into(), ..new_job(number) };
    let mut add = |jobs| log.run(T0, Command::Enqueue { jobs, key: None }).map(|_| ());
    assert_eq!(add((1..=3).map(|number| new(60, number)).collect()), Ok(()), "their time has not come");
    assert_eq!(add((4..=6).map(|number| new(0, number)).collect()), Err(Refusal::TooManyLanes));
    assert_eq!(add(vec![new(0, 4), new(0, 5), new(60, 6)]), Ok(()), "two are free");
    assert_eq!(add(vec![new(60, 7)]), Err(Refusal::TooManyLanes));
    assert_eq!(add(vec![NewJob { id: job_id(8), ..new(60, 4) }]), Ok(()), "it has a lane");
}

#[test]
fn what_goes_on_by_itself_is_never_refused_for_want_of_a_lane() {
    let (mut log, now) = too_many_keys();
    let (take, worker) = (Take::default_queue(4), "w".into());
    let take = Take { worker, ..take };
    let granted = ok_jobs(log.run(now, Command::Consume { take, key: None }));
    let ids: Vec<_> = granted.iter().map(|job| job.id).collect();
    log.table.bound_lanes(0);
    let release = Command::Release { id: ids[0], new_id: job_id(31), delay: 0 };
    let released = ok_job(log.run(now, release));
    let gone = ok_jobs(log.run(now, Command::WorkerGone { worker: "w".into() }));
    for job in gone.iter().chain([&released]) {
        assert_eq!(job.state, State::Delayed { due: now.plus_millis(LANE_MILLIS) });
    }
    assert_eq!(gone.len(), 3);
    let retry = Command::Retry { id: ids[0], new_id: job_id(32), anew: false, key: None };
    assert_eq!(log.run(now, retry), Err(Refusal::TooManyLanes), "who asks is told");
}

#[test]
fn a_consume_stops_at_its_bytes() {
    let mut log = Log::new(Watched::default());
    let payload = Bytes::from(vec![7; PAYLOAD_BYTES]);
    let fit = CONSUME_BYTES / PAYLOAD_BYTES as u64;
    let large = |number| NewJob { payload: payload.clone(), ..new_job(number) };
    enqueue(&mut log, (1..=2 * fit + 1).map(large).collect());
    assert_eq!(consume(&mut log, T0, 1_000).len(), 32, "exactly 32 MiB");
    assert_eq!(consume(&mut log, T0, 3), [fit + 1, fit + 2, fit + 3]);
    assert_eq!(consume(&mut log, T0, 1_000).len() as u64, fit - 2, "all that are left");
}

#[test]
fn a_consume_counts_bytes_not_jobs_and_keeps_the_order() {
    let mut log = Log::new(Watched::default());
    let large = Bytes::from(vec![7; PAYLOAD_BYTES]);
    let fit = CONSUME_BYTES / PAYLOAD_BYTES as u64;
    // A small job behind the large one that does not fit any more must not overtake it.
    let mut jobs = vec![NewJob { payload: "x".into(), ..new_job(1) }];
    jobs.extend((2..=fit + 1).map(|number| NewJob { payload: large.clone(), ..new_job(number) }));
    jobs.push(NewJob { payload: Bytes::new(), ..new_job(fit + 2) });
    enqueue(&mut log, jobs);
    assert_eq!(consume(&mut log, T0, 1_000), (1..=fit).collect::<Vec<_>>());
    assert_eq!(consume(&mut log, T0, 1_000), [fit + 1, fit + 2]);
}

#[test]
fn the_oldest_keys_above_the_limit_are_forgotten_early() {
    let mut log = Log::new(Watched::default());
    for number in 1..=5 {
        let key = IdempotencyKey { key: format!("key-{number}").into(), body_hash: [0; 32] };
        let now = T0.plus_millis(number);
        log.run(now, Command::Enqueue { jobs: vec![new_job(number)], key: Some(key) }).unwrap();
    }
    let now = T0.plus_seconds(1);
    let keys = |log: &Log| log.table.model.dump().keys.into_keys().map(String::from).collect::<Vec<_>>();
    log.table.pretended_keys = IDEMPOTENCY_KEYS - 5;
    log.tick(now);
    assert_eq!(keys(&log).len(), 5, "the limit itself is allowed");
    log.table.pretended_keys += 2;
    assert_eq!(next_due_at(&mut log.table), Ok(Some(Timestamp::ZERO)));
    log.tick(now);
    assert_eq!(keys(&log), ["key-3", "key-4", "key-5"]);
}

#[test]
fn an_expired_key_is_forgotten_though_the_due_work_is_behind() {
    let day = u32::try_from(IDEMPOTENCY_MILLIS / 1_000).unwrap();
    for late in [0, 1] {
        let mut log = Log::new(Watched::default());
        enqueue(&mut log, (1..=MANY).map(|number| NewJob { delay: day, ..new_job(number) }).collect());
        let key = Some(IdempotencyKey { key: "key".into(), body_hash: [0; 32] });
        log.run(T0, Command::Enqueue { jobs: vec![new_job(MANY + 1)], key: key.clone() }).unwrap();
        let now = T0.plus_millis(IDEMPOTENCY_MILLIS + late);
        let added = ok_jobs(log.run(now, Command::Enqueue { jobs: vec![new_job(MANY + 2)], key }));
        assert_eq!(added[0].id, job_id(MANY + 2));
    }
}

#[test]
fn extreme_times_neither_overflow_nor_stop() {
    let mut log = Log::new(Watched::default());
    let far = Timestamp(u64::MAX - 1);
    log.tick(far);
    let jobs = vec![NewJob { delay: 1, ..new_job(1) }, NewJob { max_retries: Some(1), ..new_job(2) }];
    log.run(far, Command::Enqueue { jobs, key: None }).unwrap();
    assert_eq!(consume(&mut log, far, 2), [2]);
    let last = Timestamp(u64::MAX);
    let granted = log.run(last, Command::Consume { take: Take::default_queue(2), key: None });
    assert_eq!(ok_jobs(granted).len(), 2, "the delay and the timeout saturate at the end of time");
    log.tick(last);
    log.table.check();
}

#[test]
fn answers_are_forgotten_after_their_deadline_and_not_before() {
    let mut log = Log::new(Watched::default());
    log.run(T0, Command::Touch { id: job_id(1), progress: None }).unwrap_err();
    log.tick(T0.plus_seconds(60));
    assert_eq!(log.table.model.dump().answers.len(), 1);
    log.tick(T0.plus_seconds(60).plus_millis(1));
    assert_eq!(log.table.model.dump().answers.len(), 0);
}

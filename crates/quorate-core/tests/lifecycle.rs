//! The transition table, `apply` and `docs/lifecycle.md` say the same.

#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod common;

use std::fmt::Write;

use common::{Log, T0, Watched, job_id, new_job, ok_job, ok_jobs};
use quorate_core::lifecycle::{Event, TRANSITIONS, Transition, transitions};
use quorate_core::{
    Command, Job, NewJob, Reason, Refusal, Reply, Settings, Status, Table, Take, Timestamp, limits,
};

/// The job that each case is about, and the id that its manual retry would get.
const JOB: u64 = 1;
const RETRY: u64 = 2;

/// Seconds after which time changes the job of a case, where the case is about that event; else it stays far away.
const SOON: u32 = 60;
const FAR: u32 = 100_000;

#[test]
fn apply_makes_exactly_the_transitions_of_the_table() {
    let mut made = 0;
    for status in Status::ALL {
        for event in Event::ALL {
            if matches!(event, Event::Enqueue | Event::AutomaticRetry) {
                assert!(transitions(Some(status), event).next().is_none(), "{event:?} makes new jobs only");
                continue;
            }
            made += try_one(status, event);
        }
    }
    made += give_back_too_often();
    made += find_no_lane();
    let of_a_job = TRANSITIONS.iter().filter(|arrow| arrow.from.is_some()).count();
    assert_eq!(made, of_a_job, "every transition of a job was made");
}

/// Brings a job into `status`, lets `event` happen, and compares with the table. Gives the number of transitions.
fn try_one(status: Status, event: Event) -> usize {
    let mut log = Log::new(Watched::default());
    let retention = u64::from(if event == Event::Outlive { SOON } else { FAR });
    log.run(T0, Command::Configure { settings: Settings { retention } }).unwrap();
    let before = bring_to(&mut log, status, event);
    let refusal = happen(&mut log, event);
    let after = log.table.job(job_id(JOB)).unwrap();
    let case = format!("{} in {}", event.as_str(), status.as_str());

    match transitions(Some(status), event).collect::<Vec<_>>()[..] {
        [] => {
            assert_eq!(after, Some(before), "{case}: nothing changes");
            let expected = (!asks_nobody(event)).then_some(Refusal::WrongStatus { status });
            assert_eq!(refusal, expected, "{case}");
            0
        }
        // Of several, the first is of a job that nothing is special about.
        [arrow, ..] => {
            assert_eq!(refusal, None, "{case}");
            assert_eq!(after.map(|job| job.status()), arrow.to, "{case}");
            1
        }
    }
}

/// The worker of a job is gone that was given back as often as may be. Gives the number of transitions.
fn give_back_too_often() -> usize {
    let mut log = Log::new(Watched::default());
    log.run(T0, Command::Enqueue { jobs: vec![new_job(JOB)], key: None }).unwrap();
    let take = || Command::Consume { take: take(1), key: None };
    for n in 0..u64::from(limits::RELEASES) {
        log.run(T0, take()).unwrap();
        let release = Command::Release { id: job_id(JOB + n), new_id: job_id(JOB + n + 1), delay: 0 };
        log.run(T0, release).unwrap();
    }
    let last = ok_jobs(log.run(T0, take())).remove(0).id;
    log.run(T0, Command::WorkerGone { worker: WORKER.into() }).unwrap();
    let [_, arrow] = transitions(Some(Status::Running), Event::WorkerGone).collect::<Vec<_>>()[..] else {
        panic!("it depends on how often it was given back")
    };
    assert_eq!(log.table.job(last).unwrap().map(|job| job.status()), arrow.to);
    1
}

#[test]
fn a_job_is_not_retried_beside_what_went_on_from_it_by_itself() {
    let retry = |id, new_id| Command::Retry { id: job_id(id), new_id: job_id(new_id), anew: true, key: None };
    for status in [Status::Error, Status::Cancelled] {
        let mut log = Log::new(Watched::default());
        let new = NewJob { max_retries: Some(1), retries_delay: Some(0), ..new_job(JOB) };
        log.run(T0, Command::Enqueue { jobs: vec![new], key: None }).unwrap();
        log.run(T0, Command::Consume { take: take(1), key: None }).unwrap();
        let end = match status {
            Status::Error => fail(),
            _ => Command::Release { id: job_id(JOB), new_id: job_id(RETRY), delay: 0 },
        };
        log.run(T0, end).unwrap();
        let next = ok_job(log.run(T0, retry(JOB, 3)));
        assert_eq!((next.retry_of, next.status()), (Some(job_id(JOB)), Status::Queued), "it goes on");
        log.run(T0, Command::Cancel { id: next.id, details: "".into() }).unwrap();
        assert_eq!(log.run(T0, retry(JOB, 3)), Err(Refusal::RetriedAutomatically), "{status:?}");
        log.run(T0, Command::Delete { id: next.id }).unwrap();
        assert_eq!(ok_job(log.run(T0, retry(JOB, 3))).id, job_id(3), "what went on is not there any more");
    }
}

/// The time of a delayed job comes, and jobs wait in as many lanes as may be. Gives the number of transitions.
fn find_no_lane() -> usize {
    let mut log = Log::new(Watched::default());
    let before = bring_to(&mut log, Status::Delayed, Event::Due);
    log.table.bound_lanes(0);
    assert_eq!(happen(&mut log, Event::Due), None);
    let [_, arrow] = transitions(Some(Status::Delayed), Event::Due).collect::<Vec<_>>()[..] else {
        panic!("it depends on the lanes")
    };
    let after = log.table.job(before.id).unwrap().unwrap();
    assert_eq!(Some(after.status()), arrow.to);
    assert!(after.state != before.state, "it looks again later");
    1
}

const WORKER: &str = "w";

fn take(n: u32) -> Take {
    Take { worker: WORKER.into(), ..Take::default_queue(n) }
}

/// True for what time or a consumer does, or what is said of a worker: it does not name the job, and so is not refused either.
fn asks_nobody(event: Event) -> bool {
    matches!(event, Event::Due | Event::Timeout | Event::Outlive | Event::Consume | Event::WorkerGone)
}

fn seconds(event: Event, of: Event) -> u32 {
    if event == of { SOON } else { FAR }
}

fn bring_to(log: &mut Log, status: Status, event: Event) -> Job {
    let delay = if status == Status::Delayed { seconds(event, Event::Due) } else { 0 };
    let new = NewJob { delay, timeout: Some(seconds(event, Event::Timeout)), ..new_job(JOB) };
    let id = new.id;
    log.run(T0, Command::Enqueue { jobs: vec![new], key: None }).unwrap();
    match status {
        Status::Delayed | Status::Queued => {}
        Status::Cancelled => drop(log.run(T0, Command::Cancel { id, details: "".into() }).unwrap()),
        Status::Running | Status::Success | Status::Error => {
            let granted = log.run(T0, Command::Consume { take: take(1), key: None });
            assert_eq!(ok_jobs(granted).len(), 1);
        }
    }
    match status {
        Status::Delayed | Status::Queued | Status::Cancelled | Status::Running => {}
        Status::Success => drop(log.run(T0, Command::Succeed { id, log: "first".into() }).unwrap()),
        Status::Error => drop(log.run(T0, fail()).unwrap()),
    }
    let job = log.table.job(id).unwrap().expect("it was enqueued");
    assert_eq!(job.status(), status);
    job
}

fn fail() -> Command {
    Command::Fail {
        id: job_id(JOB),
        reason: Reason::BadExit,
        details: "".into(),
        log: "first".into(),
        for_good: false,
    }
}

/// Lets the event happen; gives the refusal, if it was refused.
fn happen(log: &mut Log, event: Event) -> Option<Refusal> {
    let id = job_id(JOB);
    let now = T0.plus_seconds(1);
    let outcome = match event {
        Event::Enqueue | Event::AutomaticRetry => unreachable!("they make new jobs"),
        Event::Due | Event::Timeout | Event::Outlive => {
            log.tick(T0.plus_seconds(SOON));
            Ok(Reply::Done)
        }
        Event::Consume => log.run(now, Command::Consume { take: Take::default_queue(10), key: None }),
        Event::Touch => log.run(now, Command::Touch { id, progress: None }),
        Event::Succeed => log.run(now, Command::Succeed { id, log: "second".into() }),
        Event::Fail => log.run(now, fail()),
        Event::Release => log.run(now, Command::Release { id, new_id: job_id(RETRY), delay: 0 }),
        Event::WorkerGone => log.run(now, Command::WorkerGone { worker: WORKER.into() }),
        Event::Cancel => log.run(now, Command::Cancel { id, details: "".into() }),
        Event::Retry => log.run(now, Command::Retry { id, new_id: job_id(RETRY), anew: false, key: None }),
        Event::Delete => log.run(now, Command::Delete { id }),
    };
    outcome.err()
}

#[test]
fn new_jobs_start_as_the_table_says() {
    let starts = |event| transitions(None, event).map(|arrow| arrow.to).collect::<Vec<_>>();
    let status = |log: &mut Log, id| log.table.job(id).unwrap().map(|job| job.status());

    let mut log = Log::new(Watched::default());
    let jobs = vec![new_job(1), NewJob { delay: 1, ..new_job(2) }];
    log.run(T0, Command::Enqueue { jobs, key: None }).unwrap();
    assert_eq!(starts(Event::Enqueue), [status(&mut log, job_id(1)), status(&mut log, job_id(2))]);

    let mut automatic = vec![];
    for retries_delay in [0, 1] {
        let mut log = Log::new(Watched::default());
        let jobs = vec![NewJob { max_retries: Some(1), retries_delay: Some(retries_delay), ..new_job(JOB) }];
        log.run(T0, Command::Enqueue { jobs, key: None }).unwrap();
        log.run(T0, Command::Consume { take: Take::default_queue(1), key: None }).unwrap();
        let failed = ok_job(log.run(T0, fail()));
        automatic.push(status(&mut log, failed.retry_id.expect("it has a retry left")));
    }
    assert_eq!(starts(Event::AutomaticRetry), automatic);

    let mut released = vec![];
    for delay in [0, 1] {
        let mut log = Log::new(Watched::default());
        bring_to(&mut log, Status::Running, Event::Release);
        let release = Command::Release { id: job_id(JOB), new_id: job_id(RETRY), delay };
        released.push(Some(ok_job(log.run(T0, release)).status()));
    }
    assert_eq!(starts(Event::Release), released);
    let given_back = [limits::LANES, 0].map(|lanes| {
        let mut log = Log::new(Watched::default());
        bring_to(&mut log, Status::Running, Event::WorkerGone);
        log.table.bound_lanes(lanes);
        Some(ok_jobs(log.run(T0, Command::WorkerGone { worker: WORKER.into() }))[0].status())
    });
    assert_eq!(starts(Event::WorkerGone), given_back);

    let mut log = Log::new(Watched::default());
    bring_to(&mut log, Status::Cancelled, Event::Retry);
    let retry = ok_job(
        log.run(T0, Command::Retry { id: job_id(JOB), new_id: job_id(RETRY), anew: false, key: None }),
    );
    // Another test has the retry of many.
    assert_eq!(starts(Event::Retry), [Some(retry.status()), Some(Status::Delayed)]);
}

#[test]
fn nothing_leaves_a_final_status() {
    for arrow in TRANSITIONS {
        if let Some(from) = arrow.from.filter(|from| from.is_final()) {
            assert!(arrow.to.is_none_or(|to| to == from), "{arrow:?}");
        }
    }
}

#[test]
fn time_is_exact_to_the_millisecond() {
    let cases = [
        (Status::Delayed, Event::Due),
        (Status::Running, Event::Timeout),
        (Status::Success, Event::Outlive),
        (Status::Error, Event::Outlive),
        (Status::Cancelled, Event::Outlive),
    ];
    for (status, event) in cases {
        let mut log = Log::new(Watched::default());
        log.run(T0, Command::Configure { settings: Settings { retention: u64::from(SOON) } }).unwrap();
        let before = bring_to(&mut log, status, event);
        let at = T0.plus_seconds(SOON);
        log.tick(Timestamp(at.0 - 1));
        assert_eq!(log.table.job(before.id).unwrap().as_ref(), Some(&before), "{event:?} came early");
        log.tick(at);
        assert_ne!(log.table.job(before.id).unwrap(), Some(before), "{event:?} did not come");
    }
}

/// `UPDATE_DOCS=1 cargo test -p quorate-core --test lifecycle` writes the file anew.
#[test]
fn the_document_is_drawn_from_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/lifecycle.md");
    let drawn = document();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &drawn).unwrap();
    }
    let stands = std::fs::read_to_string(path).unwrap();
    assert!(stands == drawn, "docs/lifecycle.md differs from the transition table: run with UPDATE_DOCS=1");
}

fn document() -> String {
    let mut page = String::from(
        "# The life of a job\n\n\
         Drawn from `quorate_core::lifecycle::TRANSITIONS` by a test, which compares this page with it. Another test \
         lets every event\nhappen in every status and finds that the state machine does this and nothing else.\n\n\
         A job's id is granted to a consumer at most once. What happens again is a new job, linked by \
         `retry_of` and\n`retry_id`: a retry, or what goes on from a job that was given back.\n\n\
         ```mermaid\nstateDiagram-v2\n",
    );
    let word = |status: Option<Status>| status.map_or("[*]", Status::as_str);
    let mut drawn: Vec<(Option<Status>, Option<Status>)> = vec![];
    for arrow in &TRANSITIONS {
        let ends = (arrow.from, arrow.to);
        // An event that leaves a finished job as it is would only clutter the picture.
        let changes = arrow.from != arrow.to || arrow.from == Some(Status::Running);
        if drawn.contains(&ends) || !changes {
            continue;
        }
        drawn.push(ends);
        let events: Vec<&str> = TRANSITIONS
            .iter()
            .filter(|other| (other.from, other.to) == ends)
            .map(|other| other.event.as_str())
            .collect();
        writeln!(page, "    {} --> {}: {}", word(arrow.from), word(arrow.to), events.join(", ")).unwrap();
    }
    page.push_str(
        "```\n\n\
         An event that is not in the table for a status is refused with that status (409); time and consumers pass the \
         job by.\n\n\
         | from | event | to | if | effect |\n|---|---|---|---|---|\n",
    );
    for Transition { from, event, to, when, effect } in &TRANSITIONS {
        let [from, to] = [from, to].map(|status| status.map_or("–", Status::as_str));
        writeln!(page, "| {from} | {} | {to} | {when} | {effect} |", event.as_str()).unwrap();
    }
    page
}

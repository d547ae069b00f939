//! Large generated histories hold; with one event changed they break, and the right rule says so.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic too")]

use std::collections::HashSet;

use quorate_check::{
    Call, Event, History, JobRecord, Op, Outcome, Plan, QueueLimits, Rate, Report, Status, Unique, check,
    generate,
};

fn generated(events: usize, seed: u64) -> Vec<u8> {
    let mut text = Vec::new();
    generate(Plan { events, seed }, &mut text).unwrap();
    text
}

fn judged(text: &[u8]) -> Report {
    check(&History::read(text).unwrap())
}

#[test]
fn generated_histories_hold() {
    for seed in 0..6 {
        let report = judged(&generated(6_000, seed));
        assert!(report.holds(), "seed {seed}\n{report}");
        // A history in which nothing is at stake proves nothing.
        for rule in report.rules.iter().filter(|rule| !["log-kept", "not-found"].contains(&rule.name)) {
            assert!(rule.checked > 0, "seed {seed}: nothing to check for {}", rule.name);
        }
        assert!(report.unknown > 20, "seed {seed}: only {} unknown outcomes", report.unknown);
    }
}

#[test]
fn the_same_seed_gives_the_same_history() {
    assert_eq!(generated(2_000, 7), generated(2_000, 7));
    assert_ne!(generated(2_000, 7), generated(2_000, 8));
}

/// Changes a generated history and demands that a rule breaks. `change` says whether it found something to change.
fn planted(rule: &str, change: impl Fn(&mut Vec<Event>) -> bool) {
    for seed in 0..2 {
        let text = generated(12_000, seed);
        let mut events: Vec<Event> = text
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect();
        assert!(change(&mut events), "seed {seed}: nothing to change for {rule}");
        let ops = events.iter().filter(|event| matches!(event, Event::Op(_))).count();
        if let Some(Event::End(end)) = events.last_mut() {
            end.ops = ops;
        }
        let lines: Vec<String> = events.iter().map(|event| serde_json::to_string(event).unwrap()).collect();
        let report = judged(lines.join("\n").as_bytes());
        assert!(report.broken().any(|broken| broken.name == rule), "seed {seed}: {rule} holds\n{report}");
    }
}

fn ops(events: &mut [Event]) -> impl Iterator<Item = &mut Op> {
    events.iter_mut().filter_map(|event| match event {
        Event::Op(op) => Some(&mut **op),
        Event::Run(_)
        | Event::Fault(_)
        | Event::Healed(_)
        | Event::Counts(_)
        | Event::Scan(_)
        | Event::Job(_)
        | Event::End(_) => None,
    })
}

/// The hundredth request of a kind, so that there is something before and after it.
fn some(events: &mut [Event], such: impl Fn(&Op) -> bool) -> Option<&mut Op> {
    ops(events).filter(|op| such(op)).nth(100)
}

fn ok(op: &Op) -> bool {
    op.outcome == Outcome::Ok
}

#[test]
fn a_stale_linearizable_read_is_found() {
    planted("linearizable", |events| {
        let read = some(events, |op| op.call.is_linearizable() && ok(op));
        read.and_then(|op| op.index.as_mut()).map(|at| at.index /= 2).is_some()
    });
}

#[test]
fn an_altered_payload_is_found() {
    planted("unaltered", |events| {
        some(events, |op| matches!(op.call, Call::Get { .. }) && ok(op))
            .map(|op| op.jobs[0].hash = "other".into())
            .is_some()
    });
}

#[test]
fn a_job_that_nobody_enqueued_is_found() {
    planted("unaltered", |events| {
        let enqueue = |event: &Event| match event {
            Event::Op(op) => matches!(op.call, Call::Enqueue { .. }) && ok(op) && op.key.is_none(),
            _ => false,
        };
        let found = events.iter().position(enqueue);
        found.map(|at| events.remove(at)).is_some()
    });
}

#[test]
fn a_refused_enqueue_that_took_effect_is_found() {
    planted("unaltered", |events| {
        let enqueue =
            some(events, |op| matches!(op.call, Call::Enqueue { .. }) && ok(op) && op.key.is_none());
        enqueue.map(|op| (op.outcome, op.index, op.jobs) = (Outcome::Fail, None, Vec::new())).is_some()
    });
}

#[test]
fn a_job_that_is_lost_on_one_node_is_found() {
    planted("kept", |events| {
        let last = events.iter().rposition(|event| matches!(event, Event::Job(_)));
        let scan = events.iter().rposition(|event| matches!(event, Event::Scan(_)));
        let (Some(last), Some(scan)) = (last, scan) else { return false };
        events.remove(last);
        if let Event::Scan(scan) = &mut events[scan] {
            scan.jobs -= 1;
        }
        true
    });
}

#[test]
fn a_replica_that_differs_is_found() {
    planted("converged", |events| {
        let job = events.iter_mut().rev().find_map(|event| match event {
            Event::Job(job) if job.status == Status::Success => Some(job),
            _ => None,
        });
        job.map(|job| job.completed = job.completed.map(|at| at + 1)).is_some()
    });
}

#[test]
fn a_second_grant_is_found() {
    planted("granted-once", |events| {
        let grants =
            |op: &Op| matches!(op.call, Call::Consume { .. }) && op.key.is_none() && !op.jobs.is_empty();
        let Some(first) = some(events, grants).cloned() else { return false };
        let second = ops(events).filter(|op| grants(op) && op.invoke > first.returned).nth(5);
        second.map(|op| op.jobs.clone_from(&first.jobs)).is_some()
    });
}

#[test]
fn grants_that_nobody_asked_for_are_found() {
    planted("granted-once", |events| {
        let unknown = ops(events).filter(|op| op.call.takes() && op.outcome == Outcome::Info);
        unknown.map(|op| op.outcome = Outcome::Fail).count() > 0
    });
}

#[test]
fn a_job_of_a_consume_that_a_finish_grants_too_is_found() {
    planted("granted-once", |events| {
        let consume =
            |op: &Op| matches!(op.call, Call::Consume { .. }) && op.key.is_none() && !op.jobs.is_empty();
        let Some(first) = some(events, consume).cloned() else { return false };
        let finish =
            |op: &Op| matches!(op.call, Call::Finish { .. }) && op.key.is_none() && !op.jobs.is_empty();
        let second = ops(events).find(|op| finish(op) && op.invoke > first.returned);
        second.map(|op| op.jobs[0].clone_from(&first.jobs[0])).is_some()
    });
}

#[test]
fn an_end_of_several_that_was_lost_is_found() {
    let acknowledged =
        |op: &Op| op.ended.len() > 1 && op.ended.iter().all(|ended| ended.status == Some(Status::Success));
    planted("final-state", |events| {
        ops(events).find(|op| acknowledged(op)).and_then(|op| op.ended.pop()).is_some()
    });
    planted("final-state", |events| {
        let scanned: HashSet<Box<str>> = events
            .iter()
            .filter_map(|event| match event {
                Event::Job(job) => Some(job.id.clone()),
                _ => None,
            })
            .collect();
        // One that nobody deleted since.
        let lost = ops(events).filter(|op| acknowledged(op)).map(|op| op.ended[1].id.clone());
        let Some(lost) = lost.into_iter().find(|id| scanned.contains(id)) else { return false };
        let scanned = events.iter_mut().filter_map(|event| match event {
            Event::Job(job) if job.id == lost => Some(job),
            _ => None,
        });
        scanned.map(|job| (job.status, job.completed) = (Status::Running, None)).count() == 3
    });
}

#[test]
fn a_repeated_finish_that_says_something_else_is_found() {
    planted("one-effect", |events| {
        let repeat =
            |op: &Op| op.replayed && op.ended.iter().any(|ended| ended.status == Some(Status::Success));
        let first_key = ops(events).find(|op| repeat(op)).and_then(|op| op.key.clone());
        let answered =
            ops(events).filter(|op| op.key.is_some() && op.key == first_key && !op.ended.is_empty());
        let last = answered.max_by_key(|op| op.index);
        last.map(|op| op.ended.iter_mut().for_each(|ended| (ended.status, ended.code) = (None, Some(409))))
            .is_some()
    });
}

#[test]
fn an_end_that_nobody_asked_for_is_found() {
    planted("cause", |events| {
        let finished: HashSet<Box<str>> = ops(events)
            .filter_map(|op| match &op.call {
                Call::Finish { endings, .. } => Some(endings.clone()),
                _ => None,
            })
            .flatten()
            .map(|ending| ending.id)
            .collect();
        let there: HashSet<Box<str>> = events
            .iter()
            .filter_map(|event| match event {
                Event::Job(job) => Some(job.id.clone()),
                _ => None,
            })
            .collect();
        let alone = |op: &Op| matches!(&op.call, Call::Success { id, .. } if !finished.contains(id) && there.contains(id));
        let success = some(events, |op| alone(op) && ok(op)).cloned();
        let Some(success) = success else { return false };
        let of = |event: &Event| matches!(event, Event::Op(op) if op.call == success.call);
        events.retain(|event| !of(event));
        true
    });
}

#[test]
fn a_queue_jumper_is_found() {
    planted("fifo", |events| {
        // Two lone jobs of one line, taken by two consumes: each gets the other's.
        let alone = |op: &Op| {
            matches!(op.call, Call::Consume { .. })
                && op.key.is_none()
                && op.jobs.len() == 1
                && op.jobs[0].retry_of.is_none()
        };
        let taken: Vec<Op> =
            ops(events).filter(|op| alone(op) && op.jobs[0].delay == 0).map(|op| op.clone()).collect();
        let line = |op: &Op| (op.jobs[0].queue.clone(), op.jobs[0].priority, op.jobs[0].key.clone());
        let (taken, line) = (&taken, &line);
        let later = |at: usize| taken[at + 1..].iter().filter(move |op| line(op) == line(&taken[at]));
        let mut pairs = (0..taken.len()).flat_map(|at| later(at).map(move |op| (&taken[at], op)));
        let swapped = pairs.find(|(first, second)| {
            let [first_job, second_job] = [&first.jobs[0], &second.jobs[0]];
            first_job.created < second_job.created
                && second_job.created < first_job.started.unwrap_or(0)
                && first.index < second.index
        });
        let Some((first, second)) = swapped else { return false };
        let (first, second) = (first.clone(), second.clone());
        for op in ops(events) {
            if op.index == first.index && *op == first {
                op.jobs[0].clone_from(&second.jobs[0]);
            } else if *op == second {
                op.jobs[0].clone_from(&first.jobs[0]);
            }
        }
        true
    });
}

#[test]
fn a_job_of_another_queue_is_found() {
    planted("unaltered", |events| {
        let read = some(events, |op| matches!(op.call, Call::Get { .. }) && ok(op));
        read.map(|op| op.jobs[0].queue = "another".into()).is_some()
    });
    planted("granted-once", |events| {
        let consume = ops(events).find(|op| matches!(op.call, Call::Consume { .. }) && !op.jobs.is_empty());
        consume
            .map(|op| {
                if let Call::Consume { queue, .. } = &mut op.call {
                    *queue = vec!["another".into()];
                }
            })
            .is_some()
    });
}

#[test]
fn a_limit_that_does_not_hold_is_found() {
    let set = |events: &mut Vec<Event>, name: &str, limits: QueueLimits| {
        let Some(Event::Run(run)) = events.first_mut() else { return false };
        run.queues.insert(name.into(), limits).is_some()
    };
    let one = Some(1);
    planted("limits", |events| {
        set(events, "few", QueueLimits { max_running: one, ..QueueLimits::default() })
    });
    planted("limits", |events| {
        set(events, "by-key", QueueLimits { max_running_per_key: one, ..QueueLimits::default() })
    });
    planted("paused", |events| set(events, "few", QueueLimits { paused: true, ..QueueLimits::default() }));
    let rate = Some(Rate { jobs: 9, seconds: 1 });
    planted("rates", |events| set(events, "slow", QueueLimits { rate, ..QueueLimits::default() }));
}

#[test]
fn a_pause_that_does_not_hold_is_found() {
    planted("paused", |events| {
        let sets = ops(events).filter_map(|op| match &mut op.call {
            Call::Set { limits, .. } => Some(limits),
            _ => None,
        });
        sets.map(|limits| limits.paused = true).count() > 0
    });
}

#[test]
fn work_on_many_jobs_that_does_too_little_or_counts_wrong_is_found() {
    let ended = |op: &Op| op.operation.as_ref().is_some_and(|seen| seen.ended.is_some());
    // As if it had looked at fewer jobs than it did.
    planted("operations", |events| {
        let asked = ops(events).filter_map(|op| match &mut op.call {
            Call::Operate { selection, .. } => Some(selection),
            _ => None,
        });
        asked.map(|selection| selection.key = Some("another".into())).count() > 0
    });
    planted("operations", |events| {
        let seen = ops(events).filter(|op| ended(op)).filter_map(|op| op.operation.as_mut());
        seen.map(|seen| seen.done += 1_000).count() > 0
    });
}

#[test]
fn a_unique_key_that_is_forgotten_is_found() {
    planted("unique", |events| {
        // As if all had asked for one key.
        let rename = |unique: &mut Option<Unique>| {
            if let Some(unique) = unique {
                unique.key = "u".into();
            }
        };
        for op in ops(events) {
            op.jobs.iter_mut().for_each(|job| rename(&mut job.unique));
            if let Call::Enqueue { jobs } = &mut op.call {
                jobs.iter_mut().for_each(|job| rename(&mut job.unique));
            }
        }
        for event in events.iter_mut() {
            if let Event::Job(job) = event {
                rename(&mut job.unique);
            }
        }
        true
    });
}

#[test]
fn a_queue_that_counts_wrong_is_found() {
    planted("counts", |events| {
        let counts = events.iter_mut().find_map(|event| match event {
            Event::Counts(counts) => counts.queues.get_mut("few"),
            _ => None,
        });
        counts.and_then(|tally| tally.get_mut("success")).map(|jobs| *jobs += 1).is_some()
    });
}

#[test]
fn a_key_that_is_granted_two_jobs_in_a_row_is_found() {
    planted("turns", |events| {
        // Of three jobs of one consume that take turns, the last two change places.
        let jumps = |jobs: &[JobRecord]| {
            let [first, other, last] = jobs else { return false };
            let line = |job: &JobRecord| (job.queue.clone(), job.priority);
            line(first) == line(other)
                && line(other) == line(last)
                && first.key == last.key
                && first.key != other.key
                && &*first.queue == "default"
                && (other.delay, &other.retry_of) == (0, &None)
                && Some(other.created) < first.started
        };
        let consume = |op: &Op| matches!(op.call, Call::Consume { .. }) && op.key.is_none();
        let found = ops(events).filter(|op| consume(op)).find_map(|op| {
            let at = op.jobs.windows(3).position(jumps)?;
            Some((op, at))
        });
        found.map(|(op, at)| op.jobs.swap(at + 1, at + 2)).is_some()
    });
}

#[test]
fn a_consume_that_passes_its_first_queue_is_found() {
    planted("in-order", |events| {
        let by_key: &[Box<str>] = &["by-key".into()];
        let both: Vec<Box<str>> = vec!["default".into(), "by-key".into()];
        let consumes = ops(events).filter_map(|op| match &mut op.call {
            Call::Consume { queue, .. } if **queue == *by_key => Some(queue),
            _ => None,
        });
        consumes.map(|queue| queue.clone_from(&both)).count() > 0
    });
}

#[test]
fn a_write_that_travels_in_time_is_found() {
    planted("real-time", |events| {
        let write = some(events, |op| matches!(op.call, Call::Success { .. }) && ok(op));
        write.and_then(|op| op.index.as_mut()).map(|at| at.index -= 30).is_some()
    });
}

#[test]
fn an_empty_answer_from_a_full_queue_is_found() {
    planted("empty-consume", |events| {
        let all: Vec<Op> = ops(events).filter(|op| ok(op)).map(|op| op.clone()).collect();
        let consumes = || all.iter().filter(|op| matches!(op.call, Call::Consume { .. }) && op.key.is_none());
        let waited = |id: &str, until: u64, from: u64| {
            let enqueued = all.iter().find(|op| {
                matches!(op.call, Call::Enqueue { .. }) && op.jobs.iter().any(|job| *job.id == *id)
            });
            enqueued.is_some_and(|op| op.returned < from) && until > from
        };
        // It was granted something; but it ended before another consume was sent, which took a job older than both.
        let empty = consumes().find(|empty| {
            !empty.jobs.is_empty()
                && consumes().filter(|taker| taker.invoke > empty.returned).take(200).any(|taker| {
                    let here = |job: &JobRecord| empty.call.takes_from("default") && &*job.queue == "default";
                    let mut jobs = taker.jobs.iter().filter(|job| here(job) && job.delay == 0);
                    jobs.any(|job| waited(&job.id, taker.invoke, empty.invoke))
                })
        });
        let Some(empty) = empty else { return false };
        ops(events).filter(|op| *op == empty).map(|op| op.jobs.clear()).count() == 1
    });
}

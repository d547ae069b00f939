use std::time::Duration;

use jiff::Timestamp;
use quorate_client::api::{KeyRunning, Queue, QueuesWrapper};

use super::set::{backoff_text, rate_text};
use crate::duration::HumanDuration;
use crate::output::{self, Output, Table};
use crate::target::Target;

/// A queue, field by field; of its settings those that are set.
pub(super) fn one(out: &mut Output, queue: &Queue, target: &Target) {
    if target.json {
        return out.json(queue);
    }
    let jobs = &queue.jobs;
    let [low, middle, high] = queue.queued_by_priority;
    let minute = &queue.last_minute;
    let fields = [
        ("name", Some(queue.name.clone())),
        ("paused", queue.paused.then(|| "yes: none of its jobs is handed out".to_owned())),
        ("queued", Some(format!("{} (priority 2: {high}, 1: {middle}, 0: {low})", jobs.queued))),
        ("oldest", queue.oldest_queued_at.as_ref().map(|at| format!("queued at {at}"))),
        ("running", Some(jobs.running.to_string())),
        ("delayed", Some(jobs.delayed.to_string())),
        (
            "finished",
            Some(format!("{} success, {} error, {} cancelled", jobs.success, jobs.error, jobs.cancelled)),
        ),
        (
            "last minute",
            Some(format!(
                "{} enqueued, {} handed out, {} finished",
                minute.enqueued, minute.granted, minute.finished
            )),
        ),
        ("max running", queue.max_running.map(|most| format!("{most}, {} run", jobs.running))),
        (
            "per key",
            queue.max_running_per_key.map(|most| format!("{most} running at most{}", fullest(queue))),
        ),
        ("rate", queue.rate.as_ref().map(|rate| format!("{}{}", rate_text(rate), left(queue)))),
        ("timeout", queue.timeout.map(seconds)),
        ("max retries", queue.max_retries.map(|retries| retries.to_string())),
        ("retry after", queue.retries_delay.map(seconds)),
        ("backoff", (queue.backoff != Default::default()).then(|| backoff_text(&queue.backoff))),
        ("success kept", queue.success_retention.map(seconds)),
        ("error kept", queue.error_retention.map(seconds)),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            out.line(format_args!("{name:<12} {value}"));
        }
    }
}

/// A page of queues, one a line.
pub(super) fn page(out: &mut Output, page: &QueuesWrapper, target: &Target) {
    if target.json {
        return out.json(page);
    }
    let header = ["name", "queued", "running", "delayed", "waits for", "a minute", "limits"];
    let mut table = Table::new(header).whole(1);
    let now = Timestamp::now();
    for queue in &page.queues {
        let jobs = &queue.jobs;
        table.row([
            &queue.name,
            &jobs.queued.to_string(),
            &jobs.running.to_string(),
            &jobs.delayed.to_string(),
            &waits(queue, now),
            &queue.last_minute.finished.to_string(),
            &limits(queue),
        ]);
    }
    out.table(&table);
    if let Some(cursor) = &page.cursor {
        output::remark(format_args!("more: --cursor {cursor}"));
    }
}

/// For how long the job waits that has waited longest; nothing where none does.
fn waits(queue: &Queue, now: Timestamp) -> String {
    let since = queue.oldest_queued_at.as_ref().and_then(|at| at.parse::<Timestamp>().ok());
    since.map_or_else(String::new, |since| {
        let waits = since.duration_until(now).as_secs();
        HumanDuration(Duration::from_secs(u64::try_from(waits).unwrap_or_default())).to_string()
    })
}

/// What keeps its jobs from being handed out, and how near that is.
fn limits(queue: &Queue) -> String {
    let limits = [
        queue.paused.then(|| "paused".to_owned()),
        queue.max_running.map(|most| format!("{} of {most} at once", queue.jobs.running)),
        queue.max_running_per_key.map(|most| format!("{most} a key{}", full(queue))),
        queue.rate.as_ref().map(|rate| format!("{}{}", rate_text(rate), left(queue))),
    ];
    limits.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// How many keys are at their limit.
fn full(queue: &Queue) -> String {
    let full = queue.keys_running.as_ref().map_or(0, |keys| keys.full);
    if full == 0 { String::new() } else { format!(" ({full} full)") }
}

/// The same, and which keys have the most jobs that run.
fn fullest(queue: &Queue) -> String {
    let keys = queue.keys_running.iter().flat_map(|keys| &keys.fullest);
    let keys: Vec<String> = keys.map(|KeyRunning { key, running }| format!("{key} {running}")).collect();
    if keys.is_empty() { String::new() } else { format!("{}: {}", full(queue), keys.join(", ")) }
}

/// How many jobs its rate lets go at once now.
fn left(queue: &Queue) -> String {
    queue.rate_left.map_or_else(String::new, |left| format!(", {left} left"))
}

fn seconds(seconds: impl Into<u64>) -> String {
    HumanDuration(Duration::from_secs(seconds.into())).to_string()
}

#[cfg(test)]
mod tests {
    use quorate_client::api::{KeysRunning, Rate};

    use super::*;

    #[test]
    fn what_is_not_limited_says_nothing() {
        let free = Queue::default();
        let now: Timestamp = "2026-01-01T00:01:05.700Z".parse().unwrap();
        assert_eq!((limits(&free), waits(&free, now)), (String::new(), String::new()));
        let queue = Queue {
            paused: true,
            max_running: Some(20),
            max_running_per_key: Some(2),
            keys_running: Some(KeysRunning::default()),
            rate: Some(Rate { jobs: 100, seconds: 60 }),
            rate_left: Some(37),
            oldest_queued_at: Some("2026-01-01T00:00:00.000Z".into()),
            ..free
        };
        assert_eq!(limits(&queue), "paused, 0 of 20 at once, 2 a key, 100/1m, 37 left");
        assert_eq!(fullest(&queue), "", "nothing runs");
        let key = |key: &str, running| KeyRunning { key: key.into(), running };
        let keys = KeysRunning { running: 9, full: 1, fullest: vec![key("anna", 2), key("bert", 1)] };
        let queue = Queue { keys_running: Some(keys), ..queue };
        assert_eq!((&*full(&queue), &*fullest(&queue)), (" (1 full)", " (1 full): anna 2, bert 1"));
        assert_eq!(waits(&queue, now), "1m5s");
        let before: Timestamp = "2025-12-31T00:00:00Z".parse().unwrap();
        assert_eq!(waits(&queue, before), "0s", "this machine's clock is behind");
    }
}

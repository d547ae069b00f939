use std::time::Duration;

use jiff::Timestamp;
use quorate_client::api::{Job, JobFilter, JobsWrapper, Progress, Reason, Status};

use super::attempts::Attempts;
use crate::duration::HumanDuration;
use crate::output::{self, Output, Table};
use crate::target::Target;

/// A job, field by field, and all attempts at it, where there are more than this one.
pub(super) fn one(out: &mut Output, job: &Job, attempts: &Attempts, target: &Target) {
    if target.json {
        return out.json(job);
    }
    let next = attempts.jobs.iter().find(|attempt| job.retry_id.as_ref() == Some(&attempt.id));
    let fields = [
        ("id", Some(job.id.clone())),
        ("image", Some(job.image.clone())),
        ("queue", Some(job.queue.clone())),
        ("key", job.key.clone()),
        ("tags", (!job.tags.is_empty()).then(|| job.tags.join(", "))),
        ("status", Some(status(job))),
        ("progress", job.progress.as_ref().map(progress)),
        ("worker", job.worker.clone()),
        ("unique", unique(job)),
        ("timed out", timed_out(job)),
        ("details", job.details.clone()),
        ("priority", Some(job.priority.to_string())),
        ("timeout", Some(seconds(job.timeout))),
        ("retries", Some(format!("{} left, each after {}", job.max_retries, seconds(job.retries_delay)))),
        ("created", Some(job.created_at.clone())),
        ("queued at", job.due.clone()),
        ("started", job.started_at.clone()),
        ("times out", job.deadline.as_ref().map(|at| format!("{at}, unless it is touched"))),
        ("completed", job.completed_at.clone()),
        ("retry of", job.retry_of.clone()),
        (
            if job.released { "goes on as" } else { "retried by" },
            job.retry_id.as_ref().map(|id| format!("{id}{}", next.map_or_else(String::new, fate))),
        ),
        ("payload", Some(shorten(&job.payload, 200))),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            out.line(format_args!("{name:<11} {value}"));
        }
    }
    if attempts.jobs.len() > 1 {
        for (place, line) in history(attempts, &job.id).into_iter().enumerate() {
            out.line(format_args!("{:<11} {line}", if place == 0 { "attempts" } else { "" }));
        }
    }
}

/// The attempts, one a line. What was given back was none, and has no number; nor has one where nobody counted those before.
fn history(Attempts { jobs, before, after }: &Attempts, this: &str) -> Vec<String> {
    let mut number = 0;
    let shown = jobs.iter().map(|attempt| {
        number += u32::from(!attempt.released);
        let label = if attempt.released || before.is_some() { "-".to_owned() } else { format!("{number}.") };
        let this = if attempt.id == this { " <- this one" } else { "" };
        format!("{label} {}{}{this}", attempt.id, fate(attempt))
    });
    let more = |id: &String, side| format!("there are more {side} these: quorate job get {id}");
    let before = before.iter().map(|id| more(id, "before"));
    before.chain(shown).chain(after.iter().map(|id| more(id, "behind"))).collect()
}

/// A page of the jobs that were asked for, one a line.
pub(crate) fn page(out: &mut Output, page: &JobsWrapper, filter: &JobFilter, target: &Target) {
    if target.json {
        return out.json(page);
    }
    let (is_terminal, now) = (output::is_terminal(), Timestamp::now());
    let (created, completed) = if is_terminal { ("age", "ended") } else { ("created", "completed") };
    let Columns { active, errors, ended, queue } = Columns::of(page, filter, is_terminal);
    let header = [
        "id", "image", "status", "priority", created, "attempt", completed, "ran", "queue", "progress",
        "details",
    ];
    let rows: Vec<[String; 11]> = page
        .jobs
        .iter()
        .map(|job| {
            let since = |time: &str| if is_terminal { age(time, now) } else { time.to_owned() };
            [
                job.id.clone(),
                job.image.clone(),
                status(job),
                job.priority.to_string(),
                since(&job.created_at),
                attempt(job),
                job.completed_at.as_deref().map(since).unwrap_or_default(),
                ran(job).map(|ran| ran.to_string()).unwrap_or_default(),
                job.queue.clone(),
                job.progress.as_ref().map(progress).unwrap_or_default(),
                job.details.clone().unwrap_or_default(),
            ]
        })
        .collect();
    let mut shown = [true, true, true, active, active, errors, ended, ended, queue, active, errors];
    if is_terminal && !rows.is_empty() {
        for (column, shown) in shown.iter_mut().enumerate() {
            *shown &= rows.iter().any(|row| !row[column].is_empty());
        }
    }
    let mut table = Table::with_header(&columns(header, shown)).whole(1);
    for row in &rows {
        table.cells(&columns(row.each_ref().map(String::as_str), shown));
    }
    out.table(&table);
}

/// Which columns a list has beside those that all have. What reads them from a pipe must know them before: they follow from what is
/// asked for. On a terminal those are left out that say nothing.
struct Columns {
    /// What matters of jobs that have not ended.
    active: bool,
    /// What matters of those that have failed.
    errors: bool,
    /// What matters of those that have ended.
    ended: bool,
    queue: bool,
}

impl Columns {
    fn of(page: &JobsWrapper, filter: &JobFilter, is_terminal: bool) -> Columns {
        let only_errors = filter.is_final.is_some() || filter.reason.is_some();
        let only_ended = only_errors || filter.finished_from.is_some() || filter.finished_until.is_some();
        let is_any = filter.status.is_empty();
        let has = |statuses: &[Status]| filter.status.iter().any(|status| statuses.contains(status));
        let first = page.jobs.first();
        let of_several = page.jobs.iter().any(|job| first.is_some_and(|first| job.queue != first.queue));
        Columns {
            active: is_any && !only_ended || has(&[Status::Delayed, Status::Queued, Status::Running]),
            errors: is_any && only_ended || has(&[Status::Error]),
            ended: is_any && only_ended || has(&[Status::Success, Status::Error, Status::Cancelled]),
            queue: if is_terminal { of_several } else { filter.queue.is_none() },
        }
    }
}

/// Where it stands, and why; an error that no other job was made to go on from is dead, and what was given back was not called off.
pub(super) fn status(job: &Job) -> String {
    if job.released {
        return "released".to_owned();
    }
    let status = if job.is_final == Some(true) { "dead".to_owned() } else { word(&job.status) };
    match &job.reason {
        Some(reason) => format!("{status} ({})", word(reason)),
        None => status,
    }
}

/// Which one it was, and of how many there may be.
fn attempt(job: &Job) -> String {
    format!("{} of {}", job.attempt, job.attempt.saturating_add(job.max_retries))
}

/// The cells that are shown.
fn columns<const N: usize>(cells: [&str; N], shown: [bool; N]) -> Vec<&str> {
    cells.into_iter().zip(shown).filter_map(|(cell, shown)| shown.then_some(cell)).collect()
}

/// How far it has come.
fn progress(progress: &Progress) -> String {
    match &*progress.text {
        "" => format!("{}%", progress.percent),
        text => format!("{}% {text}", progress.percent),
    }
}

/// What it is the only one of, and for how long.
fn unique(job: &Job) -> Option<String> {
    let key = job.unique_key.as_ref()?;
    let until = match (&job.unique_until, job.unique_for) {
        (Some(until), _) => format!(" until it has {}", word(until)),
        (None, Some(seconds)) => format!(" for {}", self::seconds(seconds)),
        (None, None) => String::new(),
    };
    Some(format!("{key}{until}"))
}

/// Where it stands, and how long it ran or when it will be queued.
fn fate(job: &Job) -> String {
    let more = match &job.due {
        Some(due) => format!(" until {due}"),
        None => ran(job).map_or_else(String::new, |ran| format!(" after {ran}")),
    };
    format!("  {}{more}", status(job))
}

/// Of a job whose time ran out: when, and how long after its start.
fn timed_out(job: &Job) -> Option<String> {
    let at = job.completed_at.as_ref().filter(|_| job.reason == Some(Reason::Timeout))?;
    let after = ran(job).map_or_else(String::new, |ran| format!(", {ran} after it was started"));
    Some(format!("{at}{after}; it had {} from its start or last touch", seconds(job.timeout)))
}

/// From its start to its end.
fn ran(job: &Job) -> Option<HumanDuration> {
    let [start, end] =
        [&job.started_at, &job.completed_at].map(|time| time.as_ref()?.parse::<Timestamp>().ok());
    let ran: Duration = start?.duration_until(end?).try_into().ok()?;
    // Of what takes seconds, the rest is of no interest.
    let ran = if ran.as_secs() > 0 { Duration::from_secs(ran.as_secs()) } else { ran };
    Some(HumanDuration(ran))
}

/// Since then, in the largest unit that is full.
fn age(time: &str, now: Timestamp) -> String {
    let Ok(time) = time.parse::<Timestamp>() else { return String::new() };
    let seconds = time.duration_until(now).as_secs().max(0);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

fn seconds(seconds: u32) -> String {
    HumanDuration(Duration::from_secs(seconds.into())).to_string()
}

/// The word that the REST interface has for it.
pub(crate) fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(_) => "?".to_owned(),
    }
}

/// The first characters.
fn shorten(text: &str, most: usize) -> String {
    let mut short: String = text.chars().take(most).collect();
    if text.chars().nth(most).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(id: &str, status: &str, more: serde_json::Value) -> Job {
        let mut job = serde_json::json!({"id": id, "image": "i", "image_id": "x", "timeout": 60, "status": status,
            "created_at": "2026-01-01T00:00:00Z"});
        job.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(job).unwrap()
    }

    #[test]
    fn what_was_given_back_is_no_attempt_and_a_history_that_is_cut_says_so() {
        let released = serde_json::json!({"reason": "client_request", "released": true, "retry_id": "b"});
        let failed = serde_json::json!({"reason": "bad_exit", "final": false, "retry_id": "c"});
        let jobs = vec![
            job("a", "cancelled", released),
            job("b", "error", failed),
            job("c", "cancelled", serde_json::json!({"reason": "client_request"})),
        ];
        let whole = Attempts { jobs: jobs.clone(), ..Attempts::default() };
        assert_eq!(
            history(&whole, "b"),
            ["- a  released", "1. b  error (bad_exit) <- this one", "2. c  cancelled (client_request)"]
        );
        let cut = Attempts { jobs, before: Some("0".into()), after: Some("d".into()) };
        assert_eq!(
            history(&cut, ""),
            [
                "there are more before these: quorate job get 0",
                "- a  released",
                "- b  error (bad_exit)",
                "- c  cancelled (client_request)",
                "there are more behind these: quorate job get d",
            ]
        );
    }
}

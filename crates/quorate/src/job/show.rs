use quorate_client::api::{Job, JobsWrapper};

use crate::cli::Target;
use crate::output::{Output, Table};

/// A job, field by field.
pub(super) fn one(out: &mut Output, job: &Job, target: &Target) {
    if target.json {
        return out.json(job);
    }
    let fields = [
        ("id", Some(job.id.clone())),
        ("image", Some(job.image.clone())),
        ("status", Some(word(&job.status))),
        ("reason", job.reason.as_ref().map(word)),
        ("details", job.details.clone()),
        ("priority", Some(job.priority.to_string())),
        ("timeout", Some(format!("{} s", job.timeout))),
        ("retries", Some(format!("{} left, {} s apart", job.max_retries, job.retries_delay))),
        ("created", Some(job.created_at.clone())),
        ("started", job.started_at.clone()),
        ("completed", job.completed_at.clone()),
        ("retry of", job.retry_of.clone()),
        ("retried by", job.retry_id.clone()),
        ("payload", Some(shorten(&job.payload, 200))),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            out.line(format_args!("{name:<11} {value}"));
        }
    }
}

/// A page of jobs, one a line.
pub(super) fn page(out: &mut Output, page: &JobsWrapper, target: &Target) {
    if target.json {
        return out.json(page);
    }
    let mut table = Table::new(["id", "image", "status", "priority", "created", "payload"]);
    for job in &page.jobs {
        let status = match &job.reason {
            Some(reason) => format!("{} ({})", word(&job.status), word(reason)),
            None => word(&job.status),
        };
        let payload = shorten(&job.payload, 32);
        table.row([&job.id, &job.image, &status, &job.priority.to_string(), &job.created_at, &payload]);
    }
    out.table(&table);
    if let Some(cursor) = &page.cursor {
        out.line(format_args!("more: --cursor {cursor}"));
    }
}

/// The word that the REST interface has for it.
fn word(value: &impl serde::Serialize) -> String {
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

use quorate_client::api::{Action, Job, Operation, Status};
use quorate_client::{Client, Error};

use crate::job;

/// Why some of the jobs that were named were skipped, a line for each, as far as they still show it.
///
/// # Errors
/// No node answered.
pub(super) async fn reasons(
    client: &Client,
    operation: &Operation,
    named: &[String],
) -> Result<Vec<String>, Error> {
    let mut reasons = Vec::new();
    for id in named {
        let job = job::find(client, id).await?;
        reasons.extend(reason(operation, job.as_ref()).map(|why| format!("skipped {id}: {why}")));
    }
    let others = operation.skipped.saturating_sub(reasons.len() as u64);
    if others > 0 {
        let why = match operation.action {
            Action::Retry => "was retried before, or has changed since",
            Action::Cancel => "has changed since",
            Action::Delete => "was not there",
        };
        reasons.push(format!("skipped {others} more: each {why}"));
    }
    Ok(reasons)
}

/// Why a job was certainly skipped.
fn reason(operation: &Operation, job: Option<&Job>) -> Option<String> {
    let Some(job) = job else {
        // What is deleted is gone in any case.
        return (operation.action != Action::Delete).then(|| "there is no such job".to_owned());
    };
    let has_finished = matches!(job.status, Status::Success | Status::Error | Status::Cancelled);
    let is_skipped = match operation.action {
        Action::Retry | Action::Delete => !has_finished,
        // Both are log time, as text of one form.
        Action::Cancel => job.completed_at.as_ref().is_some_and(|at| *at < operation.started_at),
    };
    is_skipped.then(|| format!("it is {}", job.status.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_client::api::OperationStatus;

    fn operation(action: Action) -> Operation {
        Operation {
            id: String::new(),
            action,
            status: OperationStatus::Done,
            done: 0,
            skipped: 1,
            filter: None,
            ids: Some(1),
            started_at: "2026-01-31T09:30:00.000Z".into(),
            ended_at: None,
        }
    }

    fn job(status: &str, completed_at: Option<&str>) -> Job {
        serde_json::from_value(serde_json::json!({"id": "j", "image": "i", "image_id": "x", "payload": "",
            "timeout": 60, "status": status, "created_at": "2026-01-01T00:00:00Z", "completed_at": completed_at}))
        .unwrap()
    }

    #[test]
    fn what_was_skipped_says_why() {
        let (before, then) = (Some("2026-01-31T09:29:59.999Z"), Some("2026-01-31T09:30:00.000Z"));
        for (action, job, expected) in [
            (Action::Cancel, Some(job("success", before)), Some("it is success")),
            (Action::Cancel, Some(job("cancelled", before)), Some("it is cancelled")),
            (Action::Cancel, Some(job("cancelled", then)), None),
            (Action::Cancel, None, Some("there is no such job")),
            (Action::Retry, Some(job("running", None)), Some("it is running")),
            (Action::Retry, Some(job("error", before)), None),
            (Action::Delete, Some(job("queued", None)), Some("it is queued")),
            (Action::Delete, None, None),
        ] {
            assert_eq!(reason(&operation(action), job.as_ref()).as_deref(), expected, "{action:?} {job:?}");
        }
    }
}

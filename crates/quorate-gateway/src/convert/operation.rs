//! Work on many jobs.

use std::collections::HashSet;

use quorate_api::{OperationRequest, OperationStatus};
use quorate_core::limits::{JOBS_PER_REQUEST, OPERATION_DETAILS_BYTES, OPERATION_WORDS_BYTES};
use quorate_core::{Action, JobId, Operation, OperationState, Selection};

use super::time;
use crate::error::ApiError;
use crate::filter::Meant;
use crate::ids;

/// Which jobs are meant.
pub(crate) enum Which {
    /// Those that this fits.
    Meant(Meant),
    /// These.
    Ids(Vec<JobId>),
}

impl Which {
    /// True where a queue is meant by its name.
    pub(crate) fn names_a_queue(&self) -> bool {
        matches!(self, Which::Meant(meant) if meant.queue.is_some())
    }

    /// How many jobs these are, as far as it says: a filter counts as one.
    pub(crate) fn jobs(&self) -> usize {
        match self {
            Which::Meant(_) => 1,
            Which::Ids(ids) => ids.len(),
        }
    }
}

/// What a request asks for, checked.
pub(crate) struct Work {
    pub(crate) which: Which,
    /// For those that it calls off.
    pub(crate) details: String,
    /// The filter, as it is shown.
    pub(crate) words: String,
}

/// Checks a request.
///
/// # Errors
/// 400, naming the field.
pub(crate) fn work(action: Action, request: OperationRequest) -> Result<Work, ApiError> {
    let details = request.details.unwrap_or_default();
    let mut words = String::new();
    if !details.is_empty() && action != Action::Cancel {
        return Err(ApiError::invalid("details", "is for cancel alone"));
    }
    let which = match (request.filter, request.ids) {
        (Some(_), Some(_)) => return Err(ApiError::invalid("ids", "stands beside filter: send one of them")),
        (None, None) => {
            return Err(ApiError::invalid("filter", "is missing: say which jobs, by filter or by ids"));
        }
        (Some(filter), None) if filter == quorate_api::JobFilter::default() => {
            let message = "names nothing, which would be all jobs: name at least one thing, such as a queue or a status";
            return Err(ApiError::invalid("filter", message));
        }
        (Some(filter), None) => {
            let mut shown = filter.clone();
            let mut meant = Meant::of(filter, "tags").map_err(|error| error.below("filter."))?;
            let statuses = &mut meant.filter.statuses;
            if let Some(other) = statuses.iter().find(|status| !action.statuses().contains(status)) {
                let of: Vec<&str> = action.statuses().iter().map(|status| status.as_str()).collect();
                let message = format!("{} is for {}, not {}", action.as_str(), of.join(", "), other.as_str());
                return Err(ApiError::invalid("filter.status", message));
            }
            if statuses.is_empty() {
                statuses.extend(action.usual_statuses());
            }
            shown.status = statuses.iter().map(|status| super::status(*status)).collect();
            words = serde_json::to_string(&shown).expect("a filter is plain data");
            Which::Meant(meant)
        }
        (None, Some(texts)) => {
            if texts.is_empty() {
                return Err(ApiError::invalid("ids", format!("must have 1 to {JOBS_PER_REQUEST}")));
            }
            let id = |(place, text): (usize, &String)| {
                let no_id = || ApiError::invalid(format!("ids[{place}]"), "must be a job's id");
                ids::parse(text).map(JobId).ok_or_else(no_id)
            };
            let mut ids = texts.iter().enumerate().map(id).collect::<Result<Vec<_>, _>>()?;
            let mut known = HashSet::new();
            ids.retain(|id| known.insert(*id));
            Which::Ids(ids)
        }
    };
    if details.len() > OPERATION_DETAILS_BYTES {
        let message = format!("must have at most {OPERATION_DETAILS_BYTES} bytes, not {}", details.len());
        return Err(ApiError::invalid("details", message));
    }
    if words.len() > OPERATION_WORDS_BYTES {
        return Err(ApiError::invalid("filter", "is too long: shorten its image"));
    }
    Ok(Work { which, details, words })
}

/// As it is shown.
pub(crate) fn operation(operation: &Operation) -> quorate_api::Operation {
    quorate_api::Operation {
        id: operation.id.to_string(),
        action: match operation.action {
            Action::Retry => quorate_api::Action::Retry,
            Action::Cancel => quorate_api::Action::Cancel,
            Action::Delete => quorate_api::Action::Delete,
        },
        status: match operation.state {
            OperationState::Running => OperationStatus::Running,
            OperationState::Done => OperationStatus::Done,
            OperationState::Stopped => OperationStatus::Stopped,
        },
        done: operation.done,
        skipped: operation.skipped,
        filter: serde_json::from_str(&operation.words).ok(),
        ids: match &operation.selection {
            Selection::Filter(_) => None,
            Selection::Ids(ids) => Some(ids.len() as u64),
        },
        started_at: time(operation.started_at),
        ended_at: operation.ended_at.map(time),
    }
}

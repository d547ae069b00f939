use quorate_core::{Filter, ImageId, Period, QueueId, Timestamp};

use super::fields;
use crate::Malformed;
use crate::log::v1 as pb;

impl From<&Filter> for pb::Filter {
    fn from(filter: &Filter) -> pb::Filter {
        pb::Filter {
            statuses: filter.statuses.iter().map(|status| fields::status_out(*status)).collect(),
            dead: filter.dead,
            reason: filter.reason.map_or(pb::Reason::Unspecified.into(), fields::reason_out),
            image: filter.image.map(|image| image.0.into()),
            queue: filter.queue.map(|queue| queue.0),
            key: filter.key.as_ref().map(ToString::to_string),
            tags: filter.tags.iter().map(ToString::to_string).collect(),
            created: period_out(filter.created),
            finished: period_out(filter.finished),
        }
    }
}

impl TryFrom<pb::Filter> for Filter {
    type Error = Malformed;

    /// What is outside of its limits is for apply to refuse: it stands in the log by then.
    fn try_from(filter: pb::Filter) -> Result<Filter, Malformed> {
        let status = |number: i32| fields::status_in("Filter", number);
        let any_reason = filter.reason == i32::from(pb::Reason::Unspecified);
        Ok(Filter {
            statuses: filter.statuses.into_iter().map(status).collect::<Result<_, _>>()?,
            dead: filter.dead,
            reason: if any_reason { None } else { Some(fields::reason_in("Filter", filter.reason)?) },
            image: filter.image.map(|image| ImageId(image.into())),
            queue: filter.queue.map(QueueId),
            key: filter.key.map(Into::into),
            tags: filter.tags.into_iter().map(Box::from).collect(),
            created: period_in(filter.created),
            finished: period_in(filter.finished),
        })
    }
}

/// Absent where it is open at both ends.
fn period_out(period: Period) -> Option<pb::Period> {
    let Period { from, until } = period;
    let message = pb::Period { from_ms: from.map(|at| at.0), until_ms: until.map(|at| at.0) };
    (period != Period::default()).then_some(message)
}

fn period_in(period: Option<pb::Period>) -> Period {
    let pb::Period { from_ms, until_ms } = period.unwrap_or_default();
    Period { from: from_ms.map(Timestamp), until: until_ms.map(Timestamp) }
}

use jiff::Timestamp as Moment;
use quorate_api::{JobFilter, Reason, Status};
use quorate_core::limits::JOB_KEY_BYTES;
use quorate_core::{Filter, Period, QueueName, Timestamp};

use crate::error::ApiError;
use crate::limits::GIVEN_CHARS;
use crate::query::Query;
use crate::quote::shortened;
use crate::{convert, ids};

/// Which jobs a request means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Meant {
    /// All but the queue.
    pub(crate) filter: Filter,
    /// Of this queue: what its id is, and whether there is one, the table knows.
    pub(crate) queue: Option<QueueName>,
}

impl Meant {
    /// What a query means.
    ///
    /// # Errors
    /// 400, naming the parameter.
    pub(crate) fn by_query(query: &Query) -> Result<Meant, ApiError> {
        let exact = |name| query.exact_text(name).map(str::to_owned);
        let words = ["final", "reason", "created_from", "created_until", "finished_from", "finished_until"];
        if let Some(name) = words.into_iter().find(|name| query.exact_text(name) == Some("")) {
            return Err(empty(name));
        }
        let filter = JobFilter {
            // Clients of Titan send an empty status and an empty image along that mean none.
            status: query.text("status").map_or(Ok(Vec::new()), statuses)?,
            is_final: query.choice("final")?,
            reason: query.text("reason").map(reason).transpose()?,
            image: query.text("image").map(str::to_owned),
            queue: exact("queue"),
            key: exact("key"),
            tags: query
                .exact_text("tag")
                .map_or(Vec::new(), |tags| tags.split(',').map(str::to_owned).collect()),
            created_from: exact("created_from"),
            created_until: exact("created_until"),
            finished_from: exact("finished_from"),
            finished_until: exact("finished_until"),
        };
        let mut meant = Meant::of(filter, "tag")?;
        if meant.filter.statuses.is_empty() {
            meant.filter.statuses = quorate_core::Status::ACTIVE.to_vec();
        }
        Ok(meant)
    }

    /// What a filter means, in whose form the tags are called `tags`. Of which statuses, where neither it nor what it asks for says so,
    /// is the caller's: there are none then.
    ///
    /// # Errors
    /// 400, naming the field.
    pub(crate) fn of(asked: JobFilter, tags: &'static str) -> Result<Meant, ApiError> {
        let invalid = |field: &'static str| move |message: String| ApiError::invalid(field, message);
        let texts = [("image", &asked.image), ("queue", &asked.queue), ("key", &asked.key)];
        if let Some((field, _)) = texts.into_iter().find(|(_, text)| text.as_deref() == Some("")) {
            return Err(empty(field));
        }
        let queue = asked.queue.as_deref().map(convert::queue_name).transpose().map_err(invalid("queue"))?;
        let reason = asked.reason.map(core_reason).transpose()?;
        let created = period(["created_from", "created_until"], asked.created_from, asked.created_until)?;
        let finished =
            period(["finished_from", "finished_until"], asked.finished_from, asked.finished_until)?;
        // What only some jobs have is asked of them.
        let statuses = match asked.status.is_empty() {
            true if reason.is_some() || asked.is_final.is_some() => vec![Status::Error],
            true if finished != Period::default() => vec![Status::Success, Status::Error, Status::Cancelled],
            true | false => asked.status,
        };
        if let Some(key) = asked.key.as_ref().filter(|key| key.len() > JOB_KEY_BYTES) {
            let message = format!("must have at most {JOB_KEY_BYTES} bytes, not {}", key.len());
            return Err(ApiError::invalid("key", message));
        }
        let filter = Filter {
            statuses: statuses.into_iter().map(convert::core_status).collect(),
            dead: asked.is_final,
            reason,
            image: asked.image.as_deref().map(ids::image),
            queue: None,
            key: asked.key.map(Into::into),
            tags: convert::tags(asked.tags).map_err(invalid(tags))?.into(),
            created,
            finished,
        };
        Ok(Meant { filter, queue })
    }
}

fn empty(field: &'static str) -> ApiError {
    ApiError::invalid(field, "must not be empty: leave it out to ask for any")
}

/// Statuses with commas between them, with the two synonyms that the older documentation uses.
fn statuses(text: &str) -> Result<Vec<Status>, ApiError> {
    let status = |word: &str| {
        let word = match word {
            "succeeded" => "success",
            "failed" => "error",
            other => other,
        };
        let known = quorate_core::Status::ALL.into_iter().find(|status| status.as_str() == word);
        known.map(convert::status).ok_or_else(|| {
            let given = shortened(word, GIVEN_CHARS);
            let must = "must be delayed, queued, running, success, error or cancelled";
            ApiError::invalid("status", format!("{must}, or several with commas between them, not {given}"))
        })
    };
    text.split(',').map(status).collect()
}

fn reason(word: &str) -> Result<Reason, ApiError> {
    let known = [Reason::Timeout, Reason::Killed, Reason::BadExit];
    known.into_iter().find(|reason| reason.as_str() == word).ok_or_else(|| no_reason(word))
}

fn core_reason(reason: Reason) -> Result<quorate_core::Reason, ApiError> {
    match reason {
        Reason::Timeout => Ok(quorate_core::Reason::Timeout),
        Reason::Killed => Ok(quorate_core::Reason::Killed),
        Reason::BadExit => Ok(quorate_core::Reason::BadExit),
        Reason::ClientRequest => Err(no_reason(reason.as_str())),
    }
}

fn no_reason(word: &str) -> ApiError {
    let given = shortened(word, GIVEN_CHARS);
    ApiError::invalid("reason", format!("must be timeout, killed or bad_exit, not {given}"))
}

/// # Errors
/// 400, naming the one that is no time.
fn period(
    [from_name, until_name]: [&'static str; 2],
    from: Option<String>,
    until: Option<String>,
) -> Result<Period, ApiError> {
    let time = |name: &'static str, text: Option<String>| {
        text.map(|text| moment(&text).ok_or_else(|| no_time(name, &text))).transpose()
    };
    Ok(Period { from: time(from_name, from)?, until: time(until_name, until)? })
}

fn no_time(name: &'static str, text: &str) -> ApiError {
    let given = shortened(text, GIVEN_CHARS);
    // What a + that stands in a URL as it is becomes.
    let hint = if text.contains(' ') { "; a + is written %2B in a URL" } else { "" };
    ApiError::invalid(name, format!("must be a time as in 2026-01-31T09:30:00Z, not {given}{hint}"))
}

/// The first millisecond that is not before it: all that is counted is whole ones.
fn moment(text: &str) -> Option<Timestamp> {
    let nanos = text.parse::<Moment>().ok()?.as_nanosecond();
    let millis = nanos.div_euclid(1_000_000) + i128::from(nanos.rem_euclid(1_000_000) > 0);
    Some(Timestamp(u64::try_from(millis).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_core::Status::{Cancelled, Delayed, Error, Queued, Running, Success};

    fn meant(query: &str) -> Result<Meant, ApiError> {
        let known =
            ["status", "final", "reason", "image", "queue", "key", "tag", "created_from", "created_until"];
        let known: Vec<String> =
            known.into_iter().chain(["finished_from", "finished_until"]).map(Into::into).collect();
        Meant::by_query(&Query::parse(query, &known).unwrap())
    }

    #[test]
    fn everything_can_be_asked_for() {
        let query = "status=error,cancelled&final=true&reason=killed&image=i&queue=q&key=k&tag=a,b%3A1\
                     &created_from=2026-01-01T00:00:00Z&created_until=1970-01-01T01:00:00.5%2B01:00\
                     &finished_from=1970-01-01T00:00:00.0000001Z&finished_until=1969-01-01T00:00:00Z";
        let at = |millis| Some(Timestamp(millis));
        let expected = Filter {
            statuses: vec![Error, Cancelled],
            dead: Some(true),
            reason: Some(quorate_core::Reason::Killed),
            image: Some(ids::image("i")),
            queue: None,
            key: Some("k".into()),
            tags: vec!["a".into(), "b:1".into()],
            created: Period { from: at(1_767_225_600_000), until: at(500) },
            finished: Period { from: at(1), until: at(0) },
        };
        assert_eq!(meant(query).unwrap(), Meant { filter: expected, queue: QueueName::new("q") });
        let active = Filter { statuses: quorate_core::Status::ACTIVE.to_vec(), ..Filter::default() };
        assert_eq!(meant("status=&image=").unwrap(), Meant { filter: active, queue: None });
    }

    #[test]
    fn what_only_some_have_is_asked_of_them() {
        for (query, statuses) in [
            ("final=false", vec![Error]),
            ("reason=timeout", vec![Error]),
            ("finished_from=2026-01-01T00:00:00Z", vec![Success, Error, Cancelled]),
            ("finished_from=2026-01-01T00:00:00Z&final=true", vec![Error]),
            ("status=queued&final=true", vec![Queued]),
            ("status=succeeded,failed", vec![Success, Error]),
            ("tag=a&key=k", vec![Delayed, Queued, Running]),
        ] {
            assert_eq!(meant(query).unwrap().filter.statuses, statuses, "{query}");
        }
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let long = format!("key={}", "k".repeat(65));
        for (query, name, says) in [
            ("status=error,dead", "status", "not dead"),
            ("status=error,", "status", "with commas between them"),
            ("final=yes", "final", "must be true or false, not yes"),
            ("reason=client_request", "reason", "must be timeout, killed or bad_exit, not client_request"),
            ("queue=A", "queue", "is no name of a queue"),
            ("tag=a,a", "tag", "twice"),
            ("tag=a,", "tag", "1 to 64"),
            ("created_from=yesterday", "created_from", "as in 2026-01-31T09:30:00Z, not yesterday"),
            ("finished_until=2026-01-01", "finished_until", "not 2026-01-01"),
            (&long, "key", "not 65"),
            ("key=", "key", "must not be empty"),
            ("queue=", "queue", "must not be empty"),
            ("final=", "final", "must not be empty"),
            ("reason=", "reason", "must not be empty"),
            ("finished_from=", "finished_from", "must not be empty"),
            ("created_until=", "created_until", "must not be empty"),
            ("tag=", "tag", "1 to 64"),
            ("created_from=2026-01-31T09:30:00+01:00", "created_from", "a + is written %2B in a URL"),
        ] {
            let Err(ApiError::Invalid { fields, message }) = meant(query) else { panic!("{query}") };
            assert_eq!(fields, name, "{query}");
            assert!(message.contains(says), "{query}: {message}");
        }
        let asked = JobFilter { tags: vec!["a b".into()], ..JobFilter::default() };
        let Err(ApiError::Invalid { fields, .. }) = Meant::of(asked, "tags") else { panic!() };
        assert_eq!(fields, "tags");
        for field in ["image", "queue", "key"] {
            let asked: JobFilter = serde_json::from_value(serde_json::json!({ field: "" })).unwrap();
            let Err(ApiError::Invalid { fields, .. }) = Meant::of(asked, "tags") else { panic!("{field}") };
            assert_eq!(fields, field);
        }
    }
}

//! Queues and their settings.

use quorate_core::limits::{BACKOFF_DELAYS, QUEUE_NAME_BYTES};
use quorate_core::{QueueName, QueueView, Setting, Timestamp, Totals};

use super::time;
use crate::error::ApiError;
use crate::limits::GIVEN_CHARS;
use crate::quote::shortened;
use crate::ranges;

/// A queue's name.
///
/// # Errors
/// It can be none.
pub(crate) fn queue_name(text: &str) -> Result<QueueName, String> {
    QueueName::new(text).ok_or_else(|| {
        let given = shortened(text, GIVEN_CHARS);
        format!("\"{given}\" is no name of a queue: 1 to {QUEUE_NAME_BYTES} of a-z 0-9 . _ -")
    })
}

/// The name of a queue that there need not be yet.
///
/// # Errors
/// It can be none, or none that a path can name.
pub(crate) fn new_queue_name(text: &str) -> Result<QueueName, String> {
    match is_step(text) {
        true => Err(format!("\"{text}\" is no name of a queue: clients leave . and .. out of a path")),
        false => queue_name(text),
    }
}

/// True for what is a step of a path: whatever bears that name, no client can ask for.
pub(crate) fn is_step(name: &str) -> bool {
    matches!(name, "." | "..")
}

/// The changes that a request asks for, checked.
///
/// # Errors
/// 400, naming the field.
pub(crate) fn settings(request: quorate_api::QueueRequest) -> Result<Vec<Setting>, ApiError> {
    fn number<N: Copy + Into<u64>>(
        name: &'static str,
        given: Option<Option<N>>,
        setting: fn(Option<N>) -> Setting,
    ) -> Result<Option<Setting>, ApiError> {
        let Some(value) = given else { return Ok(None) };
        value.map_or(Ok(()), |number| ranges::check(name, name, number))?;
        Ok(Some(setting(value)))
    }
    let quorate_api::QueueRequest {
        paused,
        timeout,
        max_retries,
        retries_delay,
        success_retention,
        error_retention,
        backoff,
        max_running,
        max_running_per_key,
        rate,
    } = request;
    let settings = [
        paused.map(|paused| Setting::Paused(paused.unwrap_or_default())),
        number("timeout", timeout, Setting::Timeout)?,
        number("max_retries", max_retries, Setting::MaxRetries)?,
        number("retries_delay", retries_delay, Setting::RetriesDelay)?,
        number("success_retention", success_retention, Setting::KeepSuccess)?,
        number("error_retention", error_retention, Setting::KeepError)?,
        backoff.map(|given| self::backoff(given.unwrap_or_default()).map(Setting::Backoff)).transpose()?,
        number("max_running", max_running, Setting::MaxRunning)?,
        number("max_running_per_key", max_running_per_key, Setting::MaxRunningPerKey)?,
        rate.map(|given| given.map(self::rate).transpose().map(Setting::Rate)).transpose()?,
    ];
    Ok(settings.into_iter().flatten().collect())
}

fn backoff(given: quorate_api::Backoff) -> Result<quorate_core::Backoff, ApiError> {
    Ok(match given {
        quorate_api::Backoff::Fixed {} => quorate_core::Backoff::Fixed,
        quorate_api::Backoff::Exponential { cap, jitter } => {
            ranges::check("cap", "backoff.cap", cap)?;
            ranges::check("jitter", "backoff.jitter", jitter)?;
            quorate_core::Backoff::Exponential { cap, jitter_percent: jitter }
        }
        quorate_api::Backoff::List { delays } => {
            if !(1..=BACKOFF_DELAYS).contains(&delays.len()) {
                let message = format!("must have 1 to {BACKOFF_DELAYS} delays, not {}", delays.len());
                return Err(ApiError::invalid("backoff.delays", message));
            }
            for (position, delay) in delays.iter().enumerate() {
                ranges::check("retries_delay", format!("backoff.delays[{position}]"), *delay)?;
            }
            quorate_core::Backoff::List(delays)
        }
    })
}

fn rate(given: quorate_api::Rate) -> Result<quorate_core::Rate, ApiError> {
    let quorate_api::Rate { jobs, seconds } = given;
    ranges::check("rate.jobs", "rate.jobs", jobs)?;
    ranges::check("rate.seconds", "rate.seconds", seconds)?;
    Ok(quorate_core::Rate { jobs, seconds })
}

/// A queue for an answer, as it is at `now`.
pub(crate) fn queue(view: QueueView, now: Timestamp) -> quorate_api::Queue {
    let QueueView { queue, oldest, keys } = view;
    let rate_left = queue.rate_left(now);
    let quorate_core::Queue { id: _, name, kept: _, settings, bucket: _, counts } = queue;
    let [enqueued, granted, finished] = counts.recent.last_minute(now);
    quorate_api::Queue {
        name: name.to_string(),
        paused: settings.paused,
        timeout: settings.timeout,
        max_retries: settings.max_retries,
        retries_delay: settings.retries_delay,
        success_retention: settings.keep_success,
        error_retention: settings.keep_error,
        backoff: match settings.backoff {
            quorate_core::Backoff::Fixed => quorate_api::Backoff::Fixed {},
            quorate_core::Backoff::Exponential { cap, jitter_percent: jitter } => {
                quorate_api::Backoff::Exponential { cap, jitter }
            }
            quorate_core::Backoff::List(delays) => quorate_api::Backoff::List { delays },
        },
        max_running: settings.max_running,
        max_running_per_key: settings.max_running_per_key,
        keys_running: keys.map(keys_running),
        rate: settings.rate.map(|quorate_core::Rate { jobs, seconds }| quorate_api::Rate { jobs, seconds }),
        rate_left,
        jobs: job_counts(counts.by_status),
        queued_by_priority: counts.queued,
        oldest_queued_at: oldest.map(time),
        last_minute: quorate_api::LastMinute { enqueued, granted, finished },
    }
}

fn keys_running(keys: quorate_core::KeysRunning) -> quorate_api::KeysRunning {
    let quorate_core::KeysRunning { running, full, fullest } = keys;
    let fullest =
        fullest.into_iter().map(|(key, running)| quorate_api::KeyRunning { key: key.into(), running });
    quorate_api::KeysRunning { running, full, fullest: fullest.collect() }
}

/// What all queues come to, for an answer.
pub(crate) fn stats(totals: Totals) -> quorate_api::Stats {
    let Totals { queues, by_status, queued, oldest, last_minute: [enqueued, granted, finished] } = totals;
    quorate_api::Stats {
        queues,
        jobs: job_counts(by_status),
        queued_by_priority: queued,
        oldest_queued_at: oldest.map(time),
        last_minute: quorate_api::LastMinute { enqueued, granted, finished },
    }
}

/// In the order of [`quorate_core::Status::ALL`].
fn job_counts([delayed, queued, running, success, error, cancelled]: [u64; 6]) -> quorate_api::JobCounts {
    quorate_api::JobCounts { delayed, queued, running, success, error, cancelled }
}

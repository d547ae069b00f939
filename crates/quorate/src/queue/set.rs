use std::time::Duration;

use clap::Args;
use quorate_client::api::{Backoff, QueueRequest, Rate};
use quorate_core::limits::{
    BACKOFF_DELAYS, MAX_RETRIES, MAX_RUNNING, RATE_JOBS, RATE_SECONDS, RETENTION_SECONDS,
    RETRIES_DELAY_SECONDS, TIMEOUT_SECONDS,
};

use super::name;
use crate::duration::{HumanDuration, seconds};
use crate::number::number;
use crate::target::Target;

/// Change a queue's settings, those that are given, and make the queue where there is none.
///
/// `none` takes a setting away again.
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct SetArgs {
    /// The queue's name.
    #[arg(value_parser = name)]
    pub(super) name: String,
    #[command(flatten)]
    pub(super) settings: SettingsArgs,
    #[command(flatten)]
    pub(super) target: Target,
}

const EXAMPLE: &str = "Examples:
  quorate queue set mails --max-running 20 --max-running-per-key 2 --rate 100/1s
  quorate queue set imports --timeout 1h --max-retries 5 --backoff exponential:10m:20%";

#[derive(Args)]
pub(super) struct SettingsArgs {
    /// How long a job may run which does not say [default: 60s].
    #[arg(long, value_name = "DURATION", value_parser = or_none(seconds(1..=TIMEOUT_SECONDS)))]
    timeout: Option<OrNone<u32>>,
    /// Automatic retries of a job that does not say, 0 to 25 [default: 3].
    #[arg(long, value_name = "N", value_parser = or_none(number::<u32>(0..=MAX_RETRIES)))]
    max_retries: Option<OrNone<u32>>,
    /// How long automatic retries of a job wait which does not say [default: 60s].
    #[arg(long, value_name = "DURATION", value_parser = or_none(seconds(0..=RETRIES_DELAY_SECONDS)))]
    retries_delay: Option<OrNone<u32>>,
    /// How long a job is kept which ended well [default: as the cluster's settings say].
    #[arg(long, value_name = "DURATION", value_parser = or_none(seconds(RETENTION_SECONDS)))]
    success_retention: Option<OrNone<u64>>,
    /// How long a job is kept which failed or was cancelled [default: as the cluster's settings say].
    #[arg(long, value_name = "DURATION", value_parser = or_none(seconds(RETENTION_SECONDS)))]
    error_retention: Option<OrNone<u64>>,
    /// How the wait grows from one automatic retry to the next: `fixed`; `exponential:10m`, twice as long each time, up to that,
    /// or `exponential:10m:20%` and up to a fifth more or less; `1s,5s,30s`, as long as these say [default: fixed].
    #[arg(long, value_name = "BACKOFF", value_parser = or_none(backoff))]
    backoff: Option<OrNone<Backoff>>,
    /// Most jobs that run at once [default: any number].
    #[arg(long, value_name = "N", value_parser = or_none(number::<u32>(1..=MAX_RUNNING)))]
    max_running: Option<OrNone<u32>>,
    /// Most jobs of one key that run at once [default: any number].
    #[arg(long, value_name = "N", value_parser = or_none(number::<u32>(1..=MAX_RUNNING)))]
    max_running_per_key: Option<OrNone<u32>>,
    /// Most jobs that are handed out in a time, as in 100/1s [default: any number].
    #[arg(long, value_name = "JOBS/DURATION", value_parser = or_none(rate))]
    rate: Option<OrNone<Rate>>,
}

impl SettingsArgs {
    /// What is to be changed.
    pub(super) fn request(self) -> QueueRequest {
        QueueRequest {
            paused: None,
            timeout: self.timeout.map(Into::into),
            max_retries: self.max_retries.map(Into::into),
            retries_delay: self.retries_delay.map(Into::into),
            success_retention: self.success_retention.map(Into::into),
            error_retention: self.error_retention.map(Into::into),
            backoff: self.backoff.map(Into::into),
            max_running: self.max_running.map(Into::into),
            max_running_per_key: self.max_running_per_key.map(Into::into),
            rate: self.rate.map(Into::into),
        }
    }
}

/// A value, or `none`. (clap takes an `Option` in an `Option` for a flag whose value may be missing.)
#[derive(Clone, Debug, PartialEq, Eq)]
struct OrNone<T>(Option<T>);

impl<T> From<OrNone<T>> for Option<T> {
    fn from(OrNone(value): OrNone<T>) -> Option<T> {
        value
    }
}

fn or_none<T>(
    parse: impl Fn(&str) -> Result<T, String> + Clone,
) -> impl Fn(&str) -> Result<OrNone<T>, String> + Clone {
    move |text| match text {
        "none" => Ok(OrNone(None)),
        text => parse(text).map(|value| OrNone(Some(value))).map_err(|why| format!("{why}, or none")),
    }
}

fn backoff(text: &str) -> Result<Backoff, String> {
    let delay = seconds(0..=RETRIES_DELAY_SECONDS);
    if text == "fixed" {
        return Ok(Backoff::Fixed {});
    }
    if let Some(rest) = text.strip_prefix("exponential:") {
        let (cap, jitter) = rest.split_once(':').unwrap_or((rest, "0%"));
        let jitter = jitter.strip_suffix('%').unwrap_or(jitter);
        let jitter = number::<u32>(0..=100)(jitter).map_err(|why| format!("the per cent: {why}"))?;
        return Ok(Backoff::Exponential { cap: seconds(1..=RETRIES_DELAY_SECONDS)(cap)?, jitter });
    }
    let delays: Result<Vec<u32>, String> = text.split(',').map(delay).collect();
    let delays = delays
        .map_err(|why| format!("it must be fixed, exponential:10m:20% or delays as in 1s,5s,30s ({why})"))?;
    match delays.len() {
        1..=BACKOFF_DELAYS => Ok(Backoff::List { delays }),
        _ => Err(format!("it must be at most {BACKOFF_DELAYS} delays")),
    }
}

fn rate(text: &str) -> Result<Rate, String> {
    let must =
        |jobs: &str, period: &str| format!("it must be {jobs}jobs and a duration{period}, as in 100/1s");
    let (jobs, period) = text.split_once('/').ok_or_else(|| must("", ""))?;
    // As in 100/s.
    let is_unit = period.starts_with(char::is_alphabetic);
    let period = if is_unit { format!("1{period}") } else { period.to_owned() };
    let jobs = number(1..=RATE_JOBS)(jobs).map_err(|_| must(&format!("1 to {RATE_JOBS} "), ""))?;
    let period = seconds(1..=RATE_SECONDS)(&period);
    let most = duration(RATE_SECONDS);
    Ok(Rate { jobs, seconds: period.map_err(|_| must("", &format!(" of 1s to {most}")))? })
}

/// A back-off as it is given.
pub(super) fn backoff_text(backoff: &Backoff) -> String {
    match backoff {
        Backoff::Fixed {} => "fixed".to_owned(),
        Backoff::Exponential { cap, jitter: 0 } => format!("exponential:{}", duration(*cap)),
        Backoff::Exponential { cap, jitter } => format!("exponential:{}:{jitter}%", duration(*cap)),
        Backoff::List { delays } => {
            delays.iter().map(|delay| duration(*delay).to_string()).collect::<Vec<_>>().join(",")
        }
    }
}

/// A rate as it is given.
pub(super) fn rate_text(rate: &Rate) -> String {
    format!("{}/{}", rate.jobs, duration(rate.seconds))
}

fn duration(seconds: u32) -> HumanDuration {
    HumanDuration(Duration::from_secs(seconds.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_back_off_is_said_as_it_is_given() {
        for (text, expected) in [
            ("fixed", Backoff::Fixed {}),
            ("exponential:10m", Backoff::Exponential { cap: 600, jitter: 0 }),
            ("exponential:1h:20%", Backoff::Exponential { cap: 3_600, jitter: 20 }),
            ("1s,5s,30s", Backoff::List { delays: vec![1, 5, 30] }),
            ("5s", Backoff::List { delays: vec![5] }),
        ] {
            assert_eq!(backoff(text).as_ref(), Ok(&expected), "{text}");
            assert_eq!(backoff_text(&expected), text);
        }
        let many = ["1s"; 33].join(",");
        for (wrong, says) in [
            ("linear", "it must be fixed, exponential:10m:20% or delays as in 1s,5s,30s (a duration is"),
            ("exponential:", "a duration is a number and its unit"),
            ("exponential:0", "it must be a duration from 1s to 365d"),
            ("exponential:1m:101%", "the per cent: it must be a whole number from 0 to 100"),
            ("1s,,5s", "it must be fixed, "),
            (&many, "it must be at most 32 delays"),
        ] {
            let why = backoff(wrong).unwrap_err();
            assert!(why.starts_with(says), "{wrong}: {why}");
        }
    }

    #[test]
    fn a_rate_is_jobs_and_a_time() {
        for (text, jobs, seconds, said) in
            [("100/1s", 100, 1, "100/1s"), ("5/m", 5, 60, "5/1m"), ("1/90", 1, 90, "1/1m30s")]
        {
            assert_eq!(rate(text), Ok(Rate { jobs, seconds }), "{text}");
            assert_eq!(rate_text(&Rate { jobs, seconds }), said);
        }
        for (wrong, says) in [
            ("100", "it must be jobs and a duration, as in 100/1s"),
            ("0/1s", "it must be 1 to 1000000 jobs and a duration, as in 100/1s"),
            ("1/2d", "it must be jobs and a duration of 1s to 1d, as in 100/1s"),
            ("5/0s", "it must be jobs and a duration of 1s to 1d, as in 100/1s"),
            ("1/", "it must be jobs and a duration of"),
        ] {
            let why = rate(wrong).unwrap_err();
            assert!(why.starts_with(says), "{wrong}: {why}");
        }
    }

    #[test]
    fn none_takes_a_setting_away() {
        let parse = or_none(number::<u32>(1..=5));
        assert_eq!((parse("none"), parse("3")), (Ok(OrNone(None)), Ok(OrNone(Some(3)))));
        assert_eq!(parse("6").unwrap_err(), "it must be a whole number from 1 to 5, or none");
    }
}

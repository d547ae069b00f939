use clap::{Args, ValueEnum};
use jiff::{SignedDuration, Timestamp};
use quorate_client::api::{JobFilter, Reason, Status};

use super::enqueue::{image, job_key, tag};
use crate::duration::HumanDuration;
use crate::queue;
use crate::wrong_usage::wrong_usage;

/// Which jobs.
#[derive(Args, Clone)]
pub(super) struct FilterArgs {
    /// Only those in one of these statuses, with commas between them; dead, alone: those that ended in error and that no other
    /// job goes on from.
    #[arg(long, value_enum, value_delimiter = ',')]
    status: Vec<StatusArg>,
    /// Only those that ended in error and that no other job goes on from; with =false those that a job retries.
    #[arg(long = "final", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    is_final: Option<bool>,
    /// Only those that ended in error for this reason.
    #[arg(long, value_enum)]
    reason: Option<ReasonArg>,
    /// Only those of this image.
    #[arg(long, value_parser = image)]
    image: Option<String>,
    /// Only those of this queue.
    #[arg(long, value_name = "NAME", value_parser = queue::name)]
    queue: Option<String>,
    /// Only those of this key.
    #[arg(long, value_name = "KEY", value_parser = job_key)]
    key: Option<String>,
    /// Only those with this tag; said several times, with all of them.
    #[arg(long = "tag", value_name = "TAG", value_parser = tag)]
    tags: Vec<String>,
    /// Only those that finished within this time, as in 2h, or since this moment, as in 2026-01-31T09:30:00Z.
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    since: Option<Timestamp>,
    /// Only those that finished longer ago than this, or before this moment.
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    until: Option<Timestamp>,
    /// Only those that were enqueued within this time, or since this moment.
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    created_since: Option<Timestamp>,
    /// Only those that were enqueued longer ago than this, or before this moment.
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    created_until: Option<Timestamp>,
}

impl FilterArgs {
    /// What they ask for.
    ///
    /// # Errors
    /// `dead` stands beside other statuses.
    pub(super) fn filter(self) -> anyhow::Result<JobFilter> {
        let dead = self.status.iter().any(|status| matches!(status, StatusArg::Dead));
        if dead && (self.status.len() > 1 || self.is_final == Some(false)) {
            return Err(wrong_usage("--status: dead stands alone; it is the same as error with --final"));
        }
        let time = |time: Option<Timestamp>| time.map(|time| format!("{time:.3}"));
        Ok(JobFilter {
            status: self.status.into_iter().map(Status::from).collect(),
            is_final: if dead { Some(true) } else { self.is_final },
            reason: self.reason.map(Reason::from),
            image: self.image,
            queue: self.queue,
            key: self.key,
            tags: self.tags,
            created_from: time(self.created_since),
            created_until: time(self.created_until),
            finished_from: time(self.since),
            finished_until: time(self.until),
        })
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum StatusArg {
    Delayed,
    Queued,
    Running,
    Success,
    Error,
    Cancelled,
    Dead,
}

impl From<StatusArg> for Status {
    fn from(status: StatusArg) -> Status {
        match status {
            StatusArg::Delayed => Status::Delayed,
            StatusArg::Queued => Status::Queued,
            StatusArg::Running => Status::Running,
            StatusArg::Success => Status::Success,
            StatusArg::Error | StatusArg::Dead => Status::Error,
            StatusArg::Cancelled => Status::Cancelled,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum ReasonArg {
    Timeout,
    Killed,
    BadExit,
}

impl From<ReasonArg> for Reason {
    fn from(reason: ReasonArg) -> Reason {
        match reason {
            ReasonArg::Timeout => Reason::Timeout,
            ReasonArg::Killed => Reason::Killed,
            ReasonArg::BadExit => Reason::BadExit,
        }
    }
}

/// A moment, or how long ago it is; for `value_parser`.
///
/// # Errors
/// It is neither.
fn moment(given: &str) -> Result<Timestamp, String> {
    if let Ok(moment) = given.parse() {
        return Ok(moment);
    }
    let ago = given.parse().ok().and_then(|HumanDuration(ago)| SignedDuration::try_from(ago).ok());
    let moment = ago.and_then(|ago| Timestamp::now().checked_sub(ago).ok());
    moment.ok_or_else(|| {
        "it must be how long ago, such as 90s, 2h or 7d, or a moment, such as 2026-01-31T09:30:00Z".into()
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        filter: FilterArgs,
    }

    fn filter(args: &[&str]) -> anyhow::Result<JobFilter> {
        Command::try_parse_from([&["test"], args].concat())?.filter.filter()
    }

    #[test]
    fn what_is_said_is_asked_for() {
        let args = "--status error,cancelled --reason bad_exit --image i --queue q --key k --tag a --tag b:1 \
                    --since 2026-01-31T09:30:00Z --created-until 2026-01-31T09:30:00.5+01:00 --final=false";
        let asked = filter(&args.split(' ').collect::<Vec<_>>()).unwrap();
        let query: Vec<_> =
            asked.query().into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            query.join("&"),
            "status=error,cancelled&final=false&reason=bad_exit&image=i&queue=q&key=k&tag=a,b:1\
             &created_until=2026-01-31T08:30:00.500Z&finished_from=2026-01-31T09:30:00.000Z"
        );
        assert_eq!(filter(&[]).unwrap(), JobFilter::default());
    }

    #[test]
    fn dead_is_an_error_that_is_final() {
        let dead = JobFilter { status: vec![Status::Error], is_final: Some(true), ..JobFilter::default() };
        assert_eq!(filter(&["--status", "dead"]).unwrap(), dead);
        assert_eq!(filter(&["--status", "error", "--final"]).unwrap(), dead);
        for args in [&["--status", "dead,cancelled"][..], &["--status", "dead", "--final=false"]] {
            let refused = filter(args).unwrap_err().root_cause().to_string();
            assert!(refused.contains("dead stands alone"), "{refused}");
        }
    }

    #[test]
    fn a_length_of_time_is_so_long_ago() {
        let before = Timestamp::now();
        let since: Timestamp = filter(&["--since", "2h"]).unwrap().finished_from.unwrap().parse().unwrap();
        let ago = since.duration_until(before).as_secs();
        assert!((7_000..=7_200).contains(&ago), "{ago}");
        for wrong in ["soon", "2026-01-31", "-1h", "99999999d"] {
            let Err(refused) = filter(&[&format!("--since={wrong}")]) else { panic!("{wrong}") };
            assert!(refused.to_string().contains("it must be how long ago"), "{wrong}: {refused}");
        }
    }
}

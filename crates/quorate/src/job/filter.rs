use clap::{Args, ValueEnum};
use jiff::{SignedDuration, Timestamp};
use quorate_client::api::{Action, JobFilter, Reason, Status};
use quorate_core::limits::JOB_KEY_BYTES;

use super::enqueue::image;
use super::tags::{check_tags, tag};
use crate::duration::HumanDuration;
use crate::queue;
use crate::wrong_usage::wrong_usage;

/// Which jobs.
#[derive(Args, Clone)]
pub(super) struct FilterArgs {
    /// Only those in one of these statuses, with commas between them; dead, alone: those that ended in error and that no other
    /// job was made to go on from.
    #[arg(long, value_enum, value_delimiter = ',')]
    status: Vec<StatusArg>,
    /// Only those that ended in error and that no other job was made to go on from; with =false those that a job was made to retry.
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
    #[arg(long, value_name = "KEY", value_parser = key)]
    key: Option<String>,
    /// Only those with this tag; said several times, with all of them.
    #[arg(long = "tag", value_name = "TAG", value_parser = tag)]
    tags: Vec<String>,
    /// Only those that finished within this time, as in 2h, or since this moment, as in 2026-01-31T09:30:00Z.
    #[arg(long, value_name = "WHEN", value_parser = when)]
    since: Option<When>,
    /// Only those that finished longer ago than this, or before this moment.
    #[arg(long, value_name = "WHEN", value_parser = when)]
    until: Option<When>,
    /// Only those that were enqueued within this time, or since this moment.
    #[arg(long, value_name = "WHEN", value_parser = when)]
    created_since: Option<When>,
    /// Only those that were enqueued longer ago than this, or before this moment.
    #[arg(long, value_name = "WHEN", value_parser = when)]
    created_until: Option<When>,
}

impl FilterArgs {
    /// What they ask for now: times before now are moments then.
    ///
    /// # Errors
    /// `dead` stands beside other statuses, `released` is asked for, or the tags can be no job's.
    pub(super) fn filter(&self) -> anyhow::Result<JobFilter> {
        check_tags(&self.tags)?;
        let mut statuses = self.status.clone();
        statuses.sort_unstable();
        statuses.dedup();
        let dead = statuses.contains(&StatusArg::Dead);
        if dead && (statuses.len() > 1 || self.is_final == Some(false)) {
            return Err(wrong_usage("--status: dead stands alone; it is the same as error with --final"));
        }
        if statuses.contains(&StatusArg::Released) {
            let says = "released is what a list says of jobs that are cancelled and that another one goes on from: they are among \
                        those of --status cancelled";
            return Err(wrong_usage(format!("--status: {says}")));
        }
        let now = Timestamp::now();
        let time = |when: Option<When>| when.map(|when| format!("{:.3}", when.moment(now)));
        Ok(JobFilter {
            status: statuses.into_iter().map(Status::from).collect(),
            is_final: if dead { Some(true) } else { self.is_final },
            reason: self.reason.map(Reason::from),
            image: self.image.clone(),
            queue: self.queue.clone(),
            key: self.key.clone(),
            tags: self.tags.clone(),
            created_from: time(self.created_since),
            created_until: time(self.created_until),
            finished_from: time(self.since),
            finished_until: time(self.until),
        })
    }

    /// # Errors
    /// They ask for jobs to which this is never done.
    pub(super) fn check_for(&self, action: Action) -> anyhow::Result<()> {
        use StatusArg::{Cancelled, Dead, Delayed, Error, Queued, Running, Success};
        let (statuses, of) = match action {
            Action::Cancel => {
                (&[Delayed, Queued, Running][..], "that have not finished (delayed, queued, running)")
            }
            Action::Retry | Action::Delete => (
                &[Success, Error, Cancelled, Dead][..],
                "that have finished (success, error, cancelled, dead)",
            ),
        };
        let action = action.as_str();
        if let Some(other) = self.status.iter().find(|status| !statuses.contains(status)) {
            let other = other.to_possible_value().expect("none is skipped");
            return Err(wrong_usage(format!("--status {}: {action} is for jobs {of}", other.get_name())));
        }
        let ended = [
            ("--since", self.since.is_some(), "; by when they were enqueued: --created-since"),
            ("--until", self.until.is_some(), "; by when they were enqueued: --created-until"),
            ("--reason", self.reason.is_some(), ""),
            ("--final", self.is_final.is_some(), ""),
        ];
        match ended.into_iter().find(|(_, is_said, _)| *is_said && statuses.contains(&Running)) {
            Some((flag, _, instead)) => Err(wrong_usage(format!(
                "{flag}: only jobs that have finished have that, and {action} is for jobs {of}{instead}"
            ))),
            None => Ok(()),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum StatusArg {
    Delayed,
    Queued,
    Running,
    // As the REST interface takes them.
    #[value(alias = "succeeded")]
    Success,
    #[value(alias = "failed")]
    Error,
    Cancelled,
    Dead,
    /// A word of lists alone, which is explained.
    #[value(hide = true)]
    Released,
}

impl From<StatusArg> for Status {
    fn from(status: StatusArg) -> Status {
        match status {
            StatusArg::Delayed => Status::Delayed,
            StatusArg::Queued => Status::Queued,
            StatusArg::Running => Status::Running,
            StatusArg::Success => Status::Success,
            StatusArg::Error | StatusArg::Dead => Status::Error,
            StatusArg::Cancelled | StatusArg::Released => Status::Cancelled,
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

/// # Errors
/// It can be no job's, or is that of jobs without one.
fn key(given: &str) -> Result<String, String> {
    match given.len() {
        1..=JOB_KEY_BYTES => Ok(given.to_owned()),
        _ => Err(format!("it must have 1 to {JOB_KEY_BYTES} bytes")),
    }
}

/// A moment, or how long before now it is.
#[derive(Clone, Copy)]
enum When {
    At(Timestamp),
    Ago(SignedDuration),
}

impl When {
    fn moment(self, now: Timestamp) -> Timestamp {
        match self {
            When::At(moment) => moment,
            When::Ago(ago) => now.checked_sub(ago).unwrap_or(Timestamp::MIN),
        }
    }
}

/// For `value_parser`.
///
/// # Errors
/// It is neither.
fn when(given: &str) -> Result<When, String> {
    if let Ok(moment) = given.parse() {
        return Ok(When::At(moment));
    }
    let ago = given.parse().ok().and_then(|HumanDuration(ago)| SignedDuration::try_from(ago).ok());
    let ago = ago.filter(|ago| Timestamp::now().checked_sub(*ago).is_ok());
    ago.map(When::Ago).ok_or_else(|| {
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
        let synonyms = filter(&["--status", "failed,succeeded"]).unwrap();
        assert_eq!(synonyms.status, [Status::Success, Status::Error]);
    }

    #[test]
    fn dead_is_an_error_that_is_final() {
        let dead = JobFilter { status: vec![Status::Error], is_final: Some(true), ..JobFilter::default() };
        assert_eq!(filter(&["--status", "dead"]).unwrap(), dead);
        assert_eq!(filter(&["--status", "error", "--final"]).unwrap(), dead);
        assert_eq!(filter(&["--status", "dead,dead"]).unwrap(), dead);
        for args in [&["--status", "dead,cancelled"][..], &["--status", "dead", "--final=false"]] {
            let refused = filter(args).unwrap_err().root_cause().to_string();
            assert!(refused.contains("dead stands alone"), "{refused}");
        }
    }

    #[test]
    fn what_is_never_done_is_refused_by_name() {
        let check = |action, args: &[&str]| {
            let command = Command::try_parse_from([&["test"], args].concat()).unwrap();
            command.filter.check_for(action).map_err(|refused| refused.root_cause().to_string())
        };
        for (action, args, says) in [
            (Action::Cancel, &["--since", "1h"][..], "--since: only jobs that have finished have that"),
            (Action::Cancel, &["--until", "1h"], "by when they were enqueued: --created-until"),
            (Action::Cancel, &["--reason", "timeout"], "--reason: "),
            (Action::Cancel, &["--final"], "--final: "),
            (
                Action::Cancel,
                &["--status", "queued,success"],
                "--status success: cancel is for jobs that have not",
            ),
            (Action::Retry, &["--status", "queued"], "--status queued: retry is for jobs that have finished"),
            (
                Action::Delete,
                &["--status", "running"],
                "--status running: delete is for jobs that have finished",
            ),
        ] {
            let refused = check(action, args).unwrap_err();
            assert!(refused.contains(says), "{args:?}: {refused}");
        }
        assert_eq!(check(Action::Cancel, &["--status", "delayed", "--created-since", "1h"]), Ok(()));
        assert_eq!(check(Action::Retry, &["--status", "dead", "--since", "1h"]), Ok(()));
        assert_eq!(check(Action::Delete, &["--reason", "killed", "--until", "1d"]), Ok(()));
        let released = filter(&["--status", "released"]).unwrap_err().root_cause().to_string();
        assert!(released.contains("they are among those of --status cancelled"), "{released}");
    }

    #[test]
    fn what_no_job_can_have_is_refused_before_it_is_asked_for() {
        let many: Vec<String> = (0..9).map(|n| format!("--tag={n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for (args, says) in [
            (&["--key="][..], "1 to 64 bytes"),
            (&["--image="], "1 to"),
            (&["--tag="], "1 to 64"),
            (&["--tag=a", "--tag=a"], "a stands there twice"),
            (&many, "9 of them, and 8 are the most"),
        ] {
            let Err(refused) = filter(args) else { panic!("{args:?}") };
            let refused = format!("{refused:#}");
            assert!(refused.contains(says), "{args:?}: {refused}");
        }
    }

    #[test]
    fn a_length_of_time_is_before_each_look() {
        let since = When::Ago(SignedDuration::from_hours(2));
        let (first, later) =
            ("2026-01-31T09:30:00Z".parse().unwrap(), "2026-01-31T09:40:00Z".parse().unwrap());
        assert_eq!(since.moment(first).to_string(), "2026-01-31T07:30:00Z");
        assert_eq!(since.moment(later).to_string(), "2026-01-31T07:40:00Z");
        assert_eq!(When::At(first).moment(later), first);
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

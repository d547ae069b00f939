use clap::Args;
use quorate_client::api::{Action, JobFilter};
use quorate_core::limits::JOBS_PER_REQUEST;

use super::filter::FilterArgs;
use super::prefix;
use crate::operation::many::{Asked, HowArgs};
use crate::target::Target;
use crate::wrong_usage::wrong_usage;

/// One job, several, or all that fit.
#[derive(Args)]
pub(super) struct WhichArgs {
    /// The job's id, or its first characters, at least 8, if no other begins so; up to 1000 of them. Or say which jobs by the options.
    #[arg(value_name = "ID", value_parser = prefix::id)]
    ids: Vec<String>,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    pub(super) how: HowArgs,
    #[command(flatten)]
    pub(super) target: Target,
}

/// Which jobs a command is for.
pub(super) enum Which {
    /// This one.
    One(String),
    /// Many.
    Many(Asked),
}

impl WhichArgs {
    /// Takes what they mean.
    ///
    /// # Errors
    /// They mean no job, or one and others, or too many, or jobs to which this is never done.
    pub(super) fn which(&mut self, action: Action) -> anyhow::Result<Which> {
        self.filter.check_for(action)?;
        let filter = self.filter.clone().filter()?;
        let is_empty = filter == JobFilter::default();
        let mut ids = std::mem::take(&mut self.ids);
        match (ids.len(), is_empty) {
            (0, true) => Err(wrong_usage(
                "say which jobs: an ID, or at least one of --queue, --status, --reason, --image, --key, --tag and the times",
            )),
            (0, false) => Ok(Which::Many(Asked::Fitting(filter))),
            (_, false) => Err(wrong_usage("IDs stand alone; leave them out to mean all jobs that fit")),
            (1, true) if !self.how.dry_run && !self.how.no_wait => Ok(Which::One(ids.remove(0))),
            (..=JOBS_PER_REQUEST, true) => Ok(Which::Many(Asked::Named(ids))),
            (many, true) => {
                Err(wrong_usage(format!("{many} IDs are more than {JOBS_PER_REQUEST}: say it in parts")))
            }
        }
    }
}

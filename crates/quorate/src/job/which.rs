use clap::Args;
use quorate_client::api::JobFilter;

use super::filter::FilterArgs;
use super::prefix;
use crate::operation::many::HowArgs;
use crate::target::Target;
use crate::wrong_usage::wrong_usage;

/// One job, or all that fit.
#[derive(Args)]
pub(super) struct WhichArgs {
    /// The job's id, or its first characters, at least 8, if no other begins so; or say which jobs by the options.
    #[arg(value_parser = prefix::id)]
    id: Option<String>,
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
    /// All that fit.
    All(JobFilter),
}

impl WhichArgs {
    /// Takes what they mean.
    ///
    /// # Errors
    /// They mean no job, or one and others.
    pub(super) fn which(&mut self) -> anyhow::Result<Which> {
        let filter = self.filter.clone().filter()?;
        let is_empty = filter == JobFilter::default();
        match self.id.take() {
            Some(_) if self.how.dry_run || self.how.no_wait => {
                Err(wrong_usage("--dry-run and --no-wait are for many jobs, not beside an ID"))
            }
            Some(id) if is_empty => Ok(Which::One(id)),
            Some(_) => Err(wrong_usage("an ID stands alone; leave it out to mean all jobs that fit")),
            None if is_empty => Err(wrong_usage(
                "say which jobs: an ID, or at least one of --queue, --status, --reason, --image, --key, --tag and the times",
            )),
            None => Ok(Which::All(filter)),
        }
    }
}

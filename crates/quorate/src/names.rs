use clap::Args;

use crate::limits::JOBS_LISTED;
use crate::number::number;
use crate::target::Target;

/// Which page of a list by name to print, and how.
#[derive(Args)]
pub(crate) struct NamesArgs {
    /// At most so many, 1 to 1000.
    #[arg(short, long, default_value_t = 100, value_parser = number::<u32>(1..=JOBS_LISTED))]
    pub(crate) n: u32,
    /// Where the list before ended.
    #[arg(long)]
    pub(crate) cursor: Option<String>,
    /// Print names alone, one a line.
    #[arg(short, long, conflicts_with = "json")]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) target: Target,
}

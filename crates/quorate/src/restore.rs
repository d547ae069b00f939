use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use quorate_node::RestoreError;
use serde::Serialize;

use crate::backup::{progress, tell};
use crate::number::counted;
use crate::output::Output;
use crate::private;
use crate::serve::ServeArgs;
use crate::wrong_usage::WrongUsage;

/// Make a new cluster of a backup: the data directory of its first node.
///
/// It takes the settings of the node that will run there, as `quorate serve` does, and uses --data-dir, --name, --peers and the
/// addresses. The directory must be empty, or not be there. The cluster gets an id of its own; nodes of the old one are refused by it.
/// Start the node, and then the others on empty directories, and have each taken in: `quorate cluster member add NAME`. Restore on one
/// node only.
#[derive(Args)]
#[command(after_help = EXAMPLE, after_long_help = EXAMPLE)]
pub(crate) struct RestoreArgs {
    /// The backup: a file, since it is read twice. Nothing is written before all of it was found whole.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print JSON, for machines.
    #[arg(long)]
    json: bool,
    #[command(flatten, next_help_heading = "Settings of the node")]
    node: ServeArgs,
}

const EXAMPLE: &str = "Example:
  quorate restore jobs.backup --name n1 --data-dir /var/lib/quorate --http-addr 0.0.0.0:8080 --peer-addr 0.0.0.0:9080 \\
    --peers n1=host1:9080,n2=host2:9080,n3=host3:9080";

#[derive(Serialize)]
struct Done {
    data_dir: PathBuf,
    name: String,
    node_id: String,
    cluster_id: String,
    former_cluster_id: String,
    jobs: u64,
    backup_index: u64,
    index: u64,
}

/// Restores.
///
/// # Errors
/// The backup is not whole, or the directory is not empty.
pub(crate) fn main(args: &RestoreArgs) -> anyhow::Result<ExitCode> {
    let settings = args.node.settings().context(WrongUsage)?;
    let is_named = settings.is_named();
    let config = settings.check().context(WrongUsage)?.node;
    private::keep_files_private();
    let bar = progress();
    let restored = quorate_node::restore(&args.file, &config, |come, all| tell(&bar, (come, all)));
    bar.finish_and_clear();
    let restored = restored.map_err(|error| {
        let what = match &error {
            RestoreError::Backup(_) => args.file.display().to_string(),
            RestoreError::NotEmpty { .. } | RestoreError::Store(_) => "data-dir".to_owned(),
        };
        anyhow::Error::new(error).context(what)
    })?;
    let done = Done {
        data_dir: config.data_dir,
        name: config.name,
        node_id: restored.identity.node_id.to_string(),
        cluster_id: restored.identity.cluster_id.unwrap_or_default(),
        former_cluster_id: restored.backup.cluster_id,
        jobs: restored.backup.jobs.iter().sum(),
        backup_index: restored.backup.index,
        index: restored.index,
    };
    let mut out = Output::default();
    if args.json {
        out.json(&done);
    } else {
        let Done { name, jobs, cluster_id, former_cluster_id, backup_index, .. } = &done;
        out.line(format_args!(
            "restored     {}, as of log index {backup_index} of the cluster {former_cluster_id}",
            counted(jobs, "job")
        ));
        out.line(format_args!("into         {}", done.data_dir.display()));
        out.line(format_args!("new cluster  {cluster_id}, of which {name} is the only member"));
        if !is_named {
            out.line(format_args!(
                "name         {name}, since --name says no other: it is started under that"
            ));
        }
        out.line("next         start this node with the same settings, and the others on empty directories; and ask for each: quorate cluster member add NAME");
    }
    out.end(Some("the backup is restored"))?;
    Ok(ExitCode::SUCCESS)
}

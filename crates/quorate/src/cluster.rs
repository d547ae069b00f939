use std::process::ExitCode;

use clap::{Args, Subcommand};
use quorate_client::api::{Cluster, SettingsRequest};

use crate::cli::Target;
use crate::duration;
use crate::output::{Output, Table};

/// Look at the cluster and its settings.
#[derive(Args)]
pub(crate) struct ClusterArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show the members, the leader, and how many failures the cluster tolerates.
    Status {
        #[command(flatten)]
        target: Target,
    },
    /// Show the settings that hold for the whole cluster, or change them.
    Settings {
        /// Keep finished jobs for so long from now on.
        #[arg(long, value_name = "DURATION", value_parser = duration::seconds::<u64>)]
        retention: Option<u64>,
        #[command(flatten)]
        target: Target,
    },
}

/// Carries the command out.
///
/// # Errors
/// No node answered, or the cluster refused.
pub(crate) fn main(args: ClusterArgs) -> anyhow::Result<ExitCode> {
    let mut out = Output::default();
    let done = match args.command {
        Command::Status { target } => {
            let cluster = target.block_on(async |client| client.cluster().await)?;
            if target.json {
                out.json(&cluster)
            } else {
                show(&mut out, &cluster)
            }
            None
        }
        Command::Settings { retention, target } => {
            let settings = target.block_on(async |client| match retention {
                Some(retention) => client.put_settings(&SettingsRequest { retention }).await,
                None => client.settings().await,
            })?;
            if target.json {
                out.json(&settings);
            } else {
                let seconds = settings.retention;
                out.line(format_args!("retention  {seconds} s (finished jobs are kept that long)"));
            }
            retention.map(|_| "the settings are changed")
        }
    };
    out.end(done)?;
    Ok(ExitCode::SUCCESS)
}

fn show(out: &mut Output, cluster: &Cluster) {
    let mut table =
        Table::new(["name", "role", "http", "peer", "applied", "reachable", "clock", "level", "disk"]);
    for member in &cluster.members {
        let applied = member.applied_index.map_or_else(|| "?".to_owned(), |index| index.to_string());
        let offset = member.clock_offset_ms.map_or_else(String::new, |offset| format!("{offset:+} ms"));
        let level = member.feature_level.map_or_else(|| "?".to_owned(), |level| level.to_string());
        let disk = member
            .disk
            .as_ref()
            .map_or_else(String::new, |disk| format!("{}, {} MiB free", disk.state, disk.free_bytes >> 20));
        table.row([
            &member.name,
            &member.role,
            &member.http_addr,
            &member.peer_addr,
            &applied,
            if member.reachable { "yes" } else { "NO" },
            &offset,
            &level,
            &disk,
        ]);
    }
    out.table(&table);
    let leader = cluster.leader.as_deref().unwrap_or("none known");
    out.line(format_args!(
        "leader {leader}, term {}; {} must agree, {} may fail; feature level {}; seen by {}, cluster {}",
        cluster.term, cluster.quorum, cluster.tolerates, cluster.feature_level, cluster.node, cluster.id
    ));
    if let Some(offset) = cluster.log_time_offset_ms {
        out.line(format_args!("log time is {offset:+} ms off the median of the members' wall clocks"));
    }
}

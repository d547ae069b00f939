mod member;
mod members;
mod state;
mod views;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use quorate_client::Error;
use quorate_client::api::{Changed, Cluster, LeaderRequest, SettingsRequest};
use quorate_core::limits::RETENTION_SECONDS;

use crate::duration::{HumanDuration, seconds, within};
use crate::exit_code;
use crate::limits::WATCH_EVERY;
use crate::output::{self, Output};
use crate::target::Target;
use state::State;
use views::Views;

/// Look at the cluster, its members and its settings, and change them.
#[derive(Args)]
pub(crate) struct ClusterArgs {
    #[command(subcommand)]
    command: Command,
}

/// Show how the cluster is, and its members, as one node sees them.
///
/// Where the node that is asked first is no member, or sees no leader, the other --nodes are asked as well, and the one is shown that
/// sees most.
///
/// Warnings in words come last: what works, and should be seen to all the same.
///
/// Exit code 0: it takes writes; 5: it can not, since it has no majority, no leader, no room or no members yet, or no
/// node answers; or the node that answers is no member.
#[derive(Args)]
pub(crate) struct StatusArgs {
    /// Go on until interrupted, and show it again whenever it has changed; on a terminal, in the place of what was there. Looks every
    /// 2s, or as often as is said.
    #[arg(long, value_name = "EVERY", num_args = 0..=1, require_equals = true, default_missing_value = "2s", value_parser = within(WATCH_EVERY))]
    watch: Option<HumanDuration>,
    #[command(flatten)]
    target: Target,
}

#[derive(Subcommand)]
enum Command {
    /// Show how the cluster is, and its members.
    Status(StatusArgs),
    Member(member::MemberArgs),
    /// Have another voter lead: the one that is named, or the one that answers and is furthest.
    TransferLeader {
        /// Its name.
        name: Option<String>,
        #[command(flatten)]
        target: Target,
    },
    /// Prepare a member for maintenance: it gives the leadership away, takes no long polls, so that runners go to other nodes, and is
    /// not ready.
    ///
    /// It goes on to store and to vote, and to answer everything else. It ends with `undrain`, or with the node's next start.
    Drain {
        /// The member's name.
        name: String,
        #[command(flatten)]
        target: Target,
    },
    /// Have a member that is being drained do as before.
    Undrain {
        /// The member's name.
        name: String,
        #[command(flatten)]
        target: Target,
    },
    /// Show the settings that hold for the whole cluster, or change them.
    Settings {
        /// Keep finished jobs for so long from now on.
        #[arg(long, value_name = "DURATION", value_parser = seconds(RETENTION_SECONDS))]
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
        Command::Status(args) => return status(&args),
        Command::Member(args) => return member::main(args),
        Command::TransferLeader { name, target } => {
            let leader = LeaderRequest { name, members_index: None };
            let changed = target.block_on(async |client| client.transfer_leader(&leader).await)?;
            show_change(&mut out, &changed, &target);
            Some("the leadership is transferred")
        }
        Command::Drain { name, target } => {
            let changed = target.block_on(async |client| client.drain_member(&name).await)?;
            show_change(&mut out, &changed, &target);
            Some("the member is drained")
        }
        Command::Undrain { name, target } => {
            let changed = target.block_on(async |client| client.undrain_member(&name).await)?;
            show_change(&mut out, &changed, &target);
            Some("the member is not drained")
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

fn show_change(out: &mut Output, changed: &Changed, target: &Target) {
    match (target.json, changed.changed) {
        (true, _) => out.json(changed),
        (false, true) => out.line(&changed.message),
        (false, false) => out.line(format_args!("nothing to do: {}", changed.message)),
    }
}

/// Shows how the cluster is; the exit code says it, too.
///
/// # Errors
/// No node answered.
pub(crate) fn status(StatusArgs { watch, target }: &StatusArgs) -> anyhow::Result<ExitCode> {
    let mut out = Output::default();
    let takes_writes = target.block_on(async |client| {
        let mut last = views::look(client, target).await?;
        if watch.is_some() {
            out.clear();
        }
        show(&mut out, &last, target);
        while let Some(HumanDuration(every)) = watch
            && out.is_seen()
        {
            tokio::time::sleep(*every).await;
            match views::look(client, target).await {
                // On a terminal the times grow.
                Ok(views) if !is_as(&views, &last) || output::is_terminal() => {
                    out.clear();
                    show(&mut out, &views, target);
                    last = views;
                }
                Ok(_) => {}
                // It may come back.
                Err(error) if error.is_unavailable() => output::remark(error),
                Err(error) => return Err(error),
            }
        }
        Ok::<_, Error>(State::of(&last.best).takes_writes())
    })?;
    out.end(None)?;
    Ok(if takes_writes { ExitCode::SUCCESS } else { ExitCode::from(exit_code::UNAVAILABLE) })
}

fn show(out: &mut Output, views: &Views, target: &Target) {
    if target.json {
        return out.json(&views.best);
    }
    out.line(State::of(&views.best));
    for aside in views.asides() {
        out.line(format_args!("beside: {aside}"));
    }
    members::show(out, &views.best);
}

/// Whether a cluster is as it was, but for what grows or moves all the time.
fn is_as(now: &Views, before: &Views) -> bool {
    let still = |cluster: &Cluster| {
        let mut cluster = Cluster { log_time_offset_ms: None, ..cluster.clone() };
        for member in &mut cluster.members {
            (member.applied_index, member.clock_offset_ms, member.uptime_seconds) = (None, None, None);
            if let Some(disk) = &mut member.disk {
                disk.free_bytes = 0;
            }
        }
        cluster.warnings.iter_mut().for_each(|warning| warning.message.clear());
        cluster
    };
    still(&now.best) == still(&before.best) && now.asides() == before.asides()
}

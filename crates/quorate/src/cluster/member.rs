use std::process::ExitCode;
use std::time::Instant;

use anyhow::bail;
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use quorate_client::api::{Changed, Cluster, Member, MemberRequest};
use quorate_client::{Client, Error};

use super::show_change;
use super::views::{self, Views};
use crate::duration::{HumanDuration, within};
use crate::limits::{LONGEST_WAIT, MEMBER_LOOK};
use crate::number::counted;
use crate::output::{self, Output};
use crate::target::Target;

/// Add, remove and replace members. Each is safe to repeat.
#[derive(Args)]
pub(super) struct MemberArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Take a node in as a member, and wait until it votes.
    ///
    /// The node must run, with members of the cluster in its --peers: it is shown by `cluster status` then. It follows first, and
    /// votes as soon as it has caught up, also when nobody waits for it.
    Add {
        /// The node's name.
        name: String,
        /// Where its peers reach it; needed only where it does not know the cluster.
        #[arg(long, value_name = "HOST:PORT", value_parser = address)]
        peer: Option<String>,
        #[command(flatten)]
        how: How,
    },
    /// Take a member away for good.
    ///
    /// Refused where too few of the others answer and are up to date. A node that runs knows then that it was removed, and stays so
    /// until its data directory is wiped. If it leads, it hands over first.
    #[command(visible_alias = "rm")]
    Remove {
        /// The member's name.
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: String,
        /// Do it only where the cluster's `members_index` is this one.
        #[arg(long, value_name = "INDEX")]
        members_index: Option<u64>,
        /// Also where those that are left survive no failure any more.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        target: Target,
    },
    /// Put a node in the place of a voter, in one change, and wait until it votes.
    ///
    /// The old member votes until the new one has caught up. A node that bears the name of a member that is gone takes its place by
    /// itself, without this.
    Replace {
        /// The voter's name.
        old: String,
        /// The node's name.
        new: String,
        /// Where the new node's peers reach it; needed only where it does not know the cluster.
        #[arg(long, value_name = "HOST:PORT", value_parser = address)]
        peer: Option<String>,
        #[command(flatten)]
        how: How,
    },
}

#[derive(Args)]
struct How {
    /// Do it only where the cluster's `members_index` is this one.
    #[arg(long, value_name = "INDEX")]
    members_index: Option<u64>,
    /// Wait so long, at most, until it votes.
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = within(std::time::Duration::ZERO..=LONGEST_WAIT))]
    wait: HumanDuration,
    #[command(flatten)]
    target: Target,
}

pub(super) fn main(args: MemberArgs) -> anyhow::Result<ExitCode> {
    let mut out = Output::default();
    let done = match args.command {
        Command::Add { name, peer, how } => {
            take_in(&mut out, name, peer, None, &how)?;
            "the member is added"
        }
        Command::Replace { old, new, peer, how } => {
            take_in(&mut out, new, peer, Some(old), &how)?;
            "the member is replaced"
        }
        Command::Remove { name, members_index, force, target } => {
            target.block_on(async |client| {
                let changed = client.remove_member(&name, members_index, force).await?;
                show_change(&mut out, &changed, &target);
                // Of a member that stays: the one that goes learns of nothing any more.
                if changed.changed
                    && !target.json
                    && let Ok(Views { best, .. }) = views::look(client, &target).await
                    && best.standing == "member"
                {
                    warn(&best);
                }
                Ok::<_, Error>(())
            })?;
            "the member is removed"
        }
    };
    out.end(Some(done))?;
    Ok(ExitCode::SUCCESS)
}

fn take_in(
    out: &mut Output,
    name: String,
    peer_addr: Option<String>,
    replaces: Option<String>,
    How { members_index, wait, target }: &How,
) -> anyhow::Result<()> {
    let members_index = *members_index;
    target.block_on(async |client| {
        let request = MemberRequest { name: name.clone(), peer_addr, replaces, members_index };
        let asked = client.add_member(&request).await?;
        if asked.changed && !target.json {
            output::remark(&asked.message);
        }
        if wait.0.is_zero() {
            show_change(out, &asked, target);
            return Ok(());
        }
        let cluster = wait_for_vote(client, target, &request, *wait).await?;
        let message = format!(
            "{name} votes: {} of {} voters must agree, {} may fail",
            cluster.quorum,
            voters(&cluster).count(),
            cluster.tolerates
        );
        let changed = Changed { message, members_index: cluster.members_index, ..asked };
        show_change(out, &changed, target);
        if !target.json {
            warn(&cluster);
        }
        anyhow::Ok(())
    })
}

/// A host and a port.
fn address(text: &str) -> Result<String, String> {
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && is_port(port) => Ok(text.to_owned()),
        _ => Err("write HOST:PORT, as it stands in --peers".to_owned()),
    }
}

/// Says what there is to see to, now that the members are others: not that who was removed still runs, which it does for a moment.
fn warn(cluster: &Cluster) {
    for warning in cluster.warnings.iter().filter(|warning| warning.kind != "removed_runs") {
        output::remark(format_args!("warning: {}", warning.message));
    }
}

fn voters(cluster: &Cluster) -> impl Iterator<Item = &Member> {
    cluster.members.iter().filter(|member| member.role != "learner")
}

/// Says how far it is, whenever that changes.
async fn wait_for_vote(
    client: &Client,
    target: &Target,
    MemberRequest { name, replaces, .. }: &MemberRequest,
    wait: HumanDuration,
) -> anyhow::Result<Cluster> {
    let begun = Instant::now();
    let (mut told, mut stays) = (String::new(), None);
    loop {
        let cluster = stays.as_ref().unwrap_or(client).cluster().await?;
        if cluster.standing == "removed" {
            // It is the replaced one, and learns of nothing any more.
            let others = cluster.members.iter().filter(|member| member.name != cluster.node);
            let others: Vec<String> = others.map(|member| member.http_addr.clone()).collect();
            stays = Some(target.client_of_named(&others)?);
        }
        let votes = voters(&cluster).any(|voter| voter.name == *name && voter.reachable);
        let replaced = |old: &String| !voters(&cluster).any(|voter| voter.name == *old);
        // Until then the old voters count as well.
        let is_done = !cluster.warnings.iter().any(|warning| warning.kind == "half_changed");
        if votes && is_done && replaces.as_ref().is_none_or(replaced) {
            return Ok(cluster);
        }
        let newest = cluster.members.iter().filter_map(|member| member.applied_index).max().unwrap_or(0);
        let progress = match cluster.members.iter().find(|member| member.name == *name) {
            None => format!("{name} is not seen as a member yet"),
            Some(Member { reachable: false, .. }) => format!("{name} does not answer"),
            Some(member) => {
                let behind = newest - member.applied_index.unwrap_or(0);
                format!("{name} catches up: {} behind", counted(behind, "log entry"))
            }
        };
        if begun.elapsed() >= wait.0 {
            bail!(
                "{name} does not vote after {wait}: {progress}. It goes on by itself: `quorate cluster status` shows it"
            );
        }
        if progress != told {
            output::remark(&progress);
            told = progress;
        }
        tokio::time::sleep(MEMBER_LOOK).await;
    }
}

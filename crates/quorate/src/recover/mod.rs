mod json;
mod judge;
mod show;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use quorate_node::Recovery;

use crate::output::Output;
use crate::{peer_list, peer_tls, private, runtime};

/// Let one node go on alone, since the majority of its cluster is lost for good.
///
/// Of what the cluster had acknowledged, that is lost which this node does not have. Where a majority of the nodes can still be started,
/// with their data, start them instead: nothing is lost then. Where there is a newer backup, restore that one.
///
/// Without --yes-i-lose-what-the-others-had it shows what this node has and what would become of it, and changes nothing. With it the
/// node becomes the only member of a new cluster, with an id of its own. The others are started on empty directories, and join it; a node
/// that comes back with its old data is refused by name.
#[derive(Args)]
pub(crate) struct RecoverArgs {
    /// What is asked for: one voter, by force.
    #[arg(long, required = true)]
    force_single: bool,
    /// The data directory of the node, which must not run. Of several survivors choose that whose last entry is of the
    /// highest term, and of those that with the highest entry.
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// The node's name, as the command shows it.
    #[arg(long, value_name = "NAME", requires = "yes_i_lose_what_the_others_had")]
    name: Option<String>,
    /// The id of the cluster that it gives up, as the command shows it.
    #[arg(long, value_name = "ID", requires = "yes_i_lose_what_the_others_had")]
    cluster_id: Option<String>,
    /// Do it.
    #[arg(long, requires = "name", requires = "cluster_id")]
    yes_i_lose_what_the_others_had: bool,
    /// Where nodes may be beside the addresses that the directory knows: those that have come or moved since. As `quorate serve` is given it.
    #[arg(long, env = "QUORATE_PEERS", value_name = "NAME=HOST:PORT,…")]
    peers: Option<String>,
    /// Where nodes have certificates: that of this one, as `quorate serve` was given it. Without, nobody of them is heard.
    #[arg(long, value_name = "FILE", requires_all = ["peer_key", "peer_ca"])]
    peer_cert: Option<PathBuf>,
    /// Its key.
    #[arg(long, value_name = "FILE", requires = "peer_cert")]
    peer_key: Option<PathBuf>,
    /// Whose certificates nodes have.
    #[arg(long, value_name = "FILE", requires = "peer_cert")]
    peer_ca: Option<PathBuf>,
    /// Change nothing, whatever else is given.
    #[arg(long)]
    dry_run: bool,
    /// Print JSON, for machines.
    #[arg(long)]
    json: bool,
}

/// Shows what there is, and recovers if that is asked for.
///
/// # Errors
/// The node runs, there is nothing to recover, what was given is another node, or the majority is not lost.
pub(crate) fn main(args: &RecoverArgs) -> anyhow::Result<ExitCode> {
    private::keep_files_private();
    let peers = peer_list::parse(args.peers.as_deref().unwrap_or_default())?;
    let recovery = Recovery::of(&args.data_dir).context("data-dir")?;
    let found = recovery.found();
    if found.is_alone && found.lost.is_none() && !found.removed {
        bail!(
            "data-dir: {} is the only voter of its cluster {} already: there is nothing to recover. Start it",
            found.name,
            found.cluster_id
        );
    }
    let (cert, key, ca) = (args.peer_cert.clone(), args.peer_key.clone(), args.peer_ca.clone());
    let tls = peer_tls::open(&found.name, cert, key, ca)?;
    let answering = runtime::on_one_thread(async { Ok(recovery.who_answers(&peers, tls).await) })?;
    let not_lost = judge::is_lost(&found, &answering).err();
    let mut recovered = None;
    if args.yes_i_lose_what_the_others_had && !args.dry_run {
        let (name, cluster_id) = (args.name.as_deref(), args.cluster_id.as_deref());
        judge::is_meant(name.unwrap_or_default(), cluster_id.unwrap_or_default(), &found)?;
        if let Some(not_lost) = not_lost {
            return Err(not_lost);
        }
        recovered = Some(recovery.force_single().context("data-dir")?);
    }
    let mut out = Output::default();
    if args.json {
        out.json(&json::shown(&found, &answering, recovered.as_ref()));
    } else {
        show::show(&mut out, &found, &answering, not_lost.as_ref());
        match &recovered {
            Some(recovered) => show::done(&mut out, &found, recovered),
            None => show::how(&mut out, &found, not_lost.is_none(), &args.data_dir),
        }
    }
    out.end(recovered.is_some().then_some("the node is recovered"))?;
    Ok(ExitCode::SUCCESS)
}

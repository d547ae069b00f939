use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use quorate_node::{Answering, Found, FoundMember, Place, Recovered, Recovery};
use serde::Serialize;

use crate::number::counted;
use crate::output::Output;
use crate::wrong_usage::wrong_usage;
use crate::{peer_tls, private, runtime};

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

/// For machines.
#[derive(Serialize)]
struct Shown<'a> {
    name: &'a str,
    node_id: String,
    cluster_id: &'a str,
    members: Vec<Member<'a>>,
    /// The ids of the voters: two sets where a change of them was under way, and a majority of each must agree.
    voter_sets: Vec<Vec<String>>,
    last: Option<Shape>,
    committed: Option<Shape>,
    applied: Option<Shape>,
    marked: Option<Shape>,
    has_lost: bool,
    recovered: Option<Done<'a>>,
}

#[derive(Serialize)]
struct Member<'a> {
    name: &'a str,
    id: String,
    peer_addr: &'a str,
    votes: bool,
    answers: bool,
    applied_index: Option<u64>,
}

#[derive(Serialize)]
struct Shape {
    term: u64,
    index: u64,
}

#[derive(Serialize)]
struct Done<'a> {
    cluster_id: &'a str,
    index: u64,
}

/// Shows what there is, and recovers if that is asked for.
///
/// # Errors
/// The node runs, there is nothing to recover, what was given is another node, or the majority is not lost.
pub(crate) fn main(args: &RecoverArgs) -> anyhow::Result<ExitCode> {
    private::keep_files_private();
    let recovery = Recovery::of(&args.data_dir).context("data-dir")?;
    let found = recovery.found();
    if found.is_alone && !found.has_lost {
        bail!(
            "data-dir: {} is the only voter of its cluster {} already: there is nothing to recover. Start it",
            found.name,
            found.cluster_id
        );
    }
    let (cert, key, ca) = (args.peer_cert.clone(), args.peer_key.clone(), args.peer_ca.clone());
    let tls = peer_tls::open(&found.name, cert, key, ca)?;
    let answering = runtime::on_one_thread(async { Ok(recovery.who_answers(tls).await) })?;
    let sure = args.yes_i_lose_what_the_others_had && !args.dry_run;
    let recovered = match sure {
        true => {
            is_meant(args, &found)?;
            is_lost(&found, &answering)?;
            Some(recovery.force_single().context("data-dir")?)
        }
        false => None,
    };
    let mut out = Output::default();
    if args.json {
        out.json(&shown(&found, &answering, recovered.as_ref()));
    } else {
        // First: what would be lost is of no interest then.
        let not_lost = is_lost(&found, &answering).err().filter(|_| recovered.is_none());
        if let Some(not_lost) = &not_lost {
            out.line(format_args!("Not to be done: {not_lost}"));
            out.line("");
        }
        show(&mut out, &found, &answering, not_lost.is_none());
        match &recovered {
            Some(recovered) => show_done(&mut out, &found, recovered),
            None => show_how(&mut out, &found, not_lost.is_none(), &args.data_dir),
        }
    }
    out.end(recovered.is_some().then_some("the node is recovered"))?;
    Ok(ExitCode::SUCCESS)
}

/// What was typed is this node.
fn is_meant(args: &RecoverArgs, found: &Found) -> anyhow::Result<()> {
    let name = args.name.as_deref().unwrap_or_default();
    if name != found.name {
        return Err(wrong_usage(format_args!(
            "name: this is the directory of {}, not of {name}",
            found.name
        )));
    }
    let cluster_id = args.cluster_id.as_deref().unwrap_or_default();
    if cluster_id != found.cluster_id {
        let is = &found.cluster_id;
        return Err(wrong_usage(format_args!(
            "cluster-id: this node belongs to the cluster {is}, not to {cluster_id}"
        )));
    }
    Ok(())
}

/// Those who answer and this node are no majority, and none of them is a better choice.
fn is_lost(found: &Found, answering: &[Answering]) -> anyhow::Result<()> {
    for answer in answering {
        match answer {
            Answering::Successor { name, addr, cluster_id } => bail!(
                "the cluster was given up before: {name} at {addr} belongs to the cluster {cluster_id}, which was restored or recovered \
                 from it. A second one would have other data under the same ids: let this node join that one, on an empty directory, or \
                 stop all nodes of that one first if this is the one to keep"
            ),
            Answering::Itself { addr } => bail!(
                "the node {} itself runs at {addr}, on another directory: one of the two is a copy. Stop it there, and compare what both \
                 have with this command",
                found.name
            ),
            Answering::Masked { name, addr } => bail!(
                "where {name} was, at {addr}, somebody speaks TLS: give this node's certificate (--peer-cert, --peer-key, --peer-ca), so that \
                 it can be asked"
            ),
            Answering::Member { .. } => {}
        }
    }
    let members = members(answering);
    let own = (!found.has_lost).then_some(found.node_id);
    let there: BTreeSet<u64> = members.iter().map(|(member, _)| member.id).chain(own).collect();
    if found.is_majority(&there) {
        bail!(
            "the majority is not lost: this node and {} are enough. Start this node as ever, and nothing is lost",
            names(members.iter().map(|(member, _)| *member))
        );
    }
    let last = found.last.map_or(0, |last| last.index);
    if let Some((member, applied)) = members.iter().find(|(_, applied)| *applied > last) {
        bail!(
            "{} has more: it has applied up to entry {applied}, and this node has up to entry {last}. Stop {0}, and look there with \
             this command",
            member.name
        );
    }
    Ok(())
}

/// The other members that answer, and up to where each has applied the log.
fn members(answering: &[Answering]) -> Vec<(&FoundMember, u64)> {
    let members = answering.iter().filter_map(|answer| match answer {
        Answering::Member { member, applied_index } => Some((member, *applied_index)),
        Answering::Itself { .. } | Answering::Masked { .. } | Answering::Successor { .. } => None,
    });
    members.collect()
}

fn names<'a>(members: impl IntoIterator<Item = &'a FoundMember>) -> String {
    members.into_iter().map(|member| member.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// `is_lost`: with what a recovery would lose.
fn show(out: &mut Output, found: &Found, answering: &[Answering], is_lost: bool) {
    let place = |place: Option<Place>| {
        place.map_or("nothing".to_owned(), |Place { term, index }| format!("term {term}, entry {index}"))
    };
    let is_voter = found.members.iter().any(|member| member.id == found.node_id && member.votes);
    let agree =
        |voters: &BTreeSet<u64>| format!("{} of {}", voters.len() / 2 + 1, counted(voters.len(), "voter"));
    let quorums = found.voter_sets.iter().map(agree).collect::<Vec<_>>().join(" and ");
    let vote = found.vote.map_or_else(
        || "none".to_owned(),
        |(term, id)| {
            let voted = found.members.iter().find(|member| member.id == id);
            format!("for {} in term {term}", voted.map_or("a node that is no member", |member| &member.name))
        },
    );
    let answers = match &*members(answering) {
        [] => "none of them answers now".to_owned(),
        some => {
            let shown =
                some.iter().map(|(member, applied)| format!("{} (up to entry {applied})", member.name));
            format!("answering now: {}", shown.collect::<Vec<_>>().join(", "))
        }
    };
    for (name, value) in [
        (
            "node",
            format!(
                "{} (id {}), a {}",
                found.name,
                found.node_id,
                if is_voter { "voter" } else { "learner" }
            ),
        ),
        ("cluster", found.cluster_id.clone()),
        ("members", format!("{}; {quorums} must agree", names(&found.members))),
        ("log", format!("up to {}", place(found.last))),
        (
            "committed",
            format!("{}: the last of which it knows that a majority had it", place(found.committed)),
        ),
        ("table", format!("up to {}", place(found.applied))),
        ("mark", format!("up to {}, what it had promised to keep", place(found.marked))),
        ("vote", vote),
        ("others", answers),
    ] {
        out.line(format_args!("{name:<12} {value}"));
    }
    if !is_lost {
        return;
    }
    let index = |place: Option<Place>| place.map_or(0, |place| place.index);
    let beyond = index(found.last).saturating_sub(index(found.committed));
    out.line("");
    out.line(format_args!(
        "lost         everything that the others acknowledged behind {}: jobs that were enqueued then, and ends of jobs, which run again",
        place(found.last)
    ));
    out.line(format_args!(
        "kept         everything up to there; {} of it may never have been acknowledged, and {} from now on",
        counted(beyond, "entry"),
        if beyond == 1 { "counts" } else { "count" }
    ));
    if found.has_lost && found.marked <= found.last {
        out.line("damage       this node's own log has lost what it had promised to keep; its table has the entries, up to the mark");
    } else if found.has_lost {
        out.line("damage       this node's own log has lost what it had promised to keep: what is behind the last entry above is lost, too");
    }
}

fn show_how(out: &mut Output, found: &Found, is_lost: bool, data_dir: &Path) {
    out.line("");
    out.line("Nothing was changed.");
    if is_lost {
        out.line(format_args!(
            "To do it: quorate recover --force-single --data-dir {} --name {} --cluster-id {} --yes-i-lose-what-the-others-had",
            data_dir.display(),
            found.name,
            found.cluster_id
        ));
    }
}

fn show_done(out: &mut Output, found: &Found, recovered: &Recovered) {
    out.line("");
    out.line(format_args!(
        "recovered    {} is the only member of the new cluster {}, from log index {} on",
        found.name, recovered.cluster_id, recovered.last.index
    ));
    out.line("next         start this node as ever, and the others on empty directories; and ask for each: quorate cluster member add NAME");
}

fn shown<'a>(found: &'a Found, answering: &[Answering], recovered: Option<&'a Recovered>) -> Shown<'a> {
    let shape = |place: Option<Place>| place.map(|Place { term, index }| Shape { term, index });
    let answers = members(answering);
    let applied = |id| answers.iter().find(|(member, _)| member.id == id).map(|(_, applied)| *applied);
    let members = found.members.iter().map(|member| Member {
        name: &member.name,
        id: member.id.to_string(),
        peer_addr: &member.peer_addr,
        votes: member.votes,
        answers: applied(member.id).is_some(),
        applied_index: applied(member.id),
    });
    Shown {
        name: &found.name,
        node_id: found.node_id.to_string(),
        cluster_id: &found.cluster_id,
        members: members.collect(),
        voter_sets: found
            .voter_sets
            .iter()
            .map(|voters| voters.iter().map(ToString::to_string).collect())
            .collect(),
        last: shape(found.last),
        committed: shape(found.committed),
        applied: shape(found.applied),
        marked: shape(found.marked),
        has_lost: found.has_lost,
        recovered: recovered
            .map(|recovered| Done { cluster_id: &recovered.cluster_id, index: recovered.last.index }),
    }
}

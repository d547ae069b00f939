use std::cmp::Reverse;

use futures::future::join_all;
use quorate_client::api::Cluster;
use quorate_client::{Client, Error};

use super::state::{PEER_REFUSED, State};
use crate::environment::items;
use crate::limits::VIEW;
use crate::target::Target;

/// A cluster as that of its nodes sees it which sees most, and which of the others are not of it, or see less.
pub(super) struct Views {
    pub(super) best: Cluster,
    others: Vec<Cluster>,
}

/// Asks one node, and the others as well where it is no member, or sees no leader: it may be cut off, and the cluster well.
///
/// # Errors
/// None answers.
pub(super) async fn look(client: &Client, target: &Target) -> Result<Views, Error> {
    let first = client.cluster().await?;
    let mut views = Vec::new();
    if worth(&first) != Worth::Led {
        let nodes = items(&target.nodes);
        let asked = nodes.into_iter().map(async |node| {
            // The first client has found nothing wrong with it.
            let client = target.client_of(&[node]).ok()?;
            client.within(VIEW).cluster().await.ok()
        });
        views = join_all(asked).await.into_iter().flatten().collect();
    }
    // What it says by now counts more, if it does.
    views.push(first);
    Ok(Views::of(views))
}

impl Views {
    /// Of at least one; a node that is asked by several of its addresses counts once.
    fn of(views: Vec<Cluster>) -> Views {
        let mut views: Vec<Cluster> = views.into_iter().fold(Vec::new(), |mut nodes, view| {
            if nodes.iter().all(|before: &Cluster| before.node != view.node) {
                nodes.push(view);
            }
            nodes
        });
        let reached = |view: &Cluster| view.members.iter().filter(|member| member.reachable).count();
        views.sort_by_key(|view| Reverse((worth(view), reached(view))));
        let best = views.remove(0);
        Views { best, others: views }
    }

    /// What there is to say of the others, in words: the best view tells of those that are well.
    pub(super) fn asides(&self) -> Vec<String> {
        let is_told = |node: &str| self.best.outsiders.iter().any(|outsider| outsider.name == node);
        let aside = |view: &Cluster| {
            let node = &view.node;
            let refused = view.warnings.iter().filter(|warning| warning.kind == PEER_REFUSED);
            let why: String = refused.map(|warning| format!("; {}", warning.message)).collect();
            match worth(view) {
                Worth::Led => None,
                Worth::Member if worth(&self.best) != Worth::Led => None,
                Worth::Member => Some(format!("{node} is cut off: it answers here, and sees no leader{why}")),
                Worth::Forming | Worth::Applicant | Worth::Removed if is_told(node) => None,
                Worth::Applicant => Some(format!(
                    "{node} is no member: it waits until somebody asks for it: `quorate cluster member add {node}`"
                )),
                Worth::Forming => Some(format!(
                    "{node} is in no cluster: its log and its /readyz say what it waits for{why}"
                )),
                Worth::Removed => Some(format!(
                    "{node} was removed: stop it; to have it join again, wipe its data directory"
                )),
            }
        };
        self.others.iter().filter_map(aside).collect()
    }
}

/// How much a node's view says of the cluster as it is now, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Worth {
    Forming,
    Applicant,
    Removed,
    /// It is a member, and sees no leader that leads.
    Member,
    Led,
}

fn worth(view: &Cluster) -> Worth {
    match State::of(view) {
        State::Forming { .. } => Worth::Forming,
        State::Applicant { .. } => Worth::Applicant,
        State::Removed { .. } => Worth::Removed,
        State::NoMajority { .. } | State::NoLeader => Worth::Member,
        State::NoRoom { .. } | State::Degraded { .. } | State::Healthy { .. } => Worth::Led,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::state::testing::cluster;

    fn seen_by(node: &str, standing: &str, members: &str) -> Cluster {
        Cluster { node: node.into(), standing: standing.into(), ..cluster(members) }
    }

    #[test]
    fn the_node_that_sees_most_is_believed_whoever_is_asked_first() {
        let cut_off = || seen_by("n2", "member", "L- f f-");
        let led = || seen_by("n1", "member", "L f- f");
        let applicant = || seen_by("n9", "applicant", "");
        let forming = || seen_by("n8", "forming", "");
        let removed = || seen_by("n7", "removed", "L f f");
        let alone = || seen_by("n3", "member", "f- f- f");
        let all = || vec![cut_off(), applicant(), removed(), forming(), led()];
        let says = |views: Vec<Cluster>| {
            let views = Views::of(views);
            let mut asides = views.asides();
            asides.sort();
            (views.best.node, asides.join("\n"))
        };
        for first in 0..5 {
            let mut views = all();
            views.rotate_left(first);
            let (best, asides) = says(views);
            assert_eq!(best, "n1", "{first}");
            let each: Vec<&str> = asides.lines().map(|line| line.split(':').next().unwrap()).collect();
            assert_eq!(each, ["n2 is cut off", "n7 was removed", "n8 is in no cluster", "n9 is no member"]);
        }
        // Nobody leads: a member says more than who is none.
        let (best, asides) = says(vec![applicant(), alone(), cut_off()]);
        assert_eq!(best, "n3");
        assert!(asides.starts_with("n9 is no member"), "{asides}");
        assert_eq!(says(vec![removed(), forming()]).0, "n7");
        // One that is asked twice.
        assert_eq!(says(vec![led(), led()]), ("n1".to_owned(), String::new()));
    }
}

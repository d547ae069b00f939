use quorate_client::api::Cluster;
use quorate_client::{Client, Error};

use super::state::{PEER_REFUSED, State};
use crate::environment::items;
use crate::limits::OTHER_VIEW;
use crate::target::Target;

/// A cluster as the node sees it that sees most of it.
pub(super) struct View {
    pub(super) cluster: Cluster,
    /// Those that are cut off from it, and how they see it.
    pub(super) cut_off: Vec<Cluster>,
}

impl View {
    /// The node that answers first is believed when it sees a cluster that works. Else it may be the one that is cut off: the others are
    /// asked, too.
    ///
    /// # Errors
    /// No node answered.
    pub(super) async fn of(client: &Client, target: &Target) -> Result<View, Error> {
        let first = client.cluster().await?;
        let nodes = items(&target.nodes);
        if nodes.len() < 2 || !State::of(&first).may_be_cut_off() {
            return Ok(View { cluster: first, cut_off: Vec::new() });
        }
        let asked = nodes.into_iter().map(async |node| {
            let client = target.client_of(vec![node]).ok()?;
            client.within(OTHER_VIEW).cluster().await.ok()
        });
        let others = futures::future::join_all(asked).await.into_iter().flatten();
        Ok(View::best(first, others.collect()))
    }

    fn best(first: Cluster, mut others: Vec<Cluster>) -> View {
        others.retain(|other| other.node != first.node);
        let Some(at) = others.iter().position(|other| State::of(other).takes_writes()) else {
            return View { cluster: first, cut_off: Vec::new() };
        };
        let cluster = others.swap_remove(at);
        others.insert(0, first);
        others.retain(|other| other.id == cluster.id && State::of(other).may_be_cut_off());
        View { cluster, cut_off: others }
    }
}

/// What to say of a node that is cut off.
pub(super) fn words(cut_off: &Cluster) -> String {
    let refused = cut_off.warnings.iter().filter(|warning| warning.kind == PEER_REFUSED);
    let why: String = refused.map(|warning| format!("; {}", warning.message)).collect();
    format!("{} is cut off from that: it sees {}{why}", cut_off.node, State::of(cut_off))
}

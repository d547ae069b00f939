use std::collections::BTreeSet;

use quorate_proto::peer::v1::drain_request::Mode;
use quorate_store::NodeId;

use crate::cluster::drain::Drain;
use crate::cluster::order::{Done, OrderError, Refused, Why};
use crate::cluster::peers::Peers;

/// Drains a member, or has it do as before.
pub(crate) async fn drain(peers: &Peers, own: &Drain, name: &str, undo: bool) -> Result<Done, OrderError> {
    let stored = peers.leadership.membership();
    let mode = if undo { Mode::Undrain } else { Mode::Drain };
    let bearers: BTreeSet<NodeId> =
        stored.membership().nodes().filter(|(_, node)| node.name == name).map(|(id, _)| *id).collect();
    if bearers.is_empty() {
        return Err(Refused::new(Why::NoSuchNode, format!("{name} is no member")).into());
    }
    let (changed, leads) = if bearers.contains(&peers.process.identity.node_id) {
        (own.station.is_draining() == undo, own.set(mode).await)
    } else {
        let unfit = || Refused::new(Why::Unfit, format!("{name} does not answer"));
        // A newcomer may bear the name beside one that is gone.
        let asked = futures::future::join_all(bearers.iter().map(|id| peers.ask_member(*id))).await;
        let before = asked.into_iter().flatten().next().ok_or_else(unfit)?;
        let id = before.node_id;
        let answer = peers.process.transport.drain(id, mode).await.map_err(|status| {
            tracing::debug!(%status, "a member is not drained");
            unfit()
        })?;
        (before.draining == undo, answer.leads)
    };
    let is_alone = stored.membership().voter_ids().all(|id| bearers.contains(&id));
    let message = match (undo, leads) {
        (false, true) if is_alone => format!(
            "{name} is being drained, and leads all the same: there is no other voter. It hands over as soon as there is one"
        ),
        (true, _) if !changed => format!("{name} is not being drained"),
        (true, _) => format!("{name} is not drained any more"),
        (false, false) => format!("{name} is being drained: it does not lead, and takes no long polls"),
        (false, true) => format!(
            "{name} is being drained, and leads all the same: no other voter can, as it is. It hands over as soon as one \
             can"
        ),
    };
    let members_index = stored.log_id().map_or(0, |log_id| log_id.index);
    Ok(Done { changed, message, members_index })
}

use std::collections::BTreeSet;

use openraft::ChangeMembers;
use quorate_store::{Membership, NodeId, StoredMembership};

use crate::cluster::order::carry_out::{No, Orders, bearers, may_change, unchanged};
use crate::cluster::order::{Done, Refused, Why};

impl Orders {
    pub(super) async fn remove(
        &self,
        name: &str,
        force: bool,
        stored: &StoredMembership,
        expected: Option<u64>,
    ) -> Result<Done, No> {
        let membership = stored.membership();
        // An id, where nobody has that name.
        let by_id = name.parse().ok().filter(|id| membership.get_node(id).is_some());
        let mut leavers = bearers(membership, name);
        if leavers.is_empty() {
            leavers.extend(by_id);
        }
        if leavers.is_empty() {
            return Ok(
                self.done(false, format!("{name} is no member: the members are {}", names(membership)))
            );
        }
        may_change(stored, expected)?;
        if leavers.len() > 1 {
            return Err(self.which(name, &leavers, membership).await.into());
        }
        let voters: BTreeSet<NodeId> = membership.voter_ids().collect();
        let stay: BTreeSet<NodeId> = voters.difference(&leavers).copied().collect();
        if stay.len() < voters.len() {
            self.can_do_without(name, &stay, membership).await?;
            if !force && survives(voters.len()) > 0 && survives(stay.len()) == 0 && self.live(&leavers).await
            {
                let message = format!(
                    "{name} answers, and without it no failure is survived any more: of {} voters all must answer then. Put another node in \
                     its place (quorate cluster member replace), or say that it is meant: --force",
                    stay.len()
                );
                return Err(Refused::new(Why::Unsafe, message).into());
            }
        }
        if leavers.contains(&self.own_id()) {
            self.peers().station.yield_leadership();
            // Whoever leads then is asked again.
            return match self.handover.hand_over(|answer| stay.contains(&answer.node_id)).await {
                true => Err(No::NotLeader),
                false => {
                    let message = format!("{name} leads, and no other voter has taken over: try again");
                    Err(Refused::new(Why::Unsafe, message).into())
                }
            };
        }
        self.admission
            .dismissed(&leavers, async {
                // They had some seconds for their last answers.
                if stay.len() < voters.len() {
                    self.can_do_without(name, &stay, membership).await?;
                }
                let (votes, learns) = leavers.iter().copied().partition(|id| voters.contains(id));
                let steps = [ChangeMembers::RemoveVoters(votes), ChangeMembers::RemoveNodes(learns)];
                let change = ChangeMembers::Batch(steps.into());
                self.admission
                    .raft
                    .change_membership_if(change, false, [unchanged(stored)])
                    .await
                    .map_err(No::from)
            })
            .await?;
        let left = match stay.len() {
            1 => "1 voter is left".to_owned(),
            left => format!("{left} voters are left"),
        };
        Ok(self.done(true, format!("{name} is removed: {left}")))
    }

    /// Whether any of them answers.
    async fn live(&self, ids: &BTreeSet<NodeId>) -> bool {
        let ask =
            ids.iter().map(async |id| *id == self.own_id() || self.peers().ask_member(*id).await.is_some());
        futures::future::join_all(ask).await.contains(&true)
    }

    /// Of several that bear the name, one is meant. It is said by its id: the same order a second time must not mean the other one.
    async fn which(&self, name: &str, bearers: &BTreeSet<NodeId>, membership: &Membership) -> Refused {
        let voters: BTreeSet<NodeId> = membership.voter_ids().collect();
        let says = bearers.iter().map(async |id| {
            let votes = if voters.contains(id) { "votes" } else { "does not vote yet" };
            let answers = *id == self.own_id() || self.peers().ask_member(*id).await.is_some();
            format!("{id} ({votes}, {})", if answers { "answers" } else { "does not answer" })
        });
        let says = futures::future::join_all(says).await;
        Refused::new(
            Why::Unfit,
            format!(
                "several members are called {name}: say which one by its id, quorate cluster member remove ID: {}",
                says.join(", ")
            ),
        )
    }

    /// Whether those who stay can go on.
    async fn can_do_without(
        &self,
        name: &str,
        stay: &BTreeSet<NodeId>,
        membership: &Membership,
    ) -> Result<(), Refused> {
        if stay.is_empty() {
            let message = format!("{name} is the only voter: without it there is no cluster");
            return Err(Refused::new(Why::Unsafe, message));
        }
        let asked = stay
            .iter()
            .map(|id| async move { (*id, *id == self.own_id() || self.admission.keeps_up(*id).await) });
        let asked = futures::future::join_all(asked).await;
        let well = asked.iter().filter(|(_, is_well)| *is_well).count();
        let must = stay.len() / 2 + 1;
        if well >= must {
            return Ok(());
        }
        let unwell = asked.iter().filter(|(_, is_well)| !is_well);
        let unwell: Vec<&str> =
            unwell.filter_map(|(id, _)| Some(membership.get_node(id)?.name.as_str())).collect();
        Err(Refused::new(
            Why::Unsafe,
            format!(
                "without {name} {must} of {} must answer and be up to date; not so: {}. See to that first",
                if stay.len() == 1 { "1 voter".to_owned() } else { format!("{} voters", stay.len()) },
                unwell.join(", ")
            ),
        ))
    }
}

/// How many of so many voters may fail.
fn survives(voters: usize) -> usize {
    voters.saturating_sub(voters / 2 + 1)
}

fn names(membership: &Membership) -> String {
    let names: BTreeSet<&str> = membership.nodes().map(|(_, node)| node.name.as_str()).collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}

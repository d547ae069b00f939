use quorate_proto::peer::v1::DiscoverResponse;
use quorate_store::{Membership, StoredMembership};

use crate::cluster::handover::leads_well;
use crate::cluster::order::carry_out::{No, Orders, bearers, may_change};
use crate::cluster::order::{Done, Refused, Why};

impl Orders {
    pub(super) async fn transfer(
        &self,
        to: Option<&str>,
        stored: &StoredMembership,
        expected: Option<u64>,
    ) -> Result<Done, No> {
        let membership = stored.membership();
        let Some(to) = to else {
            may_change(stored, expected)?;
            let suits = |answer: &DiscoverResponse| leads_well(answer) && self.peers().has_applied(answer);
            return match self.handover.hand_over(suits).await {
                true => Ok(self.done(true, self.leader_now(membership))),
                false => {
                    let message = "no other voter that answers, is up to date, has room and is not being drained has taken over";
                    Err(Refused::new(Why::Unsafe, message).into())
                }
            };
        };
        let ids = bearers(membership, to);
        let Some(id) = membership.voter_ids().find(|id| ids.contains(id)) else {
            let (why, message) = match ids.is_empty() {
                true => (Why::NoSuchNode, format!("{to} is no member")),
                false => (Why::Unfit, format!("{to} catches up, and has no vote yet")),
            };
            return Err(Refused::new(why, message).into());
        };
        if id == self.own_id() {
            return Ok(self.done(false, format!("{to} leads")));
        }
        may_change(stored, expected)?;
        let unfit = |message: String| Err(Refused::new(Why::Unfit, message).into());
        match self.peers().ask_member(id).await {
            None => return unfit(format!("{to} does not answer")),
            Some(answer) if answer.draining => {
                return unfit(format!("{to} is being drained: quorate cluster undrain {to}"));
            }
            Some(answer) if answer.yields => {
                return unfit(format!("{to} is about to be removed: it would give the leadership back"));
            }
            Some(answer) if !leads_well(&answer) => {
                return unfit(format!("{to} has no room on its disk: it would give the leadership back"));
            }
            Some(_) => {}
        }
        if !self.admission.keeps_up(id).await {
            return unfit(format!("{to} is not up to date: try again when it is"));
        }
        let others = self.handover.hand_over(|answer| answer.node_id == id).await;
        match self.peers().leadership.now() {
            Some(leader) if leader.id == id => Ok(self.done(true, format!("{to} leads"))),
            _ if others => unfit(format!("{to} has not taken over in time: {}", self.leader_now(membership))),
            _ => unfit(format!("{to} has not taken over in time")),
        }
    }

    fn leader_now(&self, membership: &Membership) -> String {
        let leader = self.peers().leadership.now().and_then(|leader| membership.get_node(&leader.id));
        leader
            .map_or_else(|| "an election is under way".to_owned(), |leader| format!("{} leads", leader.name))
    }
}

use std::collections::BTreeMap;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::time::sleep;

use crate::delivery::{Delivery, Unwell};
use crate::limits;

impl Delivery {
    /// Asks again and again whether the cluster is ready, and says where it is not. It never ends.
    pub(crate) async fn watch(&self) {
        loop {
            // Writes that are answered say enough.
            if !(self.presence.is_well() && self.presence.was_answered_within(limits::WATCH_EVERY)) {
                self.look().await;
            }
            sleep(limits::WATCH_EVERY).await;
        }
    }

    /// Asks the node in use, and soon the others too, until one is ready.
    async fn look(&self) {
        let in_use = self.nodes.current();
        let asked = (0..self.nodes.len()).map(|node| async move {
            if node != in_use {
                sleep(limits::WATCH_OTHERS).await;
            }
            (node, self.ask_well(node, "readyz", limits::WATCH_PATIENCE).await)
        });
        let mut asked: FuturesUnordered<_> = asked.collect();
        let (mut not_ready, mut silent, mut is_reached) = (BTreeMap::new(), BTreeMap::new(), false);
        while let Some((node, answer)) = asked.next().await {
            match answer {
                Ok(_) => return self.presence.note_ready(self.nodes.name(node)),
                // Nobody says how the cluster is.
                Err(Unwell::Foreign(_)) => return,
                Err(Unwell::Answers(why)) => {
                    not_ready.insert(node, why);
                }
                Err(Unwell::Silent(why)) => {
                    is_reached = true;
                    silent.insert(node, why);
                }
                Err(Unwell::Unreachable(why)) => {
                    silent.insert(node, why);
                }
            }
        }
        match () {
            () if !not_ready.is_empty() => self.presence.note_not_ready(&self.each(&not_ready)),
            () if is_reached => self.presence.note_silence(&self.each(&silent)),
            () if self.waits_for_nodes() => self.presence.note_nobody(&self.each(&silent)),
            // Its calls say so, and end.
            () => {}
        }
    }
}

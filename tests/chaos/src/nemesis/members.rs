//! Members that come and go by command.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::sleep;

use super::Nemesis;
use crate::hosts::{Host, Node};

impl<H: Host> Nemesis<H> {
    /// A member is removed, ended and wiped, and a new node is added under its name. Says from when to when it was none.
    pub(super) async fn rejoin(&mut self, victim: usize, asked: usize) -> anyhow::Result<(u64, u64)> {
        let nodes = self.host.nodes().to_vec();
        let name = &nodes[victim].name;
        self.shared.closed[victim].store(true, Ordering::Release);
        self.observer.remove(&nodes[asked], name).await?;
        let struck = self.clock.now();
        self.leaves(victim, &nodes[victim]).await?;
        self.applies(victim, &nodes[victim]).await?;
        let over = self.clock.now();
        self.observer.add(&nodes[asked], name).await?;
        Ok((struck, over))
    }

    /// A further node takes a member's place, and that takes it back as a new node. Says from when to when it was none.
    pub(super) async fn replace(&mut self, victim: usize, asked: usize) -> anyhow::Result<(u64, u64)> {
        let (nodes, spare) = (self.host.nodes().to_vec(), self.host.spares()[0].clone());
        let (at, node, asked) = (nodes.len(), &nodes[victim], &nodes[asked]);
        self.applies(at, &spare).await?;
        self.shared.closed[victim].store(true, Ordering::Release);
        let struck = self.clock.now();
        self.observer.replace(asked, &node.name, &spare.name).await?;
        self.leaves(victim, node).await?;
        self.applies(victim, node).await?;
        let over = self.clock.now();
        self.observer.replace(asked, &spare.name, &node.name).await?;
        self.leaves(at, &spare).await?;
        Ok((struck, over))
    }

    /// The cluster has all further nodes for a while, and the last of them leads when it goes. Says from when to when all voted.
    pub(super) async fn be_five(&mut self, hold: Duration) -> anyhow::Result<(u64, u64)> {
        let (nodes, spares) = (self.host.nodes().to_vec(), self.host.spares().to_vec());
        let asked = &nodes[0];
        for (at, spare) in (nodes.len()..).zip(&spares) {
            self.applies(at, spare).await?;
            self.observer.add(asked, &spare.name).await?;
            self.observer.votes(&mut self.host, asked, at + 1).await?;
        }
        let struck = self.clock.now();
        sleep(hold).await;
        if let Some(last) = spares.last() {
            self.observer.lead(asked, &last.name).await?;
        }
        let over = self.clock.now();
        for (number, spare) in spares.iter().enumerate().rev() {
            self.observer.remove(asked, &spare.name).await?;
            self.leaves(nodes.len() + number, spare).await?;
        }
        Ok((struck, over))
    }

    /// Waits until a node knows that it was removed, and ends and wipes it.
    async fn leaves(&mut self, at: usize, node: &Node) -> anyhow::Result<()> {
        self.observer.stands(&mut self.host, node, "removed").await?;
        self.host.stop(&[at]).await?;
        self.host.wipe(at).await
    }

    /// Starts a node without data, and waits until it asks to be a member.
    async fn applies(&mut self, at: usize, node: &Node) -> anyhow::Result<()> {
        self.host.start(&[at]).await?;
        self.observer.stands(&mut self.host, node, "applicant").await
    }
}

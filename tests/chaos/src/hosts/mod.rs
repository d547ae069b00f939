//! What holds the nodes, and what can be done to them there.

mod compose;
mod disk;
mod log_pipe;
mod order;
mod ports;
mod processes;
mod project;
mod secrets;
mod volumes;
mod wall_clock;

pub(crate) use compose::Compose;
pub use compose::alone;
pub(crate) use log_pipe::LogPipe;
pub use ports::free_ports;
pub(crate) use processes::{Processes, Snapshots};

use crate::fault::Fault;
use crate::keys::Keys;

/// Where a node is reached. Nodes are named by their position in [`Host::nodes`].
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    /// Its base URL.
    pub(crate) url: String,
    /// What lets a client in.
    pub(crate) keys: Keys,
}

/// Three nodes, and the ways to harm them. Every method returns once its effect is seen to be there, and fails where
/// it is not: a fault that did not take hold proves nothing.
pub(crate) trait Host {
    fn nodes(&self) -> &[Node];

    /// Further nodes that do not run, by the positions behind those.
    fn spares(&self) -> &[Node] {
        &[]
    }

    /// What it can do.
    fn faults(&self) -> Vec<Fault>;

    /// What it cannot do here, and why, a line each.
    fn skipped(&self) -> Vec<String>;

    /// Starts nodes that do not run.
    async fn start(&mut self, nodes: &[usize]) -> anyhow::Result<()>;

    /// SIGKILL to all of them at once.
    async fn kill(&mut self, nodes: &[usize]) -> anyhow::Result<()>;

    /// SIGKILL to all of them, of which what watches over them does not know.
    async fn crash(&mut self, nodes: &[usize]) -> anyhow::Result<()>;

    /// Waits until nodes that crashed have been started again.
    async fn started_again(&mut self, nodes: &[usize]) -> anyhow::Result<()>;

    /// Asks them to end, and waits until they have, in good order.
    async fn stop(&mut self, nodes: &[usize]) -> anyhow::Result<()>;

    async fn pause(&mut self, nodes: &[usize]) -> anyhow::Result<()>;

    async fn resume(&mut self, nodes: &[usize]) -> anyhow::Result<()>;

    /// Removes all data of a node that does not run.
    async fn wipe(&mut self, node: usize) -> anyhow::Result<()>;

    /// Puts a copy of the log of a node that does not run aside.
    async fn keep_log(&mut self, node: usize) -> anyhow::Result<()>;

    /// Gives a node that does not run that copy in place of its log. What says how long the log is stays.
    async fn lose_tail(&mut self, node: usize) -> anyhow::Result<()>;

    /// Takes the power from all of them at once: what they have not fsynced is lost. They do not run any more.
    async fn cut_power(&mut self, nodes: &[usize]) -> anyhow::Result<()>;

    /// Fills the disk of a node with another file.
    fn fill_disk(&mut self, node: usize) -> anyhow::Result<()>;

    /// Removes that file.
    fn make_room(&mut self, node: usize) -> anyhow::Result<()>;

    /// Kills what reads the log of a node.
    async fn lose_log(&mut self, node: usize) -> anyhow::Result<()>;

    /// Cuts nodes off from their peers.
    async fn disconnect(&mut self, nodes: &[usize]) -> anyhow::Result<()>;

    async fn reconnect(&mut self, nodes: &[usize]) -> anyhow::Result<()>;

    /// Sets the wall clocks of nodes so many seconds before the machine's, which run.
    fn set_clocks(&mut self, nodes: &[usize], ahead: i64) -> anyhow::Result<()>;

    /// Makes a node anew on its old data.
    async fn recreate(&mut self, node: usize) -> anyhow::Result<()>;

    /// Has another authority vouch for all nodes, while they run, and waits until they do as they are told.
    async fn rotate_certificates(&mut self) -> anyhow::Result<()>;

    /// Adds another token for guests to what all nodes are to know, and says it.
    async fn add_guest(&mut self) -> anyhow::Result<String>;

    /// Removes the one that guests had before.
    async fn remove_guest(&mut self) -> anyhow::Result<()>;

    /// How many snapshots a node has been sent by others so far.
    async fn snapshots_received(&self, node: usize) -> anyhow::Result<usize>;

    /// Which node has ended although nobody harmed it, and how.
    async fn ended(&mut self) -> anyhow::Result<Option<String>>;

    /// Ends everything and gives back what was taken from the machine.
    async fn shut_down(&mut self) -> anyhow::Result<()>;
}

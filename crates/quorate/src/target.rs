use anyhow::Context;
use clap::Args;
use quorate_client::{Client, ClientConfig};

use crate::duration::{HumanDuration, within};
use crate::environment::{Item, items};
use crate::limits::DEADLINE;
use crate::runtime;

/// The nodes of `quorate dev`.
pub(crate) const NODES: &str = "127.0.0.1:8080,127.0.0.1:8081,127.0.0.1:8082";

/// Which cluster to speak to, and how to print what it says.
#[derive(Args, Clone)]
pub(crate) struct Target {
    /// The nodes, HOST:PORT or URLs, separated by commas; any of them will do, more of them survive a dead one.
    #[arg(long, env = "QUORATE_NODES", value_delimiter = ',', value_name = "NODE,…", default_value = NODES)]
    pub(crate) nodes: Vec<Item<String>>,
    /// How long a command may take, retries included.
    #[arg(long, env = "QUORATE_DEADLINE", value_name = "DURATION", default_value = "10s", value_parser = within(DEADLINE))]
    pub(crate) deadline: HumanDuration,
    /// Print JSON, for machines.
    #[arg(long)]
    pub(crate) json: bool,
}

impl Target {
    /// Runs calls on a client of this cluster.
    ///
    /// # Errors
    /// The calls', or the URLs are no URLs.
    pub(crate) fn block_on<T, E: Into<anyhow::Error>>(
        &self,
        calls: impl AsyncFnOnce(&Client) -> Result<T, E>,
    ) -> anyhow::Result<T> {
        let client = self.client()?;
        runtime::on_one_thread(async { calls(&client).await.map_err(Into::into) })
    }

    fn client(&self) -> anyhow::Result<Client> {
        let HumanDuration(deadline) = self.deadline;
        let config =
            ClientConfig { deadline, wait_for_nodes: false, ..ClientConfig::new(items(&self.nodes)) };
        Client::new(config).context("nodes")
    }
}

use std::fmt::Display;
use std::time::Instant;

use quorate_client::{Client, Error};
use tokio::time::sleep;

use crate::limits::{POLL_EVERY, UNEXPLAINED};
use crate::{logging, output};

/// Of a command that goes on while its cluster does not answer: what it says of that.
pub(crate) struct Patience {
    client: Client,
    /// Since when no call was answered, and whether that was said.
    failing: Option<(Instant, bool)>,
}

impl Patience {
    /// Begins to [`say_how_it_is`].
    pub(crate) fn new(client: &Client) -> Patience {
        say_how_it_is(client);
        Patience { client: client.clone(), failing: None }
    }

    /// A call failed, and is made again. That is said once, where it goes on, and nothing is known of the nodes that would explain it.
    pub(crate) fn failed(&mut self, error: &impl Display) {
        let (since, is_said) = self.failing.get_or_insert_with(|| (Instant::now(), false));
        if !*is_said && since.elapsed() >= UNEXPLAINED && self.client.trouble().is_none() {
            *is_said = true;
            output::remark(format_args!("{error:#}; it is asked again"));
        }
    }

    /// Makes a call again until the cluster answers it, where a node can be reached.
    ///
    /// # Errors
    /// The call's, where it would be the same again, or no node was ever reached.
    pub(crate) async fn outlast<T>(
        &mut self,
        call: impl AsyncFn() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        loop {
            match call().await {
                Err(error) if may_come_back(&error) && self.client.was_reached() => self.failed(&error),
                done => {
                    self.went_well();
                    return done;
                }
            }
            sleep(*POLL_EVERY.end()).await;
        }
    }

    /// A call was answered.
    pub(crate) fn went_well(&mut self) {
        self.failing = None;
    }

    /// What is the matter with the nodes, as far as is known.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.client.trouble()
    }
}

/// The cluster may answer again.
pub(crate) fn may_come_back(error: &anyhow::Error) -> bool {
    error.downcast_ref().is_some_and(Error::is_unavailable)
}

/// Has a command that waits say once where no node answers or none is ready, and once when one is again: in its log, or in
/// remarks where it has none. A call that waits, or is answered by a node of its own, does not see that its cluster is gone.
pub(crate) fn say_how_it_is(client: &Client) {
    logging::remark_on_nodes();
    let client = client.clone();
    tokio::spawn(async move { client.watch().await });
}

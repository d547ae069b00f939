use anyhow::Context;
use tokio::time::{Instant, sleep};

use crate::clock::Clock;
use crate::hosts::{Host, Node};
use crate::observe::{Observer, Stuck};
use crate::{keys, limits};

/// Some clients' token is removed at all nodes, after they were given another one. Each must be refused soon, and goes on with that.
/// Says from when on that could be, and when it was over.
///
/// # Errors
/// [`Stuck`] if a node does not do as it is told, or a client is not refused.
pub(crate) async fn revoke_token(
    host: &mut impl Host,
    observer: &Observer,
    nodes: &[Node],
    clock: Clock,
) -> anyhow::Result<(u64, u64)> {
    let guests = nodes.first().and_then(|node| node.keys.guests()).context("nobody has a token to lose")?;
    let (old, new) = (guests.newest(), keys::bearer(&host.add_guest().await?)?);
    observer.until_token(nodes, &new, true).await?;
    guests.offer(new);
    let struck = clock.now();
    host.remove_guest().await?;
    observer.until_token(nodes, &old, false).await?;
    // Some wait for jobs, and ask again only then.
    let deadline = Instant::now() + limits::HEAL;
    while !guests.behind().is_empty() {
        if Instant::now() >= deadline {
            let (who, seconds) = (guests.behind(), limits::HEAL.as_secs());
            return Err(Stuck(format!("no token was refused to the clients {who:?} for {seconds} s")).into());
        }
        sleep(limits::POLL).await;
    }
    Ok((struck, clock.now()))
}

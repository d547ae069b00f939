use jiff::Timestamp;
use reqwest::Certificate;
use tokio::time::{Instant, sleep};

use super::Node;
use super::compose::log;
use super::project::Project;
use crate::keys::Keys;
use crate::limits;
use crate::observe::Stuck;

/// Certificates and tokens in the volumes of a compose project, as its service `secrets` makes them.
pub(super) struct Volumes {
    project: Project,
    keys: Keys,
    /// How many tokens guests have had.
    guests: u32,
}

/// An authority that vouches for nobody is put aside, and comes back as the next one.
const ASIDE: &str = "mv authority/former/ca.crt authority/other.crt; mv authority/former/ca.key authority/other.key; rmdir authority/former";
const NEXT: &str = "mkdir authority/next; mv authority/other.crt authority/next/ca.crt; mv authority/other.key authority/next/ca.key";
/// The next one takes the place of the one that vouches for the nodes.
const SWAP: &str = "mkdir authority/former; mv authority/ca.* authority/former; mv authority/next/ca.* authority; rmdir authority/next";

impl Volumes {
    /// Has them made, as the first `up` does, and another authority, which clients know from the start.
    ///
    /// # Errors
    /// They are not.
    pub(super) async fn make(project: Project) -> anyhow::Result<Volumes> {
        let mut volumes = Volumes { project, keys: Keys::default(), guests: 0 };
        volumes.secrets().await?;
        volumes.shell(&format!("quorate cert init authority/former; {ASIDE}")).await?;
        let authorities = volumes.shell("cat authority/ca.crt authority/other.crt").await?;
        let show = ["run", "--rm", "-T", "--entrypoint", "cat", "quorate", "/etc/quorate/admin/token"];
        let token = volumes.project.compose(&show).await?;
        let guest = volumes.add_guest().await?;
        volumes.keys = Keys::of_one(token.trim(), guest, &authorities)?;
        Ok(volumes)
    }

    /// What clients need.
    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Adds another token for guests to what all nodes know, and says it.
    ///
    /// # Errors
    /// The program does not.
    pub(super) async fn add_guest(&mut self) -> anyhow::Result<String> {
        self.guests += 1;
        let new = format!("new --name {} --role submit,run,read", guest(self.guests));
        Ok(self.token(&new).await?.trim().to_owned())
    }

    /// Removes the one that guests had before.
    ///
    /// # Errors
    /// The program does not.
    pub(super) async fn remove_guest(&self) -> anyhow::Result<()> {
        self.token(&format!("remove {}", guest(self.guests - 1))).await.map(drop)
    }

    /// Has the other authority vouch for all nodes, while they run, as docs/operations/compose.md has it, and waits until they do as
    /// they are told.
    ///
    /// # Errors
    /// [`Stuck`] if one does not.
    pub(super) async fn rotate(&self, nodes: &[Node], containers: &[String]) -> anyhow::Result<()> {
        let step = async |order: &str, taken: &[&str]| {
            let since = Timestamp::now().to_string();
            self.shell(order).await?;
            self.secrets().await?;
            for (node, container) in nodes.iter().zip(containers) {
                for of in taken {
                    until_taken(&node.name, container, &since, of).await?;
                }
            }
            anyhow::Ok(())
        };
        step(NEXT, &["peer_ca"]).await?;
        step(SWAP, &["peer", "rest"]).await?;
        let new = Certificate::from_pem(self.shell("cat authority/ca.crt").await?.as_bytes())?;
        let only_new = reqwest::Client::builder().no_proxy().timeout(limits::CONNECT);
        let only_new = only_new.add_root_certificate(new).build()?;
        for Node { name, url, .. } in nodes {
            if let Err(why) = only_new.get(format!("{url}/healthz")).send().await {
                return Err(Stuck(format!("{name} does not show its new certificate: {why:?}")).into());
            }
        }
        step(ASIDE, &["peer_ca"]).await
    }

    /// A run of the service: what is missing or due is made.
    async fn secrets(&self) -> anyhow::Result<()> {
        self.project.compose(&["run", "--rm", "-T", "secrets"]).await.map(drop)
    }

    async fn token(&self, command: &str) -> anyhow::Result<String> {
        self.shell(&format!("quorate token {command} --tokens nodes/tokens")).await
    }

    /// Has a shell do something to the volumes.
    async fn shell(&self, script: &str) -> anyhow::Result<String> {
        let shell = ["run", "--rm", "-T", "--entrypoint", "sh", "secrets", "-euc", script];
        self.project.compose(&shell).await
    }
}

/// Waits until a node says that it has taken up a file which it was given since then.
async fn until_taken(name: &str, container: &str, since: &str, of: &str) -> anyhow::Result<()> {
    let deadline = Instant::now() + limits::TAKEN_UP;
    let taken = format!("a new certificate is in use of=\"{of}\"");
    while !log(container, since).await?.contains(&taken) {
        if Instant::now() >= deadline {
            let seconds = limits::TAKEN_UP.as_secs();
            return Err(Stuck(format!("{name} does not take up its {of} within {seconds} s")).into());
        }
        sleep(limits::SEE_EVERY).await;
    }
    Ok(())
}

fn guest(number: u32) -> String {
    format!("guests-{number}")
}

use anyhow::Context;
use quorate_api::{Cluster, Job, JobsWrapper};
use quorate_check::DEFAULT_QUEUE;
use reqwest::StatusCode;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use tokio::time::{Instant, timeout};

use crate::hosts::{Host, Node};
use crate::keys::{self, Who};
use crate::limits;

/// The product did not do in time what it must: a finding, not an error of the harness.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Stuck(pub(crate) String);

/// Looks at the nodes from outside. What it asks is no part of the history: it changes nothing.
pub(crate) struct Observer(reqwest::Client);

impl Observer {
    pub(crate) fn new(nodes: &[Node]) -> anyhow::Result<Observer> {
        let http = keys::http(nodes, Who::Admin)
            .timeout(limits::ATTEMPT)
            .connect_timeout(limits::CONNECT)
            .pool_max_idle_per_host(0);
        Ok(Observer(http.build()?))
    }

    /// The cluster as a node sees it.
    pub(crate) async fn cluster(&self, node: &Node) -> anyhow::Result<Cluster> {
        let answer = self.0.get(format!("{}/v1/cluster", node.url)).send().await?.error_for_status()?;
        Ok(answer.json().await?)
    }

    /// The leader, as those who know of the highest term say.
    pub(crate) async fn leader(&self, nodes: &[Node]) -> anyhow::Result<usize> {
        let deadline = Instant::now() + limits::HEAL;
        loop {
            let mut seen: Vec<(u64, String)> = Vec::new();
            for node in nodes {
                if let Ok(cluster) = self.cluster(node).await
                    && let Some(leader) = cluster.leader
                {
                    seen.push((cluster.term, leader));
                }
            }
            let leader = seen.into_iter().max().map(|(_, leader)| leader);
            if let Some(position) =
                leader.and_then(|leader| nodes.iter().position(|node| node.name == leader))
            {
                return Ok(position);
            }
            if Instant::now() >= deadline {
                return Err(Stuck("no node knows a leader".to_owned()).into());
            }
            tokio::time::sleep(limits::POLL).await;
        }
    }

    /// The node id of a member, as `node` sees it.
    pub(crate) async fn id_of(&self, node: &Node, member: &str) -> anyhow::Result<String> {
        let cluster = self.cluster(node).await?;
        let member = cluster.members.into_iter().find(|other| other.name == member);
        Ok(member.context("the member is not in the cluster")?.id)
    }

    /// How far a node has applied the log, made sure with the leader if `linearizable`.
    pub(crate) async fn applied(&self, node: &Node, linearizable: bool) -> anyhow::Result<u64> {
        let consistency = if linearizable { "linearizable" } else { "local" };
        let url = format!("{}/v1/jobs?n=1&consistency={consistency}", node.url);
        let answer = self.0.get(url).send().await?.error_for_status()?;
        let index = answer.headers().get("Quorate-Index").context("a list without Quorate-Index")?;
        Ok(index.to_str()?.parse()?)
    }

    /// Up to a page of a node's jobs of the default queue in this status.
    pub(crate) async fn jobs(&self, node: &Node, status: &str) -> anyhow::Result<Vec<Job>> {
        let url = format!("{}/v1/jobs?n={}&queue={DEFAULT_QUEUE}&status={status}", node.url, limits::PAGE);
        let answer = self.0.get(url).send().await?.error_for_status()?;
        Ok(answer.json::<JobsWrapper>().await?.jobs)
    }

    /// True when no job of a node waits or runs.
    pub(crate) async fn is_drained(&self, node: &Node) -> anyhow::Result<bool> {
        let url = format!("{}/v1/jobs?n=1&consistency=linearizable", node.url);
        let answer = self.0.get(url).send().await?.error_for_status()?;
        Ok(answer.json::<JobsWrapper>().await?.jobs.is_empty())
    }

    /// Has the cluster remove a member, however few are left.
    pub(crate) async fn remove(&self, asked: &Node, member: &str) -> anyhow::Result<()> {
        self.ordered(self.0.delete(format!("{}/v1/cluster/member/{member}?force=true", asked.url))).await
    }

    /// Has the cluster take a node in that applies.
    pub(crate) async fn add(&self, asked: &Node, name: &str) -> anyhow::Result<()> {
        let member = serde_json::json!({ "name": name });
        self.ordered(self.0.post(format!("{}/v1/cluster/members", asked.url)).json(&member)).await
    }

    /// Has the cluster take a node in that applies, in the place of a member.
    pub(crate) async fn replace(&self, asked: &Node, old: &str, name: &str) -> anyhow::Result<()> {
        let member = serde_json::json!({ "name": name, "replaces": old });
        self.ordered(self.0.post(format!("{}/v1/cluster/members", asked.url)).json(&member)).await
    }

    /// Has a member lead.
    pub(crate) async fn lead(&self, asked: &Node, name: &str) -> anyhow::Result<()> {
        let leader = serde_json::json!({ "name": name });
        self.ordered(self.0.post(format!("{}/v1/cluster/leader", asked.url)).json(&leader)).await
    }

    /// Waits until so many vote, as a node sees it.
    pub(crate) async fn votes(&self, host: &mut impl Host, node: &Node, voters: usize) -> anyhow::Result<()> {
        let vote = |cluster: Cluster| {
            cluster.members.iter().filter(|member| member.role != "learner").count() == voters
        };
        self.until(host, &format!("{} does not see {voters} voters", node.name), async || {
            self.cluster(node).await.is_ok_and(vote)
        })
        .await
    }

    /// Has a member be drained.
    pub(crate) async fn drain(&self, asked: &Node, member: &str) -> anyhow::Result<()> {
        self.ordered(self.0.post(format!("{}/v1/cluster/member/{member}/drain", asked.url))).await
    }

    /// Sends an order, which a cluster with all of its nodes must carry out.
    async fn ordered(&self, order: reqwest::RequestBuilder) -> anyhow::Result<()> {
        let answer = order.timeout(limits::CHANGE).send().await?;
        let status = answer.status();
        if !status.is_success() {
            let said = answer.text().await.unwrap_or_default();
            return Err(Stuck(format!("the cluster does not change: {status}: {said}")).into());
        }
        Ok(())
    }

    /// Waits until a node says that it is that to the cluster.
    pub(crate) async fn stands(
        &self,
        host: &mut impl Host,
        node: &Node,
        standing: &str,
    ) -> anyhow::Result<()> {
        self.until(host, &format!("{} does not say that it is {standing}", node.name), async || {
            self.cluster(node).await.is_ok_and(|cluster| cluster.standing == standing)
        })
        .await
    }

    async fn until(
        &self,
        host: &mut impl Host,
        otherwise: &str,
        is_so: impl AsyncFn() -> bool,
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + limits::HEAL;
        while !is_so().await {
            if let Some(ended) = host.ended().await? {
                return Err(Stuck(ended).into());
            }
            if Instant::now() >= deadline {
                return Err(Stuck(otherwise.to_owned()).into());
            }
            tokio::time::sleep(limits::POLL).await;
        }
        Ok(())
    }

    /// Waits until all nodes know a token that was added, or none knows one that was removed.
    ///
    /// # Errors
    /// [`Stuck`] if that takes too long.
    pub(crate) async fn until_token(
        &self,
        nodes: &[Node],
        token: &HeaderValue,
        known: bool,
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + limits::TOKENS_KNOWN;
        for node in nodes {
            while self.knows(node, token).await != Some(known) {
                if Instant::now() >= deadline {
                    let what = if known {
                        "does not know a token that was added"
                    } else {
                        "goes on to know a token that was removed"
                    };
                    let seconds = limits::TOKENS_KNOWN.as_secs();
                    return Err(Stuck(format!("{} {what} {seconds} s ago", node.name)).into());
                }
                tokio::time::sleep(limits::POLL).await;
            }
        }
        Ok(())
    }

    /// None where the node does not say it.
    async fn knows(&self, node: &Node, token: &HeaderValue) -> Option<bool> {
        let url = format!("{}/v1/jobs?n=1", node.url);
        let status = self.0.get(url).header(AUTHORIZATION, token).send().await.ok()?.status();
        let refused = status == StatusCode::UNAUTHORIZED;
        (refused || status.is_success()).then_some(!refused)
    }

    /// Waits until every node is a member, ready, and answers as of now.
    ///
    /// # Errors
    /// [`Stuck`] if that takes too long or a node has ended by itself.
    pub(crate) async fn healed(&self, host: &mut impl Host) -> anyhow::Result<()> {
        let deadline = Instant::now() + limits::HEAL;
        loop {
            if let Some(ended) = host.ended().await? {
                return Err(Stuck(ended).into());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let problem = match timeout(left, self.problem(host.nodes())).await {
                Ok(None) => return Ok(()),
                Ok(Some(problem)) => problem,
                Err(_) => "a node does not answer".to_owned(),
            };
            if Instant::now() >= deadline {
                let what = format!("not healed {} s after a fault: {problem}", limits::HEAL.as_secs());
                return Err(Stuck(what).into());
            }
            tokio::time::sleep(limits::POLL).await;
        }
    }

    /// What is still missing.
    async fn problem(&self, nodes: &[Node]) -> Option<String> {
        for node in nodes {
            let ready = self.0.get(format!("{}/readyz", node.url)).send().await;
            match ready {
                Ok(ready) if ready.status().is_success() => {}
                Ok(ready) => return Some(format!("{} is not ready: {}", node.name, ready.status())),
                Err(error) => return Some(format!("{} does not answer: {error}", node.name)),
            }
            let cluster = match self.cluster(node).await {
                Ok(cluster) => cluster,
                Err(error) => return Some(format!("{} does not show the cluster: {error}", node.name)),
            };
            let voters: Vec<&str> = cluster
                .members
                .iter()
                .filter(|member| member.reachable && member.role != "learner")
                .map(|member| member.name.as_str())
                .collect();
            if cluster.members.len() != nodes.len() || voters.len() != nodes.len() {
                return Some(format!(
                    "{} sees the voters {voters:?} of {} members",
                    node.name,
                    cluster.members.len()
                ));
            }
            if let Err(error) = self.applied(node, true).await {
                return Some(format!("{} does not read: {error}", node.name));
            }
        }
        None
    }
}

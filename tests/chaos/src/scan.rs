use anyhow::Context;
use quorate_api::JobsWrapper;
use quorate_check::{JobRecord, Status, body_hash};
use tokio::time::{Instant, sleep};

use crate::clock::Clock;
use crate::convert;
use crate::hosts::Node;
use crate::limits;
use crate::observe::Stuck;

/// All jobs of a node at rest.
pub(crate) struct NodeScan {
    /// When it was over.
    pub(crate) at: u64,
    pub(crate) index: u64,
    pub(crate) jobs: Vec<JobRecord>,
}

/// Scans every node, again and again until all of them stand at the same index from the first page to the last.
///
/// # Errors
/// [`Stuck`] if they do not come to rest; a node that does not answer.
pub(crate) async fn scan(nodes: &[Node], clock: Clock) -> anyhow::Result<Vec<NodeScan>> {
    let http = reqwest::Client::builder().timeout(limits::REST).no_proxy().build()?;
    let deadline = Instant::now() + limits::REST;
    loop {
        let mut scans = Vec::new();
        for node in nodes {
            if let Some(scan) =
                scan_node(&http, node, clock).await.with_context(|| format!("scan of {}", node.name))?
            {
                scans.push(scan);
            }
        }
        if scans.len() == nodes.len() && scans.iter().all(|scan| scan.index == scans[0].index) {
            return Ok(scans);
        }
        if Instant::now() >= deadline {
            let indexes: Vec<u64> = scans.iter().map(|scan| scan.index).collect();
            return Err(Stuck(format!("the nodes do not come to rest at one index: {indexes:?}")).into());
        }
        sleep(limits::POLL).await;
    }
}

/// None where the node applied something meanwhile.
async fn scan_node(http: &reqwest::Client, node: &Node, clock: Clock) -> anyhow::Result<Option<NodeScan>> {
    let mut jobs = Vec::new();
    let mut at = None;
    for status in ["delayed", "queued", "running", "success", "error", "cancelled"] {
        let mut cursor = String::new();
        loop {
            let url = format!("{}/v1/jobs?n={}&status={status}&cursor={cursor}", node.url, limits::PAGE);
            let answer = http.get(url).send().await?.error_for_status()?;
            let index = answer.headers().get("Quorate-Index").context("a list without Quorate-Index")?;
            let index: u64 = index.to_str()?.parse()?;
            if *at.get_or_insert(index) != index {
                return Ok(None);
            }
            let page: JobsWrapper = answer.json().await?;
            for job in &page.jobs {
                jobs.push(convert::record(job)?);
            }
            match page.cursor {
                Some(next) => cursor = next,
                None => break,
            }
        }
    }
    let scanned = clock.now();
    jobs.sort_by(|a, b| a.id.cmp(&b.id));
    let finished = jobs.iter_mut().rev().filter(|job| matches!(job.status, Status::Success | Status::Error));
    for job in finished.take(limits::LOGS) {
        let answer = http.get(format!("{}/v1/job/{}/log", node.url, job.id)).send().await?;
        job.log = Some(body_hash(&answer.error_for_status()?.bytes().await?));
    }
    let index = at.context("nothing was listed")?;
    Ok(Some(NodeScan { at: scanned, index, jobs }))
}

use std::collections::BTreeMap;

use anyhow::Context;
use quorate_api::{self as api, JobsWrapper, QueuesWrapper};
use quorate_check::{Counts, JobRecord, Status, Tally, body_hash};
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use crate::clock::Clock;
use crate::convert;
use crate::hosts::Node;
use crate::keys::{self, Who};
use crate::limits;
use crate::observe::Stuck;

const STATUSES: [&str; 6] = ["delayed", "queued", "running", "success", "error", "cancelled"];

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
    let http = keys::http(nodes, Who::Reader).timeout(limits::REST).build()?;
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

/// What the queues of a node say of how many jobs they have, beside a list of all, if those are no more than so many. `None` where it
/// applied something meanwhile.
///
/// # Errors
/// It does not answer.
pub(crate) async fn counts(http: &reqwest::Client, node: &Node, most: u64) -> anyhow::Result<Option<Counts>> {
    let answer = http.get(format!("{}/v1/queues?n={}", node.url, limits::PAGE)).send().await?;
    let answer = answer.error_for_status()?;
    let index = index_of(&answer)?;
    let queues = answer.json::<QueuesWrapper>().await?.queues;
    let queues: BTreeMap<Box<str>, Tally> =
        queues.iter().map(|queue| (queue.name.as_str().into(), said(queue))).collect();
    if queues.values().flat_map(BTreeMap::values).sum::<u64>() > most {
        return Ok(None);
    }
    let mut listed: BTreeMap<Box<str>, Tally> = BTreeMap::new();
    for status in STATUSES {
        let mut cursor = String::new();
        loop {
            let url = format!(
                "{}/v1/jobs?n={}&status={status}&fields=queue,priority&cursor={cursor}",
                node.url,
                limits::PAGE
            );
            let answer = http.get(url).send().await?.error_for_status()?;
            if index_of(&answer)? != index {
                return Ok(None);
            }
            let page: Page = answer.json().await?;
            for job in page.jobs {
                let tally = listed.entry(job.queue).or_default();
                *tally.entry(status.into()).or_default() += 1;
                if status == "queued" {
                    *tally.entry(priority(job.priority)).or_default() += 1;
                }
            }
            match page.cursor {
                Some(next) => cursor = next,
                None => break,
            }
        }
    }
    Ok(Some(Counts { node: node.name.as_str().into(), index, queues, listed }))
}

/// A page of a list, and of each job what is counted.
#[derive(Deserialize)]
struct Page {
    jobs: Vec<Counted>,
    #[serde(default)]
    cursor: Option<String>,
}

#[derive(Deserialize)]
struct Counted {
    queue: Box<str>,
    priority: usize,
}

fn said(queue: &api::Queue) -> Tally {
    let api::JobCounts { delayed, queued, running, success, error, cancelled } = queue.jobs;
    let by_status =
        STATUSES.map(Into::into).into_iter().zip([delayed, queued, running, success, error, cancelled]);
    by_status.chain((0..).map(priority).zip(queue.queued_by_priority)).collect()
}

fn priority(priority: usize) -> Box<str> {
    format!("priority-{priority}").into()
}

fn index_of(answer: &reqwest::Response) -> anyhow::Result<u64> {
    let index = answer.headers().get("Quorate-Index").context("a list without Quorate-Index")?;
    Ok(index.to_str()?.parse()?)
}

/// None where the node applied something meanwhile.
async fn scan_node(http: &reqwest::Client, node: &Node, clock: Clock) -> anyhow::Result<Option<NodeScan>> {
    let mut jobs = Vec::new();
    let mut at = None;
    for status in STATUSES {
        let mut cursor = String::new();
        loop {
            let url = format!("{}/v1/jobs?n={}&status={status}&cursor={cursor}", node.url, limits::PAGE);
            let answer = http.get(url).send().await?.error_for_status()?;
            let index = index_of(&answer)?;
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

use std::time::Duration;

use bytes::Bytes;
use quorate_core::{
    Answered, Command, FeatureLevel, Image, ImageId, Job, JobId, JobsPage, JobsQuery, QueueId, Settings,
    Unavailable,
};
use quorate_gateway::{Backend, Cluster, Disk, Member};
use quorate_node::{Handle, Turn};

/// A node as the gateway sees it.
#[derive(Clone)]
pub(crate) struct NodeBackend(pub(crate) Handle);

impl Backend for NodeBackend {
    type Turn = Turn;

    async fn submit(&self, command: Command, within: Duration) -> Result<Answered, Unavailable> {
        self.0.submit(command, within).await
    }

    async fn barrier(&self, within: Duration) -> Result<(), Unavailable> {
        self.0.barrier(within).await
    }

    fn caught_up(&self) -> bool {
        self.0.caught_up()
    }

    fn applied_index(&self) -> u64 {
        self.0.reader().applied_index()
    }

    async fn knows_key(&self, key: &str) -> Result<bool, Unavailable> {
        self.0.reader().knows_key(key).await.map_err(unreadable)
    }

    async fn key_spent(&self, key: &str) -> Result<(), Unavailable> {
        self.0.key_spent(key).await.map_err(unreadable)
    }

    async fn job(&self, id: JobId) -> Result<Option<Job>, Unavailable> {
        self.0.reader().job(id).await.map_err(unreadable)
    }

    async fn payloads(&self, jobs: &[Job]) -> Result<Vec<Option<Bytes>>, Unavailable> {
        self.0.reader().payloads(jobs).await.map_err(unreadable)
    }

    async fn log(&self, id: JobId) -> Result<Option<Bytes>, Unavailable> {
        self.0.reader().log(id).await.map_err(unreadable)
    }

    async fn jobs(&self, query: JobsQuery) -> Result<JobsPage, Unavailable> {
        self.0.reader().jobs(query).await.map_err(unreadable)
    }

    async fn ids(&self, first: JobId, last: JobId, n: usize) -> Result<Vec<JobId>, Unavailable> {
        self.0.reader().ids(first, last, n).await.map_err(unreadable)
    }

    async fn image(&self, id: ImageId) -> Result<Option<Image>, Unavailable> {
        self.0.reader().image(id).await.map_err(unreadable)
    }

    async fn images(&self, n: usize, after: Option<ImageId>) -> Result<Vec<Image>, Unavailable> {
        self.0.reader().images(n, after).await.map_err(unreadable)
    }

    fn settings(&self) -> Settings {
        self.0.reader().settings()
    }

    fn queued(&self, queue: QueueId) -> u64 {
        self.0.reader().queued(queue)
    }

    async fn queued_turn(&self, queue: QueueId) -> Turn {
        self.0.queued_turn(queue).await
    }

    async fn cluster(&self) -> Cluster {
        cluster(self.0.cluster().await)
    }

    async fn alive(&self) -> bool {
        self.0.alive().await
    }

    async fn ready(&self) -> bool {
        self.0.ready().await
    }
}

/// A read that failed is said here, once; the client asks another node.
fn unreadable(error: impl std::fmt::Display) -> Unavailable {
    tracing::error!(%error, "the job table could not be read");
    Unavailable::Stopping
}

fn cluster(seen: quorate_node::Cluster) -> Cluster {
    let quorate_node::Cluster {
        id,
        node,
        leader,
        term,
        log_time_offset_ms,
        feature_level: FeatureLevel(feature_level),
        members,
        quorum,
        tolerates,
    } = seen;
    let members = members
        .into_iter()
        .map(|member| Member {
            name: member.name,
            id: member.id,
            role: member.role.as_str(),
            peer_addr: member.peer_addr,
            http_addr: member.http_addr,
            applied_index: member.applied_index,
            reachable: member.reachable,
            clock_offset_ms: member.clock_offset_ms,
            disk: member.disk.map(|(state, free_bytes)| Disk { state: state.as_str(), free_bytes }),
            feature_level: member.feature_level.map(|level| level.0),
            version: member.version,
            uptime: member.uptime,
        })
        .collect();
    Cluster { id, node, leader, term, log_time_offset_ms, feature_level, members, quorum, tolerates }
}

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use quorate_core::{
    Answered, Command, FeatureLevel, Image, ImageId, Job, JobId, JobsPage, JobsQuery, Operation, OperationId,
    QueueId, QueueName, QueueView, Settings, Take, Timestamp, Totals, Unavailable, WorkerView,
};
use quorate_gateway::{Backend, Cluster, Disk, Look, Member, NodeHealth, Reads, Wakeups};
use quorate_node::{Handle, Turn};

use super::exporter::Exporter;

/// A node as the gateway sees it.
#[derive(Clone)]
pub(crate) struct NodeBackend {
    pub(crate) node: Handle,
    pub(crate) exporter: Exporter,
}

impl Backend for NodeBackend {
    type Reads = NodeBackend;
    type Wakeups = NodeBackend;
    type Health = NodeBackend;

    async fn submit(&self, command: Command, within: Duration) -> Result<Answered, Unavailable> {
        self.node.submit(command, within).await
    }

    async fn barrier(&self, within: Duration) -> Result<(), Unavailable> {
        self.node.barrier(within).await
    }

    fn reads(&self) -> &NodeBackend {
        self
    }

    fn wakeups(&self) -> &NodeBackend {
        self
    }

    fn health(&self) -> &NodeBackend {
        self
    }
}

impl Reads for NodeBackend {
    fn caught_up(&self) -> bool {
        self.node.caught_up()
    }

    fn applied_index(&self) -> u64 {
        self.node.reader().applied_index()
    }

    async fn job(&self, id: JobId) -> Result<Option<Job>, Unavailable> {
        self.node.reader().job(id).await.map_err(unreadable)
    }

    async fn payloads(&self, jobs: &[Job]) -> Result<Vec<Option<Bytes>>, Unavailable> {
        self.node.reader().payloads(jobs).await.map_err(unreadable)
    }

    async fn log(&self, id: JobId) -> Result<Option<Bytes>, Unavailable> {
        self.node.reader().log(id).await.map_err(unreadable)
    }

    async fn jobs(&self, query: JobsQuery) -> Result<JobsPage, Unavailable> {
        self.node.reader().jobs(query).await.map_err(unreadable)
    }

    async fn ids(&self, first: JobId, last: JobId, n: usize) -> Result<Vec<JobId>, Unavailable> {
        self.node.reader().ids(first, last, n).await.map_err(unreadable)
    }

    async fn image(&self, id: ImageId) -> Result<Option<Image>, Unavailable> {
        self.node.reader().image(id).await.map_err(unreadable)
    }

    async fn images(&self, n: usize, after: Option<ImageId>) -> Result<Vec<Image>, Unavailable> {
        self.node.reader().images(n, after).await.map_err(unreadable)
    }

    fn settings(&self) -> Settings {
        self.node.reader().settings()
    }

    fn queue_name(&self, id: QueueId) -> QueueName {
        self.node.reader().queue_name(id).unwrap_or_default()
    }

    fn queue(&self, name: &QueueName) -> Option<QueueView> {
        self.node.reader().queue(name)
    }

    fn queues(&self, after: Option<&QueueName>, n: usize) -> Vec<QueueView> {
        self.node.reader().queues(after, n)
    }

    fn worker(&self, name: &str) -> Option<WorkerView> {
        self.node.reader().worker(name)
    }

    fn workers(&self, after: Option<&str>, n: usize) -> Vec<WorkerView> {
        self.node.reader().workers(after, n)
    }

    fn totals(&self, now: Timestamp) -> Totals {
        self.node.reader().totals(now)
    }

    fn operation(&self, id: OperationId) -> Option<Arc<Operation>> {
        self.node.reader().operation(id)
    }

    fn operations(&self) -> Vec<Arc<Operation>> {
        self.node.reader().operations()
    }

    fn backup(&self) -> BoxStream<'static, Result<Bytes, Unavailable>> {
        self.node.back_up().map(|piece| piece.map_err(unreadable)).boxed()
    }

    fn now(&self) -> Timestamp {
        self.node.log_time()
    }

    async fn knows_key(&self, key: &str) -> Result<bool, Unavailable> {
        self.node.reader().knows_key(key).await.map_err(unreadable)
    }
}

impl Wakeups for NodeBackend {
    type Turn = Turn;

    fn look(&self, take: &Take) -> Look {
        let quorate_node::Look { found, applied } = self.node.look(take);
        Look { found, applied }
    }

    async fn queued_turn(&self, take: &Take) -> Turn {
        self.node.queued_turn(take).await
    }

    async fn key_spent(&self, key: &str) -> Result<(), Unavailable> {
        self.node.key_spent(key).await.map_err(unreadable)
    }
}

impl NodeHealth for NodeBackend {
    async fn alive(&self) -> bool {
        self.node.alive().await
    }

    async fn ready(&self) -> bool {
        self.node.ready().await
    }

    async fn metrics(&self) -> String {
        self.exporter.render(&self.node).await
    }

    async fn cluster(&self) -> Cluster {
        cluster(self.node.cluster().await)
    }
}

/// A read that failed is said here, once; the client asks another node.
fn unreadable(error: impl std::fmt::Display) -> Unavailable {
    tracing::error!(%error, "the job table could not be read");
    Unavailable::Stopping
}

/// As the API shows it.
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
            id: member.id.to_string(),
            role: member.role.as_str().to_owned(),
            peer_addr: member.peer_addr,
            http_addr: member.http_addr,
            applied_index: member.applied_index,
            reachable: member.reachable,
            clock_offset_ms: member.clock_offset_ms,
            disk: member
                .disk
                .map(|(state, free_bytes)| Disk { state: state.as_str().to_owned(), free_bytes }),
            feature_level: member.feature_level.map(|level| level.0),
            version: member.version,
            uptime_seconds: member.uptime.map(|uptime| uptime.as_secs()),
        })
        .collect();
    Cluster { id, node, leader, term, log_time_offset_ms, feature_level, members, quorum, tolerates }
}

#[cfg(test)]
mod tests {
    use quorate_node::{DiskState, Role};

    use super::*;

    #[test]
    fn the_cluster_on_the_wire() {
        let member = quorate_node::Member {
            name: "n1".into(),
            id: u64::MAX,
            role: Role::Leader,
            peer_addr: "a:1".into(),
            http_addr: "a:2".into(),
            applied_index: Some(5),
            reachable: true,
            clock_offset_ms: None,
            disk: Some((DiskState::Short, 7)),
            feature_level: Some(FeatureLevel(1)),
            version: None,
            uptime: Some(Duration::from_millis(90_500)),
        };
        let seen = quorate_node::Cluster {
            id: "c1".into(),
            node: "n1".into(),
            leader: None,
            term: 3,
            log_time_offset_ms: Some(-7),
            feature_level: FeatureLevel(1),
            members: vec![member],
            quorum: 1,
            tolerates: 0,
        };
        let expected = concat!(
            r#"{"id":"c1","node":"n1","term":3,"log_time_offset_ms":-7,"feature_level":1,"members":["#,
            r#"{"name":"n1","id":"18446744073709551615","role":"leader","peer_addr":"a:1","http_addr":"a:2","#,
            r#""applied_index":5,"reachable":true,"feature_level":1,"uptime_seconds":90,"#,
            r#""disk":{"state":"short","free_bytes":7}}],"quorum":1,"tolerates":0}"#,
        );
        assert_eq!(serde_json::to_string(&cluster(seen)).unwrap(), expected);
    }
}

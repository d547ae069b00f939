use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use quorate_core::{
    Answered, Command, FeatureLevel, Image, ImageId, Job, JobId, JobsPage, JobsQuery, Operation, OperationId,
    QueueId, QueueName, QueueView, Settings, Take, Timestamp, Totals, Unavailable, WorkerView,
};
use quorate_gateway::{
    Backend, Changed, Cluster, Disk, Look, Member, NodeAdmin, NodeHealth, Order, OrderError, Outsider, Reads,
    Refused, Wakeups, Warning,
};
use quorate_node::{Handle, Turn, Why};

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
    type Admin = NodeBackend;

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

    fn admin(&self) -> &NodeBackend {
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

    async fn unready(&self) -> Option<String> {
        self.node.unready().await.map(|why| why.to_string())
    }

    fn is_draining(&self) -> bool {
        *self.node.watch_waits().borrow()
    }

    async fn drains(&self) {
        // Its end is the node's.
        let _ = self.node.watch_waits().wait_for(|ends| *ends).await;
    }

    async fn metrics(&self) -> String {
        self.exporter.render(&self.node).await
    }

    async fn cluster(&self) -> Cluster {
        cluster(self.node.cluster().await)
    }
}

impl NodeAdmin for NodeBackend {
    async fn order(
        &self,
        order: Order,
        members_index: Option<u64>,
        within: Duration,
    ) -> Result<Changed, OrderError> {
        let order = match order {
            Order::Add { name, peer_addr, replaces } => {
                quorate_node::Order::Add { name, peer_addr, replaces }
            }
            Order::Remove { name, force } => quorate_node::Order::Remove { name, force },
            Order::Transfer { to } => quorate_node::Order::Transfer { to },
            Order::Drain { name, undo } => return changed(self.node.drain(&name, undo).await),
        };
        changed(self.node.order(order, members_index, within).await)
    }
}

/// What became of an order, as the API shows it.
fn changed(outcome: Result<quorate_node::Done, quorate_node::OrderError>) -> Result<Changed, OrderError> {
    match outcome {
        Ok(quorate_node::Done { changed, message, members_index }) => {
            Ok(Changed { changed, message, members_index })
        }
        Err(quorate_node::OrderError::Unavailable(unavailable)) => Err(OrderError::Unavailable(unavailable)),
        Err(quorate_node::OrderError::Refused(refused)) => Err(OrderError::Refused(match refused.why {
            Why::NoSuchNode => Refused::NoSuchMember(refused.message),
            Why::Changed | Why::UnderWay | Why::Unsafe | Why::Unfit => Refused::Conflict(refused.message),
        })),
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
        standing,
        leader,
        term,
        log_time_offset_ms,
        feature_level: FeatureLevel(feature_level),
        members_index,
        members,
        outsiders,
        quorum,
        tolerates,
        warnings,
    } = seen;
    let members = members
        .into_iter()
        .map(|member| Member {
            name: member.name,
            id: member.id.to_string(),
            role: member.role.as_str().to_owned(),
            peer_addr: member.peer_addr,
            http_addr: member.http_addr,
            term: member.term,
            applied_index: member.applied_index,
            reachable: member.reachable,
            draining: member.draining,
            insecure: member.insecure,
            clock_offset_ms: member.clock_offset_ms,
            disk: member
                .disk
                .map(|(state, free_bytes)| Disk { state: state.as_str().to_owned(), free_bytes }),
            feature_level: member.feature_level.map(|level| level.0),
            version: member.version,
            uptime_seconds: member.uptime.map(|uptime| uptime.as_secs()),
        })
        .collect();
    let outsiders = outsiders.into_iter().map(|outsider| Outsider {
        name: outsider.name,
        id: outsider.id.to_string(),
        peer_addr: outsider.peer_addr,
        removed: outsider.removed,
    });
    let warnings = warnings
        .into_iter()
        .map(|warning| Warning { kind: warning.kind().to_owned(), message: warning.to_string() });
    Cluster {
        id,
        node,
        standing: standing.as_str().to_owned(),
        leader,
        term,
        log_time_offset_ms,
        feature_level,
        members_index,
        members,
        outsiders: outsiders.collect(),
        quorum,
        tolerates,
        warnings: warnings.collect(),
    }
}

#[cfg(test)]
mod tests {
    use quorate_node::{DiskState, Role, Standing};

    use super::*;

    #[test]
    fn the_cluster_on_the_wire() {
        let member = quorate_node::Member {
            name: "n1".into(),
            id: u64::MAX,
            role: Role::Leader,
            peer_addr: "a:1".into(),
            http_addr: "a:2".into(),
            term: Some(3),
            applied_index: Some(5),
            reachable: true,
            draining: false,
            insecure: true,
            clock_offset_ms: None,
            disk: Some((DiskState::Short, 7)),
            feature_level: Some(FeatureLevel(1)),
            version: None,
            uptime: Some(Duration::from_millis(90_500)),
            certificate_lasts: None,
            snapshot_needs: None,
        };
        let seen = quorate_node::Cluster {
            id: "c1".into(),
            node: "n1".into(),
            standing: Standing::Member,
            leader: None,
            term: 3,
            log_time_offset_ms: Some(-7),
            feature_level: FeatureLevel(1),
            members_index: 9,
            members: vec![member],
            outsiders: vec![quorate_node::Outsider {
                name: "n4".into(),
                id: 4,
                peer_addr: "d:1".into(),
                removed: false,
            }],
            quorum: 1,
            tolerates: 0,
            warnings: vec![quorate_node::Warning::Draining("n1".into())],
        };
        let expected = concat!(
            r#"{"id":"c1","node":"n1","standing":"member","term":3,"log_time_offset_ms":-7,"feature_level":1,"#,
            r#""members_index":9,"members":["#,
            r#"{"name":"n1","id":"18446744073709551615","role":"leader","peer_addr":"a:1","http_addr":"a:2","#,
            r#""term":3,"applied_index":5,"reachable":true,"draining":false,"insecure":true,"feature_level":1,"uptime_seconds":90,"#,
            r#""disk":{"state":"short","free_bytes":7}}],"#,
            r#""outsiders":[{"name":"n4","id":"4","peer_addr":"d:1","removed":false}],"quorum":1,"tolerates":0,"#,
            r#""warnings":[{"kind":"draining","message":"n1 is being drained: `quorate cluster undrain n1`, or start it again"}]}"#,
        );
        assert_eq!(serde_json::to_string(&cluster(seen)).unwrap(), expected);
    }
}

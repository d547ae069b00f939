//! Clusters of real nodes in one process, over loopback, with data directories of their own.
#![allow(unreachable_pub, reason = "the tests beside it use it")]

pub mod authority;
pub mod follower;
pub mod hands;
pub mod intruder;
pub mod liar;

use std::net::TcpListener;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tonic::metadata::MetadataValue;

use bytes::Bytes;
use quorate_core::{
    Answered, Command, ImageId, Job, JobId, NewJob, Priority, QueueName, Reply, Status, Take, Unavailable,
};
use quorate_node::{
    Done, Handle, Node, NodeConfig, Order, OrderError, Reserve, Role, Running, StartError, Unready,
};
use tempfile::TempDir;

use self::hands::Hands;

/// Long enough for everything: a test that needs it has failed.
pub const LONG: Duration = Duration::from_secs(40);

pub struct Cluster {
    root: TempDir,
    configs: Vec<NodeConfig>,
    hands: Vec<Hands>,
    running: Vec<Option<(Handle, Running)>>,
}

impl Cluster {
    /// Prepares so many nodes; none is started.
    pub fn new(size: usize) -> Cluster {
        Cluster::tuned(size, |_| ())
    }

    /// The same, with other settings than the defaults.
    pub fn tuned(size: usize, tune: impl Fn(&mut NodeConfig)) -> Cluster {
        // RUST_LOG=quorate=debug shows what happened in a test that failed.
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
        let root = tempfile::tempdir().unwrap();
        let addrs = free_addrs(size).into_iter().enumerate();
        let peers: Vec<(String, String)> = addrs.map(|(at, addr)| (format!("n{}", at + 1), addr)).collect();
        let configs = peers.iter().map(|(name, addr)| {
            let dir = root.path().join(name);
            let mut config = NodeConfig::new(name, dir, addr, format!("{name}.test:80"), peers.clone());
            config.reserve = Some(Reserve::NONE);
            tune(&mut config);
            config
        });
        let hands = (0..size).map(|_| Hands::default()).collect();
        Cluster { configs: configs.collect(), hands, running: (0..size).map(|_| None).collect(), root }
    }

    /// A cluster of the first `first` of `size` nodes, which know only each other, with the others prepared: they know all, and
    /// none of them is started.
    pub async fn of_first(first: usize, size: usize) -> Cluster {
        let mut cluster = Cluster::new(size);
        for at in 0..first {
            cluster.configure(at, |config| config.peers.truncate(first));
            cluster.start(at).await;
        }
        for at in 0..first {
            eventually("the first nodes are ready", async || cluster.at(at).ready().await).await;
        }
        cluster
    }

    /// Starts all of so many nodes and waits until a leader has been elected and all are ready.
    pub async fn started(size: usize) -> Cluster {
        let mut cluster = Cluster::new(size);
        cluster.start_all().await;
        cluster
    }

    pub async fn start_all(&mut self) {
        for at in 0..self.configs.len() {
            self.start(at).await;
        }
        for at in 0..self.configs.len() {
            eventually("all nodes are ready", async || self.at(at).ready().await).await;
        }
    }

    /// Starts a node. Its last incarnation may still have the directory open, as long as somebody has a handle of it.
    pub async fn start(&mut self, at: usize) {
        assert!(self.running[at].is_none());
        eventually("the directory is free", async || {
            match Box::pin(Node::start_on(self.hands[at].clone(), self.configs[at].clone())).await {
                Ok(started) => {
                    self.running[at] = Some(started);
                    true
                }
                Err(StartError::Store(error)) if error.to_string().contains("lock hold") => false,
                Err(error) => panic!("{error}"),
            }
        })
        .await;
    }

    /// Changes the settings of a node that does not run.
    pub fn configure(&mut self, at: usize, change: impl FnOnce(&mut NodeConfig)) {
        assert!(self.running[at].is_none());
        change(&mut self.configs[at]);
    }

    pub async fn stop(&mut self, at: usize) {
        let (handle, running) = self.running[at].take().unwrap();
        drop(handle);
        running.shutdown(async {}).await;
    }

    /// Ends a node without a word to the others.
    pub async fn crash(&mut self, at: usize) {
        let (handle, running) = self.running[at].take().unwrap();
        drop(handle);
        running.halt().await;
    }

    pub async fn stop_all(mut self) {
        let running: Vec<_> = self.running.iter_mut().filter_map(Option::take).collect();
        futures::future::join_all(running.into_iter().map(|(_, running)| running.shutdown(async {}))).await;
    }

    /// Asks a node to hand its leadership over.
    pub async fn hand_over(&self, at: usize) -> bool {
        self.running[at].as_ref().unwrap().1.hand_over().await
    }

    /// The node that has this id.
    pub async fn with_id(&self, id: u64) -> usize {
        let members = self.at(self.up()[0]).cluster().await.members;
        let name = members.into_iter().find(|member| member.id == id).unwrap().name;
        self.configs.iter().position(|config| config.name == name).unwrap()
    }

    pub fn at(&self, at: usize) -> &Handle {
        &self.running[at].as_ref().unwrap().0
    }

    /// The clocks of a node's machine.
    pub fn hands(&self, at: usize) -> &Hands {
        &self.hands[at]
    }

    pub fn dir(&self, at: usize) -> PathBuf {
        self.configs[at].data_dir.clone()
    }

    /// Changes a node's settings, for its next start.
    pub fn tune(&mut self, at: usize, tune: impl FnOnce(&mut NodeConfig)) {
        tune(&mut self.configs[at]);
    }

    pub fn config(&self, at: usize) -> &NodeConfig {
        &self.configs[at]
    }

    pub fn root(&self) -> &std::path::Path {
        self.root.path()
    }

    pub fn size(&self) -> usize {
        self.configs.len()
    }

    /// The nodes that run.
    pub fn up(&self) -> Vec<usize> {
        (0..self.running.len()).filter(|at| self.running[*at].is_some()).collect()
    }

    /// The node that leads, once all that run agree on it.
    pub async fn leader(&self) -> usize {
        let mut found = None;
        eventually("all agree on the leader", async || {
            let mut leading = self.up();
            leading.retain(|at| self.at(*at).gauges().leads);
            let mut agreed = leading.len() == 1;
            for at in self.up() {
                agreed = agreed && self.at(at).ready().await;
            }
            found = agreed.then(|| leading[0]);
            agreed
        })
        .await;
        found.unwrap()
    }

    /// A node that does not lead.
    pub async fn follower(&self) -> usize {
        let leader = self.leader().await;
        self.up().into_iter().find(|at| *at != leader).unwrap()
    }

    /// All that run have applied the same.
    pub async fn converged(&self) {
        eventually("all have applied the same", async || {
            let indexes: Vec<u64> = self.up().iter().map(|at| self.at(*at).gauges().applied_index).collect();
            let ends: Vec<u64> = self.up().iter().map(|at| self.at(*at).gauges().last_log_index).collect();
            indexes.iter().chain(&ends).all(|index| *index == indexes[0])
        })
        .await;
    }

    /// Has an operator ask a node.
    pub async fn order(&self, at: usize, order: Order) -> Result<Done, OrderError> {
        self.at(at).order(order, None, LONG).await
    }

    /// The names of the voters, in their order, as this node sees them.
    pub async fn voter_names(&self, at: usize) -> Vec<String> {
        self.voters(at).await.into_iter().map(|(name, _)| name).collect()
    }

    /// The names and ids of the voters, as this node sees them.
    pub async fn voters(&self, at: usize) -> Vec<(String, u64)> {
        let members = self.at(at).cluster().await.members;
        let voters = members.into_iter().filter(|member| member.role != Role::Learner);
        voters.map(|member| (member.name, member.id)).collect()
    }
}

/// It waits to be asked for.
pub async fn applies(cluster: &Cluster, at: usize) {
    waits_for(cluster, at, &format!("quorate cluster member add {}", cluster.config(at).name)).await;
}

/// It is no member, and waits for what these words are part of.
pub async fn waits_for(cluster: &Cluster, at: usize, what: &str) {
    eventually(what, async || {
        matches!(cluster.at(at).unready().await, Some(Unready::Applies(for_what)) if for_what.contains(what))
    })
    .await;
}

/// So many addresses at which nobody listens.
pub fn free_addrs(count: usize) -> Vec<String> {
    // All at once, so that no port is given twice.
    let taken: Vec<TcpListener> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    taken.iter().map(|socket| socket.local_addr().unwrap().to_string()).collect()
}

/// Waits for something that comes about by itself.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < LONG, "it did not come about within {LONG:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub fn job(number: u64) -> NewJob {
    let mut id = [7; 16];
    id[8..].copy_from_slice(&number.to_be_bytes());
    NewJob {
        id: JobId(id),
        queue: QueueName::DEFAULT,
        priority: Priority::default(),
        key: "".into(),
        tags: [].into(),
        unique: None,
        image: "image".into(),
        image_id: ImageId([9; 16]),
        payload: Bytes::from_static(b"payload"),
        delay: 0,
        timeout: Some(600),
        max_retries: Some(0),
        retries_delay: Some(0),
    }
}

pub fn enqueue(number: u64) -> Command {
    Command::Enqueue { jobs: vec![job(number)], key: None }
}

pub fn consume(n: u32) -> Command {
    Command::Consume { take: Take::default_queue(n), key: None }
}

/// How many jobs of the default queue are queued, as this node knows.
pub fn queued(handle: &Handle) -> u64 {
    let queue = handle.reader().queue(&QueueName::DEFAULT);
    queue.expect("the default queue is always there").queue.counts.of(Status::Queued)
}

pub async fn submit(handle: &Handle, command: Command) -> Result<Answered, Unavailable> {
    handle.submit(command, LONG).await
}

/// Enqueues and expects no error.
pub async fn put(handle: &Handle, number: u64) -> Answered {
    let answered = submit(handle, enqueue(number)).await.unwrap();
    assert!(answered.outcome.is_ok(), "{answered:?}");
    answered
}

pub fn jobs(answered: Answered) -> Vec<Job> {
    match answered.outcome {
        Ok(Reply::Jobs(jobs) | Reply::Enqueued { jobs, .. }) => jobs,
        other => panic!("not jobs: {other:?}"),
    }
}

/// A call between members, as the one `from` would make it to the one `to`.
pub fn call<T>(message: T, cluster_id: &str, from: u64, to: u64) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    let metadata = request.metadata_mut();
    metadata.insert("quorate-cluster", MetadataValue::try_from(cluster_id).unwrap());
    for (name, id) in [("quorate-from", from), ("quorate-to", to), ("quorate-group", 0)] {
        metadata.insert(name, MetadataValue::from(id));
    }
    request
}

use std::path::Path;
use std::process::Command;

use anyhow::{anyhow, ensure};
use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::stream::{self, RetentionPolicy, StorageType};
use async_nats::jetstream::{self, Context};
use async_nats::{Client as Connection, ConnectOptions};
use bytes::Bytes;
use futures::StreamExt;
use futures::future::try_join_all;
use nix::sys::signal::Signal;

use crate::processes::{Server, free, output, until};
use crate::system::{About, Client, SERVERS, Setup, System};

/// Clients on this port and the two behind it, servers 100 above.
const PORT: u16 = 21_200;
/// The stream, its subject, and its consumer.
const NAME: &str = "jobs";
/// Messages that are published before the first acknowledgement is waited for, to fill the stream.
const FILL: usize = 500;

/// Three servers, and a stream with a replica on each, that keeps a message until it is acknowledged: a job queue.
pub(crate) struct Nats {
    payload: Bytes,
    _servers: Vec<Server>,
}

pub(crate) struct NatsClient {
    jetstream: Context,
    consumer: jetstream::consumer::PullConsumer,
    payload: Bytes,
}

impl System for Nats {
    const ABOUT: About = About {
        name: "NATS JetStream",
        install: "apt-get install nats-server",
        durability: "written on a majority, acknowledged before fsync (sync_interval: 2 minutes)",
        consume: "pull consumer: fetch(1), then a double ack, which is answered",
    };
    type Client = NatsClient;

    async fn version(_: &Setup) -> anyhow::Result<String> {
        let mut command = Command::new("nats-server");
        command.arg("--version");
        let said = output(command).await?;
        Ok(said.trim_start_matches("nats-server: v").to_owned())
    }

    async fn start(setup: &Setup, dir: &Path) -> anyhow::Result<Nats> {
        let ports = || (PORT..).take(SERVERS);
        free(ports().chain(ports().map(|port| port + 100)))?;
        let routes: Vec<String> = ports().map(|port| format!("nats://127.0.0.1:{}", port + 100)).collect();
        let start = |port: u16| {
            let name = format!("nats-{port}");
            let mut command = Command::new("nats-server");
            command.args(["--addr", "127.0.0.1", "--port", &port.to_string(), "--server_name", &name]);
            command.args(["--cluster_name", "bench", "--routes", &routes.join(",")]);
            command.args(["--cluster", &format!("nats://127.0.0.1:{}", port + 100)]);
            command.arg("--jetstream").arg("--store_dir").arg(dir.join(&name));
            Server::start(&name, &mut command, dir, Signal::SIGKILL)
        };
        let mut servers = ports().map(start).collect::<anyhow::Result<Vec<_>>>()?;
        until(&mut servers, async || {
            for port in ports() {
                connect(port).await?;
            }
            let jetstream = jetstream::new(connect(PORT).await?);
            let mut stream = jetstream.get_or_create_stream(stream()).await?;
            let replicas = stream.info().await?.cluster.as_ref().map_or(&[][..], |cluster| &cluster.replicas);
            let current = replicas.iter().filter(|replica| replica.current).count();
            ensure!(current == SERVERS - 1, "the leader has {current} replicas beside it");
            stream.get_or_create_consumer(NAME, consumer()).await?;
            Ok(())
        })
        .await?;
        Ok(Nats { payload: vec![b'x'; setup.payload].into(), _servers: servers })
    }

    async fn connect(&self, server: usize) -> anyhow::Result<NatsClient> {
        let jetstream = jetstream::new(connect(PORT + u16::try_from(server)?).await?);
        let consumer = jetstream.get_consumer_from_stream(NAME, NAME).await?;
        Ok(NatsClient { jetstream, consumer, payload: self.payload.clone() })
    }
}

fn stream() -> stream::Config {
    stream::Config {
        name: NAME.to_owned(),
        retention: RetentionPolicy::WorkQueue,
        storage: StorageType::File,
        num_replicas: SERVERS,
        ..stream::Config::default()
    }
}

fn consumer() -> pull::Config {
    pull::Config { durable_name: Some(NAME.to_owned()), ..pull::Config::default() }
}

/// To this server and no other.
async fn connect(port: u16) -> anyhow::Result<Connection> {
    let options = ConnectOptions::new().ignore_discovered_servers();
    Ok(options.connect(format!("127.0.0.1:{port}")).await?)
}

impl Client for NatsClient {
    async fn fill(&mut self, mut left: usize) -> anyhow::Result<()> {
        while left > 0 {
            let next = left.min(FILL);
            let mut acks = Vec::with_capacity(next);
            for _ in 0..next {
                acks.push(self.jetstream.publish(NAME, self.payload.clone()).await?.into_future());
            }
            try_join_all(acks).await?;
            left -= next;
        }
        Ok(())
    }

    async fn enqueue(&mut self) -> anyhow::Result<()> {
        self.jetstream.publish(NAME, self.payload.clone()).await?.await?;
        Ok(())
    }

    async fn consume(&mut self) -> anyhow::Result<bool> {
        let mut messages = self.consumer.fetch().max_messages(1).messages().await?;
        let Some(message) = messages.next().await else { return Ok(false) };
        let message = message.map_err(|error| anyhow!(error))?;
        message.double_ack().await.map_err(|error| anyhow!(error))?;
        Ok(true)
    }
}

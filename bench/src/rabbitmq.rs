use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::ensure;
use bytes::Bytes;
use futures::future::try_join_all;
use lapin::options::{
    BasicAckOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
};

use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, PublisherConfirm};
use nix::sys::signal::Signal;
use tokio::net::TcpStream;

use crate::processes::{Server, free, output, until};
use crate::system::{About, Client, SERVERS, Setup, System};

/// AMQP on this port and the two behind it, nodes 100 above.
const PORT: u16 = 21_400;
/// Of the mapper that tells the nodes each other's ports.
const EPMD_PORT: u16 = 21_600;
/// Debian's scripts; those in its PATH change to another user.
const SCRIPTS: &str = "/usr/lib/rabbitmq/bin";
const QUEUE: &str = "jobs";
const PERSISTENT: u8 = 2;
/// Messages that are published before the first confirm is waited for, to fill the queue.
const FILL: usize = 500;

/// Three nodes, and a quorum queue with a replica on each.
pub(crate) struct RabbitMq {
    payload: Bytes,
    _servers: Vec<Server>,
}

pub(crate) struct RabbitMqClient {
    channel: Channel,
    payload: Bytes,
    _connection: Connection,
}

impl System for RabbitMq {
    const ABOUT: About = About {
        name: "RabbitMQ quorum queue",
        install: "apt-get install rabbitmq-server, and stop the broker that the package starts: systemctl disable --now rabbitmq-server",
        durability: "fsync of the write-ahead log on a majority before the confirm",
        consume: "basic.get, then basic.ack, which has no answer: its end is when it is sent",
    };
    type Client = RabbitMqClient;

    async fn version(setup: &Setup) -> anyhow::Result<String> {
        let _epmd = epmd(&setup.dir).await?;
        let mut command = script("rabbitmqctl", &setup.dir);
        command.arg("version");
        output(command).await
    }

    async fn start(setup: &Setup, dir: &Path) -> anyhow::Result<RabbitMq> {
        let ports = || (PORT..).take(SERVERS);
        free(ports().chain(ports().map(|port| port + 100)))?;
        write_cookie(dir)?;
        let mut servers = vec![epmd(dir).await?];
        for port in ports() {
            servers.push(Server::start(&node(port), &mut server(port, dir), dir, Signal::SIGKILL)?);
        }
        for port in ports() {
            until(&mut servers, async || ctl(port, dir, &["await_startup"]).await).await?;
        }
        for port in ports().skip(1) {
            ctl(port, dir, &["stop_app"]).await?;
            ctl(port, dir, &["join_cluster", &node(PORT)]).await?;
            ctl(port, dir, &["start_app"]).await?;
        }
        until(&mut servers, async || declare(PORT).await).await?;
        let members = ctl(PORT, dir, &["list_queues", "--quiet", "--no-table-headers", "members"]).await?;
        ensure!(ports().all(|port| members.contains(&node(port))), "the queue's members are {members}");
        Ok(RabbitMq { payload: vec![b'x'; setup.payload].into(), _servers: servers })
    }

    async fn connect(&self, server: usize) -> anyhow::Result<RabbitMqClient> {
        let connection = connect(PORT + u16::try_from(server)?).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(RabbitMqClient { channel, payload: self.payload.clone(), _connection: connection })
    }
}

/// A port mapper that ends with the nodes: the one that Erlang would start stays.
async fn epmd(dir: &Path) -> anyhow::Result<Server> {
    free([EPMD_PORT])?;
    let mut command = Command::new("epmd");
    command.args(["-port", &EPMD_PORT.to_string(), "-address", "127.0.0.1"]);
    let mut epmd = Server::start("epmd", &mut command, dir, Signal::SIGKILL)?;
    until(std::slice::from_mut(&mut epmd), async || Ok(TcpStream::connect(("127.0.0.1", EPMD_PORT)).await?))
        .await?;
    Ok(epmd)
}

fn node(port: u16) -> String {
    format!("bench-{port}@localhost")
}

/// The secret that the nodes and rabbitmqctl have in common, as hard to guess as the name of the folder.
fn write_cookie(dir: &Path) -> anyhow::Result<()> {
    let cookie = dir.join(".erlang.cookie");
    std::fs::write(&cookie, dir.file_name().unwrap_or_default().as_encoded_bytes())?;
    std::fs::set_permissions(&cookie, PermissionsExt::from_mode(0o400))?;
    Ok(())
}

/// One of RabbitMQ's scripts, away from whatever is configured for a broker of this machine.
fn script(name: &str, dir: &Path) -> Command {
    let debian = PathBuf::from(SCRIPTS).join(name);
    let mut command = Command::new(if debian.exists() { debian } else { name.into() });
    command
        .env("HOME", dir)
        .env("ERL_EPMD_PORT", EPMD_PORT.to_string())
        .env("ERL_FLAGS", "-start_epmd false");
    command.env("RABBITMQ_CONF_ENV_FILE", dir.join("none")).env("RABBITMQ_CONFIG_FILE", dir.join("none"));
    command
}

fn server(port: u16, dir: &Path) -> Command {
    let mut command = script("rabbitmq-server", dir);
    command.envs([
        ("RABBITMQ_NODENAME", node(port)),
        ("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1".to_owned()),
        ("RABBITMQ_NODE_PORT", port.to_string()),
        ("RABBITMQ_DIST_PORT", (port + 100).to_string()),
        ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}".to_owned()),
        // The script then becomes the server instead of starting it.
        ("RUNNING_UNDER_SYSTEMD", "true".to_owned()),
    ]);
    let own = dir.join(port.to_string());
    command.env("RABBITMQ_MNESIA_BASE", own.join("data")).env("RABBITMQ_LOG_BASE", own.join("log"));
    command.env("RABBITMQ_ENABLED_PLUGINS_FILE", own.join("plugins"));
    command
}

async fn ctl(port: u16, dir: &Path, what: &[&str]) -> anyhow::Result<String> {
    let mut command = script("rabbitmqctl", dir);
    command.args(["--node", &node(port)]).args(what);
    output(command).await
}

async fn declare(port: u16) -> anyhow::Result<()> {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    arguments.insert("x-quorum-initial-group-size".into(), AMQPValue::LongInt(i32::try_from(SERVERS)?));
    let channel = connect(port).await?.create_channel().await?;
    channel.queue_declare(QUEUE.into(), QueueDeclareOptions::durable(), arguments).await?;
    Ok(())
}

async fn connect(port: u16) -> anyhow::Result<Connection> {
    Ok(Connection::connect(&format!("amqp://127.0.0.1:{port}"), ConnectionProperties::default()).await?)
}

impl RabbitMqClient {
    async fn publish(&self) -> lapin::Result<PublisherConfirm> {
        let properties = BasicProperties::default().with_delivery_mode(PERSISTENT);
        let options = BasicPublishOptions::default();
        self.channel.basic_publish("".into(), QUEUE.into(), options, &self.payload, properties).await
    }
}

async fn confirmed(confirm: PublisherConfirm) -> anyhow::Result<()> {
    let confirmation = confirm.await?;
    ensure!(matches!(confirmation, Confirmation::Ack(None)), "not confirmed: {confirmation:?}");
    Ok(())
}

impl Client for RabbitMqClient {
    async fn fill(&mut self, mut left: usize) -> anyhow::Result<()> {
        while left > 0 {
            let next = left.min(FILL);
            let mut confirms = Vec::with_capacity(next);
            for _ in 0..next {
                confirms.push(confirmed(self.publish().await?));
            }
            try_join_all(confirms).await?;
            left -= next;
        }
        Ok(())
    }

    async fn enqueue(&mut self) -> anyhow::Result<()> {
        confirmed(self.publish().await?).await
    }

    async fn consume(&mut self) -> anyhow::Result<bool> {
        let Some(got) = self.channel.basic_get(QUEUE.into(), BasicGetOptions::default()).await? else {
            return Ok(false);
        };
        self.channel.basic_ack(got.delivery.delivery_tag, BasicAckOptions::default()).await?;
        Ok(true)
    }
}

use std::path::PathBuf;

use clap::ValueEnum;

/// How many servers each system has.
pub(crate) const SERVERS: usize = 3;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Kind {
    Quorate,
    Nats,
    Rabbitmq,
}

impl Kind {
    pub(crate) fn about(self) -> &'static About {
        match self {
            Kind::Quorate => &crate::quorate::Quorate::ABOUT,
            Kind::Nats => &crate::nats::Nats::ABOUT,
            Kind::Rabbitmq => &crate::rabbitmq::RabbitMq::ABOUT,
        }
    }
}

/// What a reader has to know of a system beside its figures.
pub(crate) struct About {
    pub(crate) name: &'static str,
    /// The command that installs it.
    pub(crate) install: &'static str,
    /// What has happened to a job when its enqueue is answered.
    pub(crate) durability: &'static str,
    /// What a consume is.
    pub(crate) consume: &'static str,
}

/// What all systems are started with.
pub(crate) struct Setup {
    /// Quorate's binary.
    pub(crate) quorate: PathBuf,
    /// An absolute path; the folder is removed at the end.
    pub(crate) dir: PathBuf,
    /// In bytes.
    pub(crate) payload: usize,
}

/// A cluster of three servers that run on this machine, until it is dropped.
pub(crate) trait System: Sized {
    const ABOUT: About;
    type Client: Client;

    /// The version that is installed.
    ///
    /// # Errors
    /// None is.
    async fn version(setup: &Setup) -> anyhow::Result<String>;

    /// Starts the servers with empty data in `dir`, and waits until they take jobs.
    ///
    /// # Errors
    /// A server has ended, or is not ready in time.
    async fn start(setup: &Setup, dir: &std::path::Path) -> anyhow::Result<Self>;

    /// A client with a connection of its own to the server of that number, from 0.
    ///
    /// # Errors
    /// The server does not answer.
    async fn connect(&self, server: usize) -> anyhow::Result<Self::Client>;
}

/// One client of a system. An error ends the measurement: one with errors is none.
pub(crate) trait Client {
    /// Queues many jobs in the fastest way that the system has.
    ///
    /// # Errors
    /// A job is not acknowledged.
    async fn fill(&mut self, jobs: usize) -> anyhow::Result<()>;

    /// Queues one job, and waits until it is acknowledged.
    ///
    /// # Errors
    /// It is not.
    async fn enqueue(&mut self) -> anyhow::Result<()>;

    /// Takes one job and finishes it; `false`: there is none.
    ///
    /// # Errors
    /// The system refuses one of the two.
    async fn consume(&mut self) -> anyhow::Result<bool>;
}

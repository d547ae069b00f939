//! The `docker` driver: each job in a container of its own.

mod config;
mod container;
mod engine;
mod owner;

use bollard::Docker as Engine;
use bollard::errors::Error;
use bollard::query_parameters::{CreateImageOptions, ListContainersOptions};
use futures::future::BoxFuture;
use futures::{FutureExt, TryStreamExt};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio_util::sync::CancellationToken;

use crate::driver::{Driver, End, NotStarted, Running, Work};
use crate::output::Output;

pub use config::DockerConfig;

use container::Container;
use engine::{is_temporary, patiently};
use owner::Owner;

/// Runs each job in a container of the image that it names, fetched if it is not there, within limits.
///
/// The payload comes on standard input, and in `PAYLOAD` if it is at most 128 KiB; `JOB_ID` is set. What the container
/// writes is the log; the engine does not keep the order between standard output and standard error. The container is
/// removed, with its volumes, when it has ended.
#[derive(Clone, Debug)]
pub struct Docker {
    engine: Engine,
    config: DockerConfig,
    owner: Owner,
}

/// The container engine can't be used.
#[derive(Debug, thiserror::Error)]
#[error("no container engine answers: {0}")]
pub struct NoEngine(#[from] Error);

impl Docker {
    /// Connects to the engine that `DOCKER_HOST` names, or to the local one, and agrees on a version of its API.
    ///
    /// # Errors
    /// When no engine answers.
    pub async fn connect(config: DockerConfig) -> Result<Docker, NoEngine> {
        let engine = match std::env::var("DOCKER_HOST") {
            Ok(host) if !host.is_empty() => Engine::connect_with_host(&host)?,
            _ => Engine::connect_with_local_defaults()?,
        };
        // A stop is answered when the grace is over.
        let patience = engine.timeout() + config.grace;
        let engine = engine.with_timeout(patience).negotiate_version().await?;
        let owner = Owner::this(config.runner.clone(), String::new());
        Ok(Docker { engine, config, owner })
    }

    /// The same for the jobs of one cluster, by its id.
    pub fn for_cluster(mut self, id: impl Into<String>) -> Docker {
        self.owner.cluster = id.into();
        self
    }

    /// Stops and removes the containers of this cluster's jobs that have lost their runner: one under this runner's name, or
    /// one whose process is seen to be gone. The cluster retries those jobs.
    ///
    /// # Errors
    /// The engine does not say which containers there are.
    pub async fn clear_left_behind(&self) -> Result<(), NoEngine> {
        let never = CancellationToken::new();
        let options =
            ListContainersOptions { all: true, filters: Some(self.owner.filters()), ..Default::default() };
        let containers = patiently(&never, || self.engine.list_containers(Some(options.clone()))).await?;
        let left = containers
            .into_iter()
            .filter(|container| container.labels.as_ref().is_some_and(|labels| self.owner.has_left(labels)));
        futures::future::join_all(left.filter_map(|container| container.id).map(async |id| {
            tracing::warn!(container = id, "was left behind by an earlier run, and is stopped");
            let container = Container::found(&self.engine, id);
            if let Err(error) = container.stop(self.config.grace).await {
                tracing::warn!("could not be stopped, and is killed: {error}");
            }
            container.remove().await;
        }))
        .await;
        Ok(())
    }

    async fn fetch(&self, image: &str) -> Result<(), Error> {
        let never = CancellationToken::new();
        let found = patiently(&never, || async {
            match self.engine.inspect_image(&in_path(image)).await {
                Ok(_) => Ok(true),
                Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(false),
                Err(error) => Err(error),
            }
        });
        if found.await? {
            return Ok(());
        }
        tracing::info!(image, "fetching the image");
        patiently(&never, || {
            let options = CreateImageOptions { from_image: Some(with_tag(image)), ..Default::default() };
            self.engine
                .create_image(Some(options), None, None)
                .try_for_each(|_progress| std::future::ready(Ok(())))
        })
        .await
    }
}

impl Driver for Docker {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn takes(&self, image: &str) -> bool {
        self.config.images.is_empty() || self.config.images.iter().any(|own| own == image)
    }

    fn images(&self) -> Option<Vec<String>> {
        (!self.config.images.is_empty()).then(|| self.config.images.clone())
    }

    fn prepare<'a>(&'a self, work: &'a Work) -> BoxFuture<'a, Result<(), NotStarted>> {
        async {
            let fetched = self.fetch(&work.image).await;
            fetched.map_err(|error| {
                let why = format!("the image {:?} could not be fetched: {error}", work.image);
                // What the engine answers is about this image, even if it is that a registry can't be reached.
                let answered = matches!(error, Error::DockerResponseServerError { .. });
                if answered { NotStarted::Refused(why) } else { NotStarted::Unable(why) }
            })
        }
        .boxed()
    }

    fn start<'a>(
        &'a self,
        work: &'a Work,
        output: &'a Output,
        stop: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<Running<'a>, NotStarted>> {
        async move {
            let container = Container::create(&self.engine, &self.config, &self.owner, work, stop)
                .await
                .map_err(not_started)?;
            let attached = match container.start(stop).await {
                Ok(attached) => attached,
                Err(error) => {
                    container.remove().await;
                    return Err(not_started(error));
                }
            };
            let running = async move {
                let ended = container.run(attached, &work.payload, output, self.config.grace, stop).await;
                container.remove().await;
                ended.unwrap_or_else(|error| End::BadExit(could_not(&error)))
            };
            Ok(running.boxed())
        }
        .boxed()
    }
}

fn not_started(error: Error) -> NotStarted {
    let why = could_not(&error);
    if is_temporary(&error) { NotStarted::Unable(why) } else { NotStarted::Refused(why) }
}

fn could_not(error: &Error) -> String {
    format!("the container could not be run: {error}")
}

/// An image's name as one segment of a path, which is how bollard sends it: it must not reach into the rest of the URL.
fn in_path(image: &str) -> String {
    utf8_percent_encode(image, NON_ALPHANUMERIC).to_string()
}

/// Without a tag or a digest the engine would fetch every tag that there is.
fn with_tag(image: &str) -> String {
    let name = image.rsplit('/').next().unwrap_or(image);
    if name.contains([':', '@']) { image.to_owned() } else { format!("{image}:latest") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_without_a_tag_is_the_latest() {
        assert_eq!(with_tag("busybox"), "busybox:latest");
        assert_eq!(with_tag("registry:5000/team/app"), "registry:5000/team/app:latest");
        assert_eq!(with_tag("registry:5000/team/app:v1"), "registry:5000/team/app:v1");
        assert_eq!(with_tag("app@sha256:abc"), "app@sha256:abc");
    }
}

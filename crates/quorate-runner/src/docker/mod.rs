//! The `docker` driver: each job in a container of its own.

mod config;
mod container;
mod engine;

use bollard::Docker as Engine;
use bollard::errors::Error;
use bollard::query_parameters::CreateImageOptions;
use futures::future::BoxFuture;
use futures::{FutureExt, TryStreamExt};
use tokio_util::sync::CancellationToken;

use crate::driver::{Driver, End, Finished, Work};

pub use config::DockerConfig;

use container::Container;
use engine::patiently;

/// Runs each job in a container of the image that it names, fetched if it is not there, within limits.
///
/// The payload comes on standard input, and in `PAYLOAD` if it is at most 128 KiB; `JOB_ID` is set. What the container
/// writes is the log; the engine does not keep the order between standard output and standard error. The container is
/// removed, with its volumes, when it has ended.
#[derive(Clone, Debug)]
pub struct Docker {
    engine: Engine,
    config: DockerConfig,
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
        let engine = engine.negotiate_version().await?;
        Ok(Docker { engine, config })
    }

    async fn fetch(&self, image: &str) -> Result<(), Error> {
        let never = CancellationToken::new();
        let found = patiently(&never, || async {
            match self.engine.inspect_image(image).await {
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

    fn takes(&self, _image: &str) -> bool {
        true
    }

    fn prepare<'a>(&'a self, work: &'a Work) -> BoxFuture<'a, Result<(), String>> {
        async {
            let fetched = self.fetch(&work.image).await;
            fetched.map_err(|error| format!("the image {:?} could not be fetched: {error}", work.image))
        }
        .boxed()
    }

    fn run<'a>(&'a self, work: &'a Work, stop: &'a CancellationToken) -> BoxFuture<'a, Finished> {
        async {
            let container = match Container::create(&self.engine, &self.config, work, stop).await {
                Ok(container) => container,
                Err(error) => return not_run(&error),
            };
            let finished = container.run(work, self.config.grace, stop).await;
            container.remove().await;
            finished.unwrap_or_else(|error| not_run(&error))
        }
        .boxed()
    }
}

fn not_run(error: &Error) -> Finished {
    Finished {
        end: End::BadExit(format!("the container could not be run: {error}")),
        log: Default::default(),
    }
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

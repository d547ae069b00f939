use std::time::Duration;

use bollard::Docker as Engine;
use bollard::container::AttachContainerResults;
use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, ContainerState, HostConfig, HostConfigLogConfig};
use bollard::query_parameters::{
    AttachContainerOptions, CreateContainerOptions, RemoveContainerOptions, StopContainerOptions,
    WaitContainerOptions,
};
use futures::{StreamExt, TryStreamExt};
use tokio::io::AsyncWriteExt;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::DockerConfig;
use super::engine::patiently;
use super::owner::Owner;
use crate::driver::{End, Work};
use crate::limits;
use crate::output::Output;

/// The container of one job.
#[derive(Debug)]
pub(crate) struct Container<'a> {
    engine: &'a Engine,
    id: String,
}

impl<'a> Container<'a> {
    /// # Errors
    /// When the engine refuses it, or keeps failing.
    pub(crate) async fn create(
        engine: &'a Engine,
        config: &DockerConfig,
        owner: &Owner,
        work: &Work,
        stop: &CancellationToken,
    ) -> Result<Container<'a>, Error> {
        let name = format!("quorate-{}", work.job_id);
        let created = patiently(stop, || async {
            let options = CreateContainerOptions { name: Some(name.clone()), ..Default::default() };
            match engine.create_container(Some(options), description(config, owner, work)).await {
                // Our own, from a call whose answer was lost: no other job has this id.
                Err(Error::DockerResponseServerError { status_code: 409, .. }) => {
                    Ok(engine.inspect_container(&name, None).await?.id)
                }
                created => Ok(Some(created?.id)),
            }
        });
        let id = created.await?.unwrap_or_else(|| name.clone());
        Ok(Container { engine, id })
    }

    /// One that is there.
    pub(crate) fn found(engine: &'a Engine, id: String) -> Container<'a> {
        Container { engine, id }
    }

    /// Starts it.
    ///
    /// # Errors
    /// It can't be started.
    pub(crate) async fn start(&self, stop: &CancellationToken) -> Result<AttachContainerResults, Error> {
        // Attached before it starts, so that nothing of its output is missed.
        let attached =
            patiently(stop, || self.engine.attach_container(&self.id, Some(all_streams()))).await?;
        patiently(stop, || self.engine.start_container(&self.id, None)).await?;
        Ok(attached)
    }

    /// Returns when it has ended; once `stop` is cancelled, ends it.
    ///
    /// # Errors
    /// The engine lost sight of it.
    pub(crate) async fn run(
        &self,
        attached: AttachContainerResults,
        payload: &[u8],
        output: &Output,
        grace: Duration,
        stop: &CancellationToken,
    ) -> Result<End, Error> {
        let mut streams = std::pin::pin!(exchange(attached, payload, output));
        let mut ended = std::pin::pin!(self.ended_or_stopped(grace, stop));
        tokio::select! {
            end = &mut ended => {
                let _ = timeout(limits::OUTPUT_LINGER, streams).await;
                end
            }
            () = &mut streams => ended.await,
        }
    }

    /// Removes it with its volumes, whatever state it is in. Once its job has been run nothing depends on it: a failure
    /// is only reported.
    pub(crate) async fn remove(&self) {
        let never = CancellationToken::new();
        let options = || RemoveContainerOptions { force: true, v: true, ..Default::default() };
        let removed = patiently(&never, || self.engine.remove_container(&self.id, Some(options()))).await;
        match removed {
            Ok(()) | Err(Error::DockerResponseServerError { status_code: 404, .. }) => {}
            Err(error) => tracing::warn!(container = self.id, "could not be removed: {error}"),
        }
    }

    async fn ended_or_stopped(&self, grace: Duration, stop: &CancellationToken) -> Result<End, Error> {
        tokio::select! {
            state = self.ended() => return Ok(end(&state?)),
            () = stop.cancelled() => {}
        }
        if let Some(state) = self.state_if_ended().await? {
            return Ok(end(&state));
        }
        self.stop(grace).await?;
        self.ended().await?;
        Ok(End::Stopped)
    }

    /// Waits until it runs no more, and tells how it ended. The wait itself is only believed when the state agrees: it ends
    /// too when the engine closes the connection.
    async fn ended(&self) -> Result<ContainerState, Error> {
        let never = CancellationToken::new();
        loop {
            patiently(&never, || async {
                let mut wait =
                    std::pin::pin!(self.engine.wait_container(&self.id, None::<WaitContainerOptions>));
                match wait.try_next().await {
                    // bollard makes an error of an exit status other than 0.
                    Ok(_) | Err(Error::DockerContainerWaitError { .. }) => Ok(()),
                    Err(error) => Err(error),
                }
            })
            .await?;
            if let Some(state) = self.state_if_ended().await? {
                return Ok(state);
            }
            sleep(*limits::ENGINE_PAUSE.start()).await;
        }
    }

    async fn state_if_ended(&self) -> Result<Option<ContainerState>, Error> {
        let never = CancellationToken::new();
        let inspected = patiently(&never, || self.engine.inspect_container(&self.id, None)).await?;
        let state = inspected.state.unwrap_or_default();
        Ok((state.running != Some(true)).then_some(state))
    }

    /// Ends it: politely, and after `grace` by force.
    ///
    /// # Errors
    /// The engine can't do it.
    pub(crate) async fn stop(&self, grace: Duration) -> Result<(), Error> {
        let never = CancellationToken::new();
        let seconds = i32::try_from(grace.as_secs()).unwrap_or(i32::MAX);
        let options = || StopContainerOptions { t: Some(seconds), ..Default::default() };
        match patiently(&never, || self.engine.stop_container(&self.id, Some(options()))).await {
            // It had ended already.
            Ok(()) | Err(Error::DockerResponseServerError { status_code: 304, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn end(state: &ContainerState) -> End {
    match state.exit_code {
        None => End::BadExit("the engine does not say how the container ended".into()),
        // It may have got over the loss of a child.
        Some(0) => End::Success,
        Some(_) if state.oom_killed == Some(true) => End::Killed("out of memory".into()),
        Some(code) => End::of_exit_status(code),
    }
}

/// Feeds the payload and collects the output, until the container closes both.
async fn exchange(attached: AttachContainerResults, payload: &[u8], to: &Output) {
    let AttachContainerResults { mut output, mut input } = attached;
    let feed = async {
        // A program need not read its input: that it does not is no error.
        let _ = input.write_all(payload).await;
        let _ = input.shutdown().await;
    };
    let collect = async {
        while let Some(message) = output.next().await {
            match message {
                Ok(message) => to.push(message.as_ref()),
                Err(error) => {
                    return to.push(format!("\n[the output could not be read: {error}]\n").as_bytes());
                }
            }
        }
    };
    tokio::join!(feed, collect);
}

fn all_streams() -> AttachContainerOptions {
    AttachContainerOptions { stream: true, stdin: true, stdout: true, stderr: true, ..Default::default() }
}

fn description(config: &DockerConfig, owner: &Owner, work: &Work) -> ContainerCreateBody {
    // The engine's init then passes SIGTERM on to the program's whole process group.
    let mut env = vec!["TINI_KILL_PROCESS_GROUP=1".to_owned(), format!("JOB_ID={}", work.job_id)];
    env.extend(work.payload_variable().map(|payload| format!("PAYLOAD={payload}")));
    let memory = i64::try_from(config.memory_bytes).unwrap_or(i64::MAX);
    ContainerCreateBody {
        image: Some(work.image.clone()),
        env: Some(env),
        labels: Some(owner.labels(&work.job_id)),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        open_stdin: Some(true),
        stdin_once: Some(true), // the end of the payload is the end of its input
        host_config: Some(HostConfig {
            memory: Some(memory),
            memory_swap: Some(memory),
            nano_cpus: Some((config.cpus * 1e9) as i64),
            pids_limit: Some(config.pids.into()),
            network_mode: config.network.clone(),
            init: Some(true), // as process 1 a program that does not handle SIGTERM would ignore it
            security_opt: Some(vec!["no-new-privileges".into()]),
            // We read its output as it is written; the engine need not keep a copy that grows without bound.
            log_config: Some(HostConfigLogConfig { typ: Some("none".into()), config: None }),
            ..Default::default()
        }),
        ..Default::default()
    }
}

use std::time::Duration;

/// What each container may use.
#[derive(Clone, Debug, PartialEq)]
pub struct DockerConfig {
    /// The images whose jobs it runs; those of any, where there are none.
    pub images: Vec<String>,
    /// Memory, in bytes, without any swap on top; a job that needs more is killed.
    pub memory_bytes: u64,
    /// Processors; 0.5 is half of one.
    pub cpus: f64,
    /// Processes and threads.
    pub pids: u32,
    /// The network: `none`, or one of the engine's. The engine's default if not given.
    pub network: Option<String>,
    /// The runner's name, the same at its next start, and no other runner's on this engine: by it the containers are found
    /// that it left behind.
    pub runner: String,
    /// How long a container that must end gets between SIGTERM and SIGKILL.
    pub grace: Duration,
}

impl Default for DockerConfig {
    /// Any image, 256 MiB, one processor, 512 processes, the engine's default network, a runner without a name, 5 s.
    fn default() -> DockerConfig {
        DockerConfig {
            images: Vec::new(),
            memory_bytes: 256 << 20,
            cpus: 1.0,
            pids: 512,
            network: None,
            runner: String::new(),
            grace: Duration::from_secs(5),
        }
    }
}

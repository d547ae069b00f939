use std::time::Duration;

/// How a runner takes jobs and looks after them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunnerConfig {
    /// Jobs that run at the same time.
    pub concurrency: usize,
    /// The queues to take jobs from, see [`quorate_client::Consume::queue`]; if not given, `default`.
    pub queue: Option<String>,
    /// What the cluster knows it by, 1 to 128 bytes: the jobs that it holds can be given back by that name.
    pub worker: Option<String>,
    /// No other runner has that name: what is held under it when this one starts is given back at once.
    pub replaces: bool,
    /// Seconds that the cluster may hold a consume until a job is there, 0 to 60.
    pub wait: u32,
    /// How often to ask whether a running job was cancelled.
    pub poll: Duration,
    /// How long what a job writes is gathered before it is sent, while the job runs.
    pub log_every: Duration,
    /// How long a job may take to be made ready, as by fetching its image.
    pub prepare_limit: Duration,
    /// Let a job run longer than its timeout, for as long as this runner can touch it: the timeout then bounds only
    /// for how long the cluster waits for a runner that went silent.
    pub extend_timeout: bool,
    /// How long to try to report an outcome. A cluster that was away for longer has timed the job out.
    pub report_limit: Duration,
}

impl Default for RunnerConfig {
    /// One job at a time, a consume held for 20 s, a look every 5 s, the log each second, 10 minutes to make ready and to report.
    fn default() -> RunnerConfig {
        RunnerConfig {
            concurrency: 1,
            queue: None,
            worker: None,
            replaces: false,
            wait: 20,
            poll: Duration::from_secs(5),
            log_every: Duration::from_secs(1),
            prepare_limit: Duration::from_secs(600),
            extend_timeout: false,
            report_limit: Duration::from_secs(600),
        }
    }
}

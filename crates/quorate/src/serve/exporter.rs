use std::sync::Arc;

use anyhow::Context;
use metrics::{Unit, describe_gauge, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;
use quorate_node::Handle;
use tokio::sync::Mutex;

use super::rest_tls::RestTls;
use crate::limits::METRICS_UPKEEP;

/// What this process measures, as Prometheus reads it: what it has counted, and what it reads when it is asked.
#[derive(Clone)]
pub(crate) struct Exporter {
    counted: PrometheusHandle,
    process: Collector,
    tls: Option<RestTls>,
    /// One reads at a time: whoever asks often costs no more than one processor.
    turn: Arc<Mutex<()>>,
}

/// From a tenth of a millisecond to a minute, three to a power of ten at most.
const SECONDS: &[f64] = &[0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 60.0];
/// How many went together.
const COUNTS: &[f64] = &[1.0, 4.0, 16.0, 64.0, 256.0, 1_024.0];

const BUILD: &str = "quorate_build_info";
const THREADS: &str = "quorate_runtime_threads";
const TASKS: &str = "quorate_runtime_tasks";
const TASKS_READY: &str = "quorate_runtime_tasks_ready";

impl Exporter {
    /// Has this process count from now on. Once a process.
    ///
    /// # Errors
    /// Somebody else has done that.
    pub(crate) fn install(tls: Option<RestTls>) -> anyhow::Result<Exporter> {
        let recorder = PrometheusBuilder::new()
            .set_buckets(COUNTS)?
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), SECONDS)?
            .build_recorder();
        let counted = recorder.handle();
        metrics::set_global_recorder(recorder).context("this process counts already")?;
        quorate_node::register_metrics();
        quorate_gateway::register_metrics();
        Ok(Exporter { counted, process: Collector::new("quorate_"), tls, turn: Arc::default() })
    }

    /// Puts durations into their buckets now and then: until then each is kept.
    pub(crate) async fn keep_up(self) {
        let mut clock = tokio::time::interval(METRICS_UPKEEP);
        loop {
            clock.tick().await;
            self.counted.run_upkeep();
        }
    }

    /// All of it, of this node.
    pub(crate) async fn render(&self, node: &Handle) -> String {
        let _turn = self.turn.lock().await;
        let (exporter, node) = (self.clone(), node.clone());
        let render = move || {
            // What is read now has a recorder for this once: a queue or a peer that is gone leaves nothing behind.
            let now = PrometheusBuilder::new().build_recorder();
            metrics::with_local_recorder(&now, || {
                node.record_metrics();
                exporter.tls.iter().for_each(RestTls::record_metrics);
                exporter.record_process();
            });
            exporter.counted.render() + &now.handle().render()
        };
        match tokio::task::spawn_blocking(render).await {
            Ok(text) => text,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_ending) => String::new(), // with the process
            },
        }
    }

    fn record_process(&self) {
        self.process.describe();
        self.process.collect();
        describe_gauge!(BUILD, Unit::Count, "1; its label says the version of the program.");
        describe_gauge!(THREADS, Unit::Count, "Threads of the runtime that carry out its tasks.");
        describe_gauge!(TASKS, Unit::Count, "Tasks of the runtime.");
        describe_gauge!(
            TASKS_READY,
            Unit::Count,
            "Tasks that are ready and wait for a thread, in the queue that all share."
        );
        gauge!(BUILD, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        let runtime = tokio::runtime::Handle::current().metrics();
        gauge!(THREADS).set(runtime.num_workers() as f64);
        gauge!(TASKS).set(runtime.num_alive_tasks() as f64);
        gauge!(TASKS_READY).set(runtime.global_queue_depth() as f64);
    }
}

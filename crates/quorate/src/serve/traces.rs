//! Spans of single requests, sent to a collector (OTLP over gRPC).

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{self, Sampler, SdkTracerProvider, SpanData};
use tracing::{Level, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::{Layer, Registry};

use crate::limits::{TRACES_END, TRACES_SEND};

/// The header by which a span is known elsewhere.
const TRACEPARENT: &str = "traceparent";

/// Where spans are sent.
#[derive(Clone, Debug)]
pub(crate) struct Collector {
    /// `http://HOST:PORT`.
    pub(crate) endpoint: String,
    /// Of so many requests, where their clients do not say: from 0 to 1.
    pub(crate) ratio: f64,
}

/// Sends the spans of this process.
pub(crate) struct Traces(SdkTracerProvider);

impl Traces {
    /// Sends them from now on, in batches. What the collector does not take is lost.
    ///
    /// # Errors
    /// The address cannot be used.
    pub(crate) fn start(collector: &Collector, node: &str) -> anyhow::Result<Traces> {
        let Collector { endpoint, ratio } = collector;
        let exporter = SpanExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .with_timeout(TRACES_SEND)
            .build()
            .with_context(|| format!("otlp-endpoint: `{endpoint}`"))?;
        let exporter =
            Exporter { inner: exporter, endpoint: endpoint.clone(), fails: AtomicBool::new(false) };
        let resource = Resource::builder()
            .with_service_name("quorate")
            .with_attribute(opentelemetry::KeyValue::new("service.instance.id", node.to_owned()))
            .with_attribute(opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(*ratio))))
            .with_resource(resource)
            .build();
        Ok(Traces(provider))
    }

    /// What gives the spans to the sender.
    pub(crate) fn layer(&self) -> Box<dyn Layer<Registry> + Send + Sync> {
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("quorate"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(Targets::new().with_target("quorate::trace", Level::DEBUG))
            .boxed()
    }

    /// Sends what there is, in bounded time.
    pub(crate) fn end(self) {
        // What went wrong was said.
        let _ = self.0.shutdown_with_timeout(TRACES_END);
    }
}

/// What a child elsewhere calls this span.
pub(crate) fn parent(span: &Span) -> Option<String> {
    let (context, mut fields) = (span.context(), HashMap::new());
    if !context.span().span_context().is_sampled() {
        return None;
    }
    TraceContextPropagator::new().inject_context(&context, &mut fields);
    fields.remove(TRACEPARENT)
}

/// Makes a span a child of that one; nobody's, where that is no name of one.
pub(crate) fn adopt(span: &Span, parent: &str) {
    let fields = HashMap::from([(TRACEPARENT.to_owned(), parent.to_owned())]);
    // It fails where the span is not exported.
    let _ = span.set_parent(TraceContextPropagator::new().extract(&fields));
}

/// Says once that the collector cannot be reached, and once that it can again.
#[derive(Debug)]
struct Exporter {
    inner: SpanExporter,
    endpoint: String,
    fails: AtomicBool,
}

impl trace::SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let sent = self.inner.export(batch).await;
        let failed = self.fails.swap(sent.is_err(), Ordering::Relaxed);
        match &sent {
            Err(error) if !failed => {
                tracing::warn!(endpoint = self.endpoint, spans, %error, "traces cannot be sent, and are lost until they can");
            }
            Ok(()) if failed => tracing::info!(endpoint = self.endpoint, "traces are sent again"),
            Ok(()) | Err(_) => {}
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

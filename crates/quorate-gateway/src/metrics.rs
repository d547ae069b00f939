//! What is measured of requests: each name with its unit and its meaning, and the handles.

use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};
use parking_lot::RwLock;

const REQUEST: &str = "quorate_http_request_seconds";
const IN_FLIGHT: &str = "quorate_http_requests_in_flight";
const WAITING: &str = "quorate_http_long_polls";
const BACKUPS: &str = "quorate_backups_running";
const REFUSALS: &str = "quorate_http_refusals_total";
const OF_TOKENS: &str = "quorate_http_token_requests_total";

pub(crate) static METRICS: LazyLock<Metrics> = LazyLock::new(|| {
    let refused = |code: &'static str, kind: &'static str| counter!(REFUSALS, "code" => code, "kind" => kind);
    Metrics {
        in_flight: gauge!(IN_FLIGHT),
        unauthenticated: refused("401", "unauthenticated"),
        forbidden: refused("403", "forbidden"),
        waiting: gauge!(WAITING),
        backups: gauge!(BACKUPS),
        overloaded: refused("429", "overloaded"),
        caller_overloaded: refused("429", "caller_overloaded"),
        caller_rate: refused("429", "caller_rate"),
        too_many_queues: refused("409", "too_many_queues"),
        too_many_lanes: refused("429", "too_many_lanes"),
        too_many_operations: refused("429", "too_many_operations"),
        not_applied: refused("503", "not_applied"),
        unknown: refused("503", "unknown"),
        disk_full: refused("507", "disk_full"),
    }
});

/// A handle each, which costs some nanoseconds to use.
pub(crate) struct Metrics {
    in_flight: Gauge,
    /// Set by whoever is asked for metrics.
    pub(crate) waiting: Gauge,
    /// 1 while a backup is sent.
    pub(crate) backups: Gauge,
    pub(crate) unauthenticated: Counter,
    pub(crate) forbidden: Counter,
    pub(crate) overloaded: Counter,
    pub(crate) caller_overloaded: Counter,
    pub(crate) caller_rate: Counter,
    pub(crate) too_many_queues: Counter,
    pub(crate) too_many_lanes: Counter,
    pub(crate) too_many_operations: Counter,
    pub(crate) not_applied: Counter,
    pub(crate) unknown: Counter,
    pub(crate) disk_full: Counter,
}

/// Makes what is measured known to the recorder of this process, before the first of it is.
pub fn register_metrics() {
    describe_histogram!(
        REQUEST,
        Unit::Seconds,
        "How long this node took until a request's answer began, by route, method and code; what a consume or a read was told to \
         wait included."
    );
    describe_gauge!(
        IN_FLIGHT,
        Unit::Count,
        "Requests that have not been answered, those that wait for a job included."
    );
    describe_gauge!(
        WAITING,
        Unit::Count,
        "Requests that wait: for a job, for an outcome, for a log to go on."
    );
    describe_gauge!(
        BACKUPS,
        Unit::Count,
        "Backups that this node is sending: as long as one is, the disk keeps what is replaced meanwhile."
    );
    describe_counter!(
        REFUSALS,
        Unit::Count,
        "Requests that this node refused since its start for what is no fault of theirs, or since their caller may not, by code and \
         kind: of 503 the outcome, not_applied or unknown. Health checks are not among them."
    );
    describe_counter!(
        OF_TOKENS,
        Unit::Count,
        "Requests with a token that is known here, since this node's start, by the token's name."
    );
    LazyLock::force(&METRICS);
}

/// The requests with the token of this name.
pub(crate) fn requests_of(token: &str) -> Counter {
    counter!(OF_TOKENS, "token" => token.to_owned())
}

/// A request that has not been answered, until it is dropped.
pub(crate) struct InFlight(());

impl InFlight {
    pub(crate) fn new() -> InFlight {
        METRICS.in_flight.increment(1.0);
        InFlight(())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        METRICS.in_flight.decrement(1.0);
    }
}

/// How long the requests of one route took.
pub(crate) struct Durations {
    route: String,
    /// Few: by what the route has been asked with, and has answered.
    handles: RwLock<HashMap<(&'static str, StatusCode), Histogram>>,
}

impl Durations {
    pub(crate) fn of(route: impl Into<String>) -> Durations {
        Durations { route: route.into(), handles: RwLock::default() }
    }

    pub(crate) fn record(&self, method: &Method, code: StatusCode, took: Duration) {
        let key = (method_name(method), code);
        if let Some(handle) = self.handles.read().get(&key) {
            return handle.record(took);
        }
        let (method, code) = key;
        let handle = histogram!(REQUEST, "route" => self.route.clone(), "method" => method, "code" => code.as_str().to_owned());
        self.handles.write().entry(key).or_insert(handle).record(took);
    }
}

/// A client may make names of methods up: there are only so many here.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

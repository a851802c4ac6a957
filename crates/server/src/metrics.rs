//! Numbers for Prometheus.

use std::sync::atomic::AtomicU64;

use axum::http::Method;
use domain::outcome::RunStatus;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Everything that is counted.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    seconds: Histogram,
    runs: Family<RunLabels, Counter>,
    run_seconds: Family<KindLabels, Counter<f64, AtomicU64>>,
    stored_bytes: Counter,
    pub(crate) running: Gauge,
    last_success: Family<JobLabels, Gauge>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: String,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RunLabels {
    kind: String,
    state: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct JobLabels {
    job: String,
}

const BUCKETS: [f64; 9] = [0.001, 0.005, 0.02, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0];

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("dbackup");
        let metrics = Self {
            requests: Family::default(),
            seconds: Histogram::new(BUCKETS),
            runs: Family::default(),
            run_seconds: Family::default(),
            stored_bytes: Counter::default(),
            running: Gauge::default(),
            last_success: Family::default(),
            registry: Registry::default(),
        };
        registry.register("http_requests", "Requests answered", metrics.requests.clone());
        registry.register_with_unit("http_request", "Time to answer", Unit::Seconds, metrics.seconds.clone());
        registry.register("runs", "Runs that have ended, by their state", metrics.runs.clone());
        registry.register_with_unit("run", "Time spent in runs", Unit::Seconds, metrics.run_seconds.clone());
        registry.register_with_unit("stored", "Bytes of backups stored", Unit::Bytes, metrics.stored_bytes.clone());
        registry.register("runs_running", "Runs that are going on", metrics.running.clone());
        let help = "When a job last succeeded, since this server started, in seconds since 1970";
        registry.register("job_last_success_timestamp_seconds", help, metrics.last_success.clone());
        Self { registry, ..metrics }
    }

    pub(crate) fn count_request(&self, method: &Method, route: &str, status: u16, seconds: f64) {
        // A made-up method is not a label of its own.
        let known =
            [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::HEAD, Method::OPTIONS];
        let method = if known.contains(method) { method.to_string() } else { "other".to_owned() };
        self.requests.get_or_create(&RequestLabels { method, route: route.to_owned(), status }).inc();
        self.seconds.observe(seconds);
    }

    pub(crate) fn count_run(&self, kind: &str, state: RunStatus, seconds: f64, stored: u64) {
        let kind = kind.to_owned();
        self.runs.get_or_create(&RunLabels { kind: kind.clone(), state: state.as_str().to_owned() }).inc();
        self.run_seconds.get_or_create(&KindLabels { kind }).inc_by(seconds);
        self.stored_bytes.inc_by(stored);
    }

    pub(crate) fn note_success(&self, job: &str, second: i64) {
        self.last_success.get_or_create(&JobLabels { job: job.to_owned() }).set(second);
    }

    /// The OpenMetrics text.
    pub(crate) fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

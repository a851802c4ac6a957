//! Numbers for Prometheus: what this process counts, and what the catalog knows of each job.

mod exposition;
mod jobs;
mod known;
mod process;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::http::Method;
use domain::outcome::RunStatus;
use domain::run::RunKind;
use jiff::{SignedDuration, Timestamp};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

pub(crate) use exposition::Format;
pub(crate) use known::Known;

/// What begins the names of all metrics.
const PREFIX: &str = "dbackup";

/// Everything that is counted.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    request_seconds: Family<RouteLabels, Histogram>,
    runs: Family<RunLabels, Counter>,
    run_seconds: Family<RunLabels, Histogram>,
    stored_bytes: Counter,
    deletions: Family<DeletionLabels, Counter>,
    pub(crate) running: Gauge,
    scheduler_pass: Gauge,
    readers: Mutex<HashMap<String, Timestamp>>,
}

/// How long a reader is remembered while the metadata database is away, since it was last let in.
const REMEMBER_READERS: SignedDuration = SignedDuration::from_hours(1);
/// Maximum number of readers that are remembered.
const MAX_READERS: usize = 100;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: String,
    route: String,
    status: u16,
}

/// The route as the API's description names it: there are as many as it has.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DeletionLabels {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RunLabels {
    kind: &'static str,
    state: &'static str,
}

const REQUEST_BUCKETS: [f64; 9] = [0.001, 0.005, 0.02, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0];
const RUN_BUCKETS: [f64; 9] = [1.0, 5.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 43_200.0];

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let metrics = Self {
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(|| Histogram::new(REQUEST_BUCKETS)),
            runs: Family::default(),
            run_seconds: Family::new_with_constructor(|| Histogram::new(RUN_BUCKETS)),
            stored_bytes: Counter::default(),
            deletions: Family::default(),
            running: Gauge::default(),
            scheduler_pass: Gauge::default(),
            readers: Mutex::default(),
            registry: Registry::default(),
        };
        let build = Family::<[(&'static str, &'static str); 1], Gauge>::default();
        build.get_or_create(&[("version", env!("CARGO_PKG_VERSION"))]).set(1);
        registry.register("build_info", "The version of this server", build);
        registry.register("http_requests", "Requests answered", metrics.requests.clone());
        let help = "Time to answer requests, by route";
        registry.register_with_unit("http_request_duration", help, Unit::Seconds, metrics.request_seconds.clone());
        registry.register("runs", "Runs that have ended, by kind and state", metrics.runs.clone());
        let help = "Time from the start of runs to their end";
        registry.register_with_unit("run_duration", help, Unit::Seconds, metrics.run_seconds.clone());
        let help = "Bytes of backups stored by runs that succeeded";
        registry.register_with_unit("stored", help, Unit::Bytes, metrics.stored_bytes.clone());
        let help = "Deletions of backups by retention policies, by result";
        registry.register("retention_deletions", help, metrics.deletions.clone());
        registry.register("runs_running", "Runs that are going on", metrics.running.clone());
        let help = "When the schedules were last looked at";
        registry.register("scheduler_last_pass_timestamp_seconds", help, metrics.scheduler_pass.clone());
        metrics.begin_counters();
        Self { registry, ..metrics }
    }

    /// A counter that appears with its first increment shows no increase to Prometheus: the first failure would go unnoticed.
    fn begin_counters(&self) {
        for result in ["deleted", "failed"] {
            drop(self.deletions.get_or_create(&DeletionLabels { result }));
        }
        for kind in RunKind::ALL {
            for state in RunStatus::ALL.into_iter().filter(|state| state.is_finished()) {
                let labels = RunLabels { kind: kind.as_str(), state: state.as_str() };
                drop(self.runs.get_or_create(&labels));
                drop(self.run_seconds.get_or_create(&labels));
            }
        }
    }

    pub(crate) fn count_request(&self, method: &Method, route: &str, status: u16, seconds: f64) {
        // A made-up method is not a label of its own.
        let known =
            [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::HEAD, Method::OPTIONS];
        let method = if known.contains(method) { method.to_string() } else { "other".to_owned() };
        let route = route.to_owned();
        self.request_seconds.get_or_create(&RouteLabels { route: route.clone() }).observe(seconds);
        self.requests.get_or_create(&RequestLabels { method, route, status }).inc();
    }

    pub(crate) fn count_run(&self, kind: RunKind, state: RunStatus, seconds: f64, stored: u64) {
        let labels = RunLabels { kind: kind.as_str(), state: state.as_str() };
        self.runs.get_or_create(&labels).inc();
        self.run_seconds.get_or_create(&labels).observe(seconds);
        self.stored_bytes.inc_by(stored);
    }

    pub(crate) fn count_deletion(&self, is_deleted: bool) {
        let result = if is_deleted { "deleted" } else { "failed" };
        self.deletions.get_or_create(&DeletionLabels { result }).inc();
    }

    /// Notes that the schedules were looked at.
    pub(crate) fn scheduler_passed(&self, now: Timestamp) {
        self.scheduler_pass.set(now.as_second());
    }

    /// Remembers that a token, by its hash, may read the metrics.
    pub(crate) fn remember_reader(&self, token: String, now: Timestamp) {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() >= MAX_READERS {
            readers.retain(|_, since| now.duration_since(*since) < REMEMBER_READERS);
        }
        if readers.len() < MAX_READERS || readers.contains_key(&token) {
            readers.insert(token, now);
        }
    }

    /// Returns whether a token could read the metrics lately.
    pub(crate) fn remembers_reader(&self, token: &str, now: Timestamp) -> bool {
        let readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        readers.get(token).is_some_and(|since| now.duration_since(*since) < REMEMBER_READERS)
    }

    /// Returns all metrics as text, with what the catalog knows now; `None` while it is away.
    pub(crate) fn text(&self, known: Option<&Known>, format: Format) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode_registry(&mut text, &self.registry)?;
        encode_registry(&mut text, &process::registry())?;
        let mut catalog = Registry::with_prefix(PREFIX);
        let up = Gauge::<i64>::default();
        up.set(known.is_some().into());
        catalog.register("catalog_up", "Whether the metadata database answers", up);
        encode_registry(&mut text, &catalog)?;
        if let Some(known) = known {
            encode_registry(&mut text, &jobs::registry(PREFIX, &known.jobs))?;
            encode_registry(&mut text, &known::registry(PREFIX, known))?;
        }
        encode_eof(&mut text)?;
        Ok(format.of_open_metrics(text))
    }
}

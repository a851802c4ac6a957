//! Metrics of each job, made of the catalog at every scrape: they outlast restarts, and vanish with their job.
//!
//! The labels are `backup_id` and `backup`, since Prometheus has a label `job` of its own, and would rename one of the target's.

use catalog::{JobNumbers, Moment, RunNumbers};
use domain::outcome::RunStatus;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct JobLabels {
    backup_id: String,
    backup: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InfoLabels {
    backup_id: String,
    backup: String,
    source: String,
    engine: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabels {
    backup_id: String,
    backup: String,
    status: &'static str,
}

/// Adds a gauge per job that has a value.
fn add(
    registry: &mut Registry,
    jobs: &[JobNumbers],
    name: &str,
    help: &str,
    value: impl Fn(&JobNumbers) -> Option<i64>,
) {
    let family = Family::<JobLabels, Gauge>::default();
    for job in jobs {
        if let Some(value) = value(job) {
            let labels = JobLabels { backup_id: job.job_id.clone(), backup: job.name.clone() };
            family.get_or_create(&labels).set(value);
        }
    }
    registry.register(format!("backup_{name}"), help, family);
}

/// Returns the metrics of these jobs. Times are seconds since 1970.
pub(super) fn registry(prefix: &str, jobs: &[JobNumbers]) -> Registry {
    let mut registry = Registry::with_prefix(prefix);
    let seconds = |moment: Moment| moment.0.as_second();
    let duration = |run: &RunNumbers| Some(run.finished_at.0.as_second() - run.started_at?.0.as_second());
    let add = |registry: &mut Registry, name: &str, help: &str, value: &dyn Fn(&JobNumbers) -> Option<i64>| {
        add(registry, jobs, name, help, value);
    };
    registry.register("backup_info", "Every job, with its source", infos(jobs));
    add(&mut registry, "enabled", "Whether a job's schedule counts", &|job| Some(job.enabled.into()));
    let help = "When a job was added";
    add(&mut registry, "created_timestamp_seconds", help, &|job| Some(seconds(job.created_at)));
    let help = "When a job last succeeded, with or without warnings; 0 if it never has";
    add(&mut registry, "last_success_timestamp_seconds", help, &|job| {
        Some(job.good.as_ref().map_or(0, |run| seconds(run.finished_at)))
    });
    let help = "Bytes that the last successful run of a job has read";
    add(&mut registry, "last_success_dumped_bytes", help, &|job| job.good.as_ref().map(|run| run.dumped_bytes));
    let help = "Bytes of the last successful run of a job, after compression and encryption";
    add(&mut registry, "last_success_stored_bytes", help, &|job| job.good.as_ref().map(|run| run.stored_bytes));
    let help = "When the last run of a job ended; 0 if none has";
    add(&mut registry, "last_run_timestamp_seconds", help, &|job| {
        Some(job.ended.as_ref().map_or(0, |run| seconds(run.finished_at)))
    });
    let help = "How long the last run of a job took";
    add(&mut registry, "last_run_duration_seconds", help, &|job| job.ended.as_ref().and_then(duration));
    registry.register(
        "backup_last_run_status",
        "1 for what the last run of a job came to, 0 for the others",
        statuses(jobs),
    );
    let help = "When a job runs next by its schedule";
    add(&mut registry, "next_run_timestamp_seconds", help, &|job| job.next_run_at.map(seconds));
    registry
}

fn infos(jobs: &[JobNumbers]) -> Family<InfoLabels, Gauge> {
    let family = Family::<InfoLabels, Gauge>::default();
    for job in jobs.iter().cloned() {
        let JobNumbers { job_id, name, source, source_type, .. } = job;
        family.get_or_create(&InfoLabels { backup_id: job_id, backup: name, source, engine: source_type }).set(1);
    }
    family
}

fn statuses(jobs: &[JobNumbers]) -> Family<StatusLabels, Gauge> {
    let family = Family::<StatusLabels, Gauge>::default();
    for job in jobs {
        for state in RunStatus::ALL.into_iter().filter(|state| state.is_finished()) {
            let (backup_id, backup) = (job.job_id.clone(), job.name.clone());
            let is_it = job.ended.as_ref().is_some_and(|run| run.state == state);
            family.get_or_create(&StatusLabels { backup_id, backup, status: state.as_str() }).set(is_it.into());
        }
    }
    family
}

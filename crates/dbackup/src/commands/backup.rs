//! `dbackup backup`

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use adapter::destination::Destination;
use domain::run::RunEvent;
use domain::size::human;
use domain::{RunState, Warning};
use pipeline::Progress;
use pipeline::keys::Recipient;
use runner::backup::{CopyReport, DatabaseReport, NamedDestination, Stored, new_run_id};
use runner::{BackupRequest, Event, RunReport, back_up};
use serde_json::{Value, json};
use sources::{Databases, DumpOptions, Source, Unguarded};

use crate::cli::BackupArguments;
use crate::failure::{Failure, Outcome, describe_copy, with_details};
use crate::output::{self, ProgressDisplay};
use crate::{environment, signals};

/// The job of a source with several databases, unless it is named.
const JOB_OF_MANY: &str = "all-databases";

pub(crate) async fn run(arguments: BackupArguments) -> Result<Outcome, Failure> {
    let clock = Instant::now();
    let source = environment::source(
        arguments.source.as_deref(),
        "--source",
        "DBACKUP_SOURCE",
        arguments.password_file.as_deref(),
    )?;
    let recipients = arguments.recipients.iter().map(|text| text.parse::<Recipient>()).collect::<Result<Vec<_>, _>>();
    let recipients = recipients.map_err(|error| Failure::usage(error.to_string()))?;
    let destinations =
        arguments.to.iter().map(|address| environment::transfer_destination(address)).collect::<Result<Vec<_>, _>>()?;
    let cancel = signals::cancelled_by_signals()?;
    tokio::select! {
        checked = refuse_one_place_twice(&destinations) => checked?,
        () = cancel.cancelled() => return Err(Failure::failed("cancelled")),
    }
    let databases = tokio::select! {
        databases = databases(&*source, arguments.databases) => databases?,
        () = cancel.cancelled() => return Err(Failure::failed("cancelled")),
    };
    let job = arguments.job.unwrap_or_else(|| default_job(&databases.names));
    if job.is_empty() {
        return Err(Failure::usage("a job needs a name: --job NAME"));
    }
    if recipients.is_empty() && !arguments.json {
        output::note(
            "Not encrypted: whoever can read the destination can read the backup. dbackup keygen makes a key.",
        );
    }
    let started = super::now();
    let request = BackupRequest {
        source: &*source,
        databases: databases.names,
        left_out: databases.left_out,
        acknowledged: arguments.acknowledged,
        dump_options: DumpOptions { allow_damaged: arguments.allow_damaged },
        host: pipeline::host::name(),
        destinations: destinations.into_iter().map(NamedDestination::from).collect(),
        job,
        compression: arguments.compression,
        recipients,
        started,
        trigger: "manual",
        run_id: new_run_id(started),
        job_id: None,
        guard: Arc::new(Unguarded),
        stall_timeout: arguments.stall.timeout(),
        signer: None,
    };
    for warning in &request.left_out {
        let event = RunEvent::Warning { database: None, warning: warning.listed(&request.acknowledged) };
        if arguments.json { output::json(&json!(event)) } else { output::event(&event) }
    }
    let progress = Progress::default();
    let display = ProgressDisplay::backup(&progress, arguments.json);
    let on_event = |event: Event<'_>| {
        if arguments.json {
            output::json(&json!(event.to_data(&describe_copy, &request.acknowledged)));
        } else {
            tell_event(&event, &request.acknowledged);
        }
    };
    let report = back_up(&request, &progress, &cancel, &on_event).await;
    drop(display);
    let seconds = clock.elapsed().as_secs_f64();
    if arguments.json {
        print_result(&request, &report, seconds);
    } else {
        tell_result(&report, seconds);
    }
    Ok(report.state.into())
}

async fn refuse_one_place_twice(destinations: &[Arc<dyn Destination>]) -> Result<(), Failure> {
    let mut places = HashSet::new();
    for destination in destinations {
        if !places.insert(destination.identity().await) {
            let name = destination.name();
            return Err(Failure::usage(format!("{name} is named twice: a second copy belongs in another place")));
        }
    }
    Ok(())
}

async fn databases(source: &dyn Source, named: Vec<String>) -> Result<Databases, Failure> {
    if !named.is_empty() {
        let adapter = source.adapter();
        return if adapter.has_databases() {
            Ok(Databases::all(named))
        } else {
            let engine = adapter.manifest.title;
            Err(Failure::usage(format!("--database does not apply to {engine}: the source is one database")))
        };
    }
    let all = source.databases().await?;
    if all.names.is_empty() { Err(Failure::failed("the server has no databases")) } else { Ok(all) }
}

fn default_job(databases: &[String]) -> String {
    match databases {
        [database] => database.clone(),
        _ => JOB_OF_MANY.to_owned(),
    }
}

/// Shows what happens. The result says the rest, once the run has ended.
fn tell_event(event: &Event<'_>, acknowledged: &[String]) {
    if !matches!(event, Event::Warned { .. } | Event::Failed { .. } | Event::Copied { .. }) {
        output::event(&event.to_data(&describe_copy, acknowledged));
    }
}

fn tell_result(report: &RunReport, seconds: f64) {
    for database in &report.databases {
        if let Some(failure) = &database.failure {
            let words = format!("{}: {}", output::printable(&database.database), describe_copy(failure));
            output::error(&with_details(words, failure.technical_details()));
        }
        for copy in &database.copies {
            match &copy.result {
                Ok(stored) => tell_stored(copy, stored),
                Err(failure) => {
                    let words = format!("{}: {}", copy.destination, describe_copy(failure));
                    output::error(&with_details(words, failure.technical_details()));
                }
            }
        }
    }
    for (database, warning) in warnings(report) {
        let database = database.map(|database| format!("{}: ", output::printable(database))).unwrap_or_default();
        output::note(&format!("Warning: {database}{}", output::printable(&warning.to_string())));
    }
    let word = match report.state {
        RunState::Succeeded => "Succeeded",
        RunState::SucceededWithWarnings => "Succeeded with warnings, see above",
        RunState::Partial => "Partial: some copies are missing, see above",
        RunState::Failed => "Failed",
    };
    output::note(&format!("{word} ({seconds:.1} s)"));
}

/// The run's own warnings, then those of each database with its name.
fn warnings(report: &RunReport) -> impl Iterator<Item = (Option<&str>, &Warning)> {
    let of_databases = report
        .databases
        .iter()
        .flat_map(|database| database.warnings.iter().map(|warning| (Some(&*database.database), warning)));
    report.warnings.iter().map(|warning| (None, warning)).chain(of_databases)
}

fn warning_object((database, warning): (Option<&str>, &Warning), acknowledged: &[String]) -> Value {
    let mut object = json!(warning.listed(acknowledged));
    if let Some(database) = database {
        object["database"] = json!(database);
    }
    object
}

fn tell_stored(copy: &CopyReport, stored: &Stored) {
    let size = stored.sidecar.size;
    output::line(&format!(
        "{} {} ({} from {})",
        copy.destination,
        output::printable(&stored.path),
        human(size.stored),
        human(size.plain)
    ));
}

fn print_result(request: &BackupRequest<'_>, report: &RunReport, seconds: f64) {
    let acknowledged = &request.acknowledged;
    let backups: Vec<Value> =
        report.databases.iter().flat_map(|database| database_objects(database, acknowledged)).collect();
    let warnings: Vec<Value> = warnings(report).map(|warning| warning_object(warning, acknowledged)).collect();
    output::json(&json!({
        "event": "result", "status": report.state, "runId": report.run_id, "job": request.job, "seconds": seconds,
        "backups": backups, "warnings": warnings,
    }));
}

fn listed(warnings: &[Warning], acknowledged: &[String]) -> Vec<Value> {
    warnings.iter().map(|warning| json!(warning.listed(acknowledged))).collect()
}

fn database_objects(report: &DatabaseReport, acknowledged: &[String]) -> Vec<Value> {
    match &report.failure {
        Some(failure) => vec![json!({"database": report.database, "error": describe_copy(failure)})],
        None => {
            let warnings = listed(&report.warnings, acknowledged);
            let with_warnings = |copy| {
                let mut object = copy_object(&report.database, copy);
                object["warnings"] = json!(warnings);
                object
            };
            report.copies.iter().map(with_warnings).collect()
        }
    }
}

fn copy_object(database: &str, copy: &CopyReport) -> Value {
    match &copy.result {
        Ok(stored) => json!({
            "database": database, "destination": copy.destination, "path": stored.path, "id": stored.sidecar.id,
            "size": stored.sidecar.size, "checksum": stored.sidecar.checksum,
        }),
        Err(failure) => json!({"database": database, "destination": copy.destination, "error": describe_copy(failure)}),
    }
}

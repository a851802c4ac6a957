//! `dbackup list`

use adapter::destination::Unreadable;
use domain::size::human;
use runner::Listing;
use serde_json::json;

use crate::cli::ListArguments;
use crate::environment;
use crate::failure::{Failure, Outcome};
use crate::output;

/// Maximum number of unreadable folders that are named one by one.
const MAX_NAMED: usize = 20;

pub(crate) async fn run(arguments: ListArguments) -> Result<Outcome, Failure> {
    let destination = environment::destination(&arguments.destination)?;
    let job = arguments.job.as_deref();
    let listed = runner::list(&*destination, job, &sources::registry()).await.map_err(Failure::from);
    if arguments.json { print_json(listed) } else { Ok(print_table(&destination.name(), job, &listed?)) }
}

/// What could not be read may hold backups: a listing without it is partial.
fn outcome(listing: &Listing) -> Outcome {
    if listing.unreadable.is_empty() { Outcome::Succeeded } else { Outcome::Partial }
}

fn print_json(listed: Result<Listing, Failure>) -> Result<Outcome, Failure> {
    let listing = match listed {
        Ok(listing) => listing,
        Err(failure) => {
            output::json(&json!({
                "event": "result", "status": "failed", "error": failure.to_string(), "backups": 0, "size": 0, "unreadable": [],
            }));
            return Err(failure);
        }
    };
    let sources = sources::registry();
    for backup in &listing.backups {
        let engine = sources::of_ending(&sources, &backup.name.ending).map(|adapter| adapter.manifest.id);
        output::json(&json!({
            "event": "backup", "path": backup.path, "job": backup.job, "database": backup.name.database_name(),
            "time": backup.name.time, "size": backup.size, "engine": engine,
            "compression": backup.name.compression, "encrypted": backup.name.encrypted, "sidecar": backup.has_sidecar,
        }));
    }
    let size: u64 = listing.backups.iter().map(|backup| backup.size).sum();
    let unreadable = listing.unreadable.iter().map(|Unreadable { path, cause }| json!({"path": path, "error": cause}));
    let status = if listing.unreadable.is_empty() { "succeeded" } else { "partial" };
    output::json(&json!({
        "event": "result", "status": status, "backups": listing.backups.len(), "size": size,
        "unreadable": unreadable.collect::<Vec<_>>(),
    }));
    Ok(outcome(&listing))
}

fn print_table(destination: &str, job: Option<&str>, listing: &Listing) -> Outcome {
    if !listing.backups.is_empty() {
        output::line(&format!("{:<20}  {:>10}  {:<9}  PATH", "TIME (UTC)", "SIZE", "ENCRYPTED"));
    }
    for backup in &listing.backups {
        let encrypted = if backup.name.encrypted { "yes" } else { "no" };
        let path = output::printable(&backup.path);
        let remark = if backup.has_sidecar { "" } else { "  (no sidecar)" };
        output::line(&format!(
            "{:<20}  {:>10}  {encrypted:<9}  {path}{remark}",
            backup.name.time.to_string(),
            human(backup.size)
        ));
    }
    tell_unreadable(&listing.unreadable);
    match job {
        _ if !listing.backups.is_empty() => {}
        Some(job) => output::note(&format!(
            "No backups of job '{}' at {destination}. dbackup list {destination} shows those of all jobs.",
            output::printable(job)
        )),
        None if listing.unreadable.is_empty() => {
            output::note(&format!("No backups at {destination} yet. dbackup backup --to {destination} makes one."));
        }
        None => output::note(&format!("No backups in the folders of {destination} that could be read.")),
    }
    outcome(listing)
}

fn tell_unreadable(unreadable: &[Unreadable]) {
    for Unreadable { path, cause } in unreadable.iter().take(MAX_NAMED) {
        output::error(&format!("could not read the folder {}: {cause}", output::printable(path)));
    }
    if unreadable.len() > MAX_NAMED {
        output::error(&format!("{} more folders could not be read", unreadable.len() - MAX_NAMED));
    }
}

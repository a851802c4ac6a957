//! `dbackup list`

use domain::size::human;
use runner::Backup;
use serde_json::json;

use crate::cli::ListArguments;
use crate::environment;
use crate::failure::{Failure, Outcome};
use crate::output;

pub(crate) async fn run(arguments: ListArguments) -> Result<Outcome, Failure> {
    let destination = environment::destination(&arguments.destination)?;
    let backups = runner::list(&*destination, arguments.job.as_deref()).await?;
    if arguments.json {
        print_json(&backups);
    } else {
        print_table(&destination.name(), &backups);
    }
    Ok(Outcome::Succeeded)
}

fn print_json(backups: &[Backup]) {
    for backup in backups {
        output::json(&json!({
            "event": "backup", "path": backup.path, "job": backup.job, "database": backup.name.database_name(),
            "time": backup.name.time, "size": backup.size, "engine": backup.name.format.engine(),
            "compression": backup.name.compression, "encrypted": backup.name.encrypted, "sidecar": backup.has_sidecar,
        }));
    }
    let size: u64 = backups.iter().map(|backup| backup.size).sum();
    output::json(&json!({"event": "result", "status": "succeeded", "backups": backups.len(), "size": size}));
}

fn print_table(destination: &str, backups: &[Backup]) {
    if backups.is_empty() {
        output::note(&format!("No backups at {destination} yet. dbackup backup --to {destination} makes one."));
        return;
    }
    output::line(&format!("{:<20}  {:>10}  {:<9}  PATH", "TIME (UTC)", "SIZE", "ENCRYPTED"));
    for backup in backups {
        let encrypted = if backup.name.encrypted { "yes" } else { "no" };
        let path = output::printable(&backup.path);
        let remark = if backup.has_sidecar { "" } else { "  (no sidecar)" };
        output::line(&format!(
            "{:<20}  {:>10}  {encrypted:<9}  {path}{remark}",
            backup.name.time.to_string(),
            human(backup.size)
        ));
    }
}

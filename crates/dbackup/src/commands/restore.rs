//! `dbackup restore`

use std::collections::BTreeSet;
use std::time::Instant;

use destinations::Destination;
use domain::size::human;
use pipeline::Progress;
use runner::OpenRequest;
use sources::RestoreOptions;

use crate::cli::RestoreArguments;
use crate::failure::{Failure, Outcome};
use crate::output::{self, ProgressDisplay};
use crate::{environment, signals};

pub(crate) async fn run(arguments: RestoreArguments) -> Result<Outcome, Failure> {
    let clock = Instant::now();
    let target = environment::source(
        arguments.target.as_deref(),
        "--target",
        "DBACKUP_TARGET",
        arguments.password_file.as_deref(),
    )?;
    let identities = environment::identities(arguments.identity.as_deref())?;
    let destination = environment::destination(&arguments.destination)?;
    let path = match (&arguments.path, &arguments.job) {
        (Some(path), _) => path.clone(),
        (None, Some(job)) => latest(&*destination, job, arguments.database.as_deref()).await?,
        (None, None) => return Err(Failure::usage("say which backup: its PATH, or --job NAME --latest")),
    };
    let options = RestoreOptions {
        overwrite: arguments.overwrite,
        no_owner: arguments.no_owner,
        allow_damaged: arguments.allow_damaged,
        ..RestoreOptions::default()
    };
    let cancel = signals::cancelled_by_signals()?;
    let progress = Progress::default();
    output::note(&format!("Restoring {}", output::printable(&path)));
    let display = ProgressDisplay::restore(&progress);
    let request = OpenRequest { destination: &*destination, path: &path, identities };
    let restored = runner::restore(request, &*target, options, &progress, &cancel).await;
    drop(display);
    let report = restored?;
    for warning in &report.restored.warnings {
        output::note(&format!("Warning: {warning}"));
    }
    let seconds = clock.elapsed().as_secs_f64();
    output::line(&format!(
        "Restored {} into {} ({seconds:.1} s)",
        human(report.decoded.plain.size),
        report.restored.target
    ));
    Ok(Outcome::Succeeded)
}

/// The newest backup of a job, of one database.
async fn latest(destination: &dyn Destination, job: &str, database: Option<&str>) -> Result<String, Failure> {
    let mut backups = runner::list(destination, Some(job)).await?;
    if let Some(database) = database {
        backups.retain(|backup| backup.name.database_name().as_deref() == Some(database));
    } else {
        let databases: BTreeSet<_> = backups.iter().map(|backup| backup.name.database.clone()).collect();
        if databases.len() > 1 {
            let names: Vec<String> = backups
                .iter()
                .filter_map(|backup| backup.name.database_name())
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect();
            return Err(Failure::usage(format!(
                "job '{job}' has several databases: name one with --database ({})",
                names.join(", ")
            )));
        }
    }
    // Two databases that are called the same and share a job's folder must not be taken for each other.
    let sources: BTreeSet<&str> = backups.iter().filter_map(|backup| backup.source.as_deref()).collect();
    if sources.len() > 1 {
        let sources = sources.into_iter().collect::<Vec<_>>().join(", ");
        return Err(Failure::usage(format!(
            "job '{job}' has backups of several sources ({sources}): give the PATH of the one you mean, as dbackup list shows it"
        )));
    }
    match backups.pop() {
        Some(newest) => Ok(newest.path),
        None => Err(Failure::failed(format!(
            "no backup of job '{job}'{} at {}: dbackup list {} shows what is there",
            database.map(|database| format!(", database '{database}',")).unwrap_or_default(),
            destination.name(),
            destination.name()
        ))),
    }
}

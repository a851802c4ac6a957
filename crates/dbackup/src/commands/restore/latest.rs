//! The newest backup of a job.

use std::collections::BTreeSet;

use destinations::Destination;

use crate::failure::Failure;

/// The newest backup of a job, of one database.
pub(super) async fn latest(
    destination: &dyn Destination,
    job: &str,
    database: Option<&str>,
) -> Result<String, Failure> {
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

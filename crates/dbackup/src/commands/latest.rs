//! The newest backup of a job: found by the files' names, and by as few sidecars as tell where it came from.

mod origin;

use std::collections::BTreeSet;

use adapter::destination::Destination;
use futures_util::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use runner::catalog::{belongs_to, read_sidecar};
use runner::{Backup, JobFolder, SidecarState};
use sources::{SourceAdapter, engine_of, registry};

use crate::failure::Failure;
use crate::output;

/// Maximum number of sidecars that are read at once.
const READ_AT_ONCE: usize = 4;
/// A clock may be this wrong before its backups are doubted.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_hours(24);

/// Which backup is asked for.
pub(crate) struct Wanted<'a> {
    pub(crate) job: &'a str,
    /// The database's name; without it, the job's only one.
    pub(crate) database: Option<&'a str>,
    /// The target's: a job's folder can hold backups of several engines.
    pub(crate) adapter: SourceAdapter,
}

/// Returns the path of the newest backup of a job, of one database.
pub(crate) async fn latest(destination: &dyn Destination, wanted: &Wanted<'_>) -> Result<String, Failure> {
    let folder = JobFolder::list(destination, wanted.job, &registry()).await?;
    let mut backups = of_engine(folder.backups, wanted)?;
    if wanted.adapter.has_databases() {
        backups = of_database(backups, wanted)?;
    }
    let backups = without_wrong_clocks(backups, super::now(), wanted.job)?;
    // The newest first: what follows reads as few sidecars as it can.
    let mut candidates = backups.into_iter().rev();
    let mut read: Vec<(Backup, SidecarState)> = Vec::new();
    while read.is_empty() {
        let few: Vec<Backup> = candidates.by_ref().take(READ_AT_ONCE).collect();
        if few.is_empty() {
            return Err(nothing(destination, wanted));
        }
        let sidecars = try_join_all(few.iter().map(|backup| sidecar_of(destination, backup))).await?;
        read.extend(few.into_iter().zip(sidecars).filter(|(_, sidecar)| {
            belongs_to(wanted.job, sidecar).unwrap_or(folder.is_spelt_so) && is_database(sidecar, wanted)
        }));
    }
    origin::check(wanted.job, &read)?;
    let Some((newest, sidecar)) = read.into_iter().next() else { return Err(nothing(destination, wanted)) };
    if let Some(problem) = sidecar.problem() {
        output::note(&format!("{}: {problem}", output::printable(&newest.path)));
    }
    Ok(newest.path)
}

async fn sidecar_of(destination: &dyn Destination, backup: &Backup) -> Result<SidecarState, adapter::Error> {
    if backup.has_sidecar { read_sidecar(destination, &backup.path).await } else { Ok(SidecarState::Missing) }
}

fn of_engine(backups: Vec<Backup>, wanted: &Wanted<'_>) -> Result<Vec<Backup>, Failure> {
    let (fit, others): (Vec<_>, Vec<_>) =
        backups.into_iter().partition(|backup| backup.name.ending == wanted.adapter.dump.ending);
    match others.first().filter(|_| fit.is_empty()) {
        Some(other) => Err(Failure::failed(format!(
            "job '{}' has no {} backup: its backups are {} dumps. Name a target of that kind",
            wanted.job,
            wanted.adapter.manifest.title,
            engine_of(&registry(), &other.name, None)
        ))),
        None => Ok(fit),
    }
}

fn of_database(mut backups: Vec<Backup>, wanted: &Wanted<'_>) -> Result<Vec<Backup>, Failure> {
    if let Some(database) = wanted.database {
        // A name that was cut is compared as it would be cut again.
        let encoded = domain::naming::database_segment(database);
        backups.retain(|backup| backup.name.database.as_deref() == Some(&*encoded));
        return Ok(backups);
    }
    let databases: BTreeSet<_> = backups.iter().map(|backup| backup.name.database.clone()).collect();
    if databases.len() > 1 {
        let names: BTreeSet<String> = backups.iter().filter_map(|backup| backup.name.database_name()).collect();
        return Err(Failure::usage(format!(
            "job '{}' has several databases: name one with --database ({})",
            wanted.job,
            names.into_iter().collect::<Vec<_>>().join(", ")
        )));
    }
    Ok(backups)
}

/// Where names say no database, a sidecar may.
fn is_database(sidecar: &SidecarState, wanted: &Wanted<'_>) -> bool {
    match (wanted.database, sidecar.sidecar()) {
        (Some(database), Some(sidecar)) => sidecar.database == database,
        _ => true,
    }
}

/// Leaves out what a wrong clock has dated: later than now, or than its storage took it. Each is named.
fn without_wrong_clocks(backups: Vec<Backup>, now: Timestamp, job: &str) -> Result<Vec<Backup>, Failure> {
    let is_after = |time: Timestamp, other: Timestamp| time.duration_since(other) > CLOCK_TOLERANCE;
    let (future, past): (Vec<_>, Vec<_>) = backups.into_iter().partition(|backup| is_after(backup.name.time, now));
    if let Some(newest) = future.last() {
        let path = output::printable(&newest.path);
        if past.is_empty() {
            return Err(Failure::failed(format!(
                "the newest backup of job '{job}' is dated later than this machine's clock: {path}. Check the clock, or give \
                 the PATH of the one you mean"
            )));
        }
        output::note(&format!(
            "Warning: left out {} of job '{job}' that {} dated later than now: {path}. To restore that one, give its PATH.",
            if future.len() == 1 { "a backup".to_owned() } else { format!("{} backups", future.len()) },
            if future.len() == 1 { "is" } else { "are" },
        ));
    }
    let is_doubtful = |backup: &Backup| backup.modified.is_some_and(|taken| is_after(backup.name.time, taken));
    // Where all are so, the storage's own clock is wrong.
    if past.iter().all(is_doubtful) {
        return Ok(past);
    }
    let (doubtful, sound): (Vec<_>, Vec<_>) = past.into_iter().partition(is_doubtful);
    let newest = sound.last().map(|backup| backup.name.time);
    if let Some(backup) = doubtful.last().filter(|backup| Some(backup.name.time) > newest) {
        output::note(&format!(
            "Warning: left out {}: it is dated more than a day later than its storage took it, so the clock was wrong. To \
             restore it, give its PATH.",
            output::printable(&backup.path)
        ));
    }
    Ok(sound)
}

fn nothing(destination: &dyn Destination, wanted: &Wanted<'_>) -> Failure {
    let database = wanted.database.map(|database| format!(", database '{database}',")).unwrap_or_default();
    let name = destination.name();
    Failure::failed(format!(
        "no backup of job '{}'{database} at {name}: dbackup list {name} shows what is there",
        wanted.job
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backup(name: &str, modified: Option<&str>) -> Backup {
        let path = format!("shop/{name}.db");
        let (job, name) = runner::catalog::parse_path(&path).unwrap();
        let modified = modified.map(|time| time.parse().unwrap());
        Backup { path, job, name, size: 1, modified, has_sidecar: false }
    }

    fn kept(backups: Vec<Backup>) -> Option<Vec<String>> {
        let now = "2026-06-01T00:00:00Z".parse().unwrap();
        let kept = without_wrong_clocks(backups, now, "shop").ok()?;
        Some(kept.into_iter().map(|backup| backup.name.time.to_string()[..10].to_owned()).collect())
    }

    #[test]
    fn a_backup_of_a_wrong_clock_is_not_the_newest() {
        let good = || backup("backup_2026-05-31T00-00-00", Some("2026-05-31T00:10:00Z"));
        let future = || backup("backup_2099-01-01T00-00-00", Some("2026-05-01T00:00:00Z"));
        let soon = || backup("backup_2026-06-01T12-00-00", Some("2026-05-31T20:00:00Z"));
        let passed = || backup("backup_2026-05-31T12-00-00", Some("2026-05-01T00:00:00Z"));
        assert_eq!(kept(vec![good(), future()]).unwrap(), ["2026-05-31"]);
        assert_eq!(kept(vec![future()]), None, "there is no other, and it is not taken in silence");
        assert_eq!(kept(vec![good(), soon()]).unwrap(), ["2026-05-31", "2026-06-01"], "zones and small errors");
        assert_eq!(kept(vec![good(), passed()]).unwrap(), ["2026-05-31"], "its date has come meanwhile");
        assert_eq!(kept(vec![passed()]).unwrap(), ["2026-05-31"], "the storage's clock may be the wrong one");
        assert_eq!(kept(vec![]).unwrap(), [""; 0]);
    }

    #[test]
    fn a_copy_that_its_storage_took_later_is_as_good() {
        let copied = backup("backup_2026-05-31T00-00-00", Some("2026-06-20T00:00:00Z"));
        assert_eq!(kept(vec![copied, backup("backup_2026-05-30T00-00-00", None)]).unwrap().len(), 2);
    }
}

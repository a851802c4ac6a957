//! Where private copies of a database are created, and what dead processes left there.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use domain::Warning;
use domain::size::human;
use pipeline::PrivateFile;
use pipeline::private_file::{folder_of, prefix_of, sweep};
use rustix::fs::statvfs;

use super::connection::{failed, is_full};
use crate::error::Error;

/// The purpose in the names of copies of a database.
const COPY: &str = "dbackup-copy";
/// The purpose in the names of restored databases that are not yet in their place.
pub(super) const RESTORE: &str = "dbackup-restore";
/// Names the one folder for private copies.
const FOLDER_VARIABLE: &str = "DBACKUP_SQLITE_COPY_FOLDER";
/// Names the data folder.
const DATA_VARIABLE: &str = "DBACKUP_DATA";
/// The data folder of the server that this process is.
static DATA_FOLDER: OnceLock<PathBuf> = OnceLock::new();
/// The folder for large temporary files, which survive a restart and are not in memory.
const TEMPORARY: &str = "/var/tmp";

/// Why a copy was not made in a folder.
pub(super) enum Unmade {
    /// Another folder may do.
    Here(String),
    /// No folder would do.
    Anywhere(Error),
}

impl Unmade {
    /// Sorts an error of the copy's file: only full, missing and forbidden folders have alternatives.
    pub(super) fn of_file(error: &io::Error) -> Self {
        Self::Here(error.to_string())
    }

    /// Sorts an error of SQLite while it writes the copy.
    pub(super) fn of_sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        if is_full(error) { Self::Here(error.to_string()) } else { Self::Anywhere(failed("copy", path, error)) }
    }
}

/// Creates a private file for `size` bytes of the database in the first folder that has room and lets `fill` fill it.
pub(super) fn create<T>(
    database: &Path,
    size: u64,
    fill: impl Fn(PrivateFile, &Path) -> Result<T, Unmade>,
) -> Result<T, Error> {
    let mut causes = Vec::new();
    for folder in folders(database) {
        let made = create_in(&folder, database, size).and_then(|file| fill(file, &folder));
        match made {
            Ok(made) => return Ok(made),
            Err(Unmade::Anywhere(error)) => return Err(error),
            Err(Unmade::Here(cause)) => causes.push(format!("{}: {cause}", folder.display())),
        }
    }
    Err(Error::failed(
        format!("could not make a private copy of {} ({})", database.display(), human(size)),
        causes.join("; "),
    )
    .cure("Set DBACKUP_SQLITE_COPY_FOLDER to a folder that this user may write to and that has room for the database"))
}

fn create_in(folder: &Path, database: &Path, size: u64) -> Result<PrivateFile, Unmade> {
    let free = statvfs(folder).map_err(|error| Unmade::of_file(&error.into()))?;
    let free = free.f_bavail.saturating_mul(free.f_frsize);
    if free < size {
        return Err(Unmade::Here(format!("only {} are free", human(free))));
    }
    PrivateFile::create_new(folder, &prefix_of(database, COPY), 0o600).map_err(|error| Unmade::of_file(&error))
}

/// Names the data folder for the rest of the process, in place of `DBACKUP_DATA`. The first call counts.
pub(crate) fn set_data_folder(folder: PathBuf) {
    let _ = DATA_FOLDER.set(folder);
}

/// Returns the folders to try: the one that is set, or beside the database, the data folder, and that for temporary files.
fn folders(database: &Path) -> Vec<PathBuf> {
    let named = |variable| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(folder) = named(FOLDER_VARIABLE) {
        return vec![folder];
    }
    let mut folders = vec![folder_of(database).to_owned()];
    folders.extend(DATA_FOLDER.get().cloned().or_else(|| named(DATA_VARIABLE)));
    folders.push(named("TMPDIR").unwrap_or_else(|| TEMPORARY.into()));
    folders
}

/// Removes what dead processes left of copies and restores of this database. Returns a warning per file that is still there.
pub(super) fn remove_leftovers(database: &Path) -> Vec<Warning> {
    // Private files lie beside the file itself, not beside a link to it.
    let database = std::fs::canonicalize(database).unwrap_or_else(|_| database.to_owned());
    let database = database.as_path();
    let beside = folder_of(database).to_owned();
    let copies = folders(database).into_iter().chain([beside.clone()]).map(|folder| (folder, COPY));
    let mut places: Vec<_> = copies.chain([(beside, RESTORE)]).collect();
    places.sort_unstable();
    places.dedup();
    // A folder that cannot be read holds nothing that this user left there, or says so when it is written to.
    let left =
        places.iter().flat_map(|(folder, purpose)| sweep(folder, &prefix_of(database, purpose)).unwrap_or_default());
    left.map(|file| leftover(&file)).collect()
}

fn leftover(file: &Path) -> Warning {
    Warning::new("leftover-file", format!("{} may be left over from a run that was killed", file.display()))
        .about(file.display().to_string())
        .with_cure("Remove it, once no backup or restore of this database is running")
}

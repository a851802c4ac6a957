//! Finding PostgreSQL's tools and the right major version among them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use pipeline::process::Command;

use super::Postgres;
use crate::error::Error;

/// Names the only folder to look in, for whoever keeps the tools elsewhere.
pub(super) const FOLDER_VARIABLE: &str = "DBACKUP_POSTGRES_BIN";
/// Where packages put them, a folder per major version (Debian, Red Hat).
pub(super) const PACKAGE_FOLDERS: &[&str] = &["/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin"];

/// From this version on, pg_dump writes and pg_restore sends `SET transaction_timeout`, which older servers refuse: what such a
/// pg_dump makes of an older server cannot go back into it.
pub(super) const FIRST_WITH_TRANSACTION_TIMEOUT: u32 = 17;

/// Maximum time for a tool to tell its version.
const VERSION_TIMEOUT: Duration = Duration::from_secs(30);

/// A tool that was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tool {
    /// The major version.
    pub(super) major: u32,
    /// As it calls itself: `pg_dump (PostgreSQL) 17.2`.
    pub(super) version: String,
    path: PathBuf,
}

impl Tool {
    /// Finds a tool of the server's major version, or else the next newer one that suits it and is at least `oldest`.
    pub(super) async fn find(name: &str, server_major: u32, oldest: u32) -> Result<Self, Error> {
        let found = find_all(name).await;
        let oldest = oldest.max(server_major);
        let is_new = |major: u32| major >= FIRST_WITH_TRANSACTION_TIMEOUT;
        let suits = |tool: &&Self| tool.major >= oldest && is_new(tool.major) == is_new(server_major);
        let best = found.iter().filter(suits).min_by_key(|tool| tool.major);
        match (best, found.iter().map(|tool| tool.major).max()) {
            (Some(best), _) => Ok(best.clone()),
            (None, Some(newest)) => Err(unsuited(name, server_major, oldest, newest)),
            (None, None) => Err(missing(name)),
        }
    }

    /// Finds a tool whose version does not matter.
    pub(super) async fn find_any(name: &str) -> Result<Self, Error> {
        for path in candidates(name).await {
            if let Some(tool) = examine(&path).await {
                return Ok(tool);
            }
        }
        Err(missing(name))
    }

    /// A command that runs it, logged in to the source.
    pub(super) fn command(&self, source: &Postgres) -> Command {
        let mut command = Command::new(&self.path);
        command.environment = source.environment();
        command
    }
}

fn missing(name: &str) -> Error {
    Error::failed(
        format!("could not find {name}"),
        format!("neither in PATH nor where packages put it ({FOLDER_VARIABLE} can name its folder)"),
    )
    .cure("Install the PostgreSQL client tools (Debian: postgresql-client)")
}

fn unsuited(name: &str, server_major: u32, oldest: u32, newest: u32) -> Error {
    let cause = format!("the server is PostgreSQL {server_major}, the newest {name} here is version {newest}");
    if oldest > server_major {
        let cure = Some("Install those client tools, and restore into a server of that version or newer".to_owned());
        return Error::failed(format!("the backup needs {name} {oldest} or newer"), cause).maybe_cure(cure);
    }
    let what = if newest < server_major {
        format!("the newest {name} here is older than the server")
    } else {
        format!("{name} here is too new: what version 17 and later dump does not go back into an older server")
    };
    let cure = Some(format!(
        "Install the server's major version of the PostgreSQL client tools (Debian: postgresql-client-{server_major})"
    ));
    Error::failed(what, cause).maybe_cure(cure)
}

/// Every version of a tool that is installed.
async fn find_all(name: &str) -> Vec<Tool> {
    let mut tools = Vec::new();
    for path in candidates(name).await {
        tools.extend(examine(&path).await);
    }
    tools
}

/// Looks on a thread where a folder of PATH that hangs holds up nobody else.
async fn candidates(name: &str) -> Vec<PathBuf> {
    let name = name.to_owned();
    // Fails only if it panics: then none is found.
    tokio::task::spawn_blocking(move || look_for(&name)).await.unwrap_or_default()
}

fn look_for(name: &str) -> Vec<PathBuf> {
    if let Some(folder) = std::env::var_os(FOLDER_VARIABLE) {
        return vec![PathBuf::from(folder).join(name)];
    }
    let packaged = PACKAGE_FOLDERS.iter().flat_map(|pattern| adapter::folders_like(pattern).into_iter().rev());
    let mut candidates: Vec<PathBuf> = packaged.map(|folder| folder.join(name)).collect();
    // What Debian has in PATH are wrappers that choose a version by rules of their own: the real ones come first.
    let path = std::env::var_os("PATH").unwrap_or_default();
    candidates.extend(std::env::split_paths(&path).map(|folder| folder.join(name)));
    candidates.retain(|candidate| candidate.is_file());
    candidates
}

/// What each program said of itself, and when the file was written: an upgrade under way is noticed.
static KNOWN: Mutex<BTreeMap<PathBuf, (SystemTime, Tool)>> = Mutex::new(BTreeMap::new());

/// Asks a program for its version, once.
async fn examine(path: &Path) -> Option<Tool> {
    let written = tokio::fs::metadata(path).await.and_then(|metadata| metadata.modified()).ok()?;
    if let Some((when, tool)) = KNOWN.lock().unwrap_or_else(PoisonError::into_inner).get(path)
        && *when == written
    {
        return Some(tool.clone());
    }
    let tool = ask_version(path).await?;
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), (written, tool.clone()));
    Some(tool)
}

async fn ask_version(path: &Path) -> Option<Tool> {
    let command = Command::new(path).arguments(["--version"]);
    let output = tokio::time::timeout(VERSION_TIMEOUT, command.output(1000)).await.ok()?.ok()?;
    let version = String::from_utf8(output).ok()?.trim().to_owned();
    let number = version.split_whitespace().find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?;
    let major = number.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()?;
    Some(Tool { major, version, path: path.to_owned() })
}

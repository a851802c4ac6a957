//! Databases under passing names: what a restore makes beside its target, and how it is found and removed after a crash.
//!
//! - `shop__dbackup_restore_1f2e3d4c`: being loaded. The process that loads it holds an advisory lock whose key is the number
//!   in the name, from before the database exists until it has another name. Locks of all databases of a server are seen
//!   in `pg_locks`, and end with the session: a database without its lock was abandoned, on whatever machine.
//! - `shop__dbackup_restored_1f2e3d4c`: complete, but not in its place. Never removed.
//! - `shop__dbackup_replaced_1f2e3d4c`: what was there before. Removed right after the swap.

use std::time::Duration;

use domain::Warning;
use pipeline::process::Process;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, ChildStdout};

use super::Postgres;
use super::cures::Operation;
use super::probe::{execute, identifier, literal, query};
use super::tools::Tool;
use crate::error::Error;

/// PostgreSQL cuts longer names.
const MAX_NAME_BYTES: usize = 63;
/// The first half of every advisory lock's key: "dbkp".
const LOCK_CLASS: u32 = 0x6462_6b70;
/// Databases that the lock's session may be connected to: it must not be in the way of a rename.
const LOCK_DATABASES: [&str; 2] = ["postgres", "template1"];

/// How often, and at which interval, a server is looked at that still creates a database which nobody waits for.
const MAX_LOOKS: u32 = 100;
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// What a database under a passing name is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Being loaded.
    Restore,
    /// Loaded, and waiting for its place.
    Restored,
    /// Replaced.
    Replaced,
}

impl Purpose {
    fn word(self) -> &'static str {
        match self {
            Self::Restore => "restore",
            Self::Restored => "restored",
            Self::Replaced => "replaced",
        }
    }
}

/// A random number that all names of one restore share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Number(u32);

impl Number {
    /// Draws a number.
    pub(super) fn draw() -> Result<Self, Error> {
        getrandom::u32().map(Self).map_err(|error| Error::failed("could not name a database", error))
    }

    /// Reads the number out of the name of a database that was loaded and kept.
    pub(super) fn of_kept(name: &str) -> Option<Self> {
        let (_, number) = name.rsplit_once("__dbackup_restored_").or_else(|| name.rsplit_once("__dbackup_restore_"))?;
        (number.len() == 8).then(|| u32::from_str_radix(number, 16).ok().map(Self))?
    }

    /// Returns the passing name of a database, cut so that PostgreSQL keeps it whole.
    pub(super) fn name(self, database: &str, purpose: Purpose) -> String {
        let suffix = format!("__dbackup_{}_{:08x}", purpose.word(), self.0);
        let mut end = database.len().min(MAX_NAME_BYTES - suffix.len());
        while !database.is_char_boundary(end) {
            end -= 1;
        }
        format!("{}{suffix}", &database[..end])
    }
}

/// Holds the lock of one restore for as long as it lives.
#[derive(Debug)]
pub(super) struct Keeper {
    _process: Process,
    _input: ChildStdin,
    _output: BufReader<ChildStdout>,
}

impl Keeper {
    /// Takes the lock, through a session of its own.
    pub(super) async fn hold(source: &Postgres, number: Number) -> Result<Self, Error> {
        let database = lock_database(source).await?;
        let what = format!("could not mark a restore at {}", source.address());
        let cure = |words: &str| source.cure(Operation::Restore, words);
        let command = Tool::find_any("psql").await?.command(source).arguments([
            "--no-psqlrc",
            "--quiet",
            "--tuples-only",
            "--no-align",
            "--no-password",
            "--set=ON_ERROR_STOP=1",
            &format!("--dbname={}", source.conninfo(database)),
        ]);
        let (process, input, output) = command.start().map_err(|error| Error::of_tool(&what, &error, cure))?;
        let (Some(mut input), Some(output)) = (input, output) else {
            return Err(Error::failed(what, "psql has no pipes"));
        };
        let (class, key) = (LOCK_CLASS.cast_signed(), number.0.cast_signed());
        let sql = format!("SET idle_session_timeout = 0;\nSELECT 'held' FROM pg_advisory_lock({class}, {key});\n");
        // The parameter is unknown before PostgreSQL 14; its failure must not end psql.
        let sql = format!("\\set ON_ERROR_STOP 0\n{sql}");
        let mut output = BufReader::new(output);
        let mut line = String::new();
        let asked = input.write_all(sql.as_bytes()).await;
        let read = output.read_line(&mut line).await;
        if asked.is_err() || read.is_err() || line.trim() != "held" {
            drop(input);
            return Err(match process.finish(Some(pipeline::process::EXIT_PATIENCE)).await {
                Ok(_) => Error::failed(what, "the lock was not taken"),
                Err(error) => Error::of_tool(what, &error, cure),
            });
        }
        Ok(Self { _process: process, _input: input, _output: output })
    }
}

pub(super) async fn lock_database(source: &Postgres) -> Result<&'static str, Error> {
    let mut first_failure = None;
    for database in LOCK_DATABASES.into_iter().filter(|database| source.database.as_deref() != Some(database)) {
        match query(source, database, "SELECT 1").await {
            Ok(_) => return Ok(database),
            Err(error) => first_failure = first_failure.or(Some(error)),
        }
    }
    Err(first_failure.unwrap_or_else(|| Error::failed(source.address(), "there is no database to ask through")))
}

/// Removes what crashed restores left, and names what is not ours to remove: databases that were restored and have no place yet, and replaced
/// ones.
pub(super) async fn sweep(source: &Postgres) -> Result<Vec<Warning>, Error> {
    let sql = format!(
        "SELECT datname FROM pg_catalog.pg_database WHERE datname ~ '__dbackup_(restore|restored|replaced)_[0-9a-f]{{8}}$' AND NOT EXISTS \
         (SELECT 1 FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND classid::bigint = {LOCK_CLASS} \
         AND objid::bigint = ('x' || right(datname, 8))::bit(32)::bigint) ORDER BY 1"
    );
    let mut warnings = Vec::new();
    for name in execute(source, &sql).await?.into_iter().flatten() {
        if name.contains("__dbackup_restore_") {
            let removed = drop_database(source, &name).await;
            warnings.extend(removed.err().map(|error| {
                leftover(&name, &format!("'{name}', left by an interrupted restore, could not be removed: {error}"))
            }));
        } else if name.contains("__dbackup_restored_") {
            let message = format!("'{name}' was restored completely and never put in its place");
            let cure = format!(
                "Put it in its place (dbackup restore --put-in-place), or drop it: DROP DATABASE {}",
                identifier(&name)
            );
            warnings.push(leftover(&name, &message).with_cure(cure));
        } else {
            warnings
                .push(leftover(&name, &format!("'{name}' is what an earlier restore replaced, and is still there")));
        }
    }
    Ok(warnings)
}

fn leftover(name: &str, message: &str) -> Warning {
    let cure = format!("Once nobody needs it, run as its owner or a superuser: DROP DATABASE {}", identifier(name));
    Warning::new("leftover", message).about(name).with_cure(cure)
}

/// Drops a database whose creation was given up. The server may be at it still, though its client is gone: without an end to that, the
/// database would appear after it was found missing.
pub(super) async fn drop_unfinished(source: &Postgres, name: &str) -> Result<(), Error> {
    let creating = format!("CREATE DATABASE {} ", identifier(name));
    let sql = format!(
        "SELECT pg_cancel_backend(pid) FROM pg_catalog.pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() \
         AND usename = current_user AND left(query, length({creating})) = {creating}",
        creating = literal(&creating)
    );
    for _ in 0..MAX_LOOKS {
        if execute(source, &sql).await?.is_empty() {
            break;
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    drop_database(source, name).await
}

/// Drops a database of ours, even if a backend still works in it.
pub(super) async fn drop_database(source: &Postgres, name: &str) -> Result<(), Error> {
    let name = identifier(name);
    match execute(source, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await {
        // WITH (FORCE) came with PostgreSQL 13.
        Err(Error::Failed { cause, .. }) if cause.contains("syntax error") => {
            execute(source, &format!("DROP DATABASE IF EXISTS {name}")).await.map(drop)
        }
        result => result.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_cut_between_characters_and_keeps_its_ending() {
        let name = Number(0x1f).name(&"ü".repeat(40), Purpose::Restore);
        assert!(name.len() <= MAX_NAME_BYTES && name.ends_with("__dbackup_restore_0000001f"), "{name}");
        assert_eq!(Number(0xffff_ffff).name("shop", Purpose::Replaced), "shop__dbackup_replaced_ffffffff");
    }
}

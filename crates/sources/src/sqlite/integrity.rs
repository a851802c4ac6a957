//! Checking a database, and telling damage from what only its application can judge.
//!
//! Three things can come out of `PRAGMA integrity_check`: pages and b-trees that are damaged; rows that break their own table's
//! constraints, and indexes that differ from their table, both on sound pages; and an error, because this program lacks a
//! collation, a function or a tokenizer that only the application has. Stand-ins take the place of those, so that the pages and
//! b-trees are checked nevertheless.
//!
//! SQLite ignores CHECK constraints on connections that may not write: of a database that is read in place, they are not checked.

mod findings;
mod stand_ins;

use std::collections::BTreeSet;
use std::path::Path;

use domain::Warning;
use rusqlite::{Connection, ErrorCode};

use self::findings::{Findings, Kind};
use self::stand_ins::StandIns;
use super::connection::{SALVAGE, failed, tolerate_damage};
use crate::error::Error;

/// Maximum findings of a check of the whole database. Further ones stay unknown.
const MAX_FINDINGS: usize = 100_000;
/// Maximum findings of a check of one table, which SQLite sets.
const MAX_FINDINGS_PER_TABLE: usize = 100;
/// Maximum warnings of things that could not be checked.
const MAX_UNCHECKED: usize = 20;

/// What a check found.
#[derive(Debug, Default)]
pub(super) struct Report {
    findings: Findings,
    /// Subject and reason.
    unchecked: Vec<(String, String)>,
}

/// Checks every page, index and table of what this connection sees.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<Report, Error> {
    let mut report = Report::default();
    // What the snapshot was opened with despite damage must not hide it here.
    let checked = connection.execute_batch("PRAGMA writable_schema = RESET").and_then(|()| report.fill(connection));
    match checked {
        Ok(()) => Ok(report),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => {
            report.findings.add(&error.to_string());
            tolerate_damage(connection).map_err(|error| failed("read", path, &error))?;
            Ok(report)
        }
        Err(error) => Err(failed("check", path, &error)),
    }
}

impl Report {
    /// Returns the warnings of a database that is worth keeping.
    ///
    /// # Errors
    /// If it is damaged and that is not allowed.
    pub(super) fn warnings(self, path: &Path, allow_damaged: bool) -> Result<Vec<Warning>, Error> {
        let mut warnings = Vec::new();
        if let Some(damage) = self.findings.describe(Kind::Damage) {
            if !allow_damaged {
                return Err(Error::failed(format!("{} is damaged", path.display()), damage).cure("Restore an older backup, or salvage what is left with the .recover command of the sqlite3 shell. To \
                         copy it as it is, use --allow-damaged"));
            }
            warnings.push(Warning::new("damaged", format!("The database is damaged: {damage}")).with_cure(SALVAGE));
        }
        if let Some(violations) = self.findings.describe(Kind::Violation) {
            let message = format!("Some rows break the constraints of their own table: {violations}");
            let cure = "Correct these rows in the application. They are in the backup as they are";
            warnings.push(Warning::new("constraint-violations", message).with_cure(cure));
        }
        if let Some(indexes) = self.findings.describe(Kind::Index) {
            let message = format!("Some indexes differ from their tables: {indexes}");
            let cure = "Run REINDEX, or for a full-text index INSERT INTO name(name) VALUES ('rebuild')";
            warnings.push(Warning::new("index-inconsistent", message).with_cure(cure));
        }
        let more = self.unchecked.len().saturating_sub(MAX_UNCHECKED);
        for (subject, reason) in self.unchecked.into_iter().take(MAX_UNCHECKED) {
            warnings.push(unchecked(format!("{subject} could not be checked: {reason}")).about(subject));
        }
        if more > 0 {
            warnings.push(unchecked(format!("{more} further tables could not be checked")));
        }
        Ok(warnings)
    }

    fn fill(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let tables = tables(connection)?;
        let stand_ins = StandIns::register(connection, &tables)?;
        self.unchecked.extend(stand_ins.explain());
        let whole = match stand_ins.affected.is_empty() {
            true => "integrity_check",
            // What a stand-in sorts or computes is not what the application would have: only its b-tree can be checked.
            false => "quick_check",
        };
        let sql = format!("PRAGMA main.{whole}({MAX_FINDINGS})");
        let outcome = if stand_ins.broken.is_empty() {
            self.run(connection, &sql, MAX_FINDINGS, &stand_ins)?
        } else {
            // The check of the whole database cannot even be compiled.
            let pages = "the list of free pages";
            self.unchecked.push((pages.to_owned(), "SQLite cannot check the database as a whole".to_owned()));
            Outcome::Stopped(String::new())
        };
        match outcome {
            Outcome::Done if stand_ins.affected.is_empty() => Ok(()),
            Outcome::Done => self.check_tables(connection, &tables, &stand_ins, |table| !stand_ins.affects(table)),
            Outcome::Stopped(_) => {
                self.findings.keep_damage_only();
                self.check_tables(connection, &tables, &stand_ins, |_| true)
            }
        }
    }

    fn check_tables(
        &mut self,
        connection: &Connection,
        tables: &BTreeSet<String>,
        stand_ins: &StandIns,
        chosen: impl Fn(&str) -> bool,
    ) -> rusqlite::Result<()> {
        let sound = |table: &&String| !stand_ins.broken.contains_key(*table);
        for table in tables.iter().filter(sound).filter(|table| chosen(table)) {
            let sql = check_of_table(table, stand_ins.affects(table));
            if let Outcome::Stopped(reason) = self.run(connection, &sql, MAX_FINDINGS_PER_TABLE, stand_ins)? {
                self.unchecked.push((format!("table {table}"), reason));
            }
        }
        Ok(())
    }

    fn run(
        &mut self,
        connection: &Connection,
        sql: &str,
        limit: usize,
        stand_ins: &StandIns,
    ) -> rusqlite::Result<Outcome> {
        let mut found = 0;
        let ran = connection.prepare(sql).and_then(|mut statement| {
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let text = row.get_ref(0)?.as_bytes_or_null().ok().flatten().unwrap_or_default();
                let text = String::from_utf8_lossy(text);
                found += 1;
                if text != "ok" && !stand_ins.explains(&text) {
                    self.findings.add(&text);
                }
            }
            Ok(())
        });
        match ran {
            Ok(()) if found >= limit => Ok(Outcome::Stopped(format!("the check stopped after {found} findings"))),
            Ok(()) => Ok(Outcome::Done),
            Err(error) if is_of_the_file(&error) => Err(error),
            Err(error) => Ok(Outcome::Stopped(error.to_string())),
        }
    }
}

enum Outcome {
    Done,
    /// An expression or a virtual table failed, or there was no end of findings.
    Stopped(String),
}

fn unchecked(message: String) -> Warning {
    Warning::new("integrity-unchecked", message)
        .with_cure("Check it in the application, which has what dbackup lacks. The backup holds it as it is")
}

/// Returns the SQL of a check of one table, its indexes' contents included unless a stand-in is involved.
fn check_of_table(table: &str, affected: bool) -> String {
    let pragma = if affected { "quick_check" } else { "integrity_check" };
    format!("PRAGMA main.{pragma}('{}')", table.replace('\'', "''"))
}

fn tables(connection: &Connection) -> rusqlite::Result<BTreeSet<String>> {
    let mut statement = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")?;
    statement.query_map([], |row| row.get(0))?.collect()
}

/// Errors of the file or the run, rather than of an expression in the schema.
fn is_of_the_file(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::SystemIoFailure
                | ErrorCode::OperationInterrupted
                | ErrorCode::OutOfMemory
                | ErrorCode::CannotOpen
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DiskFull
        )
    )
}

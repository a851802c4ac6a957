//! Collations, functions and tokenizers that only the application has.
//!
//! A stand-in lets SQLite compile a check, so that it reads the pages. What the stand-in sorts or computes is worthless, so the
//! tables that need one are not checked against it.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::Null;

use super::{check_of_table, is_of_the_file};

/// Maximum stand-ins of a database.
const MAX_STAND_INS: usize = 1000;
/// A tokenizer that every SQLite with FTS3 has, and that accepts any argument.
const KNOWN_TOKENIZER: &str = "porter";

/// Something of the application's that was missing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Missing {
    Collation(String),
    Function(String),
    Tokenizer(String),
}

/// What had to be replaced, and which tables that concerns.
#[derive(Debug, Default)]
pub(super) struct StandIns {
    missing: BTreeSet<Missing>,
    /// Tables whose check needs a stand-in.
    pub(super) affected: BTreeSet<String>,
    /// Tables whose check cannot be compiled at all, with the reason.
    pub(super) broken: BTreeMap<String, String>,
    /// Virtual tables that SQLite passes over, with the reason.
    skipped: BTreeMap<String, String>,
}

impl StandIns {
    /// Finds out what the checks of `tables` lack, and registers stand-ins on this connection.
    pub(super) fn register(connection: &Connection, tables: &BTreeSet<String>) -> rusqlite::Result<Self> {
        let mut stand_ins = Self::default();
        // Before the first stand-in is there: afterwards, a second table that needs it could not be told.
        for table in tables {
            match connection.prepare(&check_of_table(table, false)) {
                Err(error) if is_of_the_file(&error) => return Err(error),
                Err(error) if Missing::of(&error).is_some() => {
                    stand_ins.affected.insert(table.clone());
                }
                _ => {}
            }
        }
        for table in tables {
            if let Err(error) = stand_ins.compile(connection, &check_of_table(table, false)) {
                if is_of_the_file(&error) {
                    return Err(error);
                }
                stand_ins.broken.insert(table.clone(), error.to_string());
            }
        }
        stand_ins.find_missing_modules(connection)?;
        Ok(stand_ins)
    }

    /// Prepares a statement, with one more stand-in after each failure.
    fn compile(&mut self, connection: &Connection, sql: &str) -> rusqlite::Result<()> {
        loop {
            let Err(error) = connection.prepare(sql) else { return Ok(()) };
            match Missing::of(&error) {
                Some(missing) if self.missing.len() < MAX_STAND_INS && !self.missing.contains(&missing) => {
                    missing.replace(connection)?;
                    self.missing.insert(missing);
                }
                _ => return Err(error),
            }
        }
    }

    /// SQLite's check passes over virtual tables whose module it does not have.
    fn find_missing_modules(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let mut statement = connection
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL TABLE%'")?;
        let names = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
        for name in names {
            let look = format!("SELECT 1 FROM main.\"{}\" LIMIT 0", name.replace('"', "\"\""));
            if let Err(error) = connection.prepare(&look)
                && message(&error).starts_with("no such module: ")
            {
                self.skipped.insert(name, message(&error).to_owned());
            }
        }
        Ok(())
    }

    /// Returns whether the check of a table needs a stand-in.
    pub(super) fn affects(&self, table: &str) -> bool {
        self.affected.contains(table)
    }

    /// Returns whether a finding is about what a stand-in computed.
    pub(super) fn explains(&self, finding: &str) -> bool {
        let of_row = ["NULL value in ", "CHECK constraint failed in ", "NUMERIC value in ", "TEXT value in ", "non-"];
        let of_index = ["malformed inverted index for ", "unable to validate the inverted index for "];
        let begins = |beginnings: &[&str]| beginnings.iter().any(|beginning| finding.starts_with(beginning));
        (begins(&of_row) || begins(&of_index))
            && self.affected.iter().any(|table| {
                finding.split_once(" in ").is_some_and(|(_, subject)| {
                    subject.strip_prefix(table.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
                }) || finding.split_once(" table main.").is_some_and(|(_, subject)| {
                    subject.strip_prefix(table.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
                })
            })
    }

    /// Returns what stays unchecked, as subject and reason.
    pub(super) fn explain(&self) -> Vec<(String, String)> {
        let stand_ins = self.missing.iter().map(|missing| {
            let (subject, part) = match missing {
                Missing::Collation(name) => (format!("the order of the collation {name}"), "pages and b-trees were"),
                Missing::Function(name) => (format!("what the function {name}() computes"), "pages and b-trees were"),
                Missing::Tokenizer(name) => (format!("what the tokenizer {name} finds"), "pages and b-trees were"),
            };
            (subject, format!("only the application has it; {part} checked"))
        });
        let tables = self.broken.iter().chain(&self.skipped);
        stand_ins.chain(tables.map(|(table, reason)| (format!("table {table}"), reason.clone()))).collect()
    }
}

impl Missing {
    /// Reads from an error of SQLite what is missing.
    fn of(error: &rusqlite::Error) -> Option<Self> {
        let message = message(error);
        let function = ["unknown function: ", "no such function: ", "wrong number of arguments to function "];
        if let Some(name) = message.strip_prefix("no such collation sequence: ") {
            return Some(Self::Collation(name.to_owned()));
        }
        if let Some(name) = message.strip_prefix("unknown tokenizer: ") {
            return Some(Self::Tokenizer(name.to_owned()));
        }
        let name = function.iter().find_map(|beginning| message.strip_prefix(beginning))?;
        Some(Self::Function(name.trim_end_matches("()").to_owned()))
    }

    fn replace(&self, connection: &Connection) -> rusqlite::Result<()> {
        match self {
            Self::Collation(name) => connection.create_collation(name.as_str(), Ord::cmp),
            Self::Function(name) => {
                let flags =
                    FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
                connection.create_scalar_function(name.as_str(), -1, flags, |_| Ok(Null))
            }
            // Gives a tokenizer that SQLite has a second name. What is bound was made by SQLite itself a moment ago.
            Self::Tokenizer(name) => {
                let known: Vec<u8> =
                    connection.query_row("SELECT fts3_tokenizer(?1)", [KNOWN_TOKENIZER], |row| row.get(0))?;
                connection.query_row("SELECT fts3_tokenizer(?1, ?2)", (name, known), |_| Ok(()))
            }
        }
    }
}

/// Returns SQLite's own words.
fn message(error: &rusqlite::Error) -> &str {
    match error {
        rusqlite::Error::SqliteFailure(_, Some(message)) => message,
        rusqlite::Error::SqlInputError { msg, .. } => msg,
        _ => "",
    }
}

//! What to do about what PostgreSQL and its tools say. It depends on what was being done: the same refusal has one cure for a
//! dump and another for a restore.
//!
//! The patterns are PostgreSQL's English messages, since pg_dump and pg_restore print no SQLSTATE, and only the message names what is
//! denied. Where there is a code and the message is in another language, the code decides.

mod tables;

use super::Postgres;
use super::probe::identifier;
use tables::{ASK, Cure, DUMP, RESTORE, SESSION};
pub(super) use tables::{BYPASS_ROW_SECURITY, ENTRY, LARGE_OBJECTS, READ_EVERYTHING};

/// What was being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    /// Asking the server: the connection test, listings, reviews.
    Ask,
    /// Dumping a database.
    Dump,
    /// Restoring into one.
    Restore,
}

fn tables(operation: Operation) -> [&'static [Cure]; 2] {
    match operation {
        Operation::Ask => [SESSION, ASK],
        Operation::Dump => [SESSION, DUMP],
        // An object's refusal may mention what would be a session's.
        Operation::Restore => [RESTORE, SESSION],
    }
}

impl Postgres {
    /// Returns what to do about a tool's or the server's words, with the names that they hold and this source's role.
    pub(super) fn cure(&self, operation: Operation, words: &str) -> Option<String> {
        let (cure, name) = find(operation, words)?;
        let cure = match name {
            Some(name) => cure.replace("\"<name>\"", &identifier(&name)).replace("<name>", &name),
            None => cure.to_owned(),
        };
        Some(self.with_role(&cure))
    }

    /// Puts the role that logs in into a cure's SQL, where the address tells it.
    pub(super) fn with_role(&self, cure: &str) -> String {
        self.role().map_or_else(|| cure.to_owned(), |role| cure.replace("<role>", &identifier(role)))
    }
}

/// Cures by SQLSTATE, for what is said in any language: a server that refuses a login.
const BY_CODE: [(&str, &str); 5] = [
    ("28P01", "Check the user and the password (on the command line: PGPASSWORD, ~/.pgpass or --password-file)"),
    ("28000", "Allow this user, database and address in the server's pg_hba.conf, and let the role log in"),
    ("3D000", "Check the database's name"),
    ("53300", "Raise max_connections at the server, or end other sessions"),
    ("57P03", "Wait until the server has started, then try again"),
];

/// Returns what to do about an SQLSTATE.
pub(super) fn by_code(sqlstate: &str) -> Option<String> {
    BY_CODE.iter().find(|(code, _)| *code == sqlstate).map(|(_, cure)| (*cure).to_owned())
}

fn find(operation: Operation, words: &str) -> Option<(&'static str, Option<String>)> {
    let words = without_statements(words);
    tables(operation).into_iter().flatten().find_map(|(pattern, cure)| {
        let name = fits(pattern, &words)?;
        Some((*cure, name))
    })
}

/// Leaves out the statements that the tools quote: a function's text may hold any words.
fn without_statements(words: &str) -> String {
    let mut kept = String::new();
    let mut in_statement = false;
    for line in words.lines() {
        let begins = ["Command was: ", "pg_dump: detail: Query was: ", "pg_dump: detail: Command was: "]
            .iter()
            .any(|label| line.contains(label));
        let speaks = line.starts_with("pg_restore: ") || line.starts_with("pg_dump: ") || line.contains(" ERROR:  ");
        in_statement = begins || (in_statement && !speaks);
        if !in_statement {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// Returns whether a line has the pattern's parts in their order, and what the first `*` stands for.
fn fits(pattern: &str, words: &str) -> Option<Option<String>> {
    words.lines().find_map(|line| {
        let mut parts = pattern.split('*');
        let first = parts.next().unwrap_or_default();
        let mut rest = line.split_once(first)?.1;
        let mut name = None;
        for part in parts {
            let (gap, after) = if part.is_empty() { (rest, "") } else { rest.split_once(part)? };
            name.get_or_insert_with(|| gap.trim().to_owned());
            rest = after;
        }
        Some(name)
    })
}

#[cfg(test)]
mod tests;

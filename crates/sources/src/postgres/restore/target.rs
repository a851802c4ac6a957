//! The database that a restore is for.

use super::super::Postgres;
use super::super::probe::{execute, literal};
use crate::error::Error;

/// The database that a restore is for.
#[derive(Debug, Clone)]
pub(in super::super) struct Target {
    pub(super) source: Postgres,
    pub(super) database: String,
    pub(super) server_major: u32,
}

impl Target {
    /// Names a database of a server.
    pub(in super::super) fn of(source: &Postgres, database: &str, server_major: u32) -> Self {
        Self { source: source.clone(), database: database.to_owned(), server_major }
    }

    /// Returns whether the server has a database of that name.
    pub(super) async fn has_database(&self, name: &str) -> Result<bool, Error> {
        Ok(!execute(&self.source, &has_database(name)).await?.is_empty())
    }
}

/// Returns a question that has a row if the server has a database of that name.
pub(super) fn has_database(name: &str) -> String {
    format!("SELECT 1 FROM pg_catalog.pg_database WHERE datname = {}", literal(name))
}

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
        let sql = format!("SELECT 1 FROM pg_catalog.pg_database WHERE datname = {}", literal(name));
        Ok(!execute(&self.source, &sql).await?.is_empty())
    }
}

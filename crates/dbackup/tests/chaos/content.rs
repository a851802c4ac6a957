//! What databases hold, in a form that can be compared.

use std::path::Path;

use sha2::{Digest, Sha256};
use test_support::PostgresServer;

use crate::world::rows;

/// The fingerprint of a database without the known table.
pub(crate) const NO_TABLE: &str = "no table";

/// A table of known rows, most of which do not compress.
pub(crate) fn make(server: &PostgresServer, database: &str, seed: &str, rows: u32) {
    server.sql("postgres", &format!("CREATE DATABASE {database}"));
    let table = format!(
        "CREATE TABLE t AS SELECT n AS id, '{seed}' || sha512(('{seed}' || n)::bytea)::text AS x
         FROM generate_series(1, {rows}) n"
    );
    server.sql(database, &table);
}

/// Returns a fingerprint of a database's rows; `None` if the database does not exist.
pub(crate) fn of_postgres(server: &PostgresServer, database: &str) -> Option<String> {
    let exists = format!("SELECT count(*) FROM pg_database WHERE datname = '{database}'");
    if server.sql("postgres", &exists).trim() == "0" {
        return None;
    }
    if server.sql(database, "SELECT to_regclass('t') IS NOT NULL").trim() == "f" {
        return Some(NO_TABLE.to_owned());
    }
    Some(server.sql(database, "SELECT count(*), md5(string_agg(id || x, ',' ORDER BY id)) FROM t").trim().to_owned())
}

/// Returns a fingerprint of a file's rows; `None` if the file does not exist.
pub(crate) fn of_sqlite(path: &Path) -> Option<String> {
    if !path.exists() {
        return None;
    }
    let mut hash = Sha256::new();
    for (id, x) in rows(path) {
        hash.update(id.to_le_bytes());
        hash.update(x);
    }
    Some(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

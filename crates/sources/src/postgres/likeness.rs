//! Owner and privileges of an existing database, for a restore that leaves those of the archive out.

use super::Postgres;
use super::probe::{execute, literal};
use crate::error::Error;

/// Statements with a place for the database's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Likeness(Vec<(String, String)>);

impl Likeness {
    /// Returns the statements for two (quoted) names.
    pub(super) fn pairs(&self, one: &str, other: &str) -> Vec<(String, String)> {
        let write = |name: &str, (before, after): &(String, String)| format!("{before}{name}{after}");
        self.0.iter().map(|statement| (write(one, statement), write(other, statement))).collect()
    }
}

/// Reads the owner and the privileges of a database.
pub(super) async fn owner_and_privileges(source: &Postgres, database: &str) -> Result<Likeness, Error> {
    let name = literal(database);
    let sql = format!(
        "SELECT 'ALTER DATABASE ', ' OWNER TO ' || quote_ident(pg_get_userbyid(datdba)) FROM pg_catalog.pg_database \
         WHERE datname = {name} UNION ALL \
         SELECT 'REVOKE ALL ON DATABASE ', ' FROM PUBLIC' FROM pg_catalog.pg_database WHERE datname = {name} AND datacl IS NOT NULL \
         UNION ALL SELECT 'GRANT ' || privilege_type || ' ON DATABASE ', ' TO ' || \
         CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END || \
         CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END \
         FROM pg_catalog.pg_database, aclexplode(datacl) WHERE datname = {name}"
    );
    let rows = execute(source, &sql).await?;
    let statement = |row: Vec<String>| {
        let mut fields = row.into_iter();
        Some((fields.next()?, fields.next()?))
    };
    Ok(Likeness(rows.into_iter().filter_map(statement).collect()))
}

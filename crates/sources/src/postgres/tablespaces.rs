//! Which tablespaces of an archive a server has.

use super::Postgres;
use super::probe::{execute, query};
use crate::error::Error;

/// Tablespaces that this role may create objects in.
const USABLE: &str = "SELECT spcname FROM pg_catalog.pg_tablespace WHERE has_tablespace_privilege(oid, 'CREATE')";

/// Returns those of the tablespaces that the server lacks, or that this role may not use. The server is asked through `database`, or
/// with `None` through a maintenance database.
pub(super) async fn missing<'a>(
    source: &Postgres,
    database: Option<&str>,
    wanted: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<String>, Error> {
    let mut missing: Vec<String> = wanted.into_iter().map(str::to_owned).collect();
    if missing.is_empty() {
        return Ok(missing);
    }
    let rows = match database {
        Some(database) => query(source, database, USABLE).await?,
        None => execute(source, USABLE).await?,
    };
    missing.retain(|name| !rows.iter().flatten().any(|usable| usable == name));
    Ok(missing)
}

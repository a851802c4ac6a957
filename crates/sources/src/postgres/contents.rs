//! Whether a database holds something of its own.

use super::Postgres;
use super::probe::{execute, literal, query};
use super::query::{self as questions, Encoding};
use crate::Contents;
use crate::error::Error;

/// Returns what lies at a database's name.
pub(super) async fn contents(source: &Postgres, database: &str) -> Result<Contents, Error> {
    let sql = holds_something();
    match questions::ask(source, database, &sql, Encoding::AsStored).await {
        Ok(rows) if rows.is_empty() && !extensions_hold_data(source, database).await? => Ok(Contents::Empty),
        Ok(_) => Ok(Contents::Data),
        Err(error) if error.is_absent_database() => Ok(Contents::Absent),
        // The server may have said the same in another language.
        Err(error) if error.is_refused_database() => {
            let exists = format!("SELECT 1 FROM pg_catalog.pg_database WHERE datname = {}", literal(database));
            match execute(source, &exists).await {
                Ok(rows) if rows.is_empty() => Ok(Contents::Absent),
                _ => Err(error.into_error(source, &sql)),
            }
        }
        Err(error) => Err(error.into_error(source, &sql)),
    }
}

/// Returns whether a database is marked as one that others are copied from (`pg_database.datistemplate`).
pub(super) async fn is_template(source: &Postgres, database: &str) -> Result<bool, Error> {
    let sql = format!("SELECT 1 FROM pg_catalog.pg_database WHERE datistemplate AND datname = {}", literal(database));
    Ok(!execute(source, &sql).await?.is_empty())
}

/// Catalogs of objects that lie in schemas, with the column that tells which.
const IN_SCHEMAS: [(&str, &str); 8] = [
    ("pg_class", "relnamespace"),
    ("pg_proc", "pronamespace"),
    ("pg_type", "typnamespace"),
    ("pg_ts_config", "cfgnamespace"),
    ("pg_ts_dict", "dictnamespace"),
    ("pg_collation", "collnamespace"),
    ("pg_operator", "oprnamespace"),
    ("pg_opclass", "opcnamespace"),
];
/// Catalogs of objects of the database as a whole, of which initdb makes none.
const OF_DATABASE: [&str; 3] = ["pg_publication", "pg_foreign_server", "pg_event_trigger"];

/// SQL that returns a row if the database holds anything that neither initdb nor an extension brought.
pub(super) fn holds_something() -> String {
    // What initdb and extensions bring is not data.
    let own = |class: &str, namespace: &str| {
        format!(
            "EXISTS (SELECT 1 FROM pg_catalog.{class} o JOIN pg_catalog.pg_namespace n ON n.oid = o.{namespace} \
             WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND NOT EXISTS (SELECT 1 FROM \
             pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.{class}'::regclass AND d.objid = o.oid AND d.deptype IN ('e', 'i')))"
        )
    };
    let any = |class: &str| {
        format!(
            "EXISTS (SELECT 1 FROM pg_catalog.{class} o WHERE NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d \
             WHERE d.classid = 'pg_catalog.{class}'::regclass AND d.objid = o.oid AND d.deptype = 'e'))"
        )
    };
    format!(
        "SELECT 1 WHERE {} OR {} OR EXISTS (SELECT 1 FROM pg_catalog.pg_largeobject_metadata) OR EXISTS (SELECT 1 FROM \
         pg_catalog.pg_subscription s JOIN pg_catalog.pg_database d ON d.oid = s.subdbid WHERE datname = current_database())",
        IN_SCHEMAS.map(|(class, namespace)| own(class, namespace)).join(" OR "),
        OF_DATABASE.map(any).join(" OR "),
    )
}

/// Returns whether a table of an extension holds rows that belong to the user: those that pg_dump dumps, such as the jobs of pg_cron.
async fn extensions_hold_data(source: &Postgres, database: &str) -> Result<bool, Error> {
    let sql = "SELECT c.oid::regclass::text || ' ' || coalesce(condition, '') FROM pg_catalog.pg_extension, \
               unnest(extconfig, extcondition) AS u(relation, condition) JOIN pg_catalog.pg_class c ON c.oid = relation \
               WHERE relkind IN ('r', 'p') AND has_table_privilege(c.oid, 'SELECT')";
    let tables: Vec<String> = query(source, database, sql).await?.into_iter().flatten().collect();
    if tables.is_empty() {
        return Ok(false);
    }
    let any: Vec<String> = tables.iter().map(|table| format!("EXISTS (SELECT 1 FROM {table})")).collect();
    Ok(!query(source, database, &format!("SELECT 1 WHERE {}", any.join(" OR "))).await?.is_empty())
}

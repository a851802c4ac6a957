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
        Err(error) if error.is_absent_database(database) => Ok(Contents::Absent),
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
const IN_SCHEMAS: [(&str, &str); 12] = [
    ("pg_class", "relnamespace"),
    ("pg_proc", "pronamespace"),
    ("pg_type", "typnamespace"),
    ("pg_ts_config", "cfgnamespace"),
    ("pg_ts_dict", "dictnamespace"),
    ("pg_ts_parser", "prsnamespace"),
    ("pg_ts_template", "tmplnamespace"),
    ("pg_collation", "collnamespace"),
    ("pg_conversion", "connamespace"),
    ("pg_operator", "oprnamespace"),
    ("pg_opclass", "opcnamespace"),
    ("pg_opfamily", "opfnamespace"),
];
/// Catalogs of objects of the database as a whole.
const OF_DATABASE: [&str; 10] = [
    "pg_publication",
    "pg_foreign_data_wrapper",
    "pg_foreign_server",
    "pg_event_trigger",
    "pg_cast",
    "pg_transform",
    "pg_language",
    "pg_am",
    "pg_default_acl",
    "pg_largeobject_metadata",
];
/// The first OID that no object of initdb has (`FirstNormalObjectId` in PostgreSQL's transam.h); pg_dump tells by it, too.
const FIRST_OWN_OID: u32 = 16384;

/// SQL that returns a row if the database holds anything that pg_dump would dump, apart from what prepares a database to be filled:
/// extensions with their schemas, and the owner and privileges of the schema `public`. Every role may read all of these catalogs.
pub(super) fn holds_something() -> String {
    let without = |class: &str, types: &str| {
        format!(
            "NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.{class}'::regclass \
             AND d.objid = o.oid AND d.deptype IN ({types}))"
        )
    };
    let in_schemas = IN_SCHEMAS.map(|(class, namespace)| {
        format!(
            "EXISTS (SELECT 1 FROM pg_catalog.{class} o JOIN pg_catalog.pg_namespace n ON n.oid = o.{namespace} \
             WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND {})",
            without(class, "'e', 'i'")
        )
    });
    let of_database = OF_DATABASE.map(|class| {
        format!(
            "EXISTS (SELECT 1 FROM pg_catalog.{class} o WHERE o.oid >= {FIRST_OWN_OID} AND {})",
            without(class, "'e'")
        )
    });
    let schemas = format!(
        "EXISTS (SELECT 1 FROM pg_catalog.pg_namespace o WHERE o.oid >= {FIRST_OWN_OID} AND nspname <> 'public' \
         AND nspname !~ '^pg_' AND o.oid NOT IN (SELECT extnamespace FROM pg_catalog.pg_extension) AND {})",
        without("pg_namespace", "'e'")
    );
    format!(
        "SELECT 1 WHERE {} OR {} OR {schemas} OR {COMMENT_ON_PUBLIC} OR {SUBSCRIPTION}",
        in_schemas.join(" OR "),
        of_database.join(" OR "),
    )
}

const COMMENT_ON_PUBLIC: &str = "EXISTS (SELECT 1 FROM pg_catalog.pg_namespace n WHERE nspname = 'public' \
    AND obj_description(n.oid, 'pg_namespace') <> 'standard public schema')";
const SUBSCRIPTION: &str = "EXISTS (SELECT 1 FROM pg_catalog.pg_subscription s \
    JOIN pg_catalog.pg_database d ON d.oid = s.subdbid WHERE datname = current_database())";

/// Returns whether a table of an extension holds rows that belong to the user: those that pg_dump dumps, such as the jobs of pg_cron. Of
/// a table whose rows this role may not see, its size tells, unless the extension has rows of its own in it.
async fn extensions_hold_data(source: &Postgres, database: &str) -> Result<bool, Error> {
    let sql = "SELECT CASE WHEN has_schema_privilege(relnamespace, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') \
               AND NOT row_security_active(c.oid) \
               THEN format('EXISTS (SELECT 1 FROM %s %s)', c.oid::regclass, condition) \
               ELSE (coalesce(condition, '') = '' AND pg_relation_size(c.oid) > 0)::text END \
               FROM pg_catalog.pg_extension, unnest(extconfig, extcondition) AS u(relation, condition) \
               JOIN pg_catalog.pg_class c ON c.oid = relation WHERE relkind IN ('r', 'p')";
    let any: Vec<String> = query(source, database, sql).await?.into_iter().flatten().collect();
    if any.is_empty() {
        return Ok(false);
    }
    Ok(!query(source, database, &format!("SELECT 1 WHERE {}", any.join(" OR "))).await?.is_empty())
}

//! What a database that replaces another takes over from it: all that belongs to the database itself and is not in its dump.

use super::Postgres;
use super::probe::{execute, literal};
use crate::error::Error;

/// Owner, encoding, locale, tablespace and connection limit of an existing database, as CREATE DATABASE takes them.
pub(super) async fn options(source: &Postgres, database: &str, server_major: u32) -> Result<String, Error> {
    let provider = match server_major {
        ..15 => "''",
        15..17 => {
            "CASE datlocprovider WHEN 'i' THEN ' LOCALE_PROVIDER icu ICU_LOCALE ' || quote_literal(daticulocale) ELSE '' END"
        }
        17.. => {
            "CASE datlocprovider WHEN 'i' THEN ' LOCALE_PROVIDER icu ICU_LOCALE ' || quote_literal(datlocale) \
             WHEN 'b' THEN ' LOCALE_PROVIDER builtin BUILTIN_LOCALE ' || quote_literal(datlocale) ELSE '' END"
        }
    };
    let sql = format!(
        "SELECT 'OWNER ' || quote_ident(pg_get_userbyid(datdba)) || ' ENCODING ' || quote_literal(pg_encoding_to_char(encoding)) \
         || ' LC_COLLATE ' || quote_literal(datcollate) || ' LC_CTYPE ' || quote_literal(datctype) || {provider} \
         || ' TABLESPACE ' || quote_ident(spcname) || ' CONNECTION LIMIT ' || datconnlimit \
         FROM pg_catalog.pg_database d JOIN pg_catalog.pg_tablespace t ON t.oid = d.dattablespace WHERE datname = {}",
        literal(database)
    );
    let rows = execute(source, &sql).await?;
    rows.into_iter().flatten().next().ok_or_else(|| Error::failed("looking at the database", "it is gone"))
}

/// Gives `to` the privileges and settings (ALTER DATABASE ... SET, ALTER ROLE ... IN DATABASE ... SET) of `from`.
pub(super) async fn carry_over(source: &Postgres, from: &str, to: &str) -> Result<(), Error> {
    let (from, to) = (literal(from), literal(to));
    let privileges = format!(
        "SELECT 'REVOKE ALL ON DATABASE ' || quote_ident({to}) || ' FROM PUBLIC' FROM pg_catalog.pg_database \
         WHERE datname = {from} AND datacl IS NOT NULL UNION ALL \
         SELECT 'GRANT ' || privilege_type || ' ON DATABASE ' || quote_ident({to}) || ' TO ' || \
         CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END || \
         CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END \
         FROM pg_catalog.pg_database, aclexplode(datacl) WHERE datname = {from}"
    );
    // Lists are kept as they were quoted; everything else is one text.
    let settings = format!(
        "SELECT CASE WHEN setrole = 0 THEN 'ALTER DATABASE ' ELSE 'ALTER ROLE ' || quote_ident(pg_get_userbyid(setrole)) || \
         ' IN DATABASE ' END || quote_ident({to}) || ' SET ' || quote_ident(name) || ' TO ' || CASE WHEN value <> '' AND name IN \
         ('search_path', 'temp_tablespaces', 'local_preload_libraries', 'session_preload_libraries') \
         THEN value ELSE quote_literal(value) END \
         FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase, unnest(setconfig) c, \
         LATERAL (SELECT split_part(c, '=', 1) AS name, substr(c, strpos(c, '=') + 1) AS value) p WHERE datname = {from}"
    );
    let mut statements = execute(source, &privileges).await?;
    statements.extend(execute(source, &settings).await?);
    let statements: Vec<String> = statements.into_iter().flatten().collect();
    if !statements.is_empty() {
        execute(source, &statements.join("; ")).await?;
    }
    Ok(())
}

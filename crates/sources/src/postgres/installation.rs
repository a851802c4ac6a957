//! Recognizes the metadata database of a dbackup server by what it holds, whatever address, pooler or socket leads to it.

use super::Postgres;
use super::contents::contents;
use super::probe::{literal, query};
use crate::Contents;
use crate::error::Error;

/// Schemas with tables of a metadata database, and whether the role may read the one with the id.
const CANDIDATES: &str = "SELECT quote_ident(n.nspname), CASE WHEN has_schema_privilege(n.oid, 'USAGE') AND \
    has_table_privilege(c.oid, 'SELECT') THEN 'readable' ELSE '' END \
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relname = 'meta' AND c.relkind IN ('r', 'p') \
    AND (SELECT count(*) FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attname IN ('name', 'value')) = 2 \
    AND (SELECT count(*) FROM pg_catalog.pg_class o WHERE o.relnamespace = n.oid AND o.relkind IN ('r', 'p') \
    AND o.relname IN ('runs', 'jobs', 'destinations', 'api_tokens')) = 4";

/// Returns whether a database holds the metadata of the installation with this id, or a copy of it. If the role may not read tables that
/// look like it, the answer is yes.
pub(super) async fn holds_installation(source: &Postgres, database: &str, id: &str) -> Result<bool, Error> {
    if contents(source, database).await? != Contents::Data {
        return Ok(false);
    }
    for row in query(source, database, CANDIDATES).await? {
        let [schema, readable] = row.as_slice() else { continue };
        if readable.is_empty() {
            return Ok(true);
        }
        let sql =
            format!("SELECT 1 FROM {schema}.meta WHERE name = 'installationId' AND value::text = {}", literal(id));
        if !query(source, database, &sql).await?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

//! How pg_restore is called: what it leaves out, and whether in one transaction.

use domain::Warning;
use pipeline::process::Command;

use super::super::Postgres;
use super::super::archive::{Contents, Entry};
use super::super::probe::{execute, identifier, literal, query};
use super::super::tablespaces;
use crate::error::Error;

/// Locks that an entry of an archive takes at most, on average: a table with its TOAST table, its index and its type.
const LOCKS_PER_ENTRY: u64 = 3;
/// Large objects that an entry of the kind BLOB METADATA stands for at most (PostgreSQL 17 and later).
const LARGE_OBJECTS_PER_ENTRY: u64 = 1000;

/// The role that restores.
#[derive(Debug, Clone, Copy)]
pub(super) struct Role {
    pub(super) is_superuser: bool,
    pub(super) can_create_databases: bool,
    /// Whether the target, if there is one, is this role's to rename.
    pub(super) owns_target: bool,
}

impl Role {
    pub(super) async fn ask(source: &Postgres, database: &str) -> Result<Self, Error> {
        let sql = format!(
            "SELECT rolsuper, rolcreatedb, (SELECT pg_has_role(datdba, 'USAGE') FROM pg_catalog.pg_database WHERE datname = {}) \
             FROM pg_catalog.pg_roles WHERE rolname = current_user",
            literal(database)
        );
        let rows = match execute(source, &sql).await {
            Ok(rows) => rows,
            Err(error) => query(source, database, &sql).await.map_err(|_| error)?,
        };
        let is = |index: usize| rows.first().and_then(|row| row.get(index)).is_some_and(|value| value == "t");
        Ok(Self { is_superuser: is(0), can_create_databases: is(0) || is(1), owns_target: is(0) || is(2) })
    }
}

/// Lets pg_restore write where sessions may only read by default.
pub(super) async fn allow_writing(command: &mut Command, source: &Postgres, database: &str) -> Result<(), Error> {
    let setting = query(source, database, "SHOW default_transaction_read_only").await?;
    if setting.into_iter().flatten().any(|value| value == "on") {
        let given = std::env::var("PGOPTIONS").unwrap_or_default();
        command.environment.retain(|(name, _)| name != "PGOPTIONS");
        command.environment.push(("PGOPTIONS".into(), format!("{given} -c default_transaction_read_only=off").into()));
    }
    Ok(())
}

/// Returns whether all of an archive can be restored in one transaction, as far as the server's locks go.
pub(super) async fn fits_one_transaction(
    source: &Postgres,
    database: &str,
    contents: &Contents,
) -> Result<bool, Error> {
    let sql = "SELECT current_setting('max_locks_per_transaction')::bigint * \
               (current_setting('max_connections')::bigint + current_setting('max_prepared_transactions')::bigint)";
    let room: u64 = query(source, database, sql)
        .await?
        .into_iter()
        .flatten()
        .next()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    let weight = |entry: &Entry| if entry.kind == "BLOB METADATA" { LARGE_OBJECTS_PER_ENTRY } else { LOCKS_PER_ENTRY };
    Ok(contents.entries.iter().map(weight).sum::<u64>() < room / 2)
}

/// Returns the tablespaces that an archive's objects want and the server lacks, as a warning.
pub(super) async fn missing_tablespaces(
    source: &Postgres,
    database: &str,
    contents: &Contents,
) -> Result<Option<Warning>, Error> {
    let missing = tablespaces::missing(source, Some(database), contents.tablespaces()).await?;
    if missing.is_empty() {
        return Ok(None);
    }
    let message = format!(
        "tablespace{} {} {} not exist here, or may not be used by this role: every object is in the database's default tablespace",
        if missing.len() == 1 { "" } else { "s" },
        missing.join(", "),
        if missing.len() == 1 { "does" } else { "do" },
    );
    let ways: Vec<String> = missing
        .iter()
        .map(|name| identifier(name))
        .map(|name| format!("CREATE TABLESPACE {name} LOCATION '...'; GRANT CREATE ON TABLESPACE {name} TO <role>"))
        .collect();
    let cure =
        source.with_role(&format!("To keep the layout, run as a superuser and restore again: {}", ways.join("; ")));
    Ok(Some(Warning::new("tablespace", message).with_cure(cure)))
}

/// Returns the entries that pg_restore is given, if it must leave some out: comments on what belongs to somebody else, such as the
/// provider's extensions. Only an owner may comment.
pub(super) async fn selected_entries(
    source: &Postgres,
    database: &str,
    role: Role,
    contents: &Contents,
) -> Result<Option<(String, Vec<Warning>)>, Error> {
    if role.is_superuser || !contents.entries.iter().any(|entry| commented(entry).is_some()) {
        return Ok(None);
    }
    let sql = "SELECT 'EXTENSION ' || extname FROM pg_catalog.pg_extension WHERE NOT pg_has_role(extowner, 'USAGE') UNION ALL \
               SELECT 'SCHEMA ' || nspname FROM pg_catalog.pg_namespace WHERE nspname = 'public' AND NOT pg_has_role(nspowner, 'USAGE')";
    let foreign: Vec<String> = query(source, database, sql).await?.into_iter().flatten().collect();
    let left_out = |entry: &Entry| commented(entry).is_some_and(|subject| foreign.contains(&subject));
    let (out, kept): (Vec<&Entry>, Vec<&Entry>) = contents.entries.iter().partition(|entry| left_out(entry));
    if out.is_empty() {
        return Ok(None);
    }
    let list: String = kept.iter().map(|entry| format!("{};\n", entry.id)).collect();
    let warning = |entry: &&Entry| {
        let subject = commented(entry).unwrap_or_default();
        let (kind, name) = subject.split_once(' ').unwrap_or_default();
        let (code, kind) =
            if kind == "SCHEMA" { ("schema-comment", "schema") } else { ("extension-comment", "extension") };
        let message = format!("the comment on {kind} '{name}' is left out: the {kind} belongs to another role");
        Warning::new(code, message).about(name)
    };
    Ok(Some((list, out.iter().map(warning).collect())))
}

/// Returns what a comment is about, if that may belong to somebody else.
fn commented(entry: &Entry) -> Option<String> {
    let (kind, name) = (entry.kind == "COMMENT").then(|| entry.tag.split_once(' '))??;
    let name = name.trim_matches('"');
    (kind == "EXTENSION" || kind == "SCHEMA" && name == "public").then(|| format!("{kind} {name}"))
}

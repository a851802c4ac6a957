//! Who works in a database, and so is in the way of renaming it.

use super::super::probe::{execute, literal};
use super::target::Target;
use crate::error::Error;

impl Target {
    /// Says who is in the way of a statement that failed, and what to do about it.
    pub(super) async fn in_the_way(&self, what: String, names: &[&str]) -> Error {
        let holders = self.holders(names).await.unwrap_or_default();
        let (verb, users, cure) = if holders.is_empty() {
            let sessions = self.sessions(names).await.unwrap_or_default();
            let users = sessions.into_iter().map(|session| (session.database, session.words)).collect();
            ("in use", users, "End these sessions (pg_terminate_backend), and what reconnects them, then try again")
        } else {
            ("locked", holders, "End it, or wait until its transaction has ended, then try again")
        };
        Error::failed(what, users_in_words(names, verb, &users)).cure(cure)
    }

    /// Returns whether a prepared transaction holds one of the databases: it does not go away by waiting.
    pub(super) async fn are_held(&self, names: &[&str]) -> bool {
        let sql = format!("SELECT 1 FROM pg_catalog.pg_prepared_xacts WHERE database IN ({}) LIMIT 1", literals(names));
        execute(&self.source, &sql).await.is_ok_and(|rows| !rows.is_empty())
    }

    /// Returns the sessions that hold a lock on one of the databases as a whole: the database, and who it is.
    async fn holders(&self, names: &[&str]) -> Result<Vec<(String, String)>, Error> {
        let sql = format!(
            "SELECT d.datname::text, 'session ' || pid || coalesce(' of ' || usename, '') || coalesce(' in database ' || s.datname, '') || \
             coalesce(' (' || state || ')', '') FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity s USING (pid) \
             JOIN pg_catalog.pg_database d ON d.oid = l.objid AND d.datname IN ({}) WHERE l.locktype = 'object' AND l.granted \
             AND l.classid = 'pg_catalog.pg_database'::regclass AND pid <> pg_backend_pid()",
            literals(names)
        );
        let rows = execute(&self.source, &sql).await?.into_iter();
        Ok(rows
            .filter_map(|row| <[String; 2]>::try_from(row).ok().map(|[database, words]| (database, words)))
            .collect())
    }

    /// Returns who works in the databases.
    pub(in super::super) async fn sessions(&self, names: &[&str]) -> Result<Vec<Occupant>, Error> {
        let sql = format!(
            "SELECT s.datname::text, count(*) || ' ' || coalesce(s.backend_type, 'session') || CASE count(*) WHEN 1 THEN '' ELSE 's' END || \
             coalesce(' of ' || usename, '') || coalesce(' (slot ' || slot_name || ')', '') AS words, {MAY_END} \
             FROM pg_catalog.pg_stat_activity s \
             LEFT JOIN pg_catalog.pg_replication_slots r ON r.active_pid = s.pid WHERE s.datname IN ({names}) \
             AND s.backend_type IS DISTINCT FROM 'autovacuum worker' AND s.pid <> pg_backend_pid() \
             AND NOT (s.usesysid IS NULL AND s.backend_type IS NULL) \
             GROUP BY s.datname, s.backend_type, usename, slot_name, usesysid UNION ALL \
             SELECT database::text, 'prepared transaction ' || gid, false \
             FROM pg_catalog.pg_prepared_xacts WHERE database IN ({names}) ORDER BY 1, 2",
            names = literals(names)
        );
        let rows = execute(&self.source, &sql).await?.into_iter();
        let session = |row| {
            let [database, words, may_end] = <[String; 3]>::try_from(row).ok()?;
            Some(Occupant { database, words, may_end: may_end == "t" })
        };
        Ok(rows.filter_map(session).collect())
    }
}

/// A session, or what else holds a database.
#[derive(Debug)]
pub(in super::super) struct Occupant {
    database: String,
    /// Who it is.
    pub(in super::super) words: String,
    /// Whether this role may end it.
    pub(in super::super) may_end: bool,
}

fn literals(names: &[&str]) -> String {
    names.iter().map(|name| literal(name)).collect::<Vec<_>>().join(", ")
}

/// Whether this role may end a session of `pg_stat_activity`.
const MAY_END: &str = "((SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) OR usesysid IS NOT NULL \
    AND (pg_has_role(usesysid, 'USAGE') OR pg_has_role('pg_signal_backend', 'USAGE')) \
    AND NOT (SELECT rolsuper FROM pg_catalog.pg_roles r WHERE r.oid = usesysid))";

/// Ends every session in the databases that this role may end; walsenders and workers, too.
pub(super) fn end_sessions(databases: &[&str]) -> String {
    format!(
        "SELECT pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE datname IN ({}) AND pid <> pg_backend_pid() \
         AND backend_type IS DISTINCT FROM 'autovacuum worker' AND {MAY_END}",
        literals(databases)
    )
}

fn users_in_words(names: &[&str], verb: &str, users: &[(String, String)]) -> String {
    let of = |name: &str| -> Vec<&str> {
        users.iter().filter(|(database, _)| database == name).map(|(_, words)| words.as_str()).collect()
    };
    let said: Vec<String> = names
        .iter()
        .map(|name| (name, of(name)))
        .filter(|(_, users)| !users.is_empty())
        .map(|(name, users)| format!("'{name}' is {verb} by {}", users.join(", ")))
        .collect();
    if said.is_empty() { format!("'{}' is {verb} by other sessions", names.join("' or '")) } else { said.join("; ") }
}

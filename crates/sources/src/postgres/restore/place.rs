//! A restored database's way to its place: created, given what belongs to the database itself, swapped with what was there.

use std::time::Duration;

use domain::Warning;

use super::super::Postgres;
use super::super::definition::{Definition, Locale};
use super::super::likeness;
use super::super::passing::{Number, Purpose, drop_database, drop_unfinished};
use super::super::probe::{execute, execute_guarded, identifier, literal, query};
use crate::error::Error;
use crate::guard::Guard;

/// Attempts of a swap: sessions that reconnect at once, or that hold a lock, can thwart one.
const SWAP_ATTEMPTS: u32 = 4;
/// How long one waits for a lock, as PostgreSQL writes it: everybody who connects meanwhile waits behind it.
const SWAP_LOCK_TIMEOUT: &str = "3s";
/// Maximum number of batches in which the properties of a database are set: enough to find dozens that fail.
const MAX_BATCHES: u32 = 500;
/// The pause between two attempts, in which others can connect.
const SWAP_PAUSE: Duration = Duration::from_secs(1);
/// SQLSTATE of a database that is in use, and of a lock that did not come in time.
const IN_THE_WAY: [&str; 2] = ["SQLSTATE 55006", "SQLSTATE 55P03"];

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

    /// Creates a database as the archive describes it. Returns what could not be had here.
    pub(super) async fn create(&self, name: &str, definition: &Definition) -> Result<Vec<Warning>, Error> {
        let mut warnings = Vec::new();
        let tablespace = definition.option("TABLESPACE");
        let has_tablespace = match &tablespace {
            Some(tablespace) => self.has_tablespace(tablespace).await?,
            None => false,
        };
        if let Some(tablespace) = tablespace.filter(|_| !has_tablespace) {
            let message =
                format!("tablespace '{tablespace}' does not exist here: the database is in the default tablespace");
            warnings.push(Warning::new("tablespace", message).about(tablespace));
        }
        let mut refused = None;
        for locale in Locale::ALL {
            let options = definition.create_options(locale, self.server_major, has_tablespace);
            match execute(&self.source, &format!("CREATE DATABASE {} {options}", identifier(name))).await {
                Ok(_) => {
                    warnings.extend(refused.map(|error| locale_warning(definition, locale, &error)));
                    return Ok(warnings);
                }
                Err(error) if is_about_locale(&error) => refused = refused.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        Err(refused.unwrap_or_else(|| Error::failed("could not create the database", "no locale fits")))
    }

    /// Gives a database what belongs to the database itself: owner, settings, limits, privileges, comment. Returns what could not be
    /// carried over; nothing of that makes a restore fail.
    pub(super) async fn dress(
        &self,
        name: &str,
        definition: &Definition,
        no_owner: bool,
        exists: bool,
        guard: &dyn Guard,
    ) -> Vec<Warning> {
        let (new, own) = (identifier(name), identifier(&self.database));
        let mut statements = Vec::new();
        if !no_owner && !definition.owner.is_empty() {
            let owner =
                |database: &str| format!("ALTER DATABASE {database} OWNER TO {}", identifier(&definition.owner));
            statements.push((owner(&new), owner(&own)));
        }
        let pairs = |of: &dyn Fn(&str) -> Vec<String>| of(&new).into_iter().zip(of(&own)).collect::<Vec<_>>();
        statements.extend(pairs(&|database| definition.properties(database)));
        if no_owner && exists && name != self.database {
            match likeness::owner_and_privileges(&self.source, &self.database).await {
                Ok(likeness) => statements.splice(0..0, likeness.pairs(&new, &own)).for_each(drop),
                Err(error) => return vec![Warning::new("database-properties", error.to_string())],
            }
        } else if !no_owner {
            statements.extend(pairs(&|database| definition.privileges(database)));
        }
        statements.extend(pairs(&|database| definition.remarks(database)));
        self.apply(statements, guard).await
    }

    /// Runs all statements at once, or if that fails, finds the ones that fail by halving. Each comes as it is run, and as it would
    /// be run for the database in its place. Between two batches `guard` is asked; a planted archive can have any number that fail.
    async fn apply(&self, statements: Vec<(String, String)>, guard: &dyn Guard) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let mut left = vec![statements];
        let mut batches = 0;
        while let Some(mut statements) = left.pop().filter(|statements| !statements.is_empty()) {
            let why = if batches == MAX_BATCHES { Err("too many of them failed".to_owned()) } else { Ok(()) };
            let why = why.and(guard.check().await.map_err(|error| error.to_string()));
            if let Err(why) = why {
                let count = statements.len() + left.iter().map(Vec::len).sum::<usize>();
                let message = format!("{count} properties of the database were not carried over: {why}");
                warnings.push(Warning::new("database-properties", message));
                break;
            }
            batches += 1;
            let sql: Vec<&str> = statements.iter().map(|(statement, _)| statement.as_str()).collect();
            let Err(error) = execute(&self.source, &sql.join(";\n")).await else { continue };
            if let [(_, shown)] = statements.as_slice() {
                let message = format!("not carried over: {shown}: {}", cause_of(&error));
                let cure = format!("Run it as a superuser, once what it needs is there: {shown}");
                warnings.push(Warning::new("database-properties", message).about(shown.as_str()).with_cure(cure));
                continue;
            }
            let second = statements.split_off(statements.len() / 2);
            left.push(second);
            left.push(statements);
        }
        warnings
    }

    /// Puts a database into its place. What was there is dropped.
    pub(super) async fn put_in_place(
        &self,
        new: &str,
        number: Number,
        guard: &dyn Guard,
    ) -> Result<Vec<Warning>, Error> {
        if !self.has_database(&self.database).await? {
            let sql = format!("ALTER DATABASE {} RENAME TO {}", identifier(new), identifier(&self.database));
            execute_guarded(&self.source, &sql, guard).await?;
            return Ok(Vec::new());
        }
        let aside = number.name(&self.database, Purpose::Replaced);
        self.rename_with_sessions_ended(&[(&self.database, &aside), (new, &self.database)], guard).await?;
        Ok(self.dispose(&aside).await)
    }

    /// Renames the target out of the way, for a restore that loads under its own name.
    pub(super) async fn move_aside(&self, aside: &str, guard: &dyn Guard) -> Result<(), Error> {
        self.rename_with_sessions_ended(&[(&self.database, aside)], guard).await
    }

    /// Undoes [`Self::move_aside`], and drops what was `created` in its place.
    pub(super) async fn bring_back(&self, aside: &str, created: bool) -> Result<(), Error> {
        let moved = self.has_database(aside).await?;
        let failed = |error| {
            let what = format!("could not bring back '{}', which is kept as '{aside}'", self.database);
            Error::failed(what, error)
        };
        if created {
            drop_unfinished(&self.source, &self.database).await.map_err(failed)?;
        }
        if moved {
            let sql = format!("ALTER DATABASE {} RENAME TO {}", identifier(aside), identifier(&self.database));
            execute(&self.source, &sql).await.map_err(failed)?;
        }
        Ok(())
    }

    /// Ends the target's sessions and renames, in one transaction: there is no moment without a database of that name. Sessions that
    /// come back at once, and locks, make it fail as a whole, and it is tried again after a pause.
    async fn rename_with_sessions_ended(&self, renames: &[(&str, &str)], guard: &dyn Guard) -> Result<(), Error> {
        let renames = renames
            .iter()
            .map(|(from, to)| format!("ALTER DATABASE {} RENAME TO {}", identifier(from), identifier(to)));
        let renames: Vec<String> = renames.collect();
        let (end_sessions, renames) = (end_sessions(&self.database), renames.join("; "));
        let sql = format!("{end_sessions}; SET LOCAL lock_timeout = '{SWAP_LOCK_TIMEOUT}'; {renames}");
        for attempt in 1..=SWAP_ATTEMPTS {
            guard.check().await?;
            match execute_guarded(&self.source, &sql, guard).await {
                Err(Error::Failed { what, cause, .. }) if IN_THE_WAY.iter().any(|state| cause.contains(state)) => {
                    if attempt == SWAP_ATTEMPTS {
                        return Err(self.in_the_way(what).await);
                    }
                    tokio::time::sleep(SWAP_PAUSE).await;
                }
                result => return result.map(drop),
            }
        }
        Ok(())
    }

    async fn in_the_way(&self, what: String) -> Error {
        let holders = self.holders().await.unwrap_or_default();
        let (cause, cure) = if holders.is_empty() {
            let sessions = self.sessions().await.unwrap_or_default();
            let cure = "End these sessions (pg_terminate_backend), and what reconnects them, then try again";
            (format!("'{}' is in use by {}", self.database, join(&sessions)), cure)
        } else {
            let cure = "End it, or wait until its transaction has ended, then try again";
            (format!("'{}' is locked by {}", self.database, join(&holders)), cure)
        };
        Error::Failed { what, cause, cure: Some(cure.to_owned()) }
    }

    /// Returns the sessions that hold a lock on the target as a whole, in words.
    async fn holders(&self) -> Result<Vec<String>, Error> {
        let sql = format!(
            "SELECT 'session ' || pid || coalesce(' of ' || usename, '') || coalesce(' in database ' || s.datname, '') || \
             coalesce(' (' || state || ')', '') FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity s USING (pid) \
             JOIN pg_catalog.pg_database d ON d.oid = l.objid AND d.datname = {} WHERE l.locktype = 'object' AND l.granted \
             AND l.classid = 'pg_catalog.pg_database'::regclass AND pid <> pg_backend_pid()",
            literal(&self.database)
        );
        Ok(execute(&self.source, &sql).await?.into_iter().flatten().collect())
    }

    /// Returns who works in the target, in words.
    pub(in super::super) async fn sessions(&self) -> Result<Vec<String>, Error> {
        let sql = format!(
            "SELECT count(*) || ' ' || coalesce(s.backend_type, 'session') || CASE count(*) WHEN 1 THEN '' ELSE 's' END || \
             coalesce(' of ' || usename, '') || coalesce(' (slot ' || slot_name || ')', '') FROM pg_catalog.pg_stat_activity s \
             LEFT JOIN pg_catalog.pg_replication_slots r ON r.active_pid = s.pid WHERE s.datname = {name} \
             AND s.backend_type IS DISTINCT FROM 'autovacuum worker' AND s.pid <> pg_backend_pid() \
             GROUP BY s.backend_type, usename, slot_name UNION ALL SELECT 'prepared transaction ' || gid \
             FROM pg_catalog.pg_prepared_xacts WHERE database = {name}",
            name = literal(&self.database)
        );
        Ok(execute(&self.source, &sql).await?.into_iter().flatten().collect())
    }

    /// Drops a replaced database with what is in the way of that: the mark of a template, subscriptions, replication slots. Returns what the
    /// caller should know.
    pub(super) async fn dispose(&self, name: &str) -> Vec<Warning> {
        let mut warnings = Vec::new();
        // If one of these fails, dropping fails, and says why.
        let _ = execute(&self.source, &format!("ALTER DATABASE {} IS_TEMPLATE false", identifier(name))).await;
        warnings.extend(self.drop_subscriptions(name).await.unwrap_or_default());
        warnings.extend(self.drop_slots(name).await.unwrap_or_default());
        if let Err(error) = drop_database(&self.source, name).await {
            let message = format!("the replaced database is still there as '{name}': {error}");
            let sql = format!("Run as its owner or a superuser: DROP DATABASE {}", identifier(name));
            warnings.push(Warning::new("leftover", message).about(name).with_cure(sql));
        }
        warnings
    }

    async fn drop_subscriptions(&self, database: &str) -> Result<Vec<Warning>, Error> {
        let sql = "SELECT subname, coalesce(subslotname, '') FROM pg_catalog.pg_subscription s \
                   JOIN pg_catalog.pg_database d ON d.oid = s.subdbid WHERE datname = current_database()";
        let mut warnings = Vec::new();
        for row in query(&self.source, database, sql).await? {
            let (Some(name), slot) = (row.first(), row.get(1).cloned().unwrap_or_default()) else { continue };
            let quoted = identifier(name);
            let sql = format!(
                "ALTER SUBSCRIPTION {quoted} DISABLE; ALTER SUBSCRIPTION {quoted} SET (slot_name = NONE); DROP SUBSCRIPTION {quoted}"
            );
            query(&self.source, database, &sql).await?;
            let left =
                if slot.is_empty() { String::new() } else { format!(". Its slot '{slot}' is still at the publisher") };
            let message = format!("subscription '{name}' was dropped with the replaced database{left}");
            let cure = "Drop the slot at the publisher, or let the restored subscription use it (ALTER SUBSCRIPTION ... SET (slot_name = ...))";
            warnings.push(Warning::new("subscription", message).about(name.as_str()).with_cure(cure));
        }
        Ok(warnings)
    }

    async fn drop_slots(&self, database: &str) -> Result<Vec<Warning>, Error> {
        let sql =
            format!("SELECT slot_name FROM pg_catalog.pg_replication_slots WHERE database = {}", literal(database));
        let mut warnings = Vec::new();
        for slot in execute(&self.source, &sql).await?.into_iter().flatten() {
            execute(&self.source, &format!("SELECT pg_drop_replication_slot({})", literal(&slot))).await?;
            let message =
                format!("replication slot '{slot}' belonged to the replaced database and was dropped with it");
            let cure = "Create the slot anew in the restored database, and let its consumer start over";
            warnings.push(Warning::new("replication-slot", message).about(slot).with_cure(cure));
        }
        Ok(warnings)
    }

    /// Returns the restored database under the name that is never swept.
    pub(super) async fn keep(&self, new: &str, number: Number) -> String {
        let kept = number.name(&self.database, Purpose::Restored);
        let sql = format!("ALTER DATABASE {} RENAME TO {}", identifier(new), identifier(&kept));
        match execute(&self.source, &sql).await {
            Ok(_) => kept,
            Err(_) => new.to_owned(),
        }
    }

    pub(super) async fn has_database(&self, name: &str) -> Result<bool, Error> {
        let sql = format!("SELECT 1 FROM pg_catalog.pg_database WHERE datname = {}", literal(name));
        Ok(!execute(&self.source, &sql).await?.is_empty())
    }

    async fn has_tablespace(&self, name: &str) -> Result<bool, Error> {
        let sql = format!("SELECT 1 FROM pg_catalog.pg_tablespace WHERE spcname = {}", literal(name));
        Ok(!execute(&self.source, &sql).await?.is_empty())
    }
}

/// Ends every session in a database that this role may end; walsenders and workers, too.
fn end_sessions(database: &str) -> String {
    format!(
        "SELECT pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE datname = {} AND pid <> pg_backend_pid() \
         AND backend_type IS DISTINCT FROM 'autovacuum worker' AND ((SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = \
         current_user) OR usesysid IS NOT NULL AND (pg_has_role(usesysid, 'MEMBER') OR pg_has_role('pg_signal_backend', 'MEMBER')) \
         AND NOT (SELECT rolsuper FROM pg_catalog.pg_roles r WHERE r.oid = usesysid))",
        literal(database)
    )
}

fn join(sessions: &[String]) -> String {
    if sessions.is_empty() { "other sessions".to_owned() } else { sessions.join(", ") }
}

fn cause_of(error: &Error) -> String {
    match error {
        Error::Failed { cause, .. } => cause.clone(),
        error => error.to_string(),
    }
}

fn is_about_locale(error: &Error) -> bool {
    let cause = cause_of(error).to_lowercase();
    ["locale", "collation", "lc_collate", "lc_ctype", "encoding", "icu"].iter().any(|word| cause.contains(word))
}

fn locale_warning(definition: &Definition, taken: Locale, refused: &Error) -> Warning {
    let wanted = definition.locale().unwrap_or_else(|| "its locale".to_owned());
    let taken = if taken == Locale::C { "locale C" } else { "the server's default locale" };
    let message = format!(
        "the database has {taken} instead of {wanted}, so that texts may sort differently: {}",
        cause_of(refused)
    );
    Warning::new("locale", message).with_cure("Install that locale on the server, then restore again")
}

//! A restored database's way to its place: created, given what belongs to the database itself, swapped with what was there.

use std::time::Duration;

use domain::Warning;

use super::super::Postgres;
use super::super::definition::{Definition, Locale};
use super::super::likeness;
use super::super::marks::{Mark, Marks};
use super::super::passing::{Number, Purpose, drop_database, drop_unfinished};
use super::super::probe::{execute, execute_guarded, identifier, literal, query};
use super::command::USABLE_TABLESPACES;
use crate::error::Error;
use crate::guard::{Guard, Unguarded};

/// Attempts of a swap: sessions that reconnect at once, or that hold a lock, can thwart one.
const SWAP_ATTEMPTS: u32 = 4;
/// How long one waits for a lock, as PostgreSQL writes it: everybody who connects meanwhile waits behind it.
const SWAP_LOCK_TIMEOUT: &str = "3s";
/// Maximum number of batches in which the properties of a database are set: enough to find dozens that fail.
const MAX_BATCHES: u32 = 500;
/// The pause between two attempts, in which others can connect.
const SWAP_PAUSE: Duration = Duration::from_secs(1);
/// SQLSTATE of a database that is in use, and of a lock that did not come in time.
const IN_THE_WAY: [&str; 2] = ["55006", "55P03"];

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
            let message = format!(
                "tablespace '{tablespace}' does not exist here, or this role may not use it: the database is in the default tablespace"
            );
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

    /// Gives a database what belongs to the database itself: owner, settings, limits, privileges. Returns what could not be
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
        self.apply(statements, guard).await
    }

    /// Gives a database the archive's comment and security label, as [`Self::dress`] the rest: by itself, since a comment holds the mark of a
    /// database that is being loaded in place.
    pub(super) async fn remark(&self, name: &str, definition: &Definition, guard: &dyn Guard) -> Vec<Warning> {
        let own = definition.remarks(&identifier(&self.database));
        let statements = definition.remarks(&identifier(name)).into_iter().zip(own).collect();
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
                let message = format!("not carried over: {shown}: {}", error.cause());
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

    /// Returns how the target differs from the archive's database in what cannot be changed once it exists. Asked of the target itself.
    pub(in super::super) async fn differences(&self, definition: &Definition) -> Result<Vec<Warning>, Error> {
        // As rows, since every version has other columns.
        let sql = "SELECT key, CASE key WHEN 'encoding' THEN pg_encoding_to_char(value::int) ELSE value END \
                   FROM pg_catalog.pg_database d, jsonb_each_text(to_jsonb(d)) WHERE datname = current_database() AND value IS NOT NULL";
        let rows = query(&self.source, &self.database, sql).await?.into_iter();
        let facts =
            rows.filter_map(|row| <[String; 2]>::try_from(row).ok().map(|[name, value]| (name, value))).collect();
        Ok(definition.differences(&facts))
    }

    /// Notes on a restored database that it is complete, so that no later restore removes it.
    async fn mark_complete(&self, name: &str) -> Result<(), Error> {
        let marks = Marks::read(&self.source).await?;
        let mark = Mark::Complete(self.database.clone());
        execute(&self.source, &marks.set(name, name, Some(&mark))).await.map(drop)
    }

    /// Puts a complete database into its place. What was there is dropped.
    pub(super) async fn put_in_place(
        &self,
        new: &str,
        number: Number,
        guard: &dyn Guard,
    ) -> Result<Vec<Warning>, Error> {
        let own = &self.database;
        if !self.has_database(own).await? {
            self.rename(&[Rename::unmarked(new, own)], guard).await?;
            return Ok(Vec::new());
        }
        let replaced = number.name(own, Purpose::Replaced);
        let renames = [Rename { from: own, to: &replaced, mark: Some(Mark::Replaced) }, Rename::unmarked(new, own)];
        self.rename(&renames, guard).await?;
        Ok(self.dispose(&replaced).await)
    }

    /// Gives a new, empty database the target's name, for a restore that loads under it. What is there is moved `aside`.
    pub(super) async fn take_place(
        &self,
        new: &str,
        aside: Option<&str>,
        number: Number,
        guard: &dyn Guard,
    ) -> Result<(), Error> {
        let own = &self.database;
        let take = Rename { from: new, to: own, mark: Some(Mark::Loading(number)) };
        match aside {
            Some(aside) => {
                let move_aside = Rename { from: own, to: aside, mark: Some(Mark::Aside(own.clone())) };
                self.rename(&[move_aside, take], guard).await
            }
            None => self.rename(&[take], guard).await,
        }
    }

    /// Ends a restore that loaded under the target's name. What was moved aside is dropped.
    pub(super) async fn keep_place(&self, aside: Option<&str>, guard: &dyn Guard) -> Result<Vec<Warning>, Error> {
        let marks = Marks::read(&self.source).await?;
        let unmark = marks.set(&self.database, &self.database, None);
        let Some(aside) = aside else {
            execute_guarded(&self.source, &unmark, guard).await?;
            return Ok(Vec::new());
        };
        // Only marks change: a rename would fail at whoever is connected to what was moved aside.
        let replaced = marks.set(aside, aside, Some(&Mark::Replaced));
        execute_guarded(&self.source, &format!("{unmark}; {replaced}"), guard).await?;
        Ok(self.dispose(aside).await)
    }

    /// Undoes [`Self::take_place`], however far it came, and drops what was loaded. Returns `false`, and does nothing, if the database of
    /// that name is not the one that was being loaded.
    pub(in super::super) async fn bring_back(&self, number: Number) -> Result<bool, Error> {
        let aside = number.name(&self.database, Purpose::Aside);
        if !self.bring_back_once(&aside, number).await? {
            return Ok(false);
        }
        // A swap whose answer nobody waited for may have been committed meanwhile.
        if self.has_database(&aside).await? || self.is_loading(number).await? {
            return self.bring_back_once(&aside, number).await;
        }
        Ok(true)
    }

    async fn bring_back_once(&self, aside: &str, number: Number) -> Result<bool, Error> {
        let (own, new) = (&self.database, number.name(&self.database, Purpose::Restore));
        let (has_own, has_aside) = (self.has_database(own).await?, self.has_database(aside).await?);
        let is_loading = self.is_loading(number).await?;
        if has_own && has_aside && !is_loading {
            return Ok(false);
        }
        let mut renames = Vec::new();
        if is_loading {
            renames.push(Rename::unmarked(own, &new));
        }
        if has_aside {
            renames.push(Rename::unmarked(aside, own));
        }
        let failed = |error| {
            let kept = if has_aside { format!(", which is kept as '{aside}'") } else { String::new() };
            Error::failed(format!("could not bring back '{own}'{kept}"), error)
        };
        if !renames.is_empty() {
            self.rename(&renames, &Unguarded).await.map_err(failed)?;
        }
        drop_unfinished(&self.source, &new).await.map_err(failed)?;
        Ok(true)
    }

    async fn is_loading(&self, number: Number) -> Result<bool, Error> {
        Ok(Marks::read(&self.source).await?.of(&self.database) == Some(Mark::Loading(number)))
    }

    /// Ends the sessions of databases and renames them, in one transaction: there is no moment without a database of the target's name.
    /// Sessions that come back at once, and locks, make it fail as a whole, and it is tried again after a pause.
    async fn rename(&self, renames: &[Rename<'_>], guard: &dyn Guard) -> Result<(), Error> {
        let marks = Marks::read(&self.source).await?;
        let names: Vec<&str> = renames.iter().map(|rename| rename.from).collect();
        let sql = rename_sql(&marks, renames).join("; ");
        let sql = format!("{}; SET LOCAL lock_timeout = '{SWAP_LOCK_TIMEOUT}'; {sql}", end_sessions(&names));
        for attempt in 1..=SWAP_ATTEMPTS {
            guard.check().await?;
            match execute_guarded(&self.source, &sql, guard).await {
                Err(error) if is_one_of(&error, &IN_THE_WAY) => {
                    if attempt == SWAP_ATTEMPTS {
                        return Err(self.in_the_way(error.what().to_owned(), &names).await);
                    }
                    tokio::time::sleep(SWAP_PAUSE).await;
                }
                result => return result.map(drop),
            }
        }
        Ok(())
    }

    async fn in_the_way(&self, what: String, names: &[&str]) -> Error {
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

    /// Returns the restored database, under the name that says what it is if it can have that.
    ///
    /// # Errors
    /// If it can be told by neither its mark nor its name, so that the next restore would remove it.
    pub(super) async fn keep(&self, new: &str, number: Number) -> Result<String, Error> {
        // Sessions that work in it are in the way of a name, but not of a mark.
        let marked = self.mark_complete(new).await;
        let kept = number.name(&self.database, Purpose::Restored);
        let sql = format!("ALTER DATABASE {} RENAME TO {}", identifier(new), identifier(&kept));
        match execute(&self.source, &format!("{}; {sql}", end_sessions(&[new]))).await {
            Ok(_) => Ok(kept),
            Err(_) => marked.map(|()| new.to_owned()),
        }
    }

    /// Returns the number of a complete database that waits for the target's place.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::Kind::Invalid) for any other database.
    pub(super) async fn kept(&self, kept: &str) -> Result<Number, Error> {
        let refuse = |why: &str| Err(Error::invalid(format!("'{kept}' {why}")));
        if !self.has_database(kept).await? {
            return refuse("is no database of this server");
        }
        let mark = Marks::read(&self.source).await?.of(kept);
        let name = kept.rsplit_once("__dbackup_restored_").map(|(name, _)| name);
        match (Number::of_name(kept), mark, name) {
            (Some(number), Some(Mark::Complete(database)), _) if database == self.database => Ok(number),
            (Some(_), Some(Mark::Complete(database)), _) => {
                refuse(&format!("was restored for '{database}': name that as the target"))
            }
            // As the versions before marks kept them.
            (Some(number), None, Some(name)) if self.database.starts_with(name) => Ok(number),
            _ => refuse("is not a complete database that a restore has kept"),
        }
    }

    pub(super) async fn has_database(&self, name: &str) -> Result<bool, Error> {
        let sql = format!("SELECT 1 FROM pg_catalog.pg_database WHERE datname = {}", literal(name));
        Ok(!execute(&self.source, &sql).await?.is_empty())
    }

    async fn has_tablespace(&self, name: &str) -> Result<bool, Error> {
        let sql = format!("{USABLE_TABLESPACES} AND spcname = {}", literal(name));
        Ok(!execute(&self.source, &sql).await?.is_empty())
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

/// A database that gets another name, and with it a mark or none.
struct Rename<'a> {
    from: &'a str,
    to: &'a str,
    mark: Option<Mark>,
}

impl<'a> Rename<'a> {
    fn unmarked(from: &'a str, to: &'a str) -> Self {
        Self { from, to, mark: None }
    }
}

fn rename_sql(marks: &Marks, renames: &[Rename<'_>]) -> Vec<String> {
    let sql = renames.iter().flat_map(|Rename { from, to, mark }| {
        let rename = format!("ALTER DATABASE {} RENAME TO {}", identifier(from), identifier(to));
        let is_marked = mark.is_some() || marks.of(from).is_some();
        [Some(rename), is_marked.then(|| marks.set(to, from, mark.as_ref()))].into_iter().flatten()
    });
    sql.collect()
}

fn literals(names: &[&str]) -> String {
    names.iter().map(|name| literal(name)).collect::<Vec<_>>().join(", ")
}

/// Whether this role may end a session of `pg_stat_activity`.
const MAY_END: &str = "((SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) OR usesysid IS NOT NULL \
    AND (pg_has_role(usesysid, 'USAGE') OR pg_has_role('pg_signal_backend', 'USAGE')) \
    AND NOT (SELECT rolsuper FROM pg_catalog.pg_roles r WHERE r.oid = usesysid))";

/// Ends every session in the databases that this role may end; walsenders and workers, too.
fn end_sessions(databases: &[&str]) -> String {
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

fn is_one_of(error: &Error, sqlstates: &[&str]) -> bool {
    error.native_code_text().is_some_and(|code| sqlstates.contains(&code))
}

/// SQLSTATE of CREATE DATABASE for a locale that the server lacks, that does not fit the encoding or the template, or whose options came
/// with a later version.
const ABOUT_LOCALE: [&str; 4] = ["22023", "42809", "0A000", "42601"];

fn is_about_locale(error: &Error) -> bool {
    is_one_of(error, &ABOUT_LOCALE)
}

fn locale_warning(definition: &Definition, taken: Locale, refused: &Error) -> Warning {
    let wanted = definition.locale().unwrap_or_else(|| "its locale".to_owned());
    let taken = if taken == Locale::C { "locale C" } else { "the server's default locale" };
    let message = format!(
        "the database has {taken} instead of {wanted}, so that texts may sort differently: {}",
        refused.cause()
    );
    Warning::new("locale", message).with_cure("Install that locale on the server, then restore again")
}

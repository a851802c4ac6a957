//! What the target of a restore has, and what stands in the way of replacing it.

use super::super::Postgres;
use super::super::probe::{execute, identifier, literal, query};
use super::super::restore::{Occupant, Target};
use super::super::tablespaces;
use super::needs::Needs;
use super::{finding, listed, with_sql};
use crate::error::Error;
use crate::{Contents, Finding, RestoreOptions, Severity};

/// What the server has.
#[derive(Debug, Default)]
pub(super) struct TargetFacts {
    pub(super) role: String,
    pub(super) is_superuser: bool,
    pub(super) can_create_databases: bool,
    pub(super) major: u32,
    pub(super) roles: Vec<String>,
    /// Roles whose objects this role may create.
    pub(super) can_become: Vec<String>,
    pub(super) available_extensions: Vec<String>,
    /// Extensions that only a superuser may create.
    pub(super) superuser_extensions: Vec<String>,
    /// In the target database, if it is there.
    pub(super) installed_extensions: Vec<String>,
    pub(super) languages: Vec<String>,
    /// Those that the archive needs, and that are not there for this role.
    pub(super) missing_tablespaces: Vec<String>,
    pub(super) bound_databases: Vec<(String, String)>,
    locales: Vec<String>,
    /// Whether it was built with ICU.
    has_icu: bool,
    found: Option<Contents>,
    /// Whether the target, if it is there, is this role's to rename.
    owns_target: bool,
}

impl TargetFacts {
    /// Asks the server, through the target database where it is there, also for what the archive needs.
    pub(super) async fn ask(source: &Postgres, database: &str, found: Contents, needs: &Needs) -> Result<Self, Error> {
        let there = found != Contents::Absent;
        let sql = format!(
            "{FACTS} UNION ALL SELECT 'owns', '', '' FROM pg_catalog.pg_database WHERE datname = {} AND pg_has_role(datdba, 'USAGE')",
            literal(database)
        );
        let rows = if there { query(source, database, &sql).await? } else { execute(source, &sql).await? };
        let through = there.then_some(database);
        let missing_tablespaces = tablespaces::missing(source, through, needs.tablespaces()).await?;
        let mut facts = Self { found: Some(found), owns_target: !there, missing_tablespaces, ..Self::default() };
        for row in rows {
            if let [kind, value, more] = row.as_slice() {
                facts.add(kind, value, more, there);
            }
        }
        Ok(facts)
    }

    fn add(&mut self, kind: &str, value: &str, more: &str, there: bool) {
        let list = match kind {
            "me" => {
                self.role = value.to_owned();
                self.is_superuser = more.starts_with('t');
                self.can_create_databases = more.contains('t');
                return;
            }
            "version" => {
                self.major = value.parse::<u32>().unwrap_or(0) / 10_000;
                return;
            }
            "icu" => {
                self.has_icu = true;
                return;
            }
            "owns" => {
                self.owns_target = true;
                return;
            }
            "bound" => {
                self.bound_databases.push((value.to_owned(), more.to_owned()));
                return;
            }
            "role" => &mut self.roles,
            "become" => &mut self.can_become,
            "available" => &mut self.available_extensions,
            "superuser" => &mut self.superuser_extensions,
            "installed" if there => &mut self.installed_extensions,
            "language" => &mut self.languages,
            "locale" => &mut self.locales,
            _ => return,
        };
        list.push(value.to_owned());
    }

    /// Returns whether the server knows a libc locale. Its name can be written in several ways.
    pub(super) fn has_locale(&self, name: &str) -> bool {
        let plain = |name: &str| name.to_lowercase().replace('-', "");
        ["c", "posix", "c.utf8"].contains(&plain(name).as_str())
            || self.locales.iter().any(|known| plain(known) == plain(name))
    }

    /// Returns whether the server has a provider of locales: `libc`, `icu`, `builtin`.
    pub(super) fn has_provider(&self, provider: &str) -> bool {
        match provider {
            "icu" => self.has_icu,
            "builtin" => self.major >= 17,
            _ => true,
        }
    }

    /// Returns whether an empty target is filled itself.
    pub(super) fn fills_directly(&self, options: RestoreOptions) -> bool {
        self.found == Some(Contents::Empty) && (options.in_place || !self.can_create_databases || !self.owns_target)
    }
}

/// Rows of a kind and two values. "me" and "version" come first.
const FACTS: &str = "SELECT 'me', rolname::text, rolsuper::text || ',' || rolcreatedb::text FROM pg_catalog.pg_roles \
    WHERE rolname = current_user \
    UNION ALL SELECT 'version', current_setting('server_version_num'), '' \
    UNION ALL SELECT 'role', rolname::text, '' FROM pg_catalog.pg_roles \
    UNION ALL SELECT 'become', rolname::text, '' FROM pg_catalog.pg_roles WHERE pg_has_role(oid, \
      CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'SET' END) \
    UNION ALL SELECT 'available', name::text, '' FROM pg_catalog.pg_available_extensions \
    UNION ALL SELECT 'superuser', name::text, '' FROM pg_catalog.pg_available_extension_versions v \
      JOIN pg_catalog.pg_available_extensions e USING (name) WHERE v.version = e.default_version AND v.superuser \
      AND coalesce(to_jsonb(v) ->> 'trusted', 'false') = 'false' \
    UNION ALL SELECT 'installed', extname::text, '' FROM pg_catalog.pg_extension \
    UNION ALL SELECT 'language', lanname::text, '' FROM pg_catalog.pg_language \
    UNION ALL SELECT 'bound', name, setting FROM pg_catalog.pg_settings WHERE name = 'cron.database_name' \
    UNION ALL (SELECT 'icu', '', '' FROM pg_catalog.pg_collation WHERE collprovider = 'i' LIMIT 1) \
    UNION ALL SELECT DISTINCT 'locale', collcollate::text, '' FROM pg_catalog.pg_collation WHERE collprovider = 'c' AND collcollate IS NOT NULL \
    UNION ALL SELECT DISTINCT 'locale', datcollate::text, '' FROM pg_catalog.pg_database";

/// Returns what has to be ended or given up when the target is replaced.
pub(super) async fn in_the_way(
    source: &Postgres,
    database: &str,
    found: Contents,
    facts: &TargetFacts,
    options: RestoreOptions,
) -> Result<Vec<Finding>, Error> {
    let mut findings = Vec::new();
    if !facts.can_create_databases && found != Contents::Empty {
        let message =
            format!("'{}' may not create databases, and only an empty database can be filled without that", facts.role);
        let sql = format!("ALTER ROLE {} CREATEDB;", identifier(&facts.role));
        findings.push(with_sql(finding(Severity::Blocks, "no-createdb", message), sql));
    }
    if facts.fills_directly(options) {
        let why = match (facts.can_create_databases, facts.owns_target) {
            (false, _) => "this role may not create databases",
            (true, false) => "it belongs to another role",
            (true, true) => "in place",
        };
        let message = format!("the empty database '{database}' itself is filled, and keeps its locale ({why})");
        findings.push(finding(Severity::Informs, "fills-directly", message));
        return Ok(findings);
    }
    if found == Contents::Absent {
        return Ok(findings);
    }
    if !facts.owns_target {
        let message = format!("'{database}' belongs to another role, and only its owner can replace it");
        let sql = format!("ALTER DATABASE {} OWNER TO {};", identifier(database), identifier(&facts.role));
        findings.push(with_sql(finding(Severity::Blocks, "not-owner", message), sql));
    }
    findings.extend(sessions(&Target::of(source, database, facts.major), database).await?);
    findings.extend(held_by_replication(source, database).await?);
    let size = format!("SELECT pg_size_pretty(pg_database_size({}))", literal(database));
    if let Some(size) = query(source, database, &size).await.unwrap_or_default().into_iter().flatten().next() {
        let message = format!(
            "'{database}' ({size}) stays until the restored database is complete: the server needs room for both"
        );
        findings.push(finding(Severity::Informs, "room", message));
    }
    Ok(findings)
}

async fn sessions(target: &Target, database: &str) -> Result<Vec<Finding>, Error> {
    let (ended, stay): (Vec<Occupant>, Vec<Occupant>) =
        target.sessions(&[database]).await?.into_iter().partition(|session| session.may_end);
    let words = |sessions: &[Occupant]| listed(sessions.iter().map(|session| session.words.as_str()));
    let mut findings = Vec::new();
    if !ended.is_empty() {
        let message = format!("sessions in '{database}' are ended when it is replaced: {}", words(&ended));
        findings.push(finding(Severity::Warns, "sessions", message));
    }
    if !stay.is_empty() {
        let message = format!(
            "'{database}' is in use by what this role may not end: {}. End it first, or restore as a superuser",
            words(&stay)
        );
        findings.push(finding(Severity::Blocks, "sessions-of-others", message));
    }
    Ok(findings)
}

async fn held_by_replication(source: &Postgres, database: &str) -> Result<Vec<Finding>, Error> {
    let name = literal(database);
    let sql = format!(
        "SELECT 'slot', slot_name::text FROM pg_catalog.pg_replication_slots WHERE database = {name} \
         UNION ALL SELECT 'prepared', gid FROM pg_catalog.pg_prepared_xacts WHERE database = {name} \
         UNION ALL SELECT 'subscription', subname::text FROM pg_catalog.pg_subscription s JOIN pg_catalog.pg_database d \
         ON d.oid = s.subdbid WHERE datname = {name}"
    );
    let rows = query(source, database, &sql).await?;
    let of = |kind: &str| -> Vec<&str> {
        rows.iter()
            .filter(|row| row.first().is_some_and(|found| found == kind))
            .filter_map(|row| row.get(1).map(String::as_str))
            .collect()
    };
    let mut findings = Vec::new();
    let (slots, prepared, subscriptions) = (of("slot"), of("prepared"), of("subscription"));
    if !slots.is_empty() {
        let message = format!(
            "replication slots of '{database}' are dropped with it: {}. Their consumers have to start over",
            listed(slots)
        );
        findings.push(finding(Severity::Warns, "replication-slots", message));
    }
    if !subscriptions.is_empty() {
        let message = format!(
            "subscriptions of '{database}' are dropped with it: {}. Their slots stay at the publisher",
            listed(subscriptions)
        );
        findings.push(finding(Severity::Warns, "subscriptions", message));
    }
    if !prepared.is_empty() {
        let message =
            format!("prepared transactions hold '{database}': {}. End them first", listed(prepared.iter().copied()));
        let sql: Vec<String> = prepared.iter().map(|gid| format!("ROLLBACK PREPARED {};", literal(gid))).collect();
        findings.push(with_sql(finding(Severity::Blocks, "prepared-transactions", message), sql.join("\n")));
    }
    Ok(findings)
}

//! What a role cannot read of a database: what makes a dump fail, and what a dump would leave out without a word.

use domain::Warning;

use super::Postgres;
use super::cures;
use super::probe::{Server, query, query_readable};
use crate::error::Error;

/// Maximum number of names in a message.
const MAX_NAMED: usize = 5;
/// Maximum number of names that are asked for, per kind.
const MAX_ASKED: usize = 1000;

/// What a dump has to know of its database, and what it leaves out: one cheap query of the catalog.
const FACTS: &str = "
    SELECT 'number', current_setting('server_version_num') UNION ALL SELECT 'version', current_setting('server_version')
    UNION ALL SELECT 'encoding', getdatabaseencoding()::text UNION ALL SELECT 'role', current_user::text
    UNION ALL SELECT 'superuser', current_setting('is_superuser')
    UNION ALL SELECT 'loading', datname::text FROM pg_database WHERE datname = current_database()
        AND shobj_description(oid, 'pg_database') LIKE '%[dbackup is restoring it: ________]'
    UNION ALL SELECT 'damaged', name FROM pg_settings WHERE name IN ('zero_damaged_pages', 'ignore_checksum_failure') AND setting = 'on'
    UNION ALL (SELECT 'unlogged', quote_ident(n.nspname) || '.' || quote_ident(c.relname)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE pg_is_in_recovery() AND c.relpersistence = 'u' AND c.relkind = 'r' ORDER BY 2 LIMIT 1000)
    UNION ALL (SELECT 'mapping', quote_ident(m.usename) || ' on ' || quote_ident(m.srvname)
        FROM pg_user_mappings m JOIN pg_foreign_server s ON s.oid = m.srvid
        WHERE m.umoptions IS NULL AND current_setting('is_superuser') = 'off' AND NOT CASE m.umuser
            WHEN 0 THEN pg_has_role(s.srvowner, 'USAGE')
            ELSE m.usename = current_user AND (pg_has_role(s.srvowner, 'USAGE') OR has_server_privilege(s.oid, 'USAGE')) END
        ORDER BY 2 LIMIT 1000)
    UNION ALL (SELECT 'subscription', quote_ident(subname) FROM pg_subscription
        WHERE current_setting('is_superuser') = 'off'
        AND subdbid = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 2 LIMIT 1000)";

/// What pg_dump would fail at: tables that it locks, sequences that it reads, rows that it would not see, large objects. What
/// an extension brings is not dumped, unless the extension says so.
const OBSTACLES: &str = "
    UNION ALL (SELECT 'unreadable', r.name FROM relations r WHERE NOT (has_schema_privilege(r.relnamespace, 'USAGE')
        AND CASE r.relkind WHEN 'S' THEN has_sequence_privilege(r.oid, 'SELECT') ELSE has_table_privilege(r.oid, 'SELECT') END)
        ORDER BY 2 LIMIT 1000)
    UNION ALL (SELECT 'hidden', r.name FROM relations r WHERE r.relkind = 'r' AND row_security_active(r.oid) ORDER BY 2 LIMIT 1000)
    UNION ALL (SELECT 'large', m.oid::text FROM pg_largeobject_metadata m
        WHERE current_setting('is_superuser') = 'off' AND current_setting('lo_compat_privileges') = 'off'
        AND NOT (pg_has_role(m.lomowner, 'USAGE') OR EXISTS (SELECT FROM aclexplode(m.lomacl) a
            WHERE a.privilege_type = 'SELECT' AND (a.grantee = 0 OR pg_has_role(a.grantee, 'USAGE')))) LIMIT 1000)";

const RELATIONS: &str = "WITH relations AS (SELECT c.oid, c.relkind, c.relnamespace,
    quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'S') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
    AND (NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
        OR c.oid IN (SELECT unnest(extconfig) FROM pg_extension)))";

/// What a look at a database found.
pub(super) struct Look {
    /// The server.
    pub(super) server: Server,
    /// The database's encoding.
    pub(super) encoding: String,
    role: String,
    is_superuser: bool,
    found: Vec<(String, String)>,
}

impl Look {
    /// Looks at what a dump leaves out.
    pub(super) async fn for_dump(source: &Postgres, database: &str) -> Result<Self, Error> {
        Self::ask(source, database, FACTS).await
    }

    /// Looks at what makes a dump fail as well, which reads more of the catalog.
    pub(super) async fn at_everything(source: &Postgres, database: &str) -> Result<Self, Error> {
        Self::ask(source, database, &format!("{RELATIONS} {FACTS} {OBSTACLES}")).await
    }

    async fn ask(source: &Postgres, database: &str, sql: &str) -> Result<Self, Error> {
        let rows = match query_readable(source, database, sql).await {
            Ok(rows) => rows,
            // Not every encoding can be converted (MULE_INTERNAL), nor everything that lies in SQL_ASCII.
            Err(error) => query(source, database, sql).await.map_err(|_| error)?,
        };
        Self::of(rows)
    }

    fn of(rows: Vec<Vec<String>>) -> Result<Self, Error> {
        let found: Vec<(String, String)> = rows
            .into_iter()
            .filter_map(|row| <[String; 2]>::try_from(row).ok().map(|[kind, what]| (kind, what)))
            .collect();
        let one = |kind: &str| found.iter().find(|(found, _)| found == kind).map(|(_, what)| what.clone());
        let known = |kind: &str| one(kind).ok_or_else(|| Error::failed("looking at the database", "no answer"));
        Ok(Self {
            server: Server::parse(&known("number")?, &known("version")?)?,
            encoding: known("encoding")?,
            role: known("role")?,
            is_superuser: known("superuser")? == "on",
            found,
        })
    }

    fn all(&self, kind: &str) -> Vec<&str> {
        self.found.iter().filter(|(found, _)| found == kind).map(|(_, what)| what.as_str()).collect()
    }

    /// Returns settings that make a dump skip damaged pages, if this role can switch them off for its session.
    pub(super) fn to_switch_off(&self) -> Vec<&str> {
        if self.is_superuser { self.all("damaged") } else { Vec::new() }
    }

    /// Returns why a dump by this role would fail, with the cure.
    pub(super) fn obstacle(&self) -> Option<String> {
        let role = super::probe::identifier(&self.role);
        let obstacle = |what: String, cure: &str| Some(format!("{what}. {}", cure.replace("<role>", &role)));
        let (unreadable, hidden, large) = (self.all("unreadable"), self.all("hidden"), self.all("large"));
        if !unreadable.is_empty() {
            return obstacle(format!("the role may not read {}", listed(&unreadable)), cures::READ_EVERYTHING);
        }
        if !hidden.is_empty() {
            let what = format!("row-level security hides rows of {} from the role", listed(&hidden));
            return obstacle(what, cures::BYPASS_ROW_SECURITY);
        }
        if large.is_empty() {
            return None;
        }
        let count = if large.len() >= MAX_ASKED { format!("{MAX_ASKED} or more") } else { large.len().to_string() };
        obstacle(format!("the role may not read {count} of the large objects"), cures::LARGE_OBJECTS)
    }

    /// Returns a warning for each kind of thing that a dump by this role leaves out.
    pub(super) fn warnings(&self) -> Vec<Warning> {
        let kinds = [
            self.being_restored(),
            self.unlogged_tables(),
            self.user_mappings(),
            self.subscriptions(),
            self.damaged_pages(),
        ];
        kinds.into_iter().flatten().collect()
    }

    fn being_restored(&self) -> Option<Warning> {
        let what =
            "a restore in place into this database is running or was interrupted: it holds only a part of its data";
        let warning = Warning::new("being-restored", what).with_cure(
            "If no restore is running, start one there, or restart the server: what was there before is brought back",
        );
        (!self.all("loading").is_empty()).then_some(warning)
    }

    fn unlogged_tables(&self) -> Option<Warning> {
        let tables = self.all("unlogged");
        let what = format!(
            "the rows of unlogged tables are not in it, since a standby does not have them: {}",
            listed(&tables)
        );
        (!tables.is_empty()).then(|| {
            Warning::new("unlogged-tables", what).with_cure("Back up the primary server, or ALTER TABLE ... SET LOGGED")
        })
    }

    fn user_mappings(&self) -> Option<Warning> {
        let mappings = self.all("mapping");
        let what = format!(
            "the options of user mappings (their user and password) are not in it, since role '{}' may not read them: {}",
            self.role,
            listed(&mappings)
        );
        (!mappings.is_empty()).then(|| Warning::new("user-mapping-options", what).with_cure("Back up as a superuser"))
    }

    fn subscriptions(&self) -> Option<Warning> {
        let subscriptions = self.all("subscription");
        let what = format!(
            "subscriptions are not in it, since role '{}' is not a superuser: {}",
            self.role,
            listed(&subscriptions)
        );
        (!subscriptions.is_empty()).then(|| Warning::new("subscriptions", what).with_cure("Back up as a superuser"))
    }

    fn damaged_pages(&self) -> Option<Warning> {
        let settings = self.all("damaged");
        let what = format!(
            "{} is on for this database or role: rows of damaged pages are left out without a word",
            settings.join(" and ")
        );
        (!settings.is_empty() && !self.is_superuser).then(|| {
            let resets: Vec<String> =
                settings.iter().map(|setting| format!("ALTER DATABASE ... RESET {setting}")).collect();
            Warning::new("zero-damaged-pages", what).with_cure(resets.join("; "))
        })
    }
}

/// `a, b and 7 more`.
fn listed(names: &[&str]) -> String {
    let named = names.iter().take(MAX_NAMED).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MAX_NAMED) {
        0 => named,
        _ if names.len() >= MAX_ASKED => format!("{named} and many more"),
        more => format!("{named} and {more} more"),
    }
}

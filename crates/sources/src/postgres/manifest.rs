//! What can be set for a PostgreSQL server.

use adapter::{
    Capability, Choice, Default, Directs, Field, Input, Manifest, PathUse, Required, Secrets, Settings, Setup,
    ShownWhen, Tool,
};

use super::Postgres;
use super::tools::{FOLDER_VARIABLE, PACKAGE_FOLDERS};
use crate::error::Error;
use crate::registry::SourceAdapter;
use crate::{ByHand, DumpFormat, Origin, Source};

pub(crate) const ADAPTER: SourceAdapter =
    SourceAdapter { manifest: &MANIFEST, dump: &DUMP, open, from_address, address };

/// The name of the secret.
pub(super) const PASSWORD: &str = "password";

/// `pg_dump --format=custom`.
static DUMP: DumpFormat = DumpFormat {
    ending: "dump",
    magic: b"PGDMP",
    by_hand: ByHand {
        command: "| pg_restore --exit-on-error --create --no-owner --no-privileges -d postgres",
        notes: &[
            "For PostgreSQL you need its client tools, at least as new as \"toolVersion\" in the .meta.json file.",
            "pg_restore creates the database under its own name; it must not exist yet.",
        ],
        target: "postgres://USER@HOST/DATABASE",
    },
};

static MANIFEST: Manifest = Manifest {
    id: super::config::ID,
    title: "PostgreSQL",
    summary: "A PostgreSQL server.",
    guide: "postgresql.md",
    icon: include_str!("icon.svg"),
    schemes: &["postgres", "postgresql"],
    addresses: "postgres://user@host:port/database (without a database: all of them)",
    fields: &FIELDS,
    database_field: Some("database"),
    effect: "During a backup, PostgreSQL keeps a snapshot and share locks for as long as the upload takes.",
    authorization: None,
    capabilities: &[Capability::Databases, Capability::Owners, Capability::RestoreInPlace],
    tools: &[
        tool("pg_dump", "the package postgresql-client of the server's major version"),
        tool("pg_restore", "the same package"),
        tool("psql", "the same package"),
    ],
    setup: Some(Setup {
        title: "A role for complete backups",
        help: "Run this as a superuser. The connection test says which parts are needed.",
        template: SETUP,
    }),
    check: |_, _| (),
};

static FIELDS: [Field; 8] = [
    Field {
        name: "host",
        label: "Host",
        help: "Hostname, IP address, or socket directory. Separate several hosts by commas.",
        guide: "Hostname, IP address, or socket directory. Several hosts, separated by commas, are tried in order.",
        input: Input::Host,
        required: Required::Unless("service"),
        max_len: 255,
        example: "db.example.com",
        directs: Directs::Secrets,
        ..Field::TEXT
    },
    Field {
        name: "port",
        label: "Port",
        help: "TCP port of all hosts.",
        input: Input::Number { min: 1, max: 65535 },
        default: Default::Unset("the service's, or 5432"),
        example: "5432",
        directs: Directs::Secrets,
        ..Field::TEXT
    },
    Field {
        name: "user",
        label: "User",
        help: "Role to log in as.",
        required: Required::Unless("service"),
        example: "dbackup",
        ..Field::TEXT
    },
    Field {
        name: PASSWORD,
        label: "Password",
        help: "Stored encrypted. Never shown again.",
        guide: "Password of the role. It goes to the tools by their environment, never by arguments.",
        input: Input::Secret { shown: false },
        max_len: 4096,
        ..Field::TEXT
    },
    Field {
        name: "database",
        label: "Database",
        help: "Leave empty to let jobs choose from all databases on the server.",
        guide: "Back up only this database.",
        default: Default::Unset("jobs choose among all of the server's, or take all that there are at the time"),
        example: "shop",
        ..Field::TEXT
    },
    Field {
        name: "sslMode",
        label: "Encrypted connection",
        help: "TLS mode, as PostgreSQL calls it.",
        guide: "As libpq's `sslmode`. The two choices *with a certificate* check the server's against a CA certificate.",
        input: Input::Choice(&[
            Choice { value: "disable", label: "Never" },
            Choice { value: "prefer", label: "If the server offers it (not checked)" },
            Choice { value: "require", label: "Always, whoever the server is" },
            Choice { value: "verify-ca", label: "Always, with a certificate by a known authority" },
            Choice { value: "verify-full", label: "Always, with a certificate for this host (safest)" },
        ]),
        default: Default::Unset("the service's, or prefer"),
        directs: Directs::Protection,
        ..Field::TEXT
    },
    Field {
        name: "sslRootCert",
        label: "CA certificate",
        help: "A file on the server's machine, or “system” for the authorities that its operating system trusts. \
               If empty: ~/.postgresql/root.crt of the user that runs dbackup.",
        guide: "The CA certificate's file on the server's machine, or `system` for the authorities that its operating system trusts \
                (client tools of version 16 and later). Without the permission `administer`, the file has to lie below a folder \
                that the server was started with (`--allow-path`).",
        input: Input::HostPath { used: PathUse::File, except: &["system"] },
        default: Default::Unset(
            "~/.postgresql/root.crt of the user that runs dbackup (in the container /data/.postgresql/root.crt)",
        ),
        shown_when: Some(ShownWhen { field: "sslMode", any_of: &["verify-ca", "verify-full"] }),
        max_len: 4096,
        example: "/etc/ssl/our-ca.crt",
        directs: Directs::Secrets,
        ..Field::TEXT
    },
    Field {
        name: "service",
        label: "Service",
        help: "A section of pg_service.conf on the server's machine. It gives what is left empty above. Only administrators may set it.",
        guide: "A section of `pg_service.conf`, which gives what is left empty: host, port, user, password, and all of libpq's other \
                parameters. The file is `~/.pg_service.conf` of the user that runs dbackup (in the container \
                `/data/.pg_service.conf`), or the one that the server's variable `PGSERVICEFILE` names. Setting it needs the \
                permission `administer`.",
        advanced: true,
        example: "production",
        restricted: Some(
            "a service of this machine's pg_service.conf may log in as anybody: using it needs the permission 'administer'",
        ),
        directs: Directs::Secrets,
        ..Field::TEXT
    },
];

const SETUP: &str = "\
CREATE ROLE {user|identifier} LOGIN PASSWORD '…';
-- Tables, sequences and schemas:
GRANT pg_read_all_data TO {user|identifier};
-- Tables with row-level security:
ALTER ROLE {user|identifier} BYPASSRLS;
-- Large objects of other roles:
ALTER ROLE {user|identifier} SET lo_compat_privileges = on;
-- Databases whose CONNECT privilege was revoked from PUBLIC:
DO $$ DECLARE name text; BEGIN
  FOR name IN SELECT datname FROM pg_database WHERE datallowconn
    AND NOT has_database_privilege({user|literal}, oid, 'CONNECT')
  LOOP EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', name, {user|literal}); END LOOP; END $$;
-- To restore into new databases, without owners and privileges:
ALTER ROLE {user|identifier} CREATEDB;";

fn open(settings: &Settings, mut secrets: Secrets) -> Result<Box<dyn Source>, Error> {
    Ok(Box::new(Postgres::from_settings(settings, secrets.remove(PASSWORD))?))
}

fn from_address(address: &str, origin: Origin) -> Result<(Settings, Secrets), Error> {
    Postgres::parse(address, origin, None).map(Postgres::into_settings)
}

fn address(settings: &Settings) -> String {
    Postgres::from_settings(settings, None).map(|source| source.address()).unwrap_or_default()
}

const fn tool(name: &'static str, from: &'static str) -> Tool {
    Tool { name, from, folders: PACKAGE_FOLDERS, folder_variable: Some(FOLDER_VARIABLE) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn opened(settings: &serde_json::Value) -> Box<dyn Source> {
        let settings = MANIFEST.validate(settings.as_object().unwrap()).unwrap();
        open(&settings, Secrets::from([(PASSWORD.to_owned(), "p:w@/\\ ".into())])).unwrap()
    }

    #[test]
    fn every_name_and_host_survives() {
        for database in ["shop", "a b", "-x", "ü😀", "x\"; drop", "a/b?c#d%20"] {
            for host in ["db.example", "::1", "[::1]", "/run/postgresql"] {
                let source = opened(&json!({"host": host, "port": 5433, "user": "o'neil@x:y/z", "database": database,
                    "sslMode": "verify-full"}));
                assert!(source.name().ends_with(&format!("/{database}")), "{}", source.name());
                assert!(source.name().starts_with("postgres://o'neil@x:y/z@"), "{}", source.name());
            }
        }
    }

    #[test]
    fn an_address_becomes_settings_and_means_the_same() {
        for address in [
            "postgres://me@db:5433/shop",
            "postgres://me@/db?host=/run/pg&port=5433",
            "postgres://a,b:2/db",
            "postgres:///db?service=s",
            "postgres://a/db?hostaddr=10.0.0.1&connect_timeout=5&sslmode=allow&sslrootcert=/x",
        ] {
            let parsed = Postgres::parse(address, Origin::Argument, None).unwrap();
            let (settings, _) = from_address(address, Origin::Argument).unwrap();
            let opened = Postgres::from_settings(&settings, None).unwrap();
            let sorted = |source: &Postgres| {
                let mut words: Vec<String> = source.conninfo("x").split(' ').map(str::to_owned).collect();
                words.sort();
                words
            };
            assert_eq!(sorted(&opened), sorted(&parsed), "{address}");
            assert_eq!((opened.address(), opened.places()), (parsed.address(), parsed.places()), "{address}");
        }
        let (settings, secrets) = from_address("postgres://me:p%20w@db/shop", Origin::Private).unwrap();
        assert!(secrets.contains_key(PASSWORD) && !format!("{settings:?}").contains("p w"));
    }

    #[test]
    fn a_password_is_directed_by_where_and_how_safely_it_is_sent() {
        let settings = |more: serde_json::Value| {
            let mut settings = json!({"host": "db", "user": "u"});
            settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            MANIFEST.validate(settings.as_object().unwrap()).unwrap()
        };
        let redirection = |before, now| MANIFEST.redirection(&settings(before), &settings(now));
        for (before, now, field) in [
            (json!({}), json!({"host": "db2"}), "host"),
            (json!({}), json!({"port": 5433}), "port"),
            (json!({}), json!({"service": "s"}), "service"),
            (json!({"sslRootCert": "/a"}), json!({"sslRootCert": "/b"}), "sslRootCert"),
            (json!({"sslMode": "verify-full"}), json!({"sslMode": "verify-ca"}), "sslMode"),
            (json!({"sslMode": "prefer"}), json!({}), "sslMode"),
            // The service may have set the strongest.
            (json!({}), json!({"sslMode": "require"}), "sslMode"),
        ] {
            assert_eq!(redirection(before.clone(), now.clone()), Some(field), "{before} {now}");
        }
        for (before, now) in [
            (json!({"user": "a", "database": "b"}), json!({"user": "c", "database": "d"})),
            (json!({"sslMode": "disable"}), json!({"sslMode": "prefer"})),
            (json!({}), json!({"sslMode": "verify-full"})),
        ] {
            assert_eq!(redirection(before.clone(), now.clone()), None, "{before} {now}");
        }
    }

    #[test]
    fn what_only_addresses_can_say_is_no_setting_of_the_api() {
        let (settings, _) = from_address("postgres://me@a,b:2/db?passfile=/etc/shadow", Origin::Argument).unwrap();
        let stored = serde_json::to_value(&settings).unwrap();
        let errors = MANIFEST.validate(stored.as_object().unwrap()).unwrap_err();
        assert!(errors.iter().all(|error| error.message.contains("unknown field")) && errors.len() >= 2, "{errors:?}");
    }
}

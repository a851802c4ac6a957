//! What people set for sources.

use std::path::Path;

use domain::Engine;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use sources::{PostgresLogin, Source};
use utoipa::ToSchema;

use super::{LONGEST_PATH, check_length};
use crate::http::problem::Fields;

/// Where databases are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub(crate) enum SourceSettings {
    /// A PostgreSQL server.
    Postgres {
        /// Names or addresses, or a socket's folder; several are separated by commas. Only a service tells it, too.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        #[schema(max_length = 255)]
        host: String,
        /// The service's, or 5432, if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(minimum = 1)]
        port: Option<u16>,
        /// The role to log in as. Only a service tells it, too.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        #[schema(max_length = 200)]
        user: String,
        /// The one database of this source; all that the server has if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(min_length = 1, max_length = 200)]
        database: Option<String>,
        /// Whether the connection is encrypted, and what is checked.
        // Renamed here, too, because the API's description does not know `rename_all_fields`.
        #[serde(rename = "sslMode", default, skip_serializing_if = "Option::is_none")]
        ssl_mode: Option<SslMode>,
        /// The file with the certificate of the authority that the server's is checked against: an absolute path on this server's
        /// machine, or `system` for the authorities that its operating system trusts.
        #[serde(rename = "sslRootCert", default, skip_serializing_if = "Option::is_none")]
        #[schema(min_length = 2, max_length = 4096)]
        ssl_root_cert: Option<String>,
        /// A section of the `pg_service.conf` on this server's machine, which gives what is not set here. Needs the permission
        /// `administer`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(min_length = 1, max_length = 200)]
        service: Option<String>,
    },
    /// A SQLite database.
    Sqlite {
        /// The file's absolute path on the server's machine.
        #[schema(min_length = 2, max_length = 4096)]
        path: String,
    },
}

/// libpq's `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SslMode {
    Disable,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// libpq's word for the authorities that the operating system trusts (version 16 and later).
const TRUSTED_BY_SYSTEM: &str = "system";

impl SourceSettings {
    /// Its engine.
    pub(crate) fn engine(&self) -> Engine {
        match self {
            Self::Postgres { .. } => Engine::Postgres,
            Self::Sqlite { .. } => Engine::Sqlite,
        }
    }

    pub(crate) fn check(&self, fields: &mut Fields) {
        match self {
            Self::Postgres { host, port, user, database, ssl_root_cert, service, .. } => {
                let needed = |text| Some(text).filter(|text: &&String| service.is_none() || !text.is_empty());
                for (field, text, longest) in [
                    ("settings.host", needed(host), 255),
                    ("settings.user", needed(user), 200),
                    ("settings.database", database.as_ref(), 200),
                    ("settings.sslRootCert", ssl_root_cert.as_ref(), LONGEST_PATH),
                    ("settings.service", service.as_ref(), 200),
                ] {
                    let sound = text.is_none_or(|text| !text.trim().is_empty() && !text.chars().any(char::is_control));
                    fields.check(field, sound, || "must not be empty or hold control characters".to_owned());
                    check_length(fields, field, text.map_or("", String::as_str), longest);
                }
                fields.check("settings.port", *port != Some(0), || "must be from 1 to 65535".to_owned());
                if let Some(path) = ssl_root_cert.as_deref().filter(|path| *path != TRUSTED_BY_SYSTEM) {
                    check_path(fields, "settings.sslRootCert", path, "/etc/ssl/our-ca.crt, or system");
                }
            }
            Self::Sqlite { path } => {
                check_path(fields, "settings.path", path, "/var/lib/app/data.db");
                check_length(fields, "settings.path", path, LONGEST_PATH);
            }
        }
    }

    /// The same place, but another database of it: a name, or a file for SQLite.
    #[must_use]
    pub(crate) fn with_database(mut self, other: &str) -> Self {
        match &mut self {
            Self::Postgres { database, .. } => *database = Some(other.to_owned()),
            Self::Sqlite { path } => other.clone_into(path),
        }
        self
    }

    /// What of it is shown to everybody.
    pub(super) fn public_names(&self) -> impl Iterator<Item = &str> {
        match self {
            Self::Postgres { host, user, database, ssl_root_cert, service, .. } => {
                [Some(host), Some(user), database.as_ref(), ssl_root_cert.as_ref(), service.as_ref()]
            }
            Self::Sqlite { path } => [Some(path), None, None, None, None],
        }
        .into_iter()
        .flatten()
        .map(String::as_str)
        .filter(|name| !name.is_empty())
    }

    /// The file on this machine that it uses, and the field that names it.
    pub(crate) fn path(&self) -> Option<(&'static str, &Path)> {
        match self {
            Self::Postgres { ssl_root_cert, .. } => {
                let file = ssl_root_cert.as_deref().filter(|path| *path != TRUSTED_BY_SYSTEM)?;
                Some(("settings.sslRootCert", Path::new(file)))
            }
            Self::Sqlite { path } => Some(("settings.path", Path::new(path))),
        }
    }

    /// Takes another path in place of [`Self::path`].
    pub(super) fn set_path(&mut self, resolved: String) {
        match self {
            Self::Postgres { ssl_root_cert, .. } => *ssl_root_cert = Some(resolved),
            Self::Sqlite { path } => *path = resolved,
        }
    }

    /// The section of this machine's service file that it uses.
    pub(crate) fn service(&self) -> Option<&str> {
        match self {
            Self::Postgres { service, .. } => service.as_deref(),
            Self::Sqlite { .. } => None,
        }
    }

    /// What runs ask. A path is taken as it is: links in it were resolved, and judged.
    pub(crate) fn open(self, password: Option<SecretString>) -> Result<Box<dyn Source>, sources::Error> {
        match self {
            Self::Postgres { host, port, user, database, ssl_mode, ssl_root_cert, service } => {
                let parameters = [
                    ("service", service),
                    ("sslmode", ssl_mode.map(|mode| mode.name().to_owned())),
                    ("sslrootcert", ssl_root_cert),
                ];
                let parameters = parameters.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
                // Brackets belong to addresses in URLs.
                let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
                sources::postgres_server(PostgresLogin { host, port, user, database, parameters, password })
            }
            Self::Sqlite { path } => sources::sqlite_file(path.into()),
        }
    }
}

impl SslMode {
    /// libpq's word for it.
    fn name(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

fn check_path(fields: &mut Fields, field: &'static str, path: &str, example: &str) {
    fields.check(field, path.starts_with('/'), || format!("must be absolute: {example}"));
    let sound = !path.split('/').any(|part| part == "..") && !path.chars().any(char::is_control);
    fields.check(field, sound, || "must not hold '..' or control characters".to_owned());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_and_host_survives_the_address() {
        let settings = |host: &str, database: &str| SourceSettings::Postgres {
            host: host.to_owned(),
            port: Some(5433),
            user: "o'neil@x:y/z".to_owned(),
            database: Some(database.to_owned()),
            ssl_mode: Some(SslMode::VerifyFull),
            ssl_root_cert: None,
            service: None,
        };
        for database in ["shop", "a b", "-x", "ü😀", "x\"; drop", "a/b?c#d%20"] {
            for host in ["db.example", "::1", "/run/postgresql"] {
                let source = settings(host, database).open(Some("p:w@/\\ ".into())).unwrap();
                assert!(source.name().ends_with(&format!("/{database}")), "{}", source.name());
                assert!(source.name().starts_with("postgres://o'neil@x:y/z@"), "{}", source.name());
            }
        }
        let file = SourceSettings::Sqlite { path: "/data/100% sure.db".to_owned() };
        assert!(file.open(None).unwrap().name().ends_with("/data/100% sure.db"));
    }
}

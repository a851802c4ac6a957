//! What people set for sources and destinations, and what is made of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use destinations::{Destination, RootLinks};
use domain::Engine;
use dropbox::Space;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sources::{Origin, Source};
use utoipa::ToSchema;

use crate::app::App;
use crate::dropbox_clients::Patience;
use crate::failure::Failure;
use crate::host_paths::Use;
use crate::http::problem::{Fields, Problem};

/// The names under which the catalog keeps secrets.
pub(crate) const PASSWORD: &str = "password";
pub(crate) const APP_KEY: &str = "appKey";
pub(crate) const APP_SECRET: &str = "appSecret";

/// Where databases are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub(crate) enum SourceSettings {
    /// A PostgreSQL server.
    Postgres {
        /// Name or address.
        #[schema(min_length = 1, max_length = 255)]
        host: String,
        /// 5432 if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(minimum = 1)]
        port: Option<u16>,
        /// The role to log in as.
        #[schema(min_length = 1, max_length = 200)]
        user: String,
        /// The one database of this source; all that the server has if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(min_length = 1, max_length = 200)]
        database: Option<String>,
        /// Whether the connection is encrypted, and what is checked.
        // Renamed here, too, because the API's description does not know `rename_all_fields`.
        #[serde(rename = "sslMode", default, skip_serializing_if = "Option::is_none")]
        ssl_mode: Option<SslMode>,
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

/// In characters; the longest that Linux takes, in bytes.
const LONGEST_PATH: usize = 4096;

fn check_length(fields: &mut Fields, field: &'static str, text: &str, longest: usize) {
    fields.check(field, text.chars().count() <= longest, || format!("must not be longer than {longest} characters"));
}

/// What must be escaped in a part of an address.
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

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
            Self::Postgres { host, port, user, database, .. } => {
                for (field, text, longest) in [
                    ("settings.host", Some(host), 255),
                    ("settings.user", Some(user), 200),
                    ("settings.database", database.as_ref(), 200),
                ] {
                    let sound = text.is_none_or(|text| !text.trim().is_empty() && !text.chars().any(char::is_control));
                    fields.check(field, sound, || "must not be empty or hold control characters".to_owned());
                    check_length(fields, field, text.map_or("", String::as_str), longest);
                }
                fields.check("settings.port", *port != Some(0), || "must be from 1 to 65535".to_owned());
            }
            Self::Sqlite { path } => {
                fields.check("settings.path", path.starts_with('/'), || {
                    "must be absolute: /var/lib/app/data.db".to_owned()
                });
                let sound = !path.split('/').any(|part| part == "..") && !path.chars().any(char::is_control);
                fields.check("settings.path", sound, || "must not hold '..' or control characters".to_owned());
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
    fn public_names(&self) -> impl Iterator<Item = &str> {
        match self {
            Self::Postgres { host, user, database, .. } => [Some(host), Some(user), database.as_ref()],
            Self::Sqlite { path } => [Some(path), None, None],
        }
        .into_iter()
        .flatten()
        .map(String::as_str)
    }

    /// Its path on this machine, if it is a file.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Postgres { .. } => None,
            Self::Sqlite { path } => Some(Path::new(path)),
        }
    }

    /// What runs ask. A path is taken as it is: links in it were resolved, and judged.
    pub(crate) fn open(&self, password: Option<SecretString>) -> Result<Box<dyn Source>, sources::Error> {
        let escape = |text: &str| utf8_percent_encode(text, PART).to_string();
        match self {
            Self::Postgres { host, port, user, database, ssl_mode } => {
                let port = port.map(|port| format!(":{port}")).unwrap_or_default();
                let database = database.as_deref().map(escape).unwrap_or_default();
                let user = escape(user);
                // A socket's folder, too, is a host to libpq, if its slashes are escaped.
                let host = match host.trim_start_matches('[').trim_end_matches(']') {
                    address if address.contains(':') => format!("[{address}]"),
                    name => escape(name),
                };
                let query = ssl_mode.and_then(|mode| serde_json::to_value(mode).ok());
                let query = query.and_then(|mode| Some(format!("?sslmode={}", mode.as_str()?))).unwrap_or_default();
                let address = format!("postgres://{user}@{host}{port}/{database}{query}");
                sources::parse(&address, Origin::Private, password)
            }
            Self::Sqlite { path } => sources::sqlite_file(path.into()),
        }
    }
}

/// Where backups go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub(crate) enum DestinationSettings {
    /// A folder in Dropbox.
    Dropbox {
        /// Such as `/backups`; the root, or the app's folder, if empty.
        #[serde(default)]
        #[schema(max_length = 1000)]
        folder: String,
        /// In the team's space instead of the member's own folder.
        #[serde(rename = "teamSpace", default)]
        team_space: bool,
        /// What to do with a backup that is not expected to fit.
        #[serde(rename = "whenFull", default, skip_serializing_if = "WhenFull::is_default")]
        #[schema(required = false)]
        when_full: WhenFull,
    },
    /// A folder on the server's machine, or mounted there.
    Folder {
        /// Its absolute path.
        #[schema(min_length = 1, max_length = 4096)]
        path: String,
        /// What to do with a backup that is not expected to fit.
        #[serde(rename = "whenFull", default, skip_serializing_if = "WhenFull::is_default")]
        #[schema(required = false)]
        when_full: WhenFull,
    },
}

/// What to do when the last backup was larger than the free space.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum WhenFull {
    /// Back up anyway; the run succeeds with a warning if it fits after all.
    #[default]
    Warn,
    /// Refuse the destination before the dump starts.
    Stop,
}

impl WhenFull {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl From<WhenFull> for destinations::WhenFull {
    fn from(setting: WhenFull) -> Self {
        match setting {
            WhenFull::Warn => Self::Warn,
            WhenFull::Stop => Self::Stop,
        }
    }
}

impl DestinationSettings {
    /// Whether somebody has to authorize it.
    pub(crate) fn needs_authorization(&self) -> bool {
        matches!(self, Self::Dropbox { .. })
    }

    pub(crate) fn check(&self, fields: &mut Fields) {
        match self {
            Self::Dropbox { folder, .. } => {
                check_length(fields, "settings.folder", folder, 1000);
                if let Err(wrong) = destinations::dropbox_folder(folder) {
                    fields.check("settings.folder", false, || wrong);
                }
            }
            Self::Folder { path, .. } => {
                fields.check("settings.path", path.starts_with('/'), || "must be absolute: /var/backups".to_owned());
                check_length(fields, "settings.path", path, LONGEST_PATH);
                let sound =
                    !path.split('/').any(|part| part == ".." || part == ".") && !path.chars().any(char::is_control);
                fields.check("settings.path", sound, || "must not hold '.', '..' or control characters".to_owned());
            }
        }
    }

    /// Its path on this machine, if it is a folder there.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Dropbox { .. } => None,
            Self::Folder { path, .. } => Some(Path::new(path)),
        }
    }

    /// Spells a Dropbox folder as Dropbox stores it.
    #[must_use]
    pub(crate) fn normalized(mut self) -> Self {
        if let Self::Dropbox { folder, .. } = &mut self
            && let Ok(kept) = destinations::dropbox_folder(folder)
        {
            *folder = kept;
        }
        self
    }

    /// What to call it where there is no room for more.
    pub(crate) fn address(&self) -> String {
        match self {
            Self::Dropbox { folder, team_space, .. } => {
                let scheme = if *team_space { "dropbox-team" } else { "dropbox" };
                format!("{scheme}:/{}", folder.trim_matches('/'))
            }
            Self::Folder { path, .. } => destinations::folder_address(Path::new(path)),
        }
    }
}

/// Reads the settings that the catalog keeps.
pub(crate) fn of_source(source: &catalog::Source) -> Result<SourceSettings, Problem> {
    serde_json::from_value(source.settings.clone()).map_err(Problem::internal)
}

/// Reads the settings that the catalog keeps.
pub(crate) fn of_destination(destination: &catalog::Destination) -> Result<DestinationSettings, Problem> {
    serde_json::from_value(destination.settings.clone()).map_err(Problem::internal)
}

/// The password of a source, if it has one.
pub(crate) fn password(mut secrets: BTreeMap<String, SecretString>) -> Option<SecretString> {
    secrets.remove(PASSWORD)
}

impl App {
    /// A source, ready to be asked; another of its databases if one is named.
    pub(crate) async fn open_source(&self, id: &str, database: Option<&str>) -> Result<Box<dyn Source>, Failure> {
        let source = self.catalog.source(id).await?.ok_or(Failure::Gone("the source"))?;
        let mut settings: SourceSettings = serde_json::from_value(source.settings.clone())?;
        if let Some(database) = database {
            settings = settings.with_database(database);
        }
        self.open_settings(&source, settings).await
    }

    /// A source, or another database of it. Its own path must still lead where it was approved; another one, which was judged by
    /// [`Self::restore_target`], only not to this server's own data.
    pub(crate) async fn open_settings(
        &self,
        source: &catalog::Source,
        mut settings: SourceSettings,
    ) -> Result<Box<dyn Source>, Failure> {
        let own: SourceSettings = serde_json::from_value(source.settings.clone())?;
        if let SourceSettings::Sqlite { path } = &mut settings {
            let is_own = own.path() == Some(Path::new(path));
            let (approved, asked) = (source.approved_path.clone(), PathBuf::from(&*path));
            let resolved = self.host_paths(move |paths| match is_own {
                true => paths.reopen(&asked, Use::File, approved.as_deref()),
                false => paths.resolve(&asked, Use::File),
            });
            // UTF-8, or it was refused.
            *path = resolved.await?.display().to_string();
        }
        let password = password(self.catalog.source_secrets(source)?);
        settings.public_names().chain([source.name.as_str()]).for_each(crate::redaction::make_public);
        password.iter().for_each(|password| crate::redaction::register(password.expose_secret()));
        Ok(settings.open(password)?)
    }

    /// A destination, ready to be used.
    pub(crate) async fn open_destination(&self, id: &str, patience: Patience) -> Result<Arc<dyn Destination>, Failure> {
        let mut destination = self.catalog.destination(id).await?.ok_or(Failure::Gone("the destination"))?;
        let settings: DestinationSettings = serde_json::from_value(destination.settings.clone())?;
        crate::redaction::make_public(&destination.name);
        crate::redaction::make_public(&settings.address());
        match settings {
            DestinationSettings::Dropbox { folder, team_space, when_full } => {
                if team_space && patience == Patience::Long {
                    destination = self.pin_team(destination).await?;
                }
                let space = if team_space { Space::Team } else { Space::Home };
                let client = self.dropbox_client(&destination, space, patience)?;
                Ok(destinations::in_dropbox(client, &folder, when_full.into())?)
            }
            DestinationSettings::Folder { path, when_full } => {
                let approved = destination.approved_path;
                let reopened =
                    self.host_paths(move |paths| paths.reopen(Path::new(&path), Use::Folder, approved.as_deref()));
                Ok(destinations::folder(reopened.await?, when_full.into(), RootLinks::Refuse)?)
            }
        }
    }
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

//! What people set for sources and destinations, and what is made of it.

mod destination;
mod source;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use adapter::destination::Destination;
use destinations::RootLinks;
use dropbox::Space;
use secrecy::{ExposeSecret, SecretString};
use sources::Source;

use crate::app::App;
use crate::dropbox_clients::Patience;
use crate::failure::Failure;
use crate::host_paths::Use;
use crate::http::problem::{Fields, Problem};

pub(crate) use destination::DestinationSettings;
pub(crate) use source::SourceSettings;

/// The names under which the catalog keeps secrets.
pub(crate) const PASSWORD: &str = "password";
pub(crate) const APP_KEY: &str = "appKey";
pub(crate) const APP_SECRET: &str = "appSecret";

/// In characters; the longest that Linux takes, in bytes.
const LONGEST_PATH: usize = 4096;

fn check_length(fields: &mut Fields, field: &'static str, text: &str, longest: usize) {
    fields.check(field, text.chars().count() <= longest, || format!("must not be longer than {longest} characters"));
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
        if let Some((_, asked)) = settings.path().map(|(field, path)| (field, PathBuf::from(path))) {
            let is_own = own.path() == settings.path();
            let approved = source.approved_path.clone();
            let resolved = self.host_paths(move |paths| match is_own {
                true => paths.reopen(&asked, Use::File, approved.as_deref()),
                false => paths.resolve(&asked, Use::File),
            });
            // UTF-8, or it was refused.
            settings.set_path(resolved.await?.display().to_string());
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
                destinations::in_dropbox(client, &folder, when_full.into()).map_err(Failure::Destination)
            }
            DestinationSettings::Folder { path, when_full } => {
                let approved = destination.approved_path;
                let reopened =
                    self.host_paths(move |paths| paths.reopen(Path::new(&path), Use::Folder, approved.as_deref()));
                destinations::folder(reopened.await?, when_full.into(), RootLinks::Refuse).map_err(Failure::Destination)
            }
        }
    }
}

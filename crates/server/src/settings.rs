//! What people set for sources, destinations and channels, and what is made of it. Which settings there are, the adapters' manifests say.

mod description;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use adapter::channel::Channel;
use adapter::destination::Destination;
use adapter::{Adapter, Directs, Manifest, PathUse, Registry, Settings};
use channels::ChannelAdapter;
use destinations::{Context, DestinationAdapter};
use domain::access::Permission;
use secrecy::{ExposeSecret, SecretString};
use serde::de::Error as _;
use serde_json::{Map, Value};
use sources::{Source, SourceAdapter};

use crate::app::App;
use crate::failure::Failure;
use crate::host_paths::Use;
use crate::http::caller::Caller;
use crate::http::problem::{Fields, Problem};
use crate::http::secret_field::SecretFields;
use crate::patience::Patience;

pub(crate) use description::{channel_settings, describe, destination_settings, source_settings};

/// Settings, and the adapter that they are for.
#[derive(Debug, Clone)]
pub(crate) struct Configured<A> {
    pub(crate) adapter: A,
    pub(crate) settings: Settings,
}

pub(crate) type SourceSettings = Configured<SourceAdapter>;
pub(crate) type DestinationSettings = Configured<DestinationAdapter>;
pub(crate) type ChannelSettings = Configured<ChannelAdapter>;

/// A path of this machine that settings use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostPath {
    /// The name of the field.
    pub(crate) name: &'static str,
    pub(crate) path: PathBuf,
    pub(crate) used: Use,
}

impl HostPath {
    /// Returns the field as errors name it: `settings.path`.
    pub(crate) fn field(&self) -> String {
        format!("settings.{}", self.name)
    }
}

impl<A: Adapter> Configured<A> {
    pub(crate) fn load(registry: &Registry<A>, stored: &Value) -> Result<Self, Failure> {
        let loaded = registry.load(stored).map_err(|cause| Failure::Settings(serde_json::Error::custom(cause)))?;
        Ok(Self { adapter: loaded.0, settings: loaded.1 })
    }

    pub(crate) fn manifest(&self) -> &'static Manifest {
        self.adapter.manifest()
    }

    /// Returns the path of this machine that it uses.
    pub(crate) fn host_path(&self) -> Option<HostPath> {
        let (name, path, used) = self.manifest().host_path(&self.settings)?;
        let used = match used {
            PathUse::File => Use::File,
            PathUse::Folder => Use::Folder,
        };
        Some(HostPath { name, path, used })
    }

    /// Returns for each of the adapter's secrets whether it is kept: `passwordSet`.
    pub(crate) fn secrets_set(&self, kept: &[String]) -> BTreeMap<String, bool> {
        let secrets = self.manifest().secrets();
        secrets.map(|field| (format!("{}Set", field.name), kept.iter().any(|name| name == field.name))).collect()
    }

    /// Refuses a change of what only administrators set.
    pub(crate) fn check_restricted(&self, before: Option<&Self>, caller: &Caller) -> Result<(), Problem> {
        for field in self.manifest().settings() {
            let Some(reason) = field.restricted else { continue };
            let value = self.settings.get(field.name);
            let was = before.and_then(|before| before.settings.get(field.name));
            if value.is_some() && value != was && !caller.allows(Permission::Administer) {
                return Err(Problem::forbidden(reason));
            }
        }
        Ok(())
    }
}

impl SourceSettings {
    /// Returns the same place, but another database of it: a name, or a file.
    #[must_use]
    pub(crate) fn with_database(mut self, other: &str) -> Self {
        if let Some(field) = self.manifest().database_field {
            self.settings.set(field, other);
        }
        self
    }

    /// Returns the name of the one database that it is limited to; `None` for all, and where databases are files.
    pub(crate) fn database(&self) -> Option<&str> {
        self.manifest()
            .database_field
            .filter(|_| !self.manifest().has_database_files())
            .and_then(|field| self.settings.text(field))
    }

    /// Returns the database's file, where databases are files.
    pub(crate) fn database_file(&self) -> Option<&str> {
        self.manifest()
            .database_field
            .filter(|_| self.manifest().has_database_files())
            .and_then(|field| self.settings.text(field))
    }
}

impl DestinationSettings {
    /// Returns what to call it where there is no room for more: `dropbox:/backups`.
    pub(crate) fn address(&self) -> String {
        (self.adapter.address)(&self.settings)
    }
}

/// What a request sets, as the adapter takes it.
pub(crate) struct Checked<A> {
    pub(crate) configured: Configured<A>,
    /// The secrets that change: set, or removed.
    pub(crate) secrets: BTreeMap<String, Option<SecretString>>,
}

/// What is changed by a request, as it was before.
pub(crate) struct Before<'a, A> {
    pub(crate) configured: Configured<A>,
    /// The names of the secrets that are stored.
    pub(crate) secrets: &'a [String],
}

/// Checks what a request sets: the settings, and the secrets beside them. What is wrong with other fields is in `fields`.
///
/// Secrets that the request leaves out stay, but not if the change sends them to another place: who may configure could otherwise
/// have any of them sent to a server of theirs. Administrators may.
pub(crate) fn check<A: Adapter>(
    registry: &Registry<A>,
    settings: &Map<String, Value>,
    secrets: SecretFields,
    before: Option<&Before<'_, A>>,
    caller: &Caller,
    mut fields: Fields,
) -> Result<Checked<A>, Problem> {
    let kept = before.map(|before| before.secrets).unwrap_or_default();
    let validated = match registry.validate(settings) {
        Ok((adapter, settings)) => Some(Configured { adapter, settings }),
        Err(errors) => {
            errors.into_iter().for_each(|error| fields.add(&format!("settings.{}", error.field), error.message));
            None
        }
    };
    let adapter = settings.get("type").and_then(Value::as_str).and_then(|id| registry.get(id));
    let changes = adapter.map(|adapter| secrets.changes(adapter.manifest(), kept, &mut fields)).unwrap_or_default();
    if let (Some(now), Some(before)) = (&validated, before)
        && !caller.allows(Permission::Administer)
    {
        refuse_redirection(before, now, &changes, &mut fields);
    }
    fields.finish()?;
    let configured = validated.ok_or_else(|| Problem::internal("settings were refused without a reason"))?;
    Ok(Checked { configured, secrets: changes })
}

/// Notes each stored secret that a change would send to another place.
fn refuse_redirection<A: Adapter>(
    before: &Before<'_, A>,
    now: &Configured<A>,
    changes: &BTreeMap<String, Option<SecretString>>,
    fields: &mut Fields,
) {
    let manifest = now.manifest();
    let setting =
        manifest.redirection(&before.configured.settings, &now.settings).map(|name| format!("settings.{name}"));
    let secret = manifest.secrets().find(|field| field.directs == Directs::Secrets && changes.contains_key(field.name));
    let Some(cause) = setting.or_else(|| secret.map(|field| field.name.to_owned())) else { return };
    for field in manifest.secrets() {
        if before.secrets.iter().any(|stored| stored == field.name) && !changes.contains_key(field.name) {
            let label = field.label;
            fields.add(
                field.name,
                format!("enter the {label} again: a change of {cause} would send the stored one to another place. Administrators can save the change without it"),
            );
        }
    }
}

impl App {
    /// Reads the settings of a source that the catalog keeps.
    pub(crate) fn source_settings(&self, source: &catalog::Source) -> Result<SourceSettings, Failure> {
        Configured::load(&self.config.adapters.sources, &source.settings)
    }

    /// Reads the settings of a destination that the catalog keeps.
    pub(crate) fn destination_settings(
        &self,
        destination: &catalog::Destination,
    ) -> Result<DestinationSettings, Failure> {
        Configured::load(&self.config.adapters.destinations, &destination.settings)
    }

    /// Reads the settings of a channel that the catalog keeps.
    pub(crate) fn channel_settings(&self, channel: &catalog::Channel) -> Result<ChannelSettings, Failure> {
        Configured::load(&self.config.adapters.channels, &channel.settings)
    }

    /// Returns a channel, ready to send.
    pub(crate) fn open_channel(&self, channel: &catalog::Channel) -> Result<Arc<dyn Channel>, Failure> {
        let opened = self.channel_settings(channel)?;
        crate::redaction::make_public(&channel.name);
        let secrets = self.catalog.channel_secrets(channel)?;
        secrets.values().for_each(|secret| crate::redaction::register(secret.expose_secret()));
        opened.manifest().public_values(&opened.settings).for_each(crate::redaction::make_public);
        let clock = self.clock.clone();
        let context = channels::Context { egress: self.config.egress.clone(), clock: Arc::new(move || clock.now()) };
        (opened.adapter.open)(&opened.settings, secrets, &context).map_err(Failure::Channel)
    }

    /// A source, ready to be asked; another of its databases if one is named.
    pub(crate) async fn open_source(&self, id: &str, database: Option<&str>) -> Result<Box<dyn Source>, Failure> {
        let source = self.catalog.source(id).await?.ok_or(Failure::Gone("the source"))?;
        let mut settings = self.source_settings(&source)?;
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
        mut opened: SourceSettings,
    ) -> Result<Box<dyn Source>, Failure> {
        let own = self.source_settings(source)?.host_path();
        if let Some(asked) = opened.host_path() {
            let is_own = own.as_ref() == Some(&asked);
            let (approved, name) = (source.approved_path.clone(), asked.name);
            let resolved = self.host_paths(move |paths| match is_own {
                true => paths.reopen(&asked.path, asked.used, approved.as_deref()),
                false => paths.resolve(&asked.path, asked.used),
            });
            opened.settings.set_path(name, &resolved.await?);
        }
        let secrets = self.catalog.source_secrets(source)?;
        opened.manifest().public_values(&opened.settings).for_each(crate::redaction::make_public);
        crate::redaction::make_public(&source.name);
        secrets.values().for_each(|secret| crate::redaction::register(secret.expose_secret()));
        Ok((opened.adapter.open)(&opened.settings, secrets)?)
    }

    /// A destination, ready to be used.
    pub(crate) async fn open_destination(&self, id: &str, patience: Patience) -> Result<Arc<dyn Destination>, Failure> {
        let destination = self.catalog.destination(id).await?.ok_or(Failure::Gone("the destination"))?;
        let mut opened = self.destination_settings(&destination)?;
        crate::redaction::make_public(&destination.name);
        crate::redaction::make_public(&opened.address());
        if let Some(HostPath { name, path, used }) = opened.host_path() {
            let approved = destination.approved_path.clone();
            let reopened = self.host_paths(move |paths| paths.reopen(&path, used, approved.as_deref()));
            opened.settings.set_path(name, &reopened.await?);
        }
        let secrets = self.catalog.destination_secrets(&destination)?.settings;
        secrets.values().for_each(|secret| crate::redaction::register(secret.expose_secret()));
        let client = match opened.manifest().authorization {
            Some(_) => Some(self.destination_client(destination, &opened.settings, patience).await?),
            None => None,
        };
        Ok((opened.adapter.open)(&opened.settings, secrets, &Context { client, paths_are_resolved: true })?)
    }
}

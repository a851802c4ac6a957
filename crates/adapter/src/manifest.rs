//! What an adapter says of itself, as data.

use std::path::PathBuf;

use serde_json::Value;

use crate::authorization::Description;
use crate::error::Authorization;
use crate::field::{Directs, Field, FieldError, Input, PathUse};
use crate::settings::Settings;
use crate::tool::Tool;

/// Everything that is known of an adapter without running it.
#[derive(Debug)]
pub struct Manifest {
    /// Its stable identifier, the `type` of its settings: `postgres`.
    pub id: &'static str,
    /// Its name: `PostgreSQL`.
    pub title: &'static str,
    /// What it is, as a sentence: `A PostgreSQL server.`
    pub summary: &'static str,
    /// Its page below `docs/guide`: `postgresql.md`.
    pub guide: &'static str,
    /// Its icon, as SVG of 24 by 24 that takes the color of the text.
    pub icon: &'static str,
    /// The schemes of its addresses on the command line, without the colon. Channels have no addresses.
    pub schemes: &'static [&'static str],
    /// The forms of its addresses: `dropbox:/folder`.
    pub addresses: &'static str,
    /// What can be set, secrets included, in the order of the form.
    pub fields: &'static [Field],
    /// The field that names the one database of a source.
    pub database_field: Option<&'static str>,
    /// What a running backup does to a source, as a sentence. Empty: nothing to tell.
    pub effect: &'static str,
    /// How it gets access that a person grants in a browser.
    pub authorization: Option<&'static Description>,
    /// What it can do.
    pub capabilities: &'static [Capability],
    /// Programs that it needs on the server's machine.
    pub tools: &'static [Tool],
    /// What a person has to do on the other side, to be copied.
    pub setup: Option<Setup>,
    /// Checks what fields cannot express, and may normalize values. Runs only on settings whose fields are right.
    pub check: fn(&mut Settings, &mut Vec<FieldError>),
}

/// What an adapter can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// A source that holds several databases, which have names.
    Databases,
    /// A source whose backups hold owners and privileges, which a restore can leave out.
    Owners,
    /// A source whose restore can load under the database's own name.
    RestoreInPlace,
    /// A source whose damaged databases can be backed up as they are.
    DamagedDatabases,
    /// A destination whose folders can be browsed.
    Browse,
    /// A destination that knows how full it is.
    Quota,
    /// A destination that goes on with an interrupted upload.
    Resume,
    /// A destination that publishes a backup and its sidecar in one step.
    AtomicPair,
    /// A destination that copies a backup to another one of the same storage by itself.
    ServerSideCopy,
    /// A channel for the signs of life of runs: it is sent every start and end, not messages by rules.
    Pings,
}

impl Capability {
    /// Returns its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Databases => "databases",
            Self::Owners => "owners",
            Self::RestoreInPlace => "restoreInPlace",
            Self::DamagedDatabases => "damagedDatabases",
            Self::Browse => "browse",
            Self::Quota => "quota",
            Self::Resume => "resume",
            Self::AtomicPair => "atomicPair",
            Self::ServerSideCopy => "serverSideCopy",
            Self::Pings => "pings",
        }
    }
}

/// What a person runs on the other side before an adapter works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setup {
    /// Its heading.
    pub title: &'static str,
    /// What it is for, and how to run it.
    pub help: &'static str,
    /// The text to copy. `{user|identifier}` and `{user|literal}` stand for the value of the field `user`, quoted for SQL; the field's
    /// example stands in for an empty value.
    pub template: &'static str,
}

impl Manifest {
    /// Returns the fields that are kept and shown as they are.
    pub fn settings(&self) -> impl Iterator<Item = &'static Field> + use<> {
        self.fields.iter().filter(|field| !field.is_secret())
    }

    /// Returns the fields that are write-only and stored encrypted.
    pub fn secrets(&self) -> impl Iterator<Item = &'static Field> + use<> {
        self.fields.iter().filter(|field| field.is_secret())
    }

    /// Returns the field of this name.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// Returns whether it has a capability.
    pub fn can(&self, capability: Capability) -> bool {
        self.capabilities.contains(&capability)
    }

    /// Returns whether its databases are files of the server's machine.
    pub fn has_database_files(&self) -> bool {
        let field = self.database_field.and_then(|name| self.field(name));
        field.is_some_and(|field| matches!(field.input, Input::HostPath { .. }))
    }

    /// Returns the path of the server's machine that settings use: the field, the path, and what is there. No adapter has two.
    pub fn host_path(&self, settings: &Settings) -> Option<(&'static str, PathBuf, PathUse)> {
        self.settings().find_map(|field| match field.input {
            Input::HostPath { used, except }
                if settings.text(field.name).is_none_or(|text| !except.contains(&text)) =>
            {
                Some((field.name, settings.path(field.name)?, used))
            }
            _ => None,
        })
    }

    /// Returns the name of a field whose change from `before` to `now` sends stored secrets to another place, or protects them less on
    /// their way.
    pub fn redirection(&self, before: &Settings, now: &Settings) -> Option<&'static str> {
        if before.kind() != now.kind() {
            return Some("type");
        }
        let redirects = |field: &&Field| {
            let (was, is) = (before.get(field.name), now.get(field.name));
            was != is
                && match field.directs {
                    Directs::Nothing => false,
                    Directs::Secrets => true,
                    Directs::Protection => !is_stronger(field, was, is),
                }
        };
        self.settings().find(redirects).map(|field| field.name)
    }

    /// Returns the values that are shown to everybody, secrets aside: names, hosts, paths.
    pub fn public_values<'a>(&self, settings: &'a Settings) -> impl Iterator<Item = &'a str> + use<'a> {
        let names = self.settings().filter(|field| !matches!(field.input, Input::Choice(_) | Input::Toggle));
        names.filter_map(|field| settings.text(field.name)).filter(|value| !value.is_empty())
    }
}

/// Whether a choice protects more than the one before. One that was not set may have been as strong as any, one that is not set may be
/// as weak as any.
fn is_stronger(field: &Field, was: Option<&Value>, is: Option<&Value>) -> bool {
    let Input::Choice(choices) = field.input else { return false };
    let rank = |value: &Value| choices.iter().position(|choice| Some(choice.value) == value.as_str());
    let strongest = choices.len().checked_sub(1);
    match (was, is.and_then(rank)) {
        (_, None) => false,
        (None, now) => now == strongest,
        (Some(was), now) => rank(was).is_some_and(|was| Some(was) < now),
    }
}

/// Checks the rules of manifests, in tests of registries.
///
/// # Panics
/// Where one is broken.
pub fn check_manifest(manifest: &Manifest) {
    let id = manifest.id;
    assert!(!id.is_empty() && !manifest.title.is_empty() && manifest.summary.ends_with('.'), "{id}");
    assert!(manifest.icon.starts_with("<svg") && !manifest.icon.contains("script"), "{id}: its icon is SVG");
    assert!(manifest.schemes.iter().all(|scheme| !scheme.contains(':')), "{id}");
    assert_eq!(manifest.schemes.is_empty(), manifest.addresses.is_empty(), "{id}: addresses have schemes");
    let paths = manifest.settings().filter(|field| matches!(field.input, Input::HostPath { .. })).count();
    assert!(paths <= 1, "{id}: one approval is kept, so it has one path");
    assert!(manifest.database_field.is_none_or(|name| manifest.field(name).is_some()), "{id}: its database field");
    if let Some(description) = manifest.authorization {
        check_authorization(manifest, description);
    }
    for field in manifest.fields {
        let (name, others) = (field.name, || manifest.fields.iter().filter(|other| other.name == field.name));
        assert!(name != "type" && name != "name" && others().count() == 1, "{id}.{name}: taken");
        assert!(name.chars().all(|letter| letter.is_ascii_alphanumeric()), "{id}.{name}: camel case");
        assert!(
            !field.label.is_empty() && !field.help.is_empty() && field.help.ends_with('.'),
            "{id}.{name}: its words"
        );
        assert!(field.shown_when.is_none_or(|when| manifest.field(when.field).is_some()), "{id}.{name}: shown when");
        if let crate::field::Required::Unless(other) = field.required {
            assert!(manifest.field(other).is_some(), "{id}.{name}: required unless {other}");
        }
        if field.directs == Directs::Protection {
            assert!(matches!(field.input, Input::Choice(_)), "{id}.{name}: its choices are in the order of protection");
        }
        let has_secrets = manifest.secrets().next().is_some();
        let is_host = matches!(field.input, Input::Host);
        assert!(!has_secrets || !is_host || field.directs == Directs::Secrets, "{id}.{name}: a host gets the secrets");
        if matches!(field.input, Input::HostPath { .. }) {
            assert!(field.example.starts_with('/'), "{id}.{name}: an example of a path");
        }
    }
}

fn check_authorization(manifest: &Manifest, description: &Description) {
    let id = manifest.id;
    let app = manifest.field(description.app);
    assert!(app.is_some_and(Field::is_secret), "{id}: a secret names the app");
    assert!(!description.provider.is_empty() && !description.steps_title.is_empty(), "{id}: its words");
    assert!(!description.revoke_by_hand.ends_with('.'), "{id}: a clause");
    assert!(!description.grant_variable().is_empty(), "{id}: a variable for the grant");
    for scope in description.scopes {
        assert!(
            description.scope_names().filter(|name| *name == scope.name).count() == 1,
            "{id}: {} twice",
            scope.name
        );
        // What no act proves would stay missing for ever, and what is needed would bar the destination with it.
        assert!(!scope.needed || !scope.proved_by.is_empty(), "{id}: no act proves {}", scope.name);
    }
    for fault in [Authorization::Missing, Authorization::Revoked, Authorization::AppNotRecognized] {
        assert!(!(description.words)(&fault).0.is_empty(), "{id}: words for {fault:?}");
    }
    let missing = (description.words)(&Authorization::MissingScope("a.b".to_owned())).0;
    assert!(missing.contains("a.b"), "{id}: {missing}");
}

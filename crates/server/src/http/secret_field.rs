//! Secrets in requests: set, removed, or left as they are. They are in no answer.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use adapter::Manifest;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::problem::Fields;

/// `null`: removed. A text: set. Absent: as it is.
enum SecretField {
    /// Removed.
    Remove,
    /// Set.
    Set(SecretString),
}

impl SecretField {
    /// Returns `None` for what is neither a text nor null.
    fn read(value: Value) -> Option<Self> {
        match value {
            Value::Null => Some(Self::Remove),
            Value::String(text) => Some(Self::Set(text.into())),
            _ => None,
        }
    }
}

/// The secrets of a request, by the names of their fields. Which ones there can be is the adapter's to say.
#[derive(Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct SecretFields(BTreeMap<String, Value>);

impl fmt::Debug for SecretFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl SecretFields {
    /// Takes one out.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name)
    }

    /// Returns one that is set.
    pub(crate) fn set(&self, name: &str) -> Option<SecretString> {
        self.0.get(name).and_then(Value::as_str).map(|text| text.to_owned().into())
    }

    /// Returns whether one is removed.
    pub(crate) fn removes(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(Value::is_null)
    }

    /// Takes these, and removes those of `kept` that are not among them.
    pub(crate) fn all_of(mut fields: BTreeMap<String, Value>, kept: &[String]) -> Self {
        for name in kept {
            fields.entry(name.clone()).or_insert(Value::Null);
        }
        Self(fields)
    }

    /// Returns the changes: set, or removed. What is wrong with them, and with those that are kept, goes into `fields`.
    pub(crate) fn changes(
        self,
        manifest: &Manifest,
        kept: &[String],
        fields: &mut Fields,
    ) -> BTreeMap<String, Option<SecretString>> {
        let mut changes = BTreeMap::new();
        for (name, value) in self.0 {
            match (manifest.secrets().find(|field| field.name == name), SecretField::read(value)) {
                (None, Some(SecretField::Remove)) => {}
                (None, _) if is_shown(&name, manifest) => {}
                (None, _) => fields.add(&name, format!("unknown field, or not one of {}", manifest.title)),
                (Some(_), None) => fields.add(&name, "must be a text, or null to remove it".to_owned()),
                (Some(field), Some(SecretField::Set(secret)))
                    if secret.expose_secret().chars().count() > field.max_len =>
                {
                    fields.add(&name, format!("must not be longer than {} characters", field.max_len));
                }
                (Some(_), Some(SecretField::Set(secret))) => drop(changes.insert(name, Some(secret))),
                (Some(_), Some(SecretField::Remove)) => drop(changes.insert(name, None)),
            }
        }
        let is_set = |name: &str| match changes.get(name) {
            Some(Some(secret)) => !secret.expose_secret().trim().is_empty(),
            Some(None) => false,
            None => kept.iter().any(|kept| kept == name),
        };
        manifest.check_secrets(is_set).into_iter().for_each(|error| fields.add(&error.field, error.message));
        changes
    }
}

/// Whether answers have a field of this name: `passwordSet`. It is ignored in a request, so that an answer can be sent back.
fn is_shown(name: &str, manifest: &Manifest) -> bool {
    name.strip_suffix("Set").is_some_and(|secret| manifest.secrets().any(|field| field.name == secret))
}

/// The schema of a secret.
pub(crate) struct SecretSchema;

impl PartialSchema for SecretSchema {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Password)))
            .max_length(Some(4096))
            .write_only(true)
            .description(Some("A secret. Absent: as it is. null: removed. It is in no answer."))
            .into()
    }
}

impl ToSchema for SecretSchema {
    fn name() -> Cow<'static, str> {
        "SecretField".into()
    }
}

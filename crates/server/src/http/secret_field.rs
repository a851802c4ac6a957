//! Secrets in requests: set, removed, or left as they are. They are in no answer.

use secrecy::SecretString;
use serde::{Deserialize, Deserializer};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Absent: as it is. `null`: removed. A text: set.
#[derive(Debug, Clone, Default)]
pub(crate) enum SecretField {
    /// As it is.
    #[default]
    Keep,
    /// Removed.
    Remove,
    /// Set.
    Set(SecretString),
}

impl SecretField {
    /// As a change for the catalog; none if there is none.
    pub(crate) fn change(&self) -> Option<Option<SecretString>> {
        match self {
            Self::Keep => None,
            Self::Remove => Some(None),
            Self::Set(secret) => Some(Some(secret.clone())),
        }
    }

    /// Whether it is set here.
    pub(crate) fn is_set(&self) -> bool {
        matches!(self, Self::Set(_))
    }
}

impl<'de> Deserialize<'de> for SecretField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Option::<SecretString>::deserialize(deserializer)? {
            Some(secret) => Self::Set(secret),
            None => Self::Remove,
        })
    }
}

impl PartialSchema for SecretField {
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

impl ToSchema for SecretField {}

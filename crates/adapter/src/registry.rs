//! All adapters of one kind.

use serde_json::{Map, Value};

use crate::field::FieldError;
use crate::manifest::Manifest;
use crate::settings::Settings;

/// An adapter that can be registered.
pub trait Adapter: Copy {
    /// Returns what it says of itself.
    fn manifest(&self) -> &'static Manifest;
}

/// The adapters of one kind, in the order in which forms offer them.
#[derive(Debug, Clone)]
pub struct Registry<A>(Vec<A>);

impl<A: Adapter> Registry<A> {
    /// Creates a registry of these adapters.
    pub fn new(adapters: impl Into<Vec<A>>) -> Self {
        Self(adapters.into())
    }

    /// Adds an adapter.
    #[must_use]
    pub fn with(mut self, adapter: A) -> Self {
        self.0.push(adapter);
        self
    }

    /// Returns all adapters.
    pub fn all(&self) -> &[A] {
        &self.0
    }

    /// Returns all manifests.
    pub fn manifests(&self) -> impl Iterator<Item = &'static Manifest> {
        self.0.iter().map(Adapter::manifest)
    }

    /// Returns the adapter of this id.
    pub fn get(&self, id: &str) -> Option<A> {
        self.0.iter().find(|adapter| adapter.manifest().id == id).copied()
    }

    /// Returns the adapter of an address's scheme.
    pub fn of_address(&self, address: &str) -> Option<A> {
        let (scheme, _) = address.split_once(':')?;
        self.0.iter().find(|adapter| adapter.manifest().schemes.contains(&scheme)).copied()
    }

    /// Reads settings that a person gave, by their `type`.
    ///
    /// # Errors
    /// Everything that is wrong, field by field; only `type` if that is not known.
    pub fn validate(&self, given: &Map<String, Value>) -> Result<(A, Settings), Vec<FieldError>> {
        let adapter = given.get("type").and_then(Value::as_str).and_then(|id| self.get(id));
        let Some(adapter) = adapter else {
            let known = self.manifests().map(|manifest| manifest.id).collect::<Vec<_>>().join(", ");
            return Err(vec![FieldError::new("type", format!("must be one of {known}"))]);
        };
        Ok((adapter, adapter.manifest().validate(given)?))
    }

    /// Reads settings that were stored. They are not validated again: the rules of another version may have been others.
    ///
    /// # Errors
    /// If they are of an adapter that is not known, or are no settings at all.
    pub fn load(&self, stored: &Value) -> Result<(A, Settings), String> {
        let settings: Settings = serde_json::from_value(stored.clone()).map_err(|error| error.to_string())?;
        let adapter = self.get(settings.kind());
        let adapter = adapter.ok_or_else(|| format!("this version has no adapter '{}'", settings.kind()))?;
        Ok((adapter, adapter.manifest().complete(settings)))
    }
}

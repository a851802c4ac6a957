//! The engines of this version.

use adapter::{Adapter, Manifest, Registry, Secrets, Settings};
use domain::Engine;
use secrecy::SecretString;

use crate::error::Error;
use crate::{Origin, Source, postgres, sqlite};

/// Returns the sources of this version: a line per adapter.
pub fn registry() -> Registry<SourceAdapter> {
    Registry::new([
        postgres::manifest::ADAPTER, //
        sqlite::manifest::ADAPTER,
    ])
}

/// Opens a source.
type Open = fn(&Settings, Secrets) -> Result<Box<dyn Source>, Error>;
/// Reads an address.
type FromAddress = fn(&str, Origin) -> Result<(Settings, Secrets), Error>;

/// A kind of source.
#[derive(Debug, Clone, Copy)]
pub struct SourceAdapter {
    /// What it says of itself.
    pub manifest: &'static Manifest,
    /// The engine of its databases.
    pub engine: Engine,
    /// Opens a source. Paths of this machine are taken as they are. Nothing is connected to yet.
    pub open: Open,
    /// Reads an address of one of the manifest's schemes. The settings may hold more than the manifest's fields, where an address can
    /// say more.
    pub from_address: FromAddress,
    /// Returns what a person calls it, without secrets.
    pub address: fn(&Settings) -> String,
}

impl Adapter for SourceAdapter {
    fn manifest(&self) -> &'static Manifest {
        self.manifest
    }
}

/// Opens the source of an address: `sqlite:///abs/path.db`, `postgres://user@host:port/database`. A password in the address comes
/// before `password`.
///
/// # Errors
/// [`crate::Kind::Invalid`] says what is wrong with it.
pub fn parse(address: &str, origin: Origin, password: Option<SecretString>) -> Result<Box<dyn Source>, Error> {
    let adapter = registry().of_address(address).filter(|_| address.contains("://"));
    // What was meant cannot be known, so neither can be where a password stands in it.
    let adapter = adapter.ok_or_else(|| {
        Error::invalid(
            "the source's address is not one: write sqlite:///path/to/file.db or postgres://user@host:port/database",
        )
    })?;
    let (settings, mut secrets) = (adapter.from_address)(address, origin)?;
    if let (Some(field), Some(password)) = (adapter.manifest.secrets().next(), password) {
        secrets.entry(field.name.to_owned()).or_insert(password);
    }
    (adapter.open)(&settings, secrets)
}

//! The sources of this version.

use adapter::{Adapter, Capability, Manifest, Registry, Secrets, Settings};
use domain::naming::is_ending;
use domain::{AdapterId, BackupName};
use secrecy::SecretString;

use crate::error::Error;
use crate::format::DumpFormat;
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
    /// How it writes its databases.
    pub dump: &'static DumpFormat,
    /// Opens a source. Paths of this machine are taken as they are. Nothing is connected to yet.
    pub open: Open,
    /// Reads an address of one of the manifest's schemes. The settings may hold more than the manifest's fields, where an address can
    /// say more.
    pub from_address: FromAddress,
    /// Returns what a person calls it, without secrets.
    pub address: fn(&Settings) -> String,
}

impl SourceAdapter {
    /// Returns its id, as sidecars name it.
    pub fn id(&self) -> AdapterId {
        AdapterId::of_manifest(self.manifest.id)
    }

    /// Returns whether a source of this kind holds several databases, which have names then.
    pub fn has_databases(&self) -> bool {
        self.manifest.can(Capability::Databases)
    }
}

impl Adapter for SourceAdapter {
    fn manifest(&self) -> &'static Manifest {
        self.manifest
    }
}

/// Returns the adapter whose dumps have this ending, without its dot.
pub fn of_ending(registry: &Registry<SourceAdapter>, ending: &str) -> Option<SourceAdapter> {
    registry.all().iter().find(|adapter| adapter.dump.ending == ending).copied()
}

/// Returns what to call the engine of a backup: by its name, since a sidecar can be missing or false; else by its sidecar's source type.
pub fn engine_of(registry: &Registry<SourceAdapter>, name: &BackupName, source_type: Option<&str>) -> String {
    let known = of_ending(registry, &name.ending).map(|adapter| adapter.manifest.title.to_owned());
    let named = || source_type.filter(|source_type| registry.get(source_type).is_none()).map(str::to_owned);
    known.or_else(named).unwrap_or_else(|| format!(".{}", name.ending))
}

/// Checks the rules of sources' adapters, in tests of registries, beside those of [`adapter::check_manifest`].
///
/// # Panics
/// Where one is broken.
pub fn check_source(registry: &Registry<SourceAdapter>, adapter: &SourceAdapter) {
    let (id, dump) = (adapter.manifest.id, adapter.dump);
    assert!(AdapterId::try_from(id.to_owned()).is_ok(), "{id}");
    assert!(is_ending(dump.ending) && !dump.magic.is_empty(), "{id}: how it writes its dumps");
    let of_it = registry.all().iter().filter(|other| other.dump.ending == dump.ending);
    assert_eq!(of_it.count(), 1, "{id}: another adapter's dumps have the ending .{}", dump.ending);
    assert!(
        !dump.by_hand.command.is_empty() && !dump.by_hand.target.is_empty(),
        "{id}: how to restore without dbackup"
    );
}

/// Opens the source of an address: `sqlite:///abs/path.db`, `postgres://user@host:port/database`. A password in the address comes
/// before `password`.
///
/// # Errors
/// [`crate::Kind::Invalid`] says what is wrong with it.
pub fn parse(address: &str, origin: Origin, password: Option<SecretString>) -> Result<Box<dyn Source>, Error> {
    let adapter = registry().of_address(address).filter(|_| address.contains("://"));
    // What was meant cannot be known, so neither can be where a password stands in it.
    let forms = || registry().manifests().map(|manifest| manifest.addresses).collect::<Vec<_>>().join(" or ");
    let adapter =
        adapter.ok_or_else(|| Error::invalid(format!("the source's address is not one: write {}", forms())))?;
    let (settings, mut secrets) = (adapter.from_address)(address, origin)?;
    if let (Some(field), Some(password)) = (adapter.manifest.secrets().next(), password) {
        secrets.entry(field.name.to_owned()).or_insert(password);
    }
    (adapter.open)(&settings, secrets)
}

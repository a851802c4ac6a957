//! The storages of this version.

use std::any::Any;
use std::sync::Arc;

use ::dropbox::Space;
use adapter::destination::Destination;
use adapter::{Adapter, Choice, Default, Error, Field, Input, Manifest, Registry, Secrets, Settings};

use crate::{WhenFull, dropbox, file};

/// Returns the destinations of this version: a line per adapter.
pub fn registry() -> Registry<DestinationAdapter> {
    Registry::new([
        dropbox::manifest::ADAPTER, //
        file::manifest::ADAPTER,
    ])
}

/// Opens a destination.
type Open = fn(&Settings, Secrets, &Context) -> Result<Arc<dyn Destination>, Error>;

/// A kind of destination.
#[derive(Debug, Clone, Copy)]
pub struct DestinationAdapter {
    /// What it says of itself.
    pub manifest: &'static Manifest,
    /// Opens a destination. Nothing is connected to yet.
    pub open: Open,
    /// Reads an address of one of the manifest's schemes.
    pub from_address: fn(&str) -> Result<Settings, Error>,
    /// Returns the short form that people and the command line use.
    pub address: fn(&Settings) -> String,
    /// Returns a folder that a person browses to as the storage spells it, or what is wrong with it, as the end of a sentence.
    pub check_folder: fn(&str) -> Result<String, String>,
    /// What to say when a folder has no folders in it.
    pub no_subfolders: &'static str,
}

impl Adapter for DestinationAdapter {
    fn manifest(&self) -> &'static Manifest {
        self.manifest
    }
}

/// What an adapter gets from its surroundings.
#[derive(Clone, Default)]
pub struct Context {
    /// The authorized client, where the manifest asks for an authorization. Its type is the adapter's.
    pub client: Option<Arc<dyn Any + Send + Sync>>,
    /// Whether links in paths of this machine were resolved and judged already, so that one that appears since is not followed.
    pub paths_are_resolved: bool,
}

/// The field of [`Destination::stops_when_full`], which every storage has.
pub(crate) const WHEN_FULL: Field = Field {
    name: "whenFull",
    label: "If the last backup would not fit",
    help: "Compared with the free space before each dump.",
    input: Input::Choice(&[
        Choice { value: "warn", label: "Back up anyway, and warn" },
        Choice { value: "stop", label: "Do not start the backup" },
    ]),
    default: Default::Text("warn"),
    ..Field::TEXT
};

/// Reads [`WHEN_FULL`].
pub(crate) fn when_full(settings: &Settings) -> WhenFull {
    match settings.text(WHEN_FULL.name) {
        Some("stop") => WhenFull::Stop,
        _ => WhenFull::Warn,
    }
}

/// Opens the destination of an address: `dropbox:/folder`, `dropbox-team:/folder` (in the team's space), `file:///folder`. The Dropbox
/// client is asked for only if it is needed.
///
/// # Errors
/// [`adapter::Kind::Invalid`] says what is wrong with it; as `dropbox_client`.
pub fn parse<E: From<Error>>(
    address: &str,
    dropbox_client: impl FnOnce(Space) -> Result<::dropbox::Client, E>,
) -> Result<Arc<dyn Destination>, E> {
    let adapter = registry().of_address(address).ok_or_else(|| {
        Error::invalid(format!(
            "'{address}' is not a destination: write dropbox:/folder, dropbox-team:/folder or file:///folder"
        ))
    })?;
    let settings = (adapter.from_address)(address)?;
    let client = match adapter.manifest.authorization {
        Some(_) => Some(Arc::new(dropbox_client(dropbox::manifest::space(&settings))?) as Arc<dyn Any + Send + Sync>),
        None => None,
    };
    Ok((adapter.open)(&settings, Secrets::new(), &Context { client, paths_are_resolved: false })?)
}

//! The storages of this version.

use std::sync::Arc;

use adapter::authorization::{Client, Description, Environment, Patience, Use};
use adapter::destination::Destination;
use adapter::{
    Adapter, Authorization, Choice, Default, Error, Field, Input, Kind, Manifest, Registry, Secrets, Settings,
};

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
    /// The client with the grant, where the manifest asks for an authorization: what the adapter's own provider made.
    pub client: Option<Arc<dyn Client>>,
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

/// Returns the forms of addresses, to choose from: `dropbox:/folder or file:///folder`.
pub fn address_forms() -> String {
    registry().manifests().map(|manifest| manifest.addresses).collect::<Vec<_>>().join(" or ")
}

/// Opens the destination of an address of one of [`address_forms`]. An app and a grant come from the environment.
///
/// # Errors
/// [`adapter::Kind::Invalid`] says what is wrong with it; [`adapter::Kind::Unauthorized`] if the environment has no grant.
pub fn parse(address: &str, environment: &Environment, patience: Patience) -> Result<Arc<dyn Destination>, Error> {
    let adapter = registry()
        .of_address(address)
        .ok_or_else(|| Error::invalid(format!("'{address}' is not a destination: write {}", address_forms())))?;
    let settings = (adapter.from_address)(address)?;
    let client = match adapter.manifest.authorization {
        Some(description) => Some(own_client(description, &settings, environment, patience)?),
        None => None,
    };
    (adapter.open)(&settings, Secrets::new(), &Context { client, paths_are_resolved: false })
}

fn own_client(
    description: &Description,
    settings: &Settings,
    environment: &Environment,
    patience: Patience,
) -> Result<Arc<dyn Client>, Error> {
    let provider = (description.connect)(environment)?;
    let (app, grant) = provider.own_access()?;
    let missing = || {
        let cause = format!("{} is not set", description.grant_variable());
        Error::new(Kind::Unauthorized(Authorization::Missing), (description.words)(&Authorization::Missing).0, cause)
    };
    let grant = grant.ok_or_else(missing)?;
    provider.client(&app, &grant, &Use { settings: Some(settings), place: None, patience })
}

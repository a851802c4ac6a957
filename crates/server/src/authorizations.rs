//! Authorizations of destinations, whoever grants them (M-02 to M-08). What is particular to a provider is behind
//! [`adapter::authorization`].

mod checks;
mod clients;
pub(crate) mod flows;
pub(crate) mod grants;
pub(crate) mod status;

use std::sync::Arc;

use adapter::authorization::{Description, Provider};
use catalog::Destination;
use secrecy::{ExposeSecret, SecretString};

pub(crate) use self::clients::Clients;
use crate::app::App;
use crate::failure::Failure;

/// The party that grants access to a destination.
#[derive(Clone)]
pub(crate) struct Authority {
    /// Id of the destination's adapter.
    pub(crate) kind: &'static str,
    pub(crate) description: &'static Description,
    pub(crate) provider: Arc<dyn Provider>,
}

/// What a destination keeps for its authorization.
pub(crate) struct Kept {
    /// The secrets of its app.
    pub(crate) app: adapter::Secrets,
    pub(crate) grant: Option<SecretString>,
}

impl App {
    /// Returns who grants access to destinations of an adapter; `None` if nobody has to.
    pub(crate) fn authority(&self, kind: &str) -> Option<Authority> {
        let adapter = self.config.adapters.destinations.get(kind)?;
        let description = adapter.manifest.authorization?;
        Some(Authority { kind: adapter.manifest.id, description, provider: Arc::clone(self.providers.get(kind)?) })
    }

    /// Returns who grants access to a destination.
    ///
    /// # Errors
    /// If nobody has to.
    pub(crate) fn authority_of(&self, destination: &Destination) -> Result<Authority, Failure> {
        let kind = destination.settings["type"].as_str().unwrap_or_default();
        self.authority(kind).ok_or_else(|| {
            Failure::Destination(adapter::Error::invalid(format!("{} needs no authorization", destination.name)))
        })
    }

    /// Returns what a destination keeps for its authorization. None of it can appear in a log from here on.
    pub(crate) fn kept_access(&self, destination: &Destination) -> Result<Kept, Failure> {
        let secrets = self.catalog.destination_secrets(destination)?;
        for secret in secrets.settings.values().chain(&secrets.grant) {
            crate::redaction::register(secret.expose_secret());
        }
        Ok(Kept { app: secrets.settings, grant: secrets.grant })
    }

    /// Returns the secret that names a destination's app; `None` if it has none, or needs no authorization.
    pub(crate) fn app_of(&self, destination: &Destination) -> Result<Option<SecretString>, Failure> {
        let Ok(authority) = self.authority_of(destination) else { return Ok(None) };
        Ok(self.catalog.destination_secrets(destination)?.settings.remove(authority.description.app))
    }

    /// Returns the address to which a provider sends browsers back. It has to be registered with the app, to the letter.
    pub(crate) fn redirect_uri(&self, kind: &str) -> String {
        format!("{}/api/adapters/{kind}/callback", self.config.public_url.as_str().trim_end_matches('/'))
    }
}

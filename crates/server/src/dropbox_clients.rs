//! Dropbox clients of destinations: one per grant and purpose, kept, so that connections and access tokens last.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use adapter::{Authorization, Kind};
use catalog::{AuthorizationState, Destination};
use destinations::dropbox_fault;
use dropbox::{Client, Settings, Space};
use secrecy::{ExposeSecret, SecretString};

use crate::app::App;
use crate::failure::{Failure, of_dropbox_fault};
use crate::patience::Patience;

/// The names of the app's secrets.
pub(crate) const APP_KEY: &str = "appKey";
pub(crate) const APP_SECRET: &str = "appSecret";

/// Clients kept at most.
const MOST: usize = 256;

/// The scopes that a complete backup or copy has proved.
pub(crate) const WRITING: [&str; 2] = ["files.content.write", "files.metadata.read"];
/// The scopes that reading a backup has proved.
pub(crate) const READING: [&str; 2] = ["files.content.read", "files.metadata.read"];

/// What tells clients apart; a destination that is changed gets a new one.
type Key = (String, String, bool, Patience);

/// The clients made so far.
#[derive(Default)]
pub(crate) struct DropboxClients(Mutex<HashMap<Key, Client>>);

impl App {
    /// How this server reaches Dropbox with an app.
    pub(crate) fn dropbox_settings(&self, app_key: &SecretString, app_secret: Option<SecretString>) -> Settings {
        let network = &self.config.dropbox;
        let mut settings = Settings::new(app_key.expose_secret());
        settings.app_secret = app_secret;
        settings.endpoints = network.endpoints.clone();
        settings.extra_ca.clone_from(&network.extra_ca);
        settings.bandwidth = network.bandwidth;
        settings.memory = network.memory.unwrap_or(settings.memory);
        settings.parallelism = network.parallelism.unwrap_or(settings.parallelism);
        settings.with_patience(dropbox::Patience::Interactive)
    }

    /// The settings of a destination's app.
    pub(crate) fn dropbox_app(&self, destination: &Destination) -> Result<(Settings, Option<SecretString>), Failure> {
        let secrets = self.catalog.destination_secrets(destination)?;
        let mut settings = secrets.settings;
        for secret in settings.values().chain(&secrets.grant) {
            crate::redaction::register(secret.expose_secret());
        }
        let key = settings.remove(APP_KEY).ok_or_else(|| {
            Failure::Destination(adapter::Error::invalid(
                "the App Key is missing: it is on the Settings tab of your app in the Dropbox App Console",
            ))
        })?;
        Ok((self.dropbox_settings(&key, settings.remove(APP_SECRET)), secrets.grant))
    }

    /// A client as the adapter of a destination takes it. A run keeps to the team whose space it found first.
    pub(crate) async fn authorized_client(
        &self,
        mut destination: Destination,
        settings: &adapter::Settings,
        patience: Patience,
    ) -> Result<Arc<dyn Any + Send + Sync>, Failure> {
        let space = destinations::dropbox_space(settings);
        if space == Space::Team && patience == Patience::Long {
            destination = self.pin_team(destination).await?;
        }
        Ok(Arc::new(self.dropbox_client(&destination, space, patience)?))
    }

    /// A client with the destination's grant. Whether the grant still stands is Dropbox's to say, at each use.
    pub(crate) fn dropbox_client(
        &self,
        destination: &Destination,
        space: Space,
        patience: Patience,
    ) -> Result<Client, Failure> {
        let (mut settings, grant) = self.dropbox_app(destination)?;
        let Some(grant) = grant else { return Err(Failure::NotAuthorized(destination.name.clone())) };
        let fingerprint = catalog::Token::shown(&format!(
            "{} {} {}",
            settings.app_key,
            settings.app_secret.as_ref().map(ExposeSecret::expose_secret).unwrap_or_default(),
            grant.expose_secret()
        ));
        let key = (destination.id.clone(), fingerprint.hash(), space == Space::Team, patience);
        let mut clients = self.clients.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A client keeps to the team's root that it found first. A user who looks, or chooses a folder, sees the present one.
        let is_kept = space == Space::Home || patience == Patience::Long;
        if let Some(client) = clients.get(&key).filter(|_| is_kept) {
            return Ok(client.clone());
        }
        settings.space = space;
        if is_kept {
            settings.team_root = destination.authorization.as_ref().and_then(|state| state.team_root.clone());
        }
        settings.refresh_token = Some(grant);
        if patience == Patience::Long {
            settings = settings.with_patience(dropbox::Patience::Unattended);
        }
        let client = Client::new(settings)?;
        clients.retain(|other, _| (&other.0, other.2, other.3) != (&key.0, key.2, key.3));
        if clients.len() >= MOST {
            clients.clear();
        }
        clients.insert(key, client.clone());
        Ok(client)
    }

    /// Notes which team's space a destination is in before the first run there, so that backups never go to another team's: not
    /// even after a restart. A failure is left to the run, which asks the same.
    pub(crate) async fn pin_team(&self, mut destination: Destination) -> Result<Destination, Failure> {
        let Some(state) = destination.authorization.clone().filter(|state| state.team_root.is_none()) else {
            return Ok(destination);
        };
        let client = self.dropbox_client(&destination, Space::Team, Patience::Short)?;
        let Ok(account) = client.account().await else { return Ok(destination) };
        let state = AuthorizationState { team_root: account.root_info.team_root(), ..state };
        self.catalog.set_authorization_state(&destination, &state).await?;
        destination.authorization = Some(state);
        Ok(destination)
    }

    /// Forgets a destination's clients: a team's root, which they never change, may have been chosen anew.
    pub(crate) fn forget_dropbox_clients(&self, destination_id: &str) {
        self.clients.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(id, ..), _| id != destination_id);
    }

    /// Notes what an error of a destination says of its authorization, if anything (M-08).
    pub(crate) async fn note_broken_grant(&self, destination_id: &str, error: &adapter::Error) {
        if let Kind::Unauthorized(fault) = error.kind() {
            self.note_fault(destination_id, fault).await;
        }
    }

    /// The same for an error of the client itself.
    pub(crate) async fn note_broken(&self, destination_id: &str, error: &dropbox::Error) {
        if let Some(fault) = dropbox_fault(error) {
            self.note_fault(destination_id, &fault).await;
        }
    }

    async fn note_fault(&self, destination_id: &str, fault: &Authorization) {
        let noted = async {
            let Some(destination) = self.catalog.destination(destination_id).await? else { return Ok(()) };
            let Some(mut state) = destination.authorization.clone() else { return Ok(()) };
            // A run that began before somebody authorized again fails with the old grant; the new one may be fine.
            if *fault == Authorization::Revoked && !self.is_revoked(&destination).await {
                return Ok(());
            }
            apply(&mut state, fault);
            state.checked_at = self.now();
            self.catalog.set_authorization_state(&destination, &state).await
        };
        if let Err(error) = noted.await {
            let _: catalog::Error = error;
            tracing::error!(%error, destination_id, "could not note that the authorization is gone");
        }
    }

    /// Notes that Dropbox accepted a destination's authorization in acts that need these scopes.
    pub(crate) async fn note_working(&self, destination_id: &str, scopes: &[&str]) {
        let noted = async {
            let Some(destination) = self.catalog.destination(destination_id).await? else { return Ok(()) };
            let Some(before) = &destination.authorization else { return Ok(()) };
            let mut state = before.clone();
            (state.broken, state.app_refused, state.app_changed) = (None, false, false);
            state.missing_scopes.retain(|scope| !scopes.contains(&scope.as_str()));
            if state == *before {
                return Ok(());
            }
            self.catalog.set_authorization_state(&destination, &state).await
        };
        if let Err(error) = noted.await {
            let _: catalog::Error = error;
            tracing::error!(%error, destination_id, "could not note that the authorization works");
        }
    }

    /// Asks the token endpoint with the grant that the destination has now.
    async fn is_revoked(&self, destination: &Destination) -> bool {
        let Ok(client) = self.dropbox_client(destination, Space::Home, Patience::Short) else { return true };
        client.account().await.is_err_and(|error| dropbox_fault(&error) == Some(Authorization::Revoked))
    }
}

fn apply(state: &mut AuthorizationState, fault: &Authorization) {
    match fault {
        // There is nothing that could be broken.
        Authorization::Missing => {}
        Authorization::MissingScope(scope) => {
            if let Err(place) = state.missing_scopes.binary_search(scope) {
                state.missing_scopes.insert(place, scope.clone());
            }
        }
        Authorization::Revoked | Authorization::AppNotRecognized => {
            state.broken = Some(of_dropbox_fault(fault));
            state.app_refused = *fault == Authorization::AppNotRecognized;
        }
    }
}

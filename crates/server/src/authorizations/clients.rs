//! Clients with a destination's grant: one per grant and purpose, kept, so that connections and access tokens last.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use adapter::Settings;
use adapter::authorization::{Client, Patience, Use};
use catalog::{AuthorizationState, Destination};
use secrecy::{ExposeSecret, SecretString};

use super::Kept;
use crate::app::App;
use crate::failure::Failure;

/// Maximum number of clients kept.
const MAX_CLIENTS: usize = 256;

/// What tells clients apart: the destination, its secrets, whether they keep to a place, and their patience. A destination that is
/// changed gets a new one.
type Key = (String, String, bool, Patience);

/// The clients made so far.
#[derive(Default)]
pub(crate) struct Clients(Mutex<HashMap<Key, Arc<dyn Client>>>);

impl App {
    /// Returns the client with which an adapter opens a destination. A run keeps to the place that was found first.
    pub(crate) async fn destination_client(
        &self,
        mut destination: Destination,
        settings: &Settings,
        patience: Patience,
    ) -> Result<Arc<dyn Client>, Failure> {
        let authority = self.authority_of(&destination)?;
        if authority.provider.pins_place(settings) && patience == Patience::Long {
            destination = self.pin_place(destination).await?;
        }
        self.client(&destination, Some(settings), patience)
    }

    /// Returns a client for calls about the account itself.
    pub(crate) fn account_client(&self, destination: &Destination) -> Result<Arc<dyn Client>, Failure> {
        self.client(destination, None, Patience::Short)
    }

    /// Returns a client with the destination's grant. Whether the grant still stands is for the provider to say, at each use.
    fn client(
        &self,
        destination: &Destination,
        settings: Option<&Settings>,
        patience: Patience,
    ) -> Result<Arc<dyn Client>, Failure> {
        let provider = self.authority_of(destination)?.provider;
        let Kept { app, grant } = self.kept_access(destination)?;
        let Some(grant) = grant else { return Err(self.not_authorized(destination)) };
        let is_pinned = settings.is_some_and(|settings| provider.pins_place(settings));
        let key = (destination.id.clone(), fingerprint(&app, &grant), is_pinned, patience);
        // A client keeps to the place that it found first. A user who looks, or chooses a folder, sees the present one.
        let is_kept = !is_pinned || patience == Patience::Long;
        let mut clients = self.clients.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&key).filter(|_| is_kept) {
            return Ok(Arc::clone(client));
        }
        let place = destination.authorization.as_ref().and_then(|state| state.team_root.as_deref());
        let usage = Use { settings, place: place.filter(|_| is_kept), patience };
        let client = provider.client(&app, &grant, &usage).map_err(Failure::Destination)?;
        clients.retain(|other, _| (&other.0, other.2, other.3) != (&key.0, key.2, key.3));
        if clients.len() >= MAX_CLIENTS {
            clients.clear();
        }
        clients.insert(key, Arc::clone(&client));
        Ok(client)
    }

    /// Notes which place a destination is in before the first run there, so that backups never go to another one: not even after a
    /// restart. A failure is left to the run, which asks the same.
    async fn pin_place(&self, mut destination: Destination) -> Result<Destination, Failure> {
        let Some(state) = destination.authorization.clone().filter(|state| state.team_root.is_none()) else {
            return Ok(destination);
        };
        let Ok(account) = self.account_client(&destination)?.account().await else { return Ok(destination) };
        let state = AuthorizationState { team_root: account.place, ..state };
        self.catalog.set_authorization_state(&destination, &state).await?;
        destination.authorization = Some(state);
        Ok(destination)
    }

    /// Forgets a destination's clients: its place, which they never change, may have been chosen anew.
    pub(crate) fn forget_clients(&self, destination_id: &str) {
        self.clients.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(id, ..), _| id != destination_id);
    }

    fn not_authorized(&self, destination: &Destination) -> Failure {
        let provider =
            self.authority_of(destination).map_or("its provider", |authority| authority.description.provider);
        Failure::NotAuthorized { destination: destination.name.clone(), provider }
    }
}

/// Returns a digest of all secrets that a client uses.
fn fingerprint(app: &adapter::Secrets, grant: &SecretString) -> String {
    let values = app.values().chain(std::iter::once(grant)).map(ExposeSecret::expose_secret);
    catalog::Token::shown(&values.collect::<Vec<_>>().join("\0")).hash()
}

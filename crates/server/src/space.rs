//! How much room destinations have (M-16).

use catalog::Destination;

use crate::app::App;
use crate::failure::Failure;
use crate::patience::Patience;

impl App {
    /// Measures how full a destination without an authorization is, and notes it. One with an authorization is asked for its account
    /// together with its space.
    ///
    /// # Errors
    /// If the destination cannot be reached, or does not answer in time.
    pub(crate) async fn check_space(&self, destination: &Destination) -> Result<(), Failure> {
        let storage = self.open_destination(&destination.id, Patience::Short).await?;
        if let Some(usage) = storage.usage().await.map_err(Failure::Destination)? {
            self.note_space(&destination.id, usage.used, usage.allowed).await?;
        }
        Ok(())
    }

    /// Notes how full a destination is: what it shows, and its history.
    pub(crate) async fn note_space(
        &self,
        destination_id: &str,
        used: u64,
        allowed: Option<u64>,
    ) -> Result<(), catalog::Error> {
        let now = self.now();
        let Some(destination) = self.catalog.destination(destination_id).await? else { return Ok(()) };
        if let Some(mut state) = destination.authorization.clone() {
            (state.used, state.allowed, state.checked_at) = (Some(used), allowed, now);
            self.catalog.set_authorization_state(&destination, &state).await?;
        }
        self.catalog.note_space(destination_id, used, allowed, now).await
    }
}

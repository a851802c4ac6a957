//! How much room destinations have (M-16).

use crate::app::App;

impl App {
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

//! Where the files of destinations are, which tells whether two of them have the same.

use std::time::Duration;

use adapter::destination::Place;
use futures_util::{StreamExt, stream};

use crate::app::App;
use crate::failure::Failure;
use crate::patience::Patience;

/// Longest wait for one of the other destinations.
const TIMEOUT: Duration = Duration::from_secs(20);
/// So many are asked at once.
const AT_ONCE: usize = 4;

impl App {
    /// Finds out anew where the files of all other destinations of a destination's kind are. What their last scans have found may be of
    /// another time: numbers of file systems change when a machine starts or mounts them. One that cannot be asked now keeps what is known.
    pub(crate) async fn look_at_places_like(&self, id: &str) -> Result<(), catalog::Error> {
        let Some(this) = self.catalog.destination(id).await? else { return Ok(()) };
        let others = self.catalog.destinations_like(&this).await?;
        stream::iter(others)
            .for_each_concurrent(AT_ONCE, |other| async move {
                match tokio::time::timeout(TIMEOUT, self.look_at_place(&other)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::info!(destination = other, %error, "its place could not be determined"),
                    Err(_) => tracing::info!(destination = other, "its place could not be determined in time"),
                }
            })
            .await;
        Ok(())
    }

    async fn look_at_place(&self, id: &str) -> Result<(), Failure> {
        let epoch = self.catalog.epoch(id).await?;
        let destination = self.open_destination(id, Patience::Short).await?;
        let Place { own, around } = destination.place().await?;
        Ok(self.catalog.note_place(id, epoch, &own, &around).await?)
    }
}

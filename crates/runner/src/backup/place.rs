//! A destination during a run: its job's folder is listed once, however many databases the run has.

use std::collections::HashMap;
use std::sync::Arc;

use destinations::{Destination, Upload};
use domain::Warning;

use super::publish::first_name;
use super::{BackupRequest, Event, Failure};
use crate::naming::TakenNames;

/// A destination, and what lies in the job's folder there.
pub(super) struct Place {
    pub(super) destination: Arc<dyn Destination>,
    /// `None` until the folder could be listed.
    pub(super) taken: Option<TakenNames>,
}

impl Place {
    pub(super) fn new(destination: &Arc<dyn Destination>) -> Self {
        Self { destination: Arc::clone(destination), taken: None }
    }

    /// Lists the job's folder, unless this run has, which proves that the destination can be reached before a dump starts. Then begins
    /// an upload.
    pub(super) async fn prepare(&mut self, job: &str) -> Result<Box<dyn Upload>, Failure> {
        let taken = match &mut self.taken {
            Some(taken) => taken,
            unknown => {
                let mut taken = TakenNames::of_job(&*self.destination, job).await?;
                taken.mark_as_shared(&*self.destination).await;
                unknown.insert(taken)
            }
        };
        Ok(self.destination.create_in(taken.folder()).await?)
    }

    /// Warns of a destination that the last backup would not fit into: it may still do, or something may be deleted in time.
    pub(super) async fn foresee(
        &self,
        request: &BackupRequest<'_>,
        database: &str,
        on_event: &(dyn Fn(Event<'_>) + Sync),
    ) {
        let last_size = self.taken.as_ref().and_then(|taken| taken.last_size(&first_name(request, database)));
        let Some(last_size) = last_size else { return };
        // Whoever may not look at the space can still write: the backup itself will tell.
        let Ok(Some(usage)) = self.destination.usage().await else { return };
        if usage.free().is_some_and(|free| free < last_size) {
            on_event(Event::MayNotFit { database, destination: self.destination.name(), last_size, usage });
        }
    }
}

/// Warns of destinations that are one place: two copies there are as good as one.
pub(super) fn same_places(destinations: &[Arc<dyn Destination>]) -> Vec<Warning> {
    let mut places: HashMap<String, String> = HashMap::new();
    let twice = destinations.iter().filter_map(|destination| {
        let first = places.insert(destination.identity(), destination.name())?;
        let message = format!("{first} and {} are the same place, so its copies are lost together", destination.name());
        Some(Warning::new("same-destination", message).with_cure("Choose another destination for the second copy"))
    });
    twice.collect()
}

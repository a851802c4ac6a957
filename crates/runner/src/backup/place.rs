//! A destination during a run: its job's folder is listed once, however many databases the run has.

use std::collections::HashMap;
use std::time::Duration;

use adapter::destination::{Destination, Upload};
use domain::size::human;
use domain::{BackupName, Warning};
use futures_util::future::join_all;

use super::publish::first_name;
use super::{BackupRequest, Event, Failure, NamedDestination};
use crate::limited::Limited;
use crate::naming::TakenNames;

/// A destination, and what lies in the job's folder there.
pub(super) struct Place<'a> {
    /// See [`NamedDestination`].
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    pub(super) destination: Limited<'a>,
    /// `None` until the folder could be listed.
    pub(super) taken: Option<TakenNames>,
    /// The name that the upload in progress began with.
    pub(super) begun: Option<BackupName>,
}

impl<'a> Place<'a> {
    pub(super) fn new(named: &'a NamedDestination, limit: Duration) -> Self {
        let NamedDestination { id, name, destination } = named;
        Self { id, name, destination: Limited::new(&**destination, limit), taken: None, begun: None }
    }

    /// Lists the job's folder, unless this run has, which proves that the destination can be reached before a dump starts. Then begins
    /// an upload under the first name that is free: some storages have to know it now.
    pub(super) async fn prepare(
        &mut self,
        request: &BackupRequest<'_>,
        database: &str,
    ) -> Result<Box<dyn Upload>, Failure> {
        let taken = match &mut self.taken {
            Some(taken) => taken,
            unknown => {
                let mut taken =
                    TakenNames::of_job(&self.destination, &request.job).await.map_err(Failure::Destination)?;
                taken.mark_as_shared(&self.destination).await;
                unknown.insert(taken)
            }
        };
        let name = taken.first_free(first_name(request, database));
        let path = taken.path(&name.to_string());
        self.begun = Some(name);
        self.destination.create(&path).await.map_err(Failure::Destination)
    }

    /// Compares the free space with the size of the database's last backup. If that would not fit, returns a warning, or refuses the
    /// destination if its setting says so: space may still be freed in time, or the backup may be smaller.
    pub(super) async fn foresee(
        &self,
        request: &BackupRequest<'_>,
        database: &str,
        on_event: &(dyn Fn(Event<'_>) + Sync),
    ) -> Result<Option<Warning>, Failure> {
        let last_size = self.taken.as_ref().and_then(|taken| taken.last_size(&first_name(request, database)));
        let Some(last_size) = last_size else { return Ok(None) };
        // A grant that may not look at the space can still write: the upload itself will tell.
        let Ok(Some(usage)) = self.destination.usage().await else { return Ok(None) };
        if usage.free().is_none_or(|free| free >= last_size) {
            return Ok(None);
        }
        if self.destination.stops_when_full() {
            return Err(Failure::WouldNotFit { last_size, usage });
        }
        let message = format!(
            "the backup may not fit into {}: the last one was {}, and {} is free ({usage})",
            self.name,
            human(last_size),
            human(usage.free().unwrap_or_default())
        );
        let warning =
            Warning::new("may-not-fit", message).about(self.name).with_cure("Free space there, or enlarge it");
        on_event(Event::MayNotFit { database, destination: self.name, last_size, usage, warning: &warning });
        Ok(Some(warning))
    }
}

/// Warns of destinations that are one place: two copies there are as good as one.
pub async fn same_places(destinations: impl IntoIterator<Item = (&dyn Destination, &str)>) -> Vec<Warning> {
    let identified = destinations.into_iter().map(|(destination, name)| async {
        let place = match destination.place().await {
            Ok(place) => place.own,
            Err(_) => destination.identity().await,
        };
        (place, name.to_owned())
    });
    let mut seen: HashMap<String, String> = HashMap::new();
    let twice = join_all(identified).await.into_iter().filter_map(|(identity, name)| {
        let first = seen.insert(identity, name.clone())?;
        let message = format!("{first} and {name} are the same place, so its copies are lost together");
        Some(Warning::new("same-destination", message).with_cure("Choose another destination for the second copy"))
    });
    twice.collect()
}

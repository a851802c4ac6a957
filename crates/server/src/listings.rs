//! Listings of destinations, kept for whoever goes through them page by page: a destination lists all that it has or nothing, so
//! that without this a list of a hundred thousand backups would be read five hundred times.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use runner::Listing as Backups;

/// Whoever takes longer for a page gets a new listing.
const KEPT: SignedDuration = SignedDuration::from_secs(60);
/// Kept at once.
const MOST: usize = 4;

/// The last listings.
#[derive(Debug, Default)]
pub(crate) struct Listings(Mutex<Vec<Listing>>);

#[derive(Debug)]
struct Listing {
    destination_id: String,
    job: Option<String>,
    at: Timestamp,
    backups: Arc<Backups>,
}

impl Listings {
    /// Keeps one, in the place of the one before.
    pub(crate) fn keep(&self, destination_id: &str, job: Option<&str>, backups: Arc<Backups>, now: Timestamp) {
        let mut listings = self.lock();
        listings.retain(|listing| !listing.is(destination_id, job) && listing.is_recent(now));
        if listings.len() == MOST {
            listings.remove(0);
        }
        let (destination_id, job) = (destination_id.to_owned(), job.map(str::to_owned));
        listings.push(Listing { destination_id, job, at: now, backups });
    }

    /// The one that was kept lately, if any.
    pub(crate) fn recent(&self, destination_id: &str, job: Option<&str>, now: Timestamp) -> Option<Arc<Backups>> {
        let listings = self.lock();
        let listing = listings.iter().find(|listing| listing.is(destination_id, job) && listing.is_recent(now))?;
        Some(Arc::clone(&listing.backups))
    }

    /// Keeps none of a destination, because it has changed.
    pub(crate) fn forget(&self, destination_id: &str) {
        self.lock().retain(|listing| listing.destination_id != destination_id);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Listing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listing {
    fn is(&self, destination_id: &str, job: Option<&str>) -> bool {
        self.destination_id == destination_id && self.job.as_deref() == job
    }

    fn is_recent(&self, now: Timestamp) -> bool {
        now.duration_since(self.at) < KEPT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_is_kept_for_a_minute_until_the_destination_changes() {
        let listings = Listings::default();
        let at = |second| Timestamp::from_second(second).unwrap();
        for id in ["a", "b", "c", "d", "e"] {
            listings.keep(id, None, Arc::default(), at(0));
        }
        assert!(listings.recent("a", None, at(1)).is_none(), "no more than four");
        assert!(listings.recent("e", None, at(59)).is_some());
        assert!(listings.recent("e", Some("job"), at(1)).is_none());
        assert!(listings.recent("e", None, at(60)).is_none());
        listings.forget("e");
        assert!(listings.recent("e", None, at(1)).is_none());
    }
}

//! Listings of destinations, kept for clients that go through them page by page: a destination lists all that it has or nothing,
//! so that without this a list of a hundred thousand backups would be read five hundred times.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// Whoever takes longer for a page gets a new listing.
const KEPT: SignedDuration = SignedDuration::from_secs(60);
/// Kept at once.
const MOST: usize = 4;

/// The last listings.
#[derive(Debug)]
pub(crate) struct Listings<T>(Mutex<Vec<Listing<T>>>);

#[derive(Debug)]
struct Listing<T> {
    destination_id: String,
    /// A job's backups only, or the folders of one folder.
    part: Option<String>,
    at: Timestamp,
    items: Arc<T>,
}

impl<T> Default for Listings<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Listings<T> {
    /// Keeps one, in the place of the one before.
    pub(crate) fn keep(&self, destination_id: &str, part: Option<&str>, items: Arc<T>, now: Timestamp) {
        let mut listings = self.lock();
        listings.retain(|listing| !listing.is(destination_id, part) && listing.is_recent(now));
        if listings.len() == MOST {
            listings.remove(0);
        }
        let (destination_id, part) = (destination_id.to_owned(), part.map(str::to_owned));
        listings.push(Listing { destination_id, part, at: now, items });
    }

    /// The one that was kept lately, if any.
    pub(crate) fn recent(&self, destination_id: &str, part: Option<&str>, now: Timestamp) -> Option<Arc<T>> {
        let listings = self.lock();
        let listing = listings.iter().find(|listing| listing.is(destination_id, part) && listing.is_recent(now))?;
        Some(Arc::clone(&listing.items))
    }

    /// Keeps none of a destination, because it has changed.
    pub(crate) fn forget(&self, destination_id: &str) {
        self.lock().retain(|listing| listing.destination_id != destination_id);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Listing<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Listing<T> {
    fn is(&self, destination_id: &str, part: Option<&str>) -> bool {
        self.destination_id == destination_id && self.part.as_deref() == part
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
        let listings = Listings::<()>::default();
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

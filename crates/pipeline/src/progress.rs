//! Counters that show how far a run is. Reading them never disturbs it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::run::{DestinationProgress, DestinationState, RunProgress};

/// Bytes that one side counts and another reads.
#[derive(Debug, Clone, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Counts more bytes.
    pub fn add(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Returns the bytes so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A counter that another crate keeps.
impl From<Arc<AtomicU64>> for Counter {
    fn from(bytes: Arc<AtomicU64>) -> Self {
        Self(bytes)
    }
}

/// How far a run is, shared by those who work on it and those who show it.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    counters: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Counters {
    dumped: Counter,
    stored: Counter,
    read: Counter,
    destinations: Mutex<Destinations>,
}

#[derive(Debug, Default)]
struct Destinations {
    all: Vec<Destination>,
    /// Bytes that had left the pipeline when the database in progress began.
    before: u64,
}

#[derive(Debug)]
struct Destination {
    id: String,
    name: String,
    state: DestinationState,
    error: Option<String>,
    /// Bytes of copies that are complete, of databases that came before.
    complete: u64,
    /// What the upload in progress has acknowledged.
    acknowledged: Counter,
}

impl Progress {
    /// Counts bytes out of the database, or taken by the target of a restore.
    pub fn add_dumped(&self, bytes: usize) {
        self.counters.dumped.add(bytes as u64);
    }

    /// Counts bytes that left the pipeline, or were copied.
    pub fn add_stored(&self, bytes: usize) {
        self.counters.stored.add(bytes as u64);
    }

    /// Counts bytes read from the backup that is restored.
    pub fn add_read(&self, bytes: usize) {
        self.counters.read.add(bytes as u64);
    }

    /// Sets the destinations of the run, by id and name. Whoever tells of one of them later names its position.
    pub fn set_destinations(&self, destinations: impl IntoIterator<Item = (String, String)>) {
        let waiting = |(id, name)| Destination {
            id,
            name,
            state: DestinationState::Waiting,
            error: None,
            complete: 0,
            acknowledged: Counter::default(),
        };
        self.lock().all = destinations.into_iter().map(waiting).collect();
    }

    /// Begins the next database: every destination takes part again.
    pub fn begin_database(&self) {
        let mut destinations = self.lock();
        destinations.before = self.counters.stored.get();
        for destination in &mut destinations.all {
            if destination.state == DestinationState::Committed {
                destination.complete += destination.acknowledged.get();
            }
            (destination.state, destination.error) = (DestinationState::Waiting, None);
            destination.acknowledged = Counter::default();
        }
    }

    /// Shows an upload from now on, by what it acknowledges.
    pub fn uploading(&self, index: usize, acknowledged: Counter) {
        self.change(index, |destination| {
            destination.state = DestinationState::Uploading;
            destination.acknowledged = acknowledged;
        });
    }

    /// Everything was handed to a destination.
    pub fn verifying(&self, index: usize) {
        self.change(index, |destination| destination.state = DestinationState::Verifying);
    }

    /// A destination's copy is complete and verified.
    pub fn committed(&self, index: usize) {
        self.change(index, |destination| destination.state = DestinationState::Committed);
    }

    /// A destination has dropped out: it no longer counts. Returns whether that is news; its first error stays.
    pub fn failed(&self, index: usize, error: &str) -> bool {
        let mut destinations = self.lock();
        let Some(destination) = destinations.all.get_mut(index) else { return false };
        let is_news = destination.state != DestinationState::Failed;
        if is_news {
            destination.state = DestinationState::Failed;
            // Cut only once secrets are blotted out: a part of one would not be found.
            destination.error = Some(error.lines().next().unwrap_or_default().to_owned());
        }
        is_news
    }

    /// Returns how far the run is now.
    pub fn snapshot(&self) -> RunProgress {
        let counters = &*self.counters;
        let destinations = self.lock();
        let stored = counters.stored.get();
        RunProgress {
            dumped_bytes: counters.dumped.get(),
            stored_bytes: stored,
            sent_bytes: if destinations.all.is_empty() { counters.read.get() } else { destinations.slowest() },
            destinations: destinations.all.iter().map(|one| one.snapshot(stored - destinations.before)).collect(),
        }
    }

    fn change(&self, index: usize, change: impl FnOnce(&mut Destination)) {
        if let Some(destination) = self.lock().all.get_mut(index) {
            change(destination);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Destinations> {
        self.counters.destinations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Destinations {
    /// How far the slowest destination is that still takes part. Of databases that came before it lacks nothing that it could still
    /// get.
    fn slowest(&self) -> u64 {
        let taking_part = self.all.iter().filter(|destination| destination.state != DestinationState::Failed);
        self.before + taking_part.map(|destination| destination.acknowledged.get()).min().unwrap_or(0)
    }
}

impl Destination {
    /// `stored` is what has left the pipeline of the database in progress.
    fn snapshot(&self, stored: u64) -> DestinationProgress {
        let acknowledged = self.acknowledged.get();
        // Until the storage has acknowledged what it was handed, that waits in buffers.
        let is_sending = self.state == DestinationState::Verifying && acknowledged < stored;
        DestinationProgress {
            id: self.id.clone(),
            name: self.name.clone(),
            acknowledged_bytes: self.complete + acknowledged,
            state: if is_sending { DestinationState::Uploading } else { self.state },
            error: self.error.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_two() -> (Progress, [Counter; 2]) {
        let (progress, counters) = (Progress::default(), [Counter::default(), Counter::default()]);
        progress.set_destinations(["a", "b"].map(|name| (name.to_owned(), name.to_owned())));
        progress.begin_database();
        counters.iter().enumerate().for_each(|(index, counter)| progress.uploading(index, counter.clone()));
        (progress, counters)
    }

    fn acknowledged(progress: &Progress) -> Vec<u64> {
        progress.snapshot().destinations.iter().map(|destination| destination.acknowledged_bytes).collect()
    }

    #[test]
    fn the_slowest_destination_that_takes_part_says_how_far_a_run_is() {
        let (progress, [quick, slow]) = of_two();
        progress.add_stored(100);
        quick.add(80);
        slow.add(20);
        assert_eq!((progress.snapshot().sent_bytes, acknowledged(&progress)), (20, vec![80, 20]));
        assert!(progress.failed(1, "full\nof things"));
        assert!(!progress.failed(1, "later"));
        let now = progress.snapshot();
        assert_eq!(now.sent_bytes, 80, "what has dropped out counts no more");
        assert_eq!(
            (now.destinations[1].state, now.destinations[1].error.as_deref()),
            (DestinationState::Failed, Some("full"))
        );
    }

    #[test]
    fn a_destination_that_missed_a_database_takes_part_in_the_next_and_does_not_claim_what_it_lacks() {
        let (progress, [quick, slow]) = of_two();
        progress.add_stored(100);
        quick.add(100);
        slow.add(20);
        progress.committed(0);
        assert!(progress.failed(1, "full"));
        progress.begin_database();
        assert_eq!((progress.snapshot().sent_bytes, acknowledged(&progress)), (100, vec![100, 0]));
        let counters = [Counter::default(), Counter::default()];
        counters.iter().enumerate().for_each(|(index, counter)| progress.uploading(index, counter.clone()));
        progress.add_stored(50);
        counters[0].add(10);
        counters[1].add(30);
        assert_eq!((progress.snapshot().sent_bytes, acknowledged(&progress)), (110, vec![110, 30]));
    }

    #[test]
    fn what_waits_in_buffers_is_still_being_uploaded() {
        let (progress, [quick, slow]) = of_two();
        progress.add_stored(100);
        quick.add(100);
        slow.add(20);
        (0..2).for_each(|index| progress.verifying(index));
        let states = progress.snapshot().destinations.into_iter().map(|destination| destination.state);
        assert_eq!(states.collect::<Vec<_>>(), [DestinationState::Verifying, DestinationState::Uploading]);
    }

    #[test]
    fn a_restore_is_as_far_as_it_has_read() {
        let progress = Progress::default();
        progress.add_read(7);
        assert_eq!(progress.snapshot().sent_bytes, 7);
    }
}

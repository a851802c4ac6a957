//! Counters that show how far a run is. Reading them never disturbs it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Shared counters in bytes.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    counters: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Counters {
    dumped: AtomicU64,
    stored: AtomicU64,
    sent: AtomicU64,
}

/// The counters at one moment, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// Out of the database, or into it on restore.
    pub dumped: u64,
    /// Out of the pipeline, compressed and encrypted.
    pub stored: u64,
    /// Taken by the slowest destination, or read from the one that is restored from.
    pub sent: u64,
}

impl Progress {
    /// Counts bytes of the dump.
    pub fn add_dumped(&self, bytes: usize) {
        self.counters.dumped.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Counts bytes that left the pipeline.
    pub fn add_stored(&self, bytes: usize) {
        self.counters.stored.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Counts bytes that every destination has taken.
    pub fn add_sent(&self, bytes: usize) {
        self.counters.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// The counters now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            dumped: self.counters.dumped.load(Ordering::Relaxed),
            stored: self.counters.stored.load(Ordering::Relaxed),
            sent: self.counters.sent.load(Ordering::Relaxed),
        }
    }
}

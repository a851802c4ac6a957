//! What is remembered of the calls: the last of them, and how many of a route there were at once.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

/// How many requests are remembered.
const REMEMBERED: usize = 10_000;

/// A request that was served, or whose caller went away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RequestRecord {
    /// Such as `files/upload` or `oauth2/token`.
    pub route: String,
    /// The HTTP status; 0 if there was no answer: the connection was cut, or the caller went away before.
    pub status: u16,
    /// How many bytes of body were received.
    pub body_bytes: u64,
    /// The header `X-Dropbox-Request-Id` of the answer.
    pub request_id: String,
    /// The first path that the argument names.
    pub path: Option<String>,
    /// The header `Range`.
    pub range: Option<String>,
}

/// The last requests, and those in progress.
#[derive(Debug, Default)]
pub(crate) struct Records {
    ring: Mutex<VecDeque<RequestRecord>>,
    running: Mutex<HashMap<String, Running>>,
}

/// Calls of one route at once.
#[derive(Debug, Default)]
struct Running {
    now: usize,
    most: usize,
}

impl Records {
    fn ring(&self) -> MutexGuard<'_, VecDeque<RequestRecord>> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn running(&self) -> MutexGuard<'_, HashMap<String, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that are remembered, oldest first.
    pub(crate) fn all(&self) -> Vec<RequestRecord> {
        self.ring().iter().cloned().collect()
    }

    /// The most calls of that route that were in progress at once.
    pub(crate) fn peak(&self, route: &str) -> usize {
        self.running().get(route).map_or(0, |running| running.most)
    }

    /// Counts a call as in progress until what this returns is dropped.
    pub(crate) fn begin(self: &Arc<Records>, route: &str) -> InProgress {
        let mut all = self.running();
        let running = all.entry(route.to_owned()).or_default();
        running.now += 1;
        running.most = running.most.max(running.now);
        InProgress { records: self.clone(), route: route.to_owned() }
    }

    fn add(&self, record: RequestRecord) {
        let mut ring = self.ring();
        if ring.len() == REMEMBERED {
            ring.pop_front();
        }
        ring.push_back(record);
    }
}

/// A call in progress.
#[derive(Debug)]
pub(crate) struct InProgress {
    records: Arc<Records>,
    route: String,
}

impl Drop for InProgress {
    fn drop(&mut self) {
        if let Some(running) = self.records.running().get_mut(&self.route) {
            running.now -= 1;
        }
    }
}

/// A record that is written once: with the call's status, or when the call is dropped because its caller went away.
pub(crate) struct Pending {
    records: Arc<Records>,
    received: Arc<AtomicU64>,
    record: Option<RequestRecord>,
}

impl Pending {
    /// A record to be completed; `received` counts the body's bytes.
    pub(crate) fn new(records: Arc<Records>, received: Arc<AtomicU64>, record: RequestRecord) -> Pending {
        Pending { records, received, record: Some(record) }
    }

    /// Writes it down.
    pub(crate) fn complete(&mut self, status: u16) {
        if let Some(record) = self.record.take() {
            let body_bytes = self.received.load(Ordering::Relaxed);
            self.records.add(RequestRecord { status, body_bytes, ..record });
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.complete(0);
    }
}

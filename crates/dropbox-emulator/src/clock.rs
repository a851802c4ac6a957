//! The emulator's one clock: real time, plus whatever a test has added to it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Real time plus an offset that only grows. Token lifetimes, session lifetimes and `server_modified` all ask here.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    ahead_milliseconds: AtomicI64,
}

impl Clock {
    /// The present moment on this clock.
    #[expect(clippy::disallowed_methods, reason = "the emulator's only look at the real clock")]
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::now() + SignedDuration::from_millis(self.ahead_milliseconds.load(Ordering::Relaxed))
    }

    /// Puts the clock forward.
    pub(crate) fn advance(&self, by: Duration) {
        let milliseconds = i64::try_from(by.as_millis()).unwrap_or(i64::MAX / 4);
        self.ahead_milliseconds.fetch_add(milliseconds, Ordering::Relaxed);
    }
}

/// Dropbox's only date format: UTC, whole seconds, `2026-05-12T03:00:04Z`.
pub(crate) fn format_seconds(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Reads what [`format_seconds`] writes, and nothing else.
pub(crate) fn parse_seconds(text: &str) -> Option<Timestamp> {
    let moment: Timestamp = text.parse().ok()?;
    (format_seconds(moment) == text).then_some(moment)
}

//! How far a run is.

use serde::{Deserialize, Serialize};

/// Maximum length of an error in a destination's progress, in bytes. The run's result has all of it.
const MAX_ERROR_LEN: usize = 300;

/// How far a run is, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RunProgress {
    /// Read from the database, or taken by the target of a restore.
    pub dumped_bytes: u64,
    /// Out of the pipeline, compressed and encrypted; of a copy, read from its source or copied inside the storage.
    pub stored_bytes: u64,
    /// Acknowledged by the slowest destination that still takes part; of a restore, read from the backup.
    pub sent_bytes: u64,
    /// Per destination of a backup or a copy, in the run's order.
    #[serde(default)]
    pub destinations: Vec<DestinationProgress>,
}

/// How far a destination is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DestinationProgress {
    /// The destination's id.
    pub id: String,
    /// Its name at the time.
    pub name: String,
    /// Bytes that the storage has acknowledged: of copies that are complete, and of the one in progress.
    pub acknowledged_bytes: u64,
    /// Where its copy of the database in progress stands.
    pub state: DestinationState,
    /// Why the copy failed, in short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Where a destination's copy of the database in progress stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum DestinationState {
    /// Nothing is sent yet.
    Waiting,
    /// Bytes are sent as the dump yields them.
    Uploading,
    /// Everything was sent; the copy is checked and published.
    Verifying,
    /// The copy is complete and verified.
    Committed,
    /// There will be no copy. The destination no longer counts for the run's progress.
    Failed,
}

impl RunProgress {
    /// Returns the progress with its free text changed, and then cut to what a line can show: what storages said.
    #[must_use]
    pub fn with_words(mut self, change: &dyn Fn(&str) -> String) -> Self {
        for error in self.destinations.iter_mut().filter_map(|destination| destination.error.as_mut()) {
            *error = DestinationProgress::short(&change(error));
        }
        self
    }
}

impl DestinationProgress {
    /// Returns an error's first line, cut to what a line can show.
    pub fn short(error: &str) -> String {
        let line = error.lines().next().unwrap_or_default();
        if line.len() <= MAX_ERROR_LEN {
            return line.to_owned();
        }
        let end = (0..=MAX_ERROR_LEN).rev().find(|&end| line.is_char_boundary(end)).unwrap_or(0);
        format!("{}…", &line[..end])
    }
}

impl DestinationState {
    /// Returns the state as in JSON and in the terminal.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Uploading => "uploading",
            Self::Verifying => "verifying",
            Self::Committed => "committed",
            Self::Failed => "failed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_in_the_progress_is_one_short_line() {
        assert_eq!(DestinationProgress::short("no room\nat all"), "no room");
        let long = DestinationProgress::short(&"ü".repeat(1000));
        assert!(long.len() <= MAX_ERROR_LEN + 3 && long.ends_with("ü…"), "{long}");
    }
}

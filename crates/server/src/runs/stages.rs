//! How far each database of a backup is, told while the run goes on: the run's result as it grows.

use std::sync::{Arc, Mutex, PoisonError};

use domain::run::{BackupResult, CopyResult, DatabaseResult, MissingCopy, RunResult, Stage};
use domain::warning::ListedWarning;
use jiff::Timestamp;

use crate::redaction::redact;

/// Shared between the run and whoever tells of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stages(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    result: BackupResult,
    /// Copies that each database is to have.
    copies: usize,
    /// Something has happened since it was last told.
    changed: bool,
}

impl Stages {
    /// All that wait, each with the copies that are known to be missing; `copies` is how many it is to have in all.
    pub(crate) fn begin(
        &self,
        databases: &[String],
        missing: &[MissingCopy],
        copies: usize,
        warnings: Vec<ListedWarning>,
    ) {
        let databases = databases.iter().map(|database| DatabaseResult::waiting(database, missing.to_vec())).collect();
        *self.lock() = State { result: BackupResult { databases, warnings }, copies, changed: true };
    }

    /// A database has come to a stage. While it is dumped, the engine holds a snapshot of it: since when is told.
    pub(crate) fn reach(&self, database: &str, stage: Stage, now: Timestamp) {
        self.change(database, |entry, _| {
            entry.stage = Some(stage);
            entry.held_since = (stage == Stage::Dumping).then_some(now);
        });
    }

    /// A dump lacks something, or something could not be checked.
    pub(crate) fn warn(&self, database: &str, warning: ListedWarning) {
        self.change(database, |entry, _| entry.warnings.push(warning));
    }

    /// A copy is there, or is not going to be.
    pub(crate) fn add_copy(&self, database: &str, copy: CopyResult) {
        self.change(database, |entry, copies| {
            entry.copies.push(copy);
            if entry.copies.len() >= copies {
                entry.stage = None;
            }
        });
    }

    /// There is no dump, and so there are no copies.
    pub(crate) fn fail(&self, database: &str, error: &str) {
        self.change(database, |entry, _| {
            (entry.stage, entry.held_since) = (None, None);
            entry.error = Some(error.to_owned());
        });
    }

    /// The result so far, if it is another one than the last time.
    pub(crate) fn news(&self) -> Option<RunResult> {
        let mut state = self.lock();
        let is_news = std::mem::take(&mut state.changed);
        is_news.then(|| RunResult::Backup(state.result.clone()).with_words(&redact))
    }

    /// What was last told did not arrive: it is news again.
    pub(crate) fn untold(&self) {
        self.lock().changed = true;
    }

    fn change(&self, database: &str, change: impl FnOnce(&mut DatabaseResult, usize)) {
        let mut state = self.lock();
        let State { result, copies, changed } = &mut *state;
        if let Some(entry) = result.databases.iter_mut().find(|entry| entry.database == database) {
            change(entry, *copies);
            *changed = true;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use domain::Warning;
    use serde_json::{Value, json};

    use super::*;

    fn told(stages: &Stages) -> Value {
        serde_json::to_value(stages.news()).unwrap()
    }

    fn missing(destination: &str) -> CopyResult {
        let (destination, destination_id) = (destination.to_owned(), destination.to_owned());
        CopyResult::Missing(MissingCopy { destination_id, destination, error: "full".to_owned() })
    }

    #[test]
    fn each_database_goes_from_waiting_to_its_copies() {
        let stages = Stages::default();
        assert_eq!(stages.news(), None);
        let now: Timestamp = "2026-01-15T03:00:12Z".parse().unwrap();
        let left_out = Warning::new("x", "left out").listed(&[]);
        stages.begin(&["shop".to_owned(), "blog".to_owned()], &[], 2, vec![left_out]);
        stages.reach("shop", Stage::Dumping, now);
        let dumping =
            json!({"database": "shop", "stage": "dumping", "copies": [], "heldSince": "2026-01-15T03:00:12Z"});
        let waiting = json!({"database": "blog", "stage": "waiting", "copies": []});
        let expected = json!({"databases": [dumping, waiting], "warnings": [{"code": "x", "message": "left out"}]});
        assert_eq!(told(&stages), expected, "how long a database has been held is told");
        assert_eq!(stages.news(), None, "nothing is told twice");
        stages.untold();
        assert_eq!(told(&stages), expected, "what did not arrive is told again");

        stages.reach("shop", Stage::Proving, now);
        stages.warn("shop", Warning::new("y", "unchecked").listed(&[]));
        stages.add_copy("shop", missing("a"));
        let copy = |name| json!({"destinationId": name, "destination": name, "error": "full"});
        let warnings = json!([{"code": "y", "message": "unchecked"}]);
        let first = json!({"database": "shop", "stage": "proving", "copies": [copy("a")], "warnings": warnings});
        assert_eq!(told(&stages)["databases"][0], first);
        stages.add_copy("shop", missing("b"));
        stages.fail("blog", "no such database");
        let both = json!({"database": "shop", "copies": [copy("a"), copy("b")], "warnings": warnings});
        let failed = json!({"database": "blog", "copies": [], "error": "no such database"});
        assert_eq!(told(&stages)["databases"], json!([both, failed]));
    }
}

//! How far each database of a backup is, told while the run goes on: the run's result as it grows.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::run::{BackupResult, CopyResult, DatabaseResult, FailureCode, MissingCopy, RunResult, Stage};
use domain::warning::ListedWarning;
use jiff::Timestamp;

use crate::redaction::redact;

/// Shared between the run and whoever tells of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stages {
    state: Arc<Mutex<State>>,
    /// Held while what has changed is stored, so that nothing older overwrites it.
    pub(super) storing: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug, Default)]
struct State {
    result: BackupResult,
    /// Copies that each database is to have.
    copies: usize,
    /// Something has happened since it was last told.
    changed: bool,
    /// How many changes there were.
    changes: u64,
    /// The positions of the databases that have changed since they were stored, each with the number of its last change.
    unstored: BTreeMap<usize, u64>,
    /// Whether the last attempt to store has failed, or goes on.
    behind: bool,
}

/// What has changed and is to be stored.
pub(super) struct Unstored {
    pub(super) result: RunResult,
    /// With their positions.
    pub(super) items: Vec<(usize, DatabaseResult)>,
    changes: BTreeMap<usize, u64>,
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
        let result = BackupResult { databases, warnings };
        let unstored = (0..result.databases.len()).map(|position| (position, 0)).collect();
        *self.lock() = State { result, copies, changed: true, changes: 0, unstored, behind: false };
    }

    /// A database has come to a stage. While it is dumped, the engine holds a snapshot of it: since when is told.
    pub(crate) fn reach(&self, database: &str, stage: Stage, now: Timestamp) {
        self.change(database, |entry, _| {
            entry.stage = Some(stage);
            entry.held_since = (stage == Stage::Dumping).then_some(now);
            entry.started_at.get_or_insert(now);
        });
    }

    /// The dump is complete; its copies are being published.
    pub(crate) fn dumped(&self, database: &str, size: u64) {
        self.change(database, |entry, _| {
            (entry.stage, entry.held_since, entry.dumped_bytes) = (Some(Stage::Proving), None, Some(size));
        });
    }

    /// A dump lacks something, or something could not be checked.
    pub(crate) fn warn(&self, database: &str, warning: ListedWarning) {
        self.change(database, |entry, _| entry.warnings.push(warning));
    }

    /// A copy is there, or is not going to be.
    pub(crate) fn add_copy(&self, database: &str, copy: CopyResult, now: Timestamp) {
        self.change(database, |entry, copies| {
            entry.copies.push(copy);
            if entry.copies.len() >= copies {
                (entry.stage, entry.finished_at) = (None, Some(now));
            }
        });
    }

    /// There is no dump, and so there are no copies.
    pub(crate) fn fail(&self, database: &str, error: &str, code: FailureCode, details: Option<&str>, now: Timestamp) {
        self.change(database, |entry, _| {
            (entry.stage, entry.held_since, entry.finished_at) = (None, None, Some(now));
            (entry.error, entry.code) = (Some(error.to_owned()), Some(code));
            entry.technical_details = details.map(str::to_owned);
        });
    }

    /// Adds to a result when what in it happened, and how large the dumps were.
    pub(crate) fn add_times(&self, result: &mut BackupResult) {
        let state = self.lock();
        for entry in &mut result.databases {
            let Some(known) = state.result.databases.iter().find(|known| known.database == entry.database) else {
                continue;
            };
            (entry.started_at, entry.finished_at, entry.dumped_bytes) =
                (known.started_at, known.finished_at, known.dumped_bytes);
            for copy in &mut entry.copies {
                let of_copy = known.copies.iter().find(|known| known.destination_id() == copy.destination_id());
                if let (CopyResult::Stored(copy), Some(CopyResult::Stored(known))) = (copy, of_copy) {
                    copy.stored_at = known.stored_at;
                }
            }
        }
    }

    /// The result so far, if it is another one than the last time.
    pub(crate) fn news(&self) -> Option<RunResult> {
        let mut state = self.lock();
        let is_news = std::mem::take(&mut state.changed);
        is_news.then(|| RunResult::Backup(state.result.clone()).with_words(&redact))
    }

    /// Returns what has changed since it was stored. Until [`Self::stored`] says that it was, it is behind.
    pub(super) fn unstored(&self) -> Option<Unstored> {
        let mut state = self.lock();
        if state.unstored.is_empty() {
            return None;
        }
        state.behind = true;
        let changes = state.unstored.clone();
        let items = changes.keys().filter_map(|&position| Some((position, state.result.databases.get(position)?)));
        let (positions, databases): (Vec<usize>, Vec<DatabaseResult>) =
            items.map(|(position, item)| (position, item.clone())).unzip();
        let result = BackupResult { databases, warnings: state.result.warnings.clone() };
        let RunResult::Backup(result) = RunResult::Backup(result).with_words(&redact) else { return None };
        let items = positions.into_iter().zip(result.databases).collect();
        let result = RunResult::Backup(BackupResult { databases: Vec::new(), warnings: result.warnings });
        Some(Unstored { result, items, changes })
    }

    /// Notes that this is stored. What has changed meanwhile is not.
    pub(super) fn stored(&self, unstored: &Unstored) {
        let mut state = self.lock();
        state.unstored.retain(|position, change| unstored.changes.get(position) != Some(change));
        state.behind = false;
    }

    /// Returns the number of databases.
    pub(super) fn count(&self) -> usize {
        self.lock().result.databases.len()
    }

    /// Returns whether the last attempt to store has failed, or goes on.
    pub(super) fn is_behind(&self) -> bool {
        self.lock().behind
    }

    fn change(&self, database: &str, change: impl FnOnce(&mut DatabaseResult, usize)) {
        let mut state = self.lock();
        let State { result, copies, changed, changes, unstored, .. } = &mut *state;
        let mut entries = result.databases.iter_mut().enumerate();
        if let Some((position, entry)) = entries.find(|(_, entry)| entry.database == database) {
            change(entry, *copies);
            *changed = true;
            *changes += 1;
            unstored.insert(position, *changes);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
        CopyResult::Missing(MissingCopy {
            destination_id,
            destination,
            error: "full".to_owned(),
            code: None,
            technical_details: None,
        })
    }

    #[test]
    fn each_database_goes_from_waiting_to_its_copies() {
        let stages = Stages::default();
        assert_eq!(stages.news(), None);
        let now: Timestamp = "2026-01-15T03:00:12Z".parse().unwrap();
        let left_out = Warning::new("x", "left out").listed(&[]);
        stages.begin(&["shop".to_owned(), "blog".to_owned()], &[], 2, vec![left_out]);
        stages.reach("shop", Stage::Dumping, now);
        let time = "2026-01-15T03:00:12Z";
        let dumping =
            json!({"database": "shop", "stage": "dumping", "copies": [], "heldSince": time, "startedAt": time});
        let waiting = json!({"database": "blog", "stage": "waiting", "copies": []});
        let expected = json!({"kind": "backup", "databases": [dumping, waiting], "warnings": [{"code": "x", "message": "left out"}]});
        assert_eq!(told(&stages), expected, "how long a database has been held is told");
        assert_eq!(stages.news(), None, "nothing is told twice");

        stages.dumped("shop", 7);
        stages.warn("shop", Warning::new("y", "unchecked").listed(&[]));
        stages.add_copy("shop", missing("a"), now);
        let copy = |name| json!({"destinationId": name, "destination": name, "error": "full"});
        let warnings = json!([{"code": "y", "message": "unchecked"}]);
        let first = json!({"database": "shop", "stage": "proving", "copies": [copy("a")], "warnings": warnings,
            "startedAt": time, "dumpedBytes": 7});
        assert_eq!(told(&stages)["databases"][0], first);
        stages.add_copy("shop", missing("b"), now);
        stages.fail("blog", "no such database", FailureCode::NotFound, Some("3D000"), now);
        let both = json!({"database": "shop", "copies": [copy("a"), copy("b")], "warnings": warnings,
            "startedAt": time, "finishedAt": time, "dumpedBytes": 7});
        let failed = json!({"database": "blog", "copies": [], "error": "no such database", "code": "notFound", "technicalDetails": "3D000", "finishedAt": time});
        assert_eq!(told(&stages)["databases"], json!([both, failed]));
    }

    #[test]
    fn what_could_not_be_stored_is_stored_later_and_only_what_has_changed() {
        let (stages, now) = (Stages::default(), Timestamp::UNIX_EPOCH);
        assert!(stages.unstored().is_none());
        stages.begin(&["shop".to_owned(), "blog".to_owned()], &[], 1, Vec::new());
        let positions = |unstored: &Unstored| unstored.items.iter().map(|(position, _)| *position).collect::<Vec<_>>();
        let all = stages.unstored().unwrap();
        assert_eq!(positions(&all), [0, 1]);
        assert!(stages.is_behind());
        let again = stages.unstored().unwrap();
        assert_eq!(positions(&again), [0, 1], "it was not stored");
        stages.reach("blog", Stage::Dumping, now);
        stages.stored(&again);
        assert!(!stages.is_behind());
        let since = stages.unstored().unwrap();
        assert_eq!(positions(&since), [1], "only what has changed since");
        assert_eq!(since.items[0].1.stage, Some(Stage::Dumping));
        stages.stored(&since);
        assert!(stages.unstored().is_none());
    }
}

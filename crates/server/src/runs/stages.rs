//! How far each database of a backup is, told while the run goes on. What is told is the run's result as it grows: each database
//! with the copies that it has so far, and with a `stage` as long as more is to come.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::redaction::redacted;

/// Where a database stands that is not through yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Others come first.
    Waiting,
    /// It is dumped, compressed, encrypted and sent, in one pass.
    Dumping,
    /// The dump has proved its end; the copies are published and proved.
    Proving,
}

impl Stage {
    fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Dumping => "dumping",
            Self::Proving => "proving",
        }
    }
}

/// Shared between the run and whoever tells of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stages(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    databases: Vec<Map<String, Value>>,
    /// Of the run as a whole: databases that were left out.
    warnings: Vec<Value>,
    /// Copies that each database is to have.
    copies: usize,
    /// Something has happened since it was last told.
    changed: bool,
}

impl Stages {
    /// All that wait, each with the copies that are known to be missing; `copies` is how many it is to have in all.
    pub(crate) fn begin(&self, databases: &[String], missing: &[Value], copies: usize, warnings: Vec<Value>) {
        let entry = |database: &String| {
            let mut entry = Map::new();
            entry.insert("database".to_owned(), json!(database));
            entry.insert("stage".to_owned(), json!(Stage::Waiting.as_str()));
            entry.insert("copies".to_owned(), json!(missing));
            entry
        };
        let databases = databases.iter().map(entry).collect();
        *self.lock() = State { databases, warnings, copies, changed: true };
    }

    /// A database has come to a stage. While it is dumped, the engine holds a snapshot of it: since when is told.
    pub(crate) fn reach(&self, database: &str, stage: Stage, now: Timestamp) {
        self.change(database, |entry, _| {
            entry.insert("stage".to_owned(), json!(stage.as_str()));
            match stage {
                Stage::Dumping => entry.insert("heldSince".to_owned(), json!(now)),
                Stage::Waiting | Stage::Proving => entry.remove("heldSince"),
            };
        });
    }

    /// A dump lacks something, or something could not be checked.
    pub(crate) fn warn(&self, database: &str, warning: Value) {
        self.change(database, |entry, _| {
            if let Value::Array(warnings) = entry.entry("warnings").or_insert_with(|| json!([])) {
                warnings.push(warning);
            }
        });
    }

    /// A copy is there, or is not going to be.
    pub(crate) fn add_copy(&self, database: &str, copy: Value) {
        self.change(database, |entry, copies| {
            let Some(Value::Array(made)) = entry.get_mut("copies") else { return };
            made.push(copy);
            if made.len() >= copies {
                entry.remove("stage");
            }
        });
    }

    /// There is no dump, and so there are no copies.
    pub(crate) fn fail(&self, database: &str, error: &str) {
        self.change(database, |entry, _| {
            entry.remove("stage");
            entry.remove("heldSince");
            entry.insert("error".to_owned(), json!(error));
        });
    }

    /// The result so far, if it is another one than the last time.
    pub(crate) fn news(&self) -> Option<Value> {
        let mut state = self.lock();
        std::mem::take(&mut state.changed).then(|| {
            let mut result = json!({"databases": state.databases});
            if !state.warnings.is_empty() {
                result["warnings"] = json!(state.warnings);
            }
            redacted(result)
        })
    }

    /// What was last told did not arrive: it is news again.
    pub(crate) fn untold(&self) {
        self.lock().changed = true;
    }

    fn change(&self, database: &str, change: impl FnOnce(&mut Map<String, Value>, usize)) {
        let mut state = self.lock();
        let State { databases, copies, changed, .. } = &mut *state;
        if let Some(entry) =
            databases.iter_mut().find(|entry| entry.get("database").is_some_and(|name| name == database))
        {
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
    use super::*;

    #[test]
    fn each_database_goes_from_waiting_to_its_copies() {
        let stages = Stages::default();
        assert_eq!(stages.news(), None);
        let now: Timestamp = "2026-01-15T03:00:12Z".parse().unwrap();
        stages.begin(&["shop".to_owned(), "blog".to_owned()], &[], 2, vec![json!({"code": "x"})]);
        stages.reach("shop", Stage::Dumping, now);
        let dumping =
            json!({"database": "shop", "stage": "dumping", "copies": [], "heldSince": "2026-01-15T03:00:12Z"});
        let waiting = json!({"database": "blog", "stage": "waiting", "copies": []});
        let expected = json!({"databases": [dumping, waiting], "warnings": [{"code": "x"}]});
        assert_eq!(stages.news(), Some(expected), "how long a database has been held is told");
        assert_eq!(stages.news(), None, "nothing is told twice");

        stages.reach("shop", Stage::Proving, now);
        stages.warn("shop", json!({"code": "y"}));
        stages.add_copy("shop", json!({"destination": "a"}));
        let first = json!({"database": "shop", "stage": "proving", "copies": [{"destination": "a"}],
            "warnings": [{"code": "y"}]});
        assert_eq!(stages.news().unwrap()["databases"][0], first);
        stages.add_copy("shop", json!({"destination": "b"}));
        stages.fail("blog", "no such database");
        let both = json!({"database": "shop", "copies": [{"destination": "a"}, {"destination": "b"}],
            "warnings": [{"code": "y"}]});
        let failed = json!({"database": "blog", "copies": [], "error": "no such database"});
        assert_eq!(stages.news().unwrap()["databases"], json!([both, failed]));
    }
}

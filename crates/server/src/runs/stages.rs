//! How far each database of a backup is, told while the run goes on. What is told is the run's result as it grows: each database
//! with the copies that it has so far, and with a `stage` as long as more is to come.

use std::sync::{Arc, Mutex, PoisonError};

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
    /// Copies that each database is to have.
    copies: usize,
    /// Something has happened since it was last told.
    changed: bool,
}

impl Stages {
    /// All that wait, each with the copies that are known to be missing; `copies` is how many it is to have in all.
    pub(crate) fn begin(&self, databases: &[String], missing: &[Value], copies: usize) {
        let entry = |database: &String| {
            let mut entry = Map::new();
            entry.insert("database".to_owned(), json!(database));
            entry.insert("stage".to_owned(), json!(Stage::Waiting.as_str()));
            entry.insert("copies".to_owned(), json!(missing));
            entry
        };
        *self.lock() = State { databases: databases.iter().map(entry).collect(), copies, changed: true };
    }

    /// A database has come to a stage.
    pub(crate) fn reach(&self, database: &str, stage: Stage) {
        self.change(database, |entry, _| {
            entry.insert("stage".to_owned(), json!(stage.as_str()));
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
            entry.insert("error".to_owned(), json!(error));
        });
    }

    /// The result so far, if it is another one than the last time.
    pub(crate) fn news(&self) -> Option<Value> {
        let mut state = self.lock();
        std::mem::take(&mut state.changed).then(|| redacted(json!({"databases": state.databases})))
    }

    fn change(&self, database: &str, change: impl FnOnce(&mut Map<String, Value>, usize)) {
        let mut state = self.lock();
        let State { databases, copies, changed } = &mut *state;
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
        stages.begin(&["shop".to_owned(), "blog".to_owned()], &[], 2);
        stages.reach("shop", Stage::Dumping);
        let told = |name: &str, stage: &str| json!({"database": name, "stage": stage, "copies": []});
        assert_eq!(stages.news(), Some(json!({"databases": [told("shop", "dumping"), told("blog", "waiting")]})));
        assert_eq!(stages.news(), None, "nothing is told twice");

        stages.reach("shop", Stage::Proving);
        stages.add_copy("shop", json!({"destination": "a"}));
        let first = json!({"database": "shop", "stage": "proving", "copies": [{"destination": "a"}]});
        assert_eq!(stages.news().unwrap()["databases"][0], first);
        stages.add_copy("shop", json!({"destination": "b"}));
        stages.fail("blog", "no such database");
        let both = json!({"database": "shop", "copies": [{"destination": "a"}, {"destination": "b"}]});
        let failed = json!({"database": "blog", "copies": [], "error": "no such database"});
        assert_eq!(stages.news(), Some(json!({"databases": [both, failed]})));
    }
}

//! What must hold of runs, whatever happens: compared with what the servers say while a story goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::Value;

use crate::content;
use crate::estate::{Estate, MARKED};
use crate::stored::{Spot, Stored, is_whole};

/// What a run has changed outside of the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Trace {
    Backups(BTreeSet<Spot>),
    /// The fingerprint of a restore's target; `None` if it does not exist.
    Target(Option<String>),
}

/// How a run was seen to have ended.
#[derive(Debug)]
struct End {
    state: String,
    trace: Trace,
}

#[derive(Default)]
pub(crate) struct Model {
    /// Runs that a server has accepted.
    pub(crate) accepted: BTreeSet<String>,
    ends: BTreeMap<String, End>,
    pub(crate) stored: Stored,
}

impl Model {
    /// Takes in what a server lists.
    pub(crate) fn note(&mut self, estate: &Estate, runs: &[Value]) {
        let mut active = BTreeSet::new();
        for run in runs {
            let (id, state) = (text(run, "id"), text(run, "state"));
            let before = self.ends.get(id).map(|end| end.state.as_str());
            if is_active(run) {
                assert!(before.is_none(), "run {id} had ended as {before:?}, and is {state} again");
                let job = run["jobId"].as_str();
                assert!(job.is_none_or(|job| active.insert(job)), "two runs of one job at once: {run}");
            } else if before != Some(state) {
                // A server that was cut off from the catalog says later how its run really ended.
                assert!(matches!(before, None | Some("interrupted")), "run {id} was {before:?}, and is {state} now");
                let trace = self.trace(estate, run);
                check_restore(estate, run, &trace);
                self.ends.insert(id.to_owned(), End { state: state.to_owned(), trace });
            }
        }
    }

    /// Fails if a run has changed something after its end.
    pub(crate) fn assert_nothing_changed(&mut self, estate: &Estate, runs: &[Value]) {
        for run in runs {
            let now = self.trace(estate, run);
            let end = &self.ends[text(run, "id")];
            assert_eq!(end.trace, now, "a run changed something after it had ended as {}: {run}", end.state);
        }
    }

    fn trace(&mut self, estate: &Estate, run: &Value) -> Trace {
        match run["kind"].as_str().unwrap() {
            "restore" => Trace::Target(Target::of(run).content(estate)),
            "copy" => Trace::Backups(copied(estate, run)),
            _ => Trace::Backups(self.stored.of_run(&estate.world, text(run, "id"))),
        }
    }
}

/// Returns what a run copied, if it is there.
fn copied(estate: &Estate, run: &Value) -> BTreeSet<Spot> {
    let (from, path) = (text(&run["request"], "destinationId"), text(&run["request"], "path"));
    let spot = (estate.other_place(from), path.to_owned());
    let whole = is_whole(&estate.world, &spot);
    assert!(!is_success(run) || whole.is_ok(), "{whole:?} of {run}");
    if whole.is_ok() { BTreeSet::from([spot]) } else { BTreeSet::new() }
}

/// A restore that succeeded has put there what was backed up; one that was cancelled or failed has put nothing there.
fn check_restore(estate: &Estate, run: &Value, trace: &Trace) {
    let Trace::Target(found) = trace else { return };
    let target = Target::of(run);
    match text(run, "state") {
        "succeeded" | "succeededWithWarnings" => {
            assert_eq!(found.as_ref(), Some(target.expected(estate)), "not what was backed up: {run}");
        }
        "cancelled" | "failed" if run["result"]["kept"].is_null() => {
            let before = (run["request"]["overwrite"] == true).then(|| estate.known[MARKED].clone());
            assert_eq!(*found, before, "it changed something: {run}");
        }
        _ => {}
    }
}

/// What a restore fills: always something new, whose name tells which database the backup is of.
pub(crate) enum Target {
    Database(String),
    File(PathBuf),
}

impl Target {
    pub(crate) fn of(run: &Value) -> Self {
        let name = run["request"]["database"].as_str().unwrap_or_else(|| panic!("no target: {run}"));
        if name.starts_with('/') { Self::File(name.into()) } else { Self::Database(name.to_owned()) }
    }

    pub(crate) fn content(&self, estate: &Estate) -> Option<String> {
        match self {
            Self::Database(name) => content::of_postgres(&estate.source, name),
            Self::File(path) => content::of_sqlite(path),
        }
    }

    /// What a restore that succeeded has put there: what replaces a marked database is a blog.
    pub(crate) fn expected<'a>(&self, estate: &'a Estate) -> &'a String {
        match self {
            Self::Database(name) if original(name) == MARKED => &estate.known["blog"],
            Self::Database(name) => &estate.known[original(name)],
            Self::File(_) => &estate.known["books"],
        }
    }
}

/// The database that a restored one, `shop_r3`, is a copy of, over however many backups.
pub(crate) fn original(database: &str) -> &str {
    database.split("_r").next().unwrap_or(database)
}

pub(crate) fn is_active(run: &Value) -> bool {
    matches!(text(run, "state"), "queued" | "running")
}

pub(crate) fn is_success(run: &Value) -> bool {
    matches!(text(run, "state"), "succeeded" | "succeededWithWarnings")
}

pub(crate) fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object[field].as_str().unwrap_or_else(|| panic!("no {field} in {object}"))
}

/// A copy that a run says it has made.
pub(crate) struct Copy<'a> {
    pub(crate) destination: &'a str,
    pub(crate) path: &'a str,
    pub(crate) database: &'a str,
}

/// Returns the copies that a backup's result lists as made.
pub(crate) fn copies(run: &Value) -> Vec<Copy<'_>> {
    let databases = run["result"]["databases"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut made = Vec::new();
    for database in databases {
        for copy in database["copies"].as_array().into_iter().flatten() {
            if let Some(path) = copy["path"].as_str() {
                let (destination, database) = (text(copy, "destinationId"), text(database, "database"));
                made.push(Copy { destination, path, database });
            }
        }
    }
    made
}

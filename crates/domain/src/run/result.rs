//! What a run came to, so far if it has not ended. Free text in it is for people; programs go by everything else.

use std::str::FromStr;

use jiff::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::{FailureCode, RunKind};
use crate::outcome::RunState;
use crate::rows::{RowComparison, RowTotals};
use crate::sidecar::{Checksum, Size};
use crate::stored::{VerificationMethod, named};
use crate::warning::ListedWarning;

/// What a run came to. In JSON it carries its `kind`; one that is not known is an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum RunResult {
    /// A backup.
    Backup(BackupResult),
    /// A copy.
    Copy(CopiedTo),
    /// A restore.
    Restore(RestoreResult),
}

impl<'de> Deserialize<'de> for RunResult {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Map::deserialize(deserializer)?;
        let kind = match fields.remove("kind") {
            Some(kind) => kind.as_str().unwrap_or_default().parse().map_err(D::Error::custom)?,
            None => kind_before_there_were_kinds(&fields),
        };
        let fields = Value::Object(fields);
        let read = match kind {
            RunKind::Backup => serde_json::from_value(fields).map(Self::Backup),
            RunKind::Copy => serde_json::from_value(fields).map(Self::Copy),
            RunKind::Restore => serde_json::from_value(fields).map(Self::Restore),
        };
        read.map_err(D::Error::custom)
    }
}

/// Results of earlier versions do not name their kind: only backups have `databases`, and only copies a `destinationId`.
fn kind_before_there_were_kinds(fields: &Map<String, Value>) -> RunKind {
    match (fields.contains_key("databases"), fields.contains_key("destinationId")) {
        (true, _) => RunKind::Backup,
        (false, true) => RunKind::Copy,
        (false, false) => RunKind::Restore,
    }
}

/// What a backup came to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct BackupResult {
    /// In the order of their turns.
    pub databases: Vec<DatabaseResult>,
    /// What concerns no database in particular: databases that were left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schema(required = false))]
    pub warnings: Vec<ListedWarning>,
}

/// What the backup of one database came to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DatabaseResult {
    /// Its name.
    pub database: String,
    /// Where it stands, as long as more is to come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// Since when the engine keeps a snapshot of it for the dump.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub held_since: Option<Timestamp>,
    /// When its dump began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub started_at: Option<Timestamp>,
    /// When nothing more was to come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub finished_at: Option<Timestamp>,
    /// Bytes of the dump, once it is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dumped_bytes: Option<u64>,
    /// Rows that were dumped, if they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<RowTotals>,
    /// Why there is no dump, and so no copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The same for programs; absent in runs of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<FailureCode>,
    /// What the tool, the server or the storage said, word for word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub technical_details: Option<String>,
    /// Per destination.
    pub copies: Vec<CopyResult>,
    /// What the dump lacks, and what could not be checked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schema(required = false))]
    pub warnings: Vec<ListedWarning>,
}

named! {
    /// Where a database stands that is not through yet.
    Stage {
        /// Others come first.
        Waiting = "waiting",
        /// It is dumped, compressed, encrypted and sent, in one pass.
        Dumping = "dumping",
        /// The dump has proved its end; the copies are published and proved.
        Proving = "proving",
    }
}

/// What became of a copy at one destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum CopyResult {
    /// It is there, provably whole.
    Stored(StoredCopy),
    /// It is not.
    Missing(MissingCopy),
}

/// A copy that is provably whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct StoredCopy {
    /// The destination's id.
    #[serde(default)]
    pub destination_id: String,
    /// Its name at the time.
    pub destination: String,
    /// The file, in the destination's folder.
    pub path: String,
    /// Sizes in bytes.
    pub size: Size,
    /// Digests, by algorithm, in lower-case hexadecimal.
    #[cfg_attr(feature = "openapi", schema(value_type = std::collections::BTreeMap<String, String>))]
    pub checksum: Checksum,
    /// How the destination's copy was verified; absent in runs of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_by: Option<VerificationMethod>,
    /// When it was published and verified; absent in runs of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub stored_at: Option<Timestamp>,
}

/// A copy that is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct MissingCopy {
    /// The destination's id.
    #[serde(default)]
    pub destination_id: String,
    /// Its name at the time.
    pub destination: String,
    /// Why, and what to do.
    pub error: String,
    /// The same for programs; absent in runs of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<FailureCode>,
    /// What the tool, the server or the storage said, word for word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub technical_details: Option<String>,
}

/// What a copy of a stored backup came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CopiedTo {
    /// The file, in the destination's folder.
    pub path: String,
    /// Where it is now.
    pub destination_id: String,
}

/// What a restore came to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RestoreResult {
    /// The address of the database that is in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Bytes of the dump.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Whether the restored database has the rows that the backup recorded; absent if the backup recorded none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<RowComparison>,
    /// What could not be carried over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schema(required = false))]
    pub warnings: Vec<ListedWarning>,
    /// What could not be restored; the first 500.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schema(required = false))]
    pub failed_objects: Vec<FailedObject>,
    /// How many could not be restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_object_count: Option<usize>,
    /// The passing name of a restored database that could not be put in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
    /// The option that the restore can be tried again with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way_on: Option<RetryOption>,
}

/// An object of a backup that could not be restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct FailedObject {
    /// Its kind and name: `MATERIALIZED VIEW public.m`.
    pub object: String,
    /// The tool's words.
    pub error: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cure: Option<String>,
}

/// The option that a restore that failed can be tried again with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum RetryOption {
    /// Continue past errors.
    ContinueOnError,
}

impl RunResult {
    /// Returns the result with all of its free text changed: what tools, servers and storages said.
    #[must_use]
    pub fn with_words(mut self, change: &dyn Fn(&str) -> String) -> Self {
        let each = |text: &mut String| *text = change(text);
        let of_warnings = |warnings: &mut Vec<ListedWarning>| {
            for ListedWarning { warning, .. } in warnings {
                each(&mut warning.message);
                warning.cure.iter_mut().for_each(each);
            }
        };
        match &mut self {
            Self::Backup(result) => {
                of_warnings(&mut result.warnings);
                for database in &mut result.databases {
                    database.error.iter_mut().chain(&mut database.technical_details).for_each(each);
                    of_warnings(&mut database.warnings);
                    for copy in &mut database.copies {
                        if let CopyResult::Missing(missing) = copy {
                            each(&mut missing.error);
                            missing.technical_details.iter_mut().for_each(each);
                        }
                    }
                }
            }
            Self::Restore(result) => {
                result.rows.iter_mut().filter_map(|rows| rows.note.as_mut()).for_each(each);
                of_warnings(&mut result.warnings);
                for object in &mut result.failed_objects {
                    each(&mut object.error);
                    object.cure.iter_mut().for_each(each);
                }
            }
            Self::Copy(_) => {}
        }
        self
    }
}

impl BackupResult {
    /// Returns what a run with this result came to, by the success contract: one copy that is missing makes it partial, none that is
    /// there makes it failed, and a warning that nobody has acknowledged is part of its state.
    pub fn state(&self) -> RunState {
        let copies = self.databases.iter().flat_map(|database| {
            let lacks_dump = (database.error.is_some() || database.copies.is_empty()).then_some(false);
            lacks_dump.into_iter().chain(database.copies.iter().map(CopyResult::is_stored))
        });
        RunState::of(copies, self.unacknowledged().next().is_some())
    }

    /// Returns whether nothing more is to come.
    pub fn has_ended(&self) -> bool {
        !self.databases.is_empty() && self.databases.iter().all(|database| database.stage.is_none())
    }

    /// Returns every warning that nobody has acknowledged.
    pub fn unacknowledged(&self) -> impl Iterator<Item = &ListedWarning> {
        self.all_warnings().filter(|warning| !warning.acknowledged)
    }

    /// Returns the run's own warnings, then those of each database.
    pub fn all_warnings(&self) -> impl Iterator<Item = &ListedWarning> {
        self.warnings.iter().chain(self.databases.iter().flat_map(|database| &database.warnings))
    }
}

impl DatabaseResult {
    /// Creates the entry of a database that waits for its turn. Some of its copies may be known to be missing.
    pub fn waiting(database: impl Into<String>, missing: Vec<MissingCopy>) -> Self {
        let copies = missing.into_iter().map(CopyResult::Missing).collect();
        Self {
            database: database.into(),
            stage: Some(Stage::Waiting),
            held_since: None,
            started_at: None,
            finished_at: None,
            dumped_bytes: None,
            rows: None,
            error: None,
            code: None,
            technical_details: None,
            copies,
            warnings: Vec::new(),
        }
    }

    /// Returns whether it is stored at every destination of the run.
    pub fn is_whole(&self) -> bool {
        self.error.is_none() && !self.copies.is_empty() && self.copies.iter().all(CopyResult::is_stored)
    }
}

impl CopyResult {
    /// Returns the destination's id.
    pub fn destination_id(&self) -> &str {
        match self {
            Self::Stored(copy) => &copy.destination_id,
            Self::Missing(copy) => &copy.destination_id,
        }
    }

    /// Returns the destination's name at the time.
    pub fn destination(&self) -> &str {
        match self {
            Self::Stored(copy) => &copy.destination,
            Self::Missing(copy) => &copy.destination,
        }
    }

    /// Returns whether it is there, provably whole.
    pub fn is_stored(&self) -> bool {
        matches!(self, Self::Stored(_))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Warning;

    fn stored() -> Value {
        json!({"destinationId": "d", "destination": "a", "path": "p", "size": {"plain": 3, "stored": 2},
            "checksum": {"sha256Plain": "a", "sha256Stored": "b"}})
    }

    #[test]
    fn every_result_is_read_as_what_it_is() {
        let missing = json!({"destinationId": "e", "destination": "b", "error": "full"});
        let backup = json!({"databases": [{"database": "shop", "copies": [stored(), missing]}]});
        let restore =
            json!({"target": "postgres://h/shop", "size": 5, "warnings": [{"code": "settings", "message": "m"}]});
        let kept = json!({"kept": "shop__x"});
        let copy = json!({"path": "p", "destinationId": "d"});
        for (stored, is_it) in [
            (&backup, (|result| matches!(result, RunResult::Backup(_))) as fn(&RunResult) -> bool),
            (&restore, |result| matches!(result, RunResult::Restore(_))),
            (&kept, |result| matches!(result, RunResult::Restore(_))),
            (&copy, |result| matches!(result, RunResult::Copy(_))),
        ] {
            // As earlier versions stored it.
            let result: RunResult = serde_json::from_value(stored.clone()).unwrap();
            assert!(is_it(&result), "{stored}");
            let mut written = serde_json::to_value(&result).unwrap();
            assert_eq!(serde_json::from_value::<RunResult>(written.clone()).unwrap(), result);
            assert!(written.as_object_mut().unwrap().remove("kind").is_some());
            assert_eq!(written, *stored);
        }
    }

    #[test]
    fn a_result_of_an_unknown_kind_is_an_error_and_no_restore() {
        for unknown in [json!({"kind": "drill", "target": "x"}), json!({"kind": null}), json!({"kind": 1}), json!([])] {
            assert!(serde_json::from_value::<RunResult>(unknown.clone()).is_err(), "{unknown}");
        }
        let error = serde_json::from_value::<RunResult>(json!({"kind": "drill"})).unwrap_err();
        assert!(error.to_string().contains("'drill' is not a kind of run"), "{error}");
    }

    fn result(database: &Value) -> BackupResult {
        let whole = json!({"database": "shop", "copies": [stored()]});
        serde_json::from_value(json!({"databases": [whole, database]})).unwrap()
    }

    #[test]
    fn the_state_follows_the_success_contract() {
        let missing = json!({"destinationId": "e", "destination": "b", "error": "full"});
        for (database, state) in [
            (json!({"database": "blog", "copies": [stored()]}), RunState::Succeeded),
            (json!({"database": "blog", "copies": [stored(), missing]}), RunState::Partial),
            (json!({"database": "blog", "copies": [], "error": "no such database"}), RunState::Partial),
            (json!({"database": "blog", "copies": []}), RunState::Partial),
        ] {
            assert_eq!(result(&database).state(), state, "{database}");
        }
        assert_eq!(BackupResult::default().state(), RunState::Failed);
        let mut warned = result(&json!({"database": "blog", "copies": [stored()]}));
        warned.warnings.push(Warning::new("x", "y").listed(&[]));
        assert_eq!(warned.state(), RunState::SucceededWithWarnings);
        warned.warnings[0].acknowledged = true;
        assert_eq!(warned.state(), RunState::Succeeded);
    }

    #[test]
    fn only_a_result_without_stages_has_ended() {
        assert!(result(&json!({"database": "blog", "copies": [stored()]})).has_ended());
        assert!(!result(&json!({"database": "blog", "stage": "proving", "copies": [stored()]})).has_ended());
        assert!(!BackupResult::default().has_ended());
    }

    #[test]
    fn only_free_text_is_changed() {
        let missing = json!({"destinationId": "secret", "destination": "secret", "error": "secret", "technicalDetails": "secret"});
        let warning = json!({"code": "secret", "subject": "secret", "message": "secret", "cure": "secret"});
        let stored = json!({"databases": [{"database": "secret", "error": "secret", "copies": [missing], "warnings": [warning]}],
            "warnings": [warning]});
        let result: RunResult = serde_json::from_value(stored).unwrap();
        let changed = serde_json::to_value(result.with_words(&|text| text.replace("secret", "***"))).unwrap();
        let warning = json!({"code": "secret", "subject": "secret", "message": "***", "cure": "***"});
        let missing =
            json!({"destinationId": "secret", "destination": "secret", "error": "***", "technicalDetails": "***"});
        let expected = json!({"kind": "backup", "databases": [{"database": "secret", "error": "***", "copies": [missing], "warnings": [warning]}],
            "warnings": [warning]});
        assert_eq!(changed, expected);
    }
}

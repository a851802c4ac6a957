//! What a backup came to.

use domain::Warning;
use domain::outcome::RunStatus;
use domain::run::{BackupResult, CopyResult, DatabaseResult, FailureCode, MissingCopy, RunResult, StoredCopy};
use domain::warning::ListedWarning;
use jiff::Timestamp;
use runner::RunReport;
use runner::backup::{CopyReport, Failure as CopyFailure, Stored};

use super::super::executor::Outcome;
use crate::failure::of_storage;
use crate::stored_copies::method;

/// A destination that cannot, and why.
pub(super) struct Missing {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) reason: String,
    pub(super) code: FailureCode,
    pub(super) technical_details: Option<String>,
}

/// Why there is no copy at a destination.
pub(super) fn of_copy(failure: &CopyFailure) -> String {
    match failure {
        CopyFailure::Destination(error) => of_storage(error),
        failure => failure.to_string(),
    }
}

/// What is the matter with a destination; many a reason names it already.
pub(super) fn about(name: &str, reason: &str) -> String {
    if reason.starts_with(name) { reason.to_owned() } else { format!("{name}: {reason}") }
}

/// What a report comes to by the success contract ([`BackupResult::state`]), and why it is no success.
pub(super) fn outcome_of(result: BackupResult, missing: &[Missing]) -> Outcome {
    let failure = result.databases.iter().find_map(first_failure);
    let unreached = |missing: &Missing| {
        (about(&missing.name, &missing.reason), Some(missing.code), missing.technical_details.clone())
    };
    let failure = failure.or_else(|| missing.first().map(unreached));
    let (error, code, technical_details) =
        failure.map_or((None, None, None), |(error, code, details)| (Some(error), code, details));
    let (state, result) = (result.state().into(), Some(RunResult::Backup(result)));
    Outcome { state, error, code, technical_details, result, committed: false }
}

/// Returns why, the same for programs, and the raw words.
fn first_failure(database: &DatabaseResult) -> Option<(String, Option<FailureCode>, Option<String>)> {
    let of_copy = |copy: &CopyResult| match copy {
        CopyResult::Stored(_) => None,
        CopyResult::Missing(MissingCopy { destination, error, code, technical_details, .. }) => {
            Some((about(destination, error), *code, technical_details.clone()))
        }
    };
    match &database.error {
        Some(error) => {
            Some((format!("{}: {error}", database.database), database.code, database.technical_details.clone()))
        }
        None => database.copies.iter().find_map(of_copy),
    }
}

/// What a run came to whose server died before it could say so, if its result as it grew shows every copy of every database.
pub(in crate::runs) fn whole_without_end(result: &RunResult) -> Option<RunStatus> {
    let RunResult::Backup(result) = result else { return None };
    Some(RunStatus::from(result.state())).filter(|state| result.has_ended() && state.is_success())
}

pub(super) fn not_reached(missing: &Missing) -> MissingCopy {
    let Missing { id, name, reason, code, technical_details } = missing;
    MissingCopy {
        destination_id: id.clone(),
        destination: name.clone(),
        error: reason.clone(),
        code: Some(*code),
        technical_details: technical_details.clone(),
    }
}

pub(super) fn copy_result(copy: &CopyReport, stored_at: Option<Timestamp>) -> CopyResult {
    let CopyReport { destination_id: id, destination: name, result } = copy;
    match result {
        Ok(stored) => CopyResult::Stored(stored_copy(id, name, stored, stored_at)),
        Err(failure) => CopyResult::Missing(missing_copy(id, name, failure)),
    }
}

pub(super) fn missing_copy(id: &str, name: &str, failure: &CopyFailure) -> MissingCopy {
    MissingCopy {
        destination_id: id.to_owned(),
        destination: name.to_owned(),
        error: of_copy(failure),
        code: Some(failure.code()),
        technical_details: failure.technical_details().map(str::to_owned),
    }
}

/// A copy as a result lists it.
pub(in crate::runs) fn stored_copy(id: &str, name: &str, stored: &Stored, stored_at: Option<Timestamp>) -> StoredCopy {
    StoredCopy {
        destination_id: id.to_owned(),
        destination: name.to_owned(),
        path: stored.path.clone(),
        size: stored.sidecar.size,
        checksum: stored.sidecar.checksum.clone(),
        verified_by: Some(method(stored.proved)),
        stored_at,
    }
}

/// Warnings as a result lists them, those marked that the job acknowledges.
pub(in crate::runs) fn listed(warnings: &[Warning], acknowledged: &[String]) -> Vec<ListedWarning> {
    warnings.iter().map(|warning| warning.listed(acknowledged)).collect()
}

pub(super) fn result_of(report: &RunReport, missing: &[Missing], acknowledged: &[String]) -> BackupResult {
    let databases = report.databases.iter().map(|database| {
        let made = database.copies.iter().map(|copy| copy_result(copy, None));
        let unreached = missing.iter().map(|missing| CopyResult::Missing(not_reached(missing)));
        DatabaseResult {
            stage: None,
            error: database.failure.as_ref().map(ToString::to_string),
            code: database.failure.as_ref().map(CopyFailure::code),
            technical_details: database.failure.as_ref().and_then(CopyFailure::technical_details).map(str::to_owned),
            copies: made.chain(unreached).collect(),
            rows: database.rows,
            warnings: listed(&database.warnings, acknowledged),
            ..DatabaseResult::waiting(&database.database, Vec::new())
        }
    });
    BackupResult { databases: databases.collect(), warnings: listed(&report.warnings, acknowledged) }
}

#[cfg(test)]
mod tests {
    use runner::backup::DatabaseReport;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn every_warning_is_in_the_result_and_only_the_others_count() {
        let warning = Warning::new("invalid-database", "'broken' is invalid").about("broken").with_cure("Drop it.");
        let report = RunReport {
            run_id: "r".to_owned(),
            state: domain::RunState::SucceededWithWarnings,
            warnings: vec![warning],
            databases: vec![DatabaseReport {
                database: "shop".to_owned(),
                failure: None,
                rows: None,
                warnings: vec![Warning::new("unlogged-tables", "a table is unlogged")],
                copies: Vec::new(),
            }],
        };
        let result = result_of(&report, &[], &["unlogged-tables".to_owned()]);
        let result = serde_json::to_value(result).unwrap();
        let left_out = json!({"code": "invalid-database", "subject": "broken", "message": "'broken' is invalid", "cure": "Drop it."});
        assert_eq!(result["warnings"], json!([left_out]));
        let unlogged = json!({"code": "unlogged-tables", "message": "a table is unlogged", "acknowledged": true});
        assert_eq!(result["databases"][0]["warnings"], json!([unlogged]));
    }

    #[test]
    fn only_a_result_with_every_copy_is_whole_without_its_end() {
        let copy = json!({"destination": "a", "path": "p", "size": {"plain": 1, "stored": 1},
            "checksum": {"sha256Plain": "a", "sha256Stored": "b"}});
        let shop = json!({"database": "shop", "copies": [copy]});
        let of = |result: Value| whole_without_end(&serde_json::from_value(result).unwrap());
        let state = |databases: Value| of(json!({"databases": databases}));
        assert_eq!(state(json!([shop, shop])), Some(RunStatus::Succeeded));
        for lacking in [
            json!({"database": "blog", "stage": "proving", "copies": [copy]}),
            json!({"database": "blog", "copies": [copy, {"destination": "b", "error": "full"}]}),
            json!({"database": "blog", "copies": [copy], "error": "no such database"}),
            json!({"database": "blog", "copies": []}),
        ] {
            assert_eq!(state(json!([shop, lacking])), None, "{lacking}");
        }
        assert_eq!(state(json!([])), None);
        let warned = |warning: Value| of(json!({"databases": [shop], "warnings": [warning]}));
        assert_eq!(warned(json!({"code": "x", "message": "m"})), Some(RunStatus::SucceededWithWarnings));
        let known = json!({"code": "x", "message": "m", "acknowledged": true});
        assert_eq!(warned(known), Some(RunStatus::Succeeded));
    }
}

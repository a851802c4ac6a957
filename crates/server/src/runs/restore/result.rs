//! What a restore came to.

use domain::RunState;
use domain::run::{FailureCode, RestoreResult, RetryOption, RunResult};
use runner::restore::state_of;
use sources::{FailedObject, Restored, WayOn};

use super::super::backup::listed;
use super::super::executor::Outcome;
use crate::failure::Failure;

/// Maximum number of failed objects in a result. A backup can have many thousands.
pub(super) const MAX_OBJECTS: usize = 500;
/// Maximum length of a tool's words about one object, in bytes.
const MAX_OBJECT_ERROR_LEN: usize = 2048;

/// The outcome of a restore that was put in its place.
pub(super) fn outcome_of(restored: &Restored) -> Outcome {
    let Restored { target, failed_objects, warnings } = restored;
    let state = state_of(restored);
    let result = RestoreResult {
        target: Some(target.clone()),
        warnings: listed(warnings, &[]),
        failed_objects: failed_objects.iter().take(MAX_OBJECTS).map(cut).collect(),
        failed_object_count: Some(failed_objects.len()).filter(|count| *count > 0),
        ..RestoreResult::default()
    };
    let error = (state == RunState::Partial).then(|| match failed_objects.as_slice() {
        [only] => format!("{} could not be restored; everything else was", only.object),
        several => format!("{} objects could not be restored; everything else was", several.len()),
    });
    let code = error.as_ref().map(|_| FailureCode::ObjectFailed);
    let (state, result) = (state.into(), Some(RunResult::Restore(result)));
    Outcome { state, error, code, technical_details: None, result, committed: true }
}

/// The outcome of a restore that failed. What goes on from here is in its result.
pub(super) fn failed(failure: &Failure) -> Outcome {
    // A stop is not told in its place: the stop did not leave everything as it was.
    let outcome = Outcome {
        committed: failure.may_have_changed(),
        technical_details: failure.technical_details().map(str::to_owned),
        ..Outcome::failed(failure.code(), failure.with_way_on())
    };
    let result = match failure.way_on() {
        Some(WayOn::PutInPlace(kept)) => RestoreResult { kept: Some(kept.to_owned()), ..RestoreResult::default() },
        Some(WayOn::ContinueOnError) => {
            RestoreResult { way_on: Some(RetryOption::ContinueOnError), ..RestoreResult::default() }
        }
        Some(WayOn::Overwrite) | None => return outcome,
    };
    let committed = outcome.committed || result.kept.is_some();
    Outcome { result: Some(RunResult::Restore(result)), committed, ..outcome }
}

fn cut(object: &FailedObject) -> FailedObject {
    FailedObject { error: domain::text::cut(&object.error, MAX_OBJECT_ERROR_LEN), ..object.clone() }
}

#[cfg(test)]
mod tests {
    use domain::Warning;
    use domain::outcome::RunStatus;
    use runner::OpenError;

    use super::*;

    fn object(name: &str) -> FailedObject {
        FailedObject { object: name.to_owned(), error: "no function f()".repeat(1000), cure: Some("Create it.".into()) }
    }

    fn restore_result(outcome: &Outcome) -> &RestoreResult {
        let Some(RunResult::Restore(result)) = &outcome.result else { panic!("{:?}", outcome.result) };
        result
    }

    #[test]
    fn a_restore_without_some_objects_is_partial_and_lists_them_bounded() {
        let objects: Vec<FailedObject> = (0..600).map(|number| object(&format!("VIEW v{number}"))).collect();
        let outcome = outcome_of(&Restored { failed_objects: objects, ..Restored::whole("shop") });
        assert_eq!(outcome.state, RunStatus::Partial);
        let result = restore_result(&outcome);
        assert_eq!(
            (result.failed_object_count, result.failed_objects[0].cure.as_deref()),
            (Some(600), Some("Create it."))
        );
        assert_eq!(result.failed_objects.len(), MAX_OBJECTS);
        assert!(serde_json::to_string(result).unwrap().len() < 2 * 1024 * 1024);
    }

    #[test]
    fn a_restore_with_warnings_succeeded_with_warnings() {
        let warnings = vec![Warning::new("settings", "work_mem was not kept")];
        let outcome = outcome_of(&Restored { warnings, ..Restored::whole("shop") });
        assert_eq!((outcome.state, outcome.error.as_ref()), (RunStatus::SucceededWithWarnings, None));
        assert_eq!(restore_result(&outcome).warnings[0].warning.code, "settings");
    }

    #[test]
    fn a_kept_database_is_named_in_the_result_even_if_the_run_was_stopped_meanwhile() {
        let kept =
            sources::Error::new(sources::Kind::Kept { name: "shop__x".into() }, "'shop' could not be replaced", "busy");
        let outcome = failed(&OpenError::Source(kept).into());
        assert!(outcome.committed);
        assert_eq!(restore_result(&outcome).kept.as_deref(), Some("shop__x"));
        assert!(outcome.error.unwrap().ends_with("choose \u{201c}Try the swap again\u{201d}"));
    }

    #[test]
    fn a_restore_whose_outcome_is_unknown_is_not_told_as_cancelled() {
        let unknown =
            sources::Error::new(sources::Kind::Uncertain, "it is unknown whether it is complete", "no answer");
        let leftover = sources::Error::failed("'shop' is partly filled now", "it was filled directly");
        for failure in [
            Failure::Source(unknown.clone()),
            OpenError::Source(unknown).into(),
            OpenError::Leftover { cause: Box::new(OpenError::Cancelled), leftover }.into(),
        ] {
            assert!(failed(&failure).committed, "{failure}");
        }
        assert!(!failed(&OpenError::Cancelled.into()).committed);
    }

    #[test]
    fn a_restore_that_an_object_stopped_names_the_way_on_in_the_uis_words() {
        let stopped = sources::Error::new(sources::Kind::Object, "could not restore", "no f()");
        let outcome = failed(&OpenError::Source(stopped).into());
        assert_eq!(restore_result(&outcome).way_on, Some(RetryOption::ContinueOnError));
        let words = outcome.error.unwrap();
        assert!(words.contains("Continue past errors") && !words.contains("--"), "{words}");
    }
}

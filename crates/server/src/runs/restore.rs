//! Carrying out a restore.

use std::sync::Arc;

use catalog::{PageRequest, Run};
use domain::RunState;
use domain::naming::job_folder;
use domain::run::{FailureCode, PutInPlaceSpec, RestoreResult, RestoreSpec, RetryOption, RunEvent, RunResult};
use pipeline::keys::Identity;
use runner::provenance::check_encryption;
use runner::restore::state_of;
use runner::{Controls, Expected, OpenError, OpenRequest, RestoreEvent, RestoreReport};
use sources::{FailedObject, OnError, RestoreOptions, Restored, Source, WayOn};
use tokio::sync::mpsc;

use super::Active;
use super::backup::listed;
use super::executor::Outcome;
use super::guard::StillOurs;
use crate::app::App;
use crate::failure::Failure;
use crate::patience::Patience;
use crate::restore_targets::{Asked, Permitted, check_kept};

/// Maximum number of events that wait to be stored.
const EVENTS: usize = 64;
/// Maximum number of failed objects in a result. A backup can have many thousands.
const MAX_OBJECTS: usize = 500;
/// Maximum length of a tool's words about one object, in bytes.
const MAX_OBJECT_ERROR_LEN: usize = 2048;

/// What a run asks of [`App::restore_target`].
pub(crate) fn asked(spec: &RestoreSpec) -> Asked<'_> {
    Asked { source_id: &spec.source_id, database: spec.database.as_deref(), administers: spec.administers }
}

/// What a run asks of its target.
pub(crate) fn options(spec: &RestoreSpec) -> RestoreOptions {
    RestoreOptions {
        overwrite: spec.overwrite,
        no_owner: spec.no_owner,
        on_error: if spec.continue_on_error { OnError::Continue } else { OnError::Stop },
        in_place: spec.in_place,
        allow_damaged: spec.allow_damaged,
    }
}

impl App {
    pub(crate) async fn restore(&self, run: &Run, active: &Active, spec: RestoreSpec) -> Outcome {
        self.carry_out_restore(run, active, spec).await.unwrap_or_else(|failure| failed(&failure))
    }

    /// Puts a database in its place that an earlier restore loaded and kept.
    pub(crate) async fn put_in_place(&self, run: &Run, active: &Active, spec: &PutInPlaceSpec) -> Outcome {
        self.carry_out_swap(run, active, spec).await.unwrap_or_else(|failure| failed(&failure))
    }

    async fn carry_out_restore(
        &self,
        run: &Run,
        active: &Active,
        mut request: RestoreSpec,
    ) -> Result<Outcome, Failure> {
        let permitted = self.prepared(active, self.restore_target(asked(&request))).await?;
        let Permitted { target, replaces } = permitted;
        request.database.iter().chain([&request.path]).for_each(|name| crate::redaction::make_public(name));
        // What was new when it was asked for, and is not any more at the end, is not replaced either.
        request.overwrite &= replaces;
        let opening = self.open_destination(&request.destination_id, Patience::Long);
        let destination = self.prepared(active, opening).await?;
        let expected = self.expected_origin(&request).await?;
        self.prepared(active, check_encryption(&*destination, &request.path, expected)).await?;
        let identities = self.identities().await?;
        self.log(&run.id, RunEvent::Restoring { path: request.path.clone(), target: target.name() }).await;
        let open = OpenRequest { destination: &*destination, path: &request.path, identities };
        let controls = Controls {
            progress: &active.progress,
            cancel: &active.cancel,
            guard: Arc::new(StillOurs::new(self, &run.id, active)),
            stall_timeout: self.config.stall_timeout,
            on_event: &|_| (),
        };
        match self.restore_telling(run, open, &*target, options(&request), controls).await {
            Ok(report) => {
                let size = report.decoded.plain.size;
                let event = RunEvent::Restored {
                    target: report.restored.target.clone(),
                    size,
                    checks: report.checks.to_string(),
                    fully_checked: report.checks.missing.is_none(),
                };
                self.log(&run.id, event).await;
                let mut outcome = self.outcome_of_restore(run, &report.restored).await;
                if let Some(RunResult::Restore(result)) = &mut outcome.result {
                    result.size = Some(size);
                }
                Ok(outcome)
            }
            Err(error) => {
                if let OpenError::Destination(error) = &error {
                    self.note_broken_grant(&request.destination_id, error).await;
                }
                Err(error.into())
            }
        }
    }

    /// Restores while what happens is stored in the run's log.
    async fn restore_telling(
        &self,
        run: &Run,
        open: OpenRequest<'_>,
        target: &dyn Source,
        options: RestoreOptions,
        controls: Controls<'_>,
    ) -> Result<RestoreReport, OpenError> {
        let (sender, mut events) = mpsc::channel(EVENTS);
        let restoring = async move {
            // Dropped with this block, which ends the storing.
            let on_event = move |event: RestoreEvent| {
                if sender.try_send(event).is_err() {
                    tracing::warn!(?event, "too many events came at once");
                }
            };
            runner::restore(open, target, options, &Controls { on_event: &on_event, ..controls }).await
        };
        let storing = async {
            while let Some(event) = events.recv().await {
                self.log(&run.id, event.to_data()).await;
            }
        };
        tokio::join!(restoring, storing).0
    }

    async fn carry_out_swap(&self, run: &Run, active: &Active, request: &PutInPlaceSpec) -> Result<Outcome, Failure> {
        let target = self.prepared(active, self.put_in_place_target(request)).await?;
        let (kept, place) = (request.kept.clone(), target.name());
        self.log(&run.id, RunEvent::PuttingInPlace { kept, target: place }).await;
        let restored = target.put_in_place(&request.kept, &StillOurs::new(self, &run.id, active)).await?;
        self.log(&run.id, RunEvent::InPlace { target: restored.target.clone() }).await;
        Ok(self.outcome_of_restore(run, &restored).await)
    }

    /// What is known of where a backup should come from.
    pub(crate) async fn expected_origin(&self, request: &RestoreSpec) -> Result<Expected<'_>, Failure> {
        Ok(Expected { allow_unencrypted: request.allow_unencrypted, ..self.origin(&request.path).await? })
    }

    /// What the job in whose folder a backup lies does now.
    pub(crate) async fn origin(&self, path: &str) -> Result<Expected<'_>, Failure> {
        let folder = path.rsplit('/').nth(1).unwrap_or_default().to_lowercase();
        let mut page = PageRequest { after: None, limit: 200 };
        loop {
            let jobs = self.catalog.jobs(&page).await?;
            let job = jobs.items.iter().find(|job| job_folder(&job.job.name).to_lowercase() == folder);
            match (job, jobs.items.last().filter(|_| jobs.more)) {
                (None, Some(last)) => page.after = Some(last.job.name.clone()),
                (job, _) => {
                    let encrypted = job.is_some_and(|job| job.job.profile_id.is_some());
                    let signed_by = Some(self.signer.public_key());
                    return Ok(Expected { encrypted, signed_by, is_own_job: job.is_some(), ..Expected::default() });
                }
            }
        }
    }

    /// Opens the database that a kept one replaces, if it may.
    pub(crate) async fn put_in_place_target(&self, request: &PutInPlaceSpec) -> Result<Box<dyn Source>, Failure> {
        let PutInPlaceSpec { source_id, database, kept, administers, .. } = request;
        let asked = Asked { source_id, database: database.as_deref(), administers: *administers };
        let target = self.restore_target(asked).await?.target;
        if !administers {
            let own = target.databases().await?.names;
            check_kept(kept, database.as_deref().or(own.first().map(String::as_str)).unwrap_or_default())?;
        }
        Ok(target)
    }

    async fn outcome_of_restore(&self, run: &Run, restored: &Restored) -> Outcome {
        for object in restored.failed_objects.iter().take(MAX_OBJECTS) {
            self.log(&run.id, RunEvent::NotRestored { object: object.clone() }).await;
        }
        for warning in &restored.warnings {
            self.log(&run.id, RunEvent::Warning { database: None, warning: warning.listed(&[]) }).await;
        }
        outcome_of(restored)
    }

    /// Every private key that this server has.
    pub(crate) async fn identities(&self) -> Result<Vec<Identity>, Failure> {
        let mut identities = Vec::new();
        for file in self.catalog.all_identities().await? {
            identities.extend(Identity::parse_file(&file)?);
        }
        Ok(identities)
    }
}

/// The outcome of a restore that was put in its place.
fn outcome_of(restored: &Restored) -> Outcome {
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
    Outcome { state: state.into(), error, code, result: Some(RunResult::Restore(result)), committed: true }
}

/// The outcome of a restore that failed. What goes on from here is in its result.
fn failed(failure: &Failure) -> Outcome {
    // A stop is not told in its place: the stop did not leave everything as it was.
    let outcome =
        Outcome { committed: failure.may_have_changed(), ..Outcome::failed(failure.code(), failure.with_way_on()) };
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
    let mut object = object.clone();
    if object.error.len() > MAX_OBJECT_ERROR_LEN {
        let end = (0..=MAX_OBJECT_ERROR_LEN).rev().find(|&end| object.error.is_char_boundary(end)).unwrap_or(0);
        object.error.truncate(end);
        object.error.push_str(" [cut]");
    }
    object
}

#[cfg(test)]
mod tests {
    use domain::Warning;
    use domain::outcome::RunStatus;

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

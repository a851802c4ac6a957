//! What a run does, as its plan: made of the catalog when the run starts, and carried out from there ([`super::plan`]).

use std::path::PathBuf;
use std::sync::Arc;

use adapter::Settings;
use adapter::authorization::{Client, Patience};
use catalog::{Job, Run};
use domain::run::{
    BackupPlan, CopyPlan, CopySpec, DestinationSecret, PlannedDestination, PlannedSource, PlannedTarget, ProfileSecret,
    PutInPlacePlan, PutInPlaceSpec, RestorePlan, RestoreSpec, RunSpec, SecretRef, SourceSecret,
};
use pipeline::keys::Identity;
use serde_json::Value;

use super::Active;
use super::plan::{Resources, Secrets};
use super::restore::asked;
use crate::app::App;
use crate::failure::Failure;
use crate::restore_targets::Permitted;
use crate::settings::HostPath;

/// The field that the grant of an authorized destination goes by.
const GRANT: &str = "refreshToken";

impl App {
    /// Returns what a job does now.
    pub(super) async fn plan_of(&self, job: Job) -> Result<BackupPlan, Failure> {
        let source = self.catalog.source(&job.source_id).await?.ok_or(Failure::Gone("the source"))?;
        let mut destinations = Vec::new();
        for id in &job.destination_ids {
            let destination = self.catalog.destination(id).await?.ok_or(Failure::Gone("a destination of the job"))?;
            destinations.push(planned_destination(destination));
        }
        let recipients = match &job.profile_id {
            None => Vec::new(),
            Some(id) => self.catalog.profile(id).await?.ok_or(Failure::Gone("the encryption profile"))?.recipients,
        };
        Ok(BackupPlan {
            job_id: job.id,
            job: job.name,
            source: planned_source(source),
            databases: job.databases,
            destinations,
            compression: job.compression,
            recipients,
            timeout_seconds: job.timeout_seconds.map(i64::unsigned_abs),
            stall_timeout_seconds: self.stall_timeout_seconds(),
            acknowledged_warnings: job.acknowledged_warnings,
            allow_damaged: job.allow_damaged,
        })
    }

    /// Returns what a run does, complete as far as it has started.
    ///
    /// # Errors
    /// [`Failure::Spec`] if this version cannot read it.
    pub(crate) async fn complete_spec(&self, run: &Run) -> Result<RunSpec, Failure> {
        self.catalog.complete_spec(run).await?.map_err(Failure::Spec)
    }

    /// Returns the plan of a backup that has started. `None` for runs of earlier versions, too, and if it cannot be read.
    pub(super) async fn backup_plan(&self, run: &Run) -> Result<Option<BackupPlan>, catalog::Error> {
        match self.catalog.complete_spec(run).await? {
            Ok(RunSpec::Backup(spec)) => Ok(spec.plan.map(|plan| *plan)),
            _ => Ok(None),
        }
    }

    /// Returns what a restore does now, if whoever asked for it may.
    pub(super) async fn plan_of_restore(&self, spec: &RestoreSpec) -> Result<RestorePlan, Failure> {
        let Permitted { source, replaces, .. } = self.restore_target(asked(spec)).await?;
        let identities = self.catalog.profiles_with_identity().await?;
        Ok(RestorePlan {
            destination: self.plan_of_destination(&spec.destination_id).await?,
            target: self.plan_of_target(source, spec.database.clone()).await?,
            replaces,
            job_encrypts: self.origin(&spec.path).await?.encrypted,
            identities: identities.into_iter().map(|profile_id| ProfileSecret { profile_id }).collect(),
            stall_timeout_seconds: self.stall_timeout_seconds(),
        })
    }

    /// Returns whose place a kept database gets now, if whoever asked for it may do that.
    pub(super) async fn plan_of_swap(&self, spec: &PutInPlaceSpec) -> Result<PutInPlacePlan, Failure> {
        let Permitted { source, .. } = self.put_in_place_target(spec).await?;
        Ok(PutInPlacePlan { target: self.plan_of_target(source, spec.database.clone()).await? })
    }

    /// Returns what a copy does now.
    pub(super) async fn plan_of_copy(&self, spec: &CopySpec) -> Result<CopyPlan, Failure> {
        Ok(CopyPlan {
            from: self.plan_of_destination(&spec.destination_id).await?,
            to: self.plan_of_destination(&spec.to_destination_id).await?,
            stall_timeout_seconds: self.stall_timeout_seconds(),
        })
    }

    /// Records what a run does, from which it is carried out then: later changes concern the next run.
    pub(super) async fn record_spec(&self, run: &Run, active: &Active, spec: &RunSpec) -> Result<(), Failure> {
        // A run that is another worker's by now is stopped by its guard.
        self.catalog.record_plan(&run.id, active.fence, spec).await?;
        Ok(())
    }

    async fn plan_of_destination(&self, id: &str) -> Result<PlannedDestination, Failure> {
        let destination = self.catalog.destination(id).await?.ok_or(Failure::Gone("the destination"))?;
        Ok(planned_destination(destination))
    }

    /// The path of another database than the source's own was judged by [`Self::restore_target`]; where it leads now is approved.
    async fn plan_of_target(
        &self,
        source: catalog::Source,
        database: Option<String>,
    ) -> Result<PlannedTarget, Failure> {
        let own = self.source_settings(&source)?;
        let other = database.as_ref().and_then(|database| own.clone().with_database(database).host_path());
        let approved_path = match other.filter(|other| Some(other) != own.host_path().as_ref()) {
            Some(HostPath { path, used, .. }) => {
                let resolved = self.host_paths(move |paths| paths.resolve(&path, used)).await?;
                Some(resolved.display().to_string())
            }
            None => None,
        };
        Ok(PlannedTarget { source: planned_source(source), database, approved_path })
    }

    fn stall_timeout_seconds(&self) -> u64 {
        self.config.stall_timeout.as_secs().max(1)
    }
}

/// The secrets are read anew, and only for the settings that the plan has: they are never sent to a place that they were not stored for.
impl Resources for App {
    async fn source_secrets(&self, source: &PlannedSource) -> Result<Secrets, Failure> {
        let stored = self.catalog.source(&source.id).await?.ok_or(Failure::Gone("the source"))?;
        check_unchanged(&stored.settings, &source.settings, "the source")?;
        Ok(self.catalog.source_secrets(&stored)?)
    }

    async fn destination_secrets(&self, destination: &PlannedDestination) -> Result<Secrets, Failure> {
        Ok(self.catalog.destination_secrets(&self.unchanged(destination).await?)?.settings)
    }

    async fn client(&self, destination: &PlannedDestination, settings: &Settings) -> Result<Arc<dyn Client>, Failure> {
        self.destination_client(self.unchanged(destination).await?, settings, Patience::Long).await
    }

    async fn identities(&self, profiles: &[ProfileSecret]) -> Result<Vec<Identity>, Failure> {
        let mut identities = Vec::new();
        for ProfileSecret { profile_id } in profiles {
            let profile = self.catalog.profile(profile_id).await?;
            let file = profile.map(|profile| self.catalog.profile_identity(&profile)).transpose()?.flatten();
            // One that was deleted since opens nothing.
            if let Some(file) = file {
                identities.extend(Identity::parse_file(&file)?);
            }
        }
        Ok(identities)
    }

    async fn resolve(&self, path: HostPath, approved: Option<String>) -> Result<PathBuf, Failure> {
        let HostPath { path, used, .. } = path;
        Ok(self.host_paths(move |paths| paths.reopen(&path, used, approved.as_deref())).await?)
    }
}

impl App {
    async fn unchanged(&self, destination: &PlannedDestination) -> Result<catalog::Destination, Failure> {
        let stored = self.catalog.destination(&destination.id).await?.ok_or(Failure::Gone("the destination"))?;
        check_unchanged(&stored.settings, &destination.settings, "the destination")?;
        Ok(stored)
    }
}

fn check_unchanged(stored: &Value, planned: &Value, what: &'static str) -> Result<(), Failure> {
    if stored == planned { Ok(()) } else { Err(Failure::Outdated(what)) }
}

fn planned_source(source: catalog::Source) -> PlannedSource {
    let catalog::Source { id, name, settings, approved_path, secrets_set, .. } = source;
    let reference = |field: String| (field.clone(), SecretRef::Source(SourceSecret { source_id: id.clone(), field }));
    let secrets = secrets_set.into_iter().map(reference).collect();
    PlannedSource { id, name, settings, approved_path, secrets }
}

fn planned_destination(destination: catalog::Destination) -> PlannedDestination {
    let catalog::Destination { id, name, settings, approved_path, secrets_set, authorization, .. } = destination;
    let reference = |field: String| {
        (field.clone(), SecretRef::Destination(DestinationSecret { destination_id: id.clone(), field }))
    };
    let grant = authorization.map(|_| GRANT.to_owned());
    let secrets = secrets_set.into_iter().chain(grant).map(reference).collect();
    PlannedDestination { id, name, settings, approved_path, secrets }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_go_nowhere_but_where_they_were_stored_for() {
        let (one, other) = (json!({"type": "postgres", "host": "a"}), json!({"type": "postgres", "host": "b"}));
        check_unchanged(&one, &one, "the source").unwrap();
        assert!(matches!(check_unchanged(&other, &one, "the source"), Err(Failure::Outdated("the source"))));
    }
}

//! What a backup does, as its plan: made of the catalog when the run starts, and carried out from there. Everything that a plan leaves
//! out comes from [`Resources`], so that it can be carried out where there is no catalog.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use adapter::authorization::{Client, Patience};
use adapter::{Registry, Settings};
use catalog::Job;
use destinations::{Context, DestinationAdapter};
use domain::run::{BackupPlan, DestinationSecret, PlannedDestination, PlannedSource, RunSpec, SecretRef, SourceSecret};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use sources::{Source, SourceAdapter};

use crate::app::App;
use crate::failure::Failure;
use crate::redaction;
use crate::settings::{Configured, HostPath};

/// The field that the grant of an authorized destination goes by.
const GRANT: &str = "refreshToken";

type Secrets = BTreeMap<String, SecretString>;

/// What a plan leaves out.
pub(crate) trait Resources: Sync {
    /// Returns the secrets of a source.
    async fn source_secrets(&self, source: &PlannedSource) -> Result<Secrets, Failure>;

    /// Returns the secrets of a destination, its grant excepted.
    async fn destination_secrets(&self, destination: &PlannedDestination) -> Result<Secrets, Failure>;

    /// Returns an authorized client, as the adapter of a destination takes it.
    async fn client(&self, destination: &PlannedDestination, settings: &Settings) -> Result<Arc<dyn Client>, Failure>;

    /// Returns where a path of this machine leads, if it may be used.
    async fn resolve(&self, path: HostPath, approved: Option<String>) -> Result<PathBuf, Failure>;
}

/// Opens the source of a plan.
///
/// # Errors
/// [`Failure`].
pub(crate) async fn open_source(
    source: &PlannedSource,
    registry: &Registry<SourceAdapter>,
    resources: &impl Resources,
) -> Result<Box<dyn Source>, Failure> {
    let mut opened = Configured::load(registry, &source.settings)?;
    if let Some(path) = opened.host_path() {
        let name = path.name;
        opened.settings.set_path(name, &resources.resolve(path, source.approved_path.clone()).await?);
    }
    let secrets = resources.source_secrets(source).await?;
    opened.manifest().public_values(&opened.settings).for_each(redaction::make_public);
    redaction::make_public(&source.name);
    secrets.values().for_each(|secret| redaction::register(secret.expose_secret()));
    Ok((opened.adapter.open)(&opened.settings, secrets)?)
}

/// Opens a destination of a plan.
///
/// # Errors
/// [`Failure`].
pub(crate) async fn open_destination(
    destination: &PlannedDestination,
    registry: &Registry<DestinationAdapter>,
    resources: &impl Resources,
) -> Result<Arc<dyn adapter::destination::Destination>, Failure> {
    let mut opened = Configured::load(registry, &destination.settings)?;
    redaction::make_public(&destination.name);
    redaction::make_public(&opened.address());
    if let Some(path) = opened.host_path() {
        let name = path.name;
        opened.settings.set_path(name, &resources.resolve(path, destination.approved_path.clone()).await?);
    }
    let secrets = resources.destination_secrets(destination).await?;
    secrets.values().for_each(|secret| redaction::register(secret.expose_secret()));
    let client = match opened.manifest().authorization {
        Some(_) => Some(resources.client(destination, &opened.settings).await?),
        None => None,
    };
    Ok((opened.adapter.open)(&opened.settings, secrets, &Context { client, paths_are_resolved: true })?)
}

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
            stall_timeout_seconds: self.config.stall_timeout.as_secs().max(1),
            acknowledged_warnings: job.acknowledged_warnings,
            allow_damaged: job.allow_damaged,
        })
    }

    /// Returns what a run does, complete as far as it has started.
    ///
    /// # Errors
    /// [`Failure::Spec`] if this version cannot read it.
    pub(crate) async fn complete_spec(&self, run: &catalog::Run) -> Result<RunSpec, Failure> {
        let mut spec = run.spec().map_err(Failure::Spec)?;
        if let RunSpec::Backup(backup) = &mut spec {
            backup.plan = self.catalog.run_plan(&run.id).await?.map(Box::new);
        }
        Ok(spec)
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
    use domain::run::BackupSpec;
    use pipeline::Progress;
    use runner::backup::NamedDestination;
    use serde_json::json;
    use tokio_util::sync::CancellationToken;

    use super::*;

    /// A secret store, and a machine on which every path may be used.
    struct Elsewhere(BTreeMap<(String, String), String>);

    impl Elsewhere {
        fn secrets(&self, wanted: &BTreeMap<String, SecretRef>) -> Secrets {
            let place = |reference: &SecretRef| match reference.clone() {
                SecretRef::Source(SourceSecret { source_id, field }) => (source_id, field),
                SecretRef::Destination(DestinationSecret { destination_id, field }) => (destination_id, field),
            };
            wanted.iter().map(|(field, wanted)| (field.clone(), self.0[&place(wanted)].clone().into())).collect()
        }
    }

    impl Resources for Elsewhere {
        async fn source_secrets(&self, source: &PlannedSource) -> Result<Secrets, Failure> {
            Ok(self.secrets(&source.secrets))
        }

        async fn destination_secrets(&self, destination: &PlannedDestination) -> Result<Secrets, Failure> {
            Ok(self.secrets(&destination.secrets))
        }

        async fn client(&self, _: &PlannedDestination, _: &Settings) -> Result<Arc<dyn Client>, Failure> {
            Err(Failure::Gone("the grant"))
        }

        async fn resolve(&self, path: HostPath, _: Option<String>) -> Result<PathBuf, Failure> {
            Ok(path.path)
        }
    }

    /// A spec of a backup of one SQLite file to one folder, as JSON.
    fn written(folder: &std::path::Path) -> String {
        let source = json!({"id": "s", "name": "Shop", "settings": {"type": "sqlite", "path": folder.join("shop.db")}, "secrets": {}});
        let destination = json!({"id": "d", "name": "Disk", "settings": {"type": "folder", "path": folder.join("disk")}, "secrets": {}});
        let plan = json!({"jobId": "j", "job": "nightly", "source": source, "destinations": [destination],
            "compression": "zstd:3", "recipients": [], "stallTimeoutSeconds": 60, "acknowledgedWarnings": [],
            "allowDamaged": false});
        json!({"version": 1, "kind": "backup", "plan": plan}).to_string()
    }

    #[tokio::test]
    async fn a_backup_is_made_of_its_spec_alone_and_a_secret_store() {
        let folder = tempfile::tempdir().unwrap();
        let shop = rusqlite::Connection::open(folder.path().join("shop.db")).unwrap();
        shop.execute_batch("CREATE TABLE items (id INTEGER); INSERT INTO items VALUES (1)").unwrap();
        std::fs::create_dir(folder.path().join("disk")).unwrap();
        let spec: RunSpec = serde_json::from_str(&written(folder.path())).unwrap();
        let RunSpec::Backup(BackupSpec { plan: Some(plan), .. }) = spec else { panic!("{spec:?}") };
        let elsewhere = Elsewhere(BTreeMap::new());
        let source = open_source(&plan.source, &sources::registry(), &elsewhere).await.unwrap();
        let planned = &plan.destinations[0];
        let destination = open_destination(planned, &destinations::registry(), &elsewhere).await.unwrap();
        let named = NamedDestination { id: planned.id.clone(), name: planned.name.clone(), destination };
        let databases = super::super::backup::databases(plan.databases.as_ref(), &*source).await.unwrap();
        let request = runner::BackupRequest {
            source: &*source,
            databases: databases.names,
            left_out: databases.left_out,
            acknowledged: plan.acknowledged_warnings.clone(),
            dump_options: sources::DumpOptions { allow_damaged: plan.allow_damaged },
            host: None,
            destinations: vec![named],
            job: plan.job.clone(),
            compression: plan.compression,
            recipients: Vec::new(),
            started: jiff::Timestamp::UNIX_EPOCH,
            trigger: "schedule",
            run_id: "r".to_owned(),
            job_id: Some(plan.job_id.clone()),
            guard: Arc::new(sources::Unguarded),
            stall_timeout: std::time::Duration::from_secs(plan.stall_timeout_seconds),
            signer: None,
        };
        let report = runner::back_up(&request, &Progress::default(), &CancellationToken::new(), &|_| ()).await;
        assert_eq!(report.state, domain::RunState::Succeeded, "{report:?}");
        assert_eq!(std::fs::read_dir(folder.path().join("disk/nightly")).unwrap().count(), 2);
    }

    #[test]
    fn secrets_go_nowhere_but_where_they_were_stored_for() {
        let (one, other) = (json!({"type": "postgres", "host": "a"}), json!({"type": "postgres", "host": "b"}));
        check_unchanged(&one, &one, "the source").unwrap();
        assert!(matches!(check_unchanged(&other, &one, "the source"), Err(Failure::Outdated("the source"))));
    }
}

//! Carrying out plans. Everything that a plan leaves out comes from [`Resources`], so that it can be carried out where there is no catalog.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use adapter::authorization::Client;
use adapter::{Registry, Settings};
use destinations::{Context, DestinationAdapter};
use domain::run::{PlannedDestination, PlannedSource, PlannedTarget, ProfileSecret};
use pipeline::keys::Identity;
use secrecy::{ExposeSecret, SecretString};
use sources::{Source, SourceAdapter};

use crate::failure::Failure;
use crate::redaction;
use crate::settings::{Configured, HostPath};

pub(crate) type Secrets = BTreeMap<String, SecretString>;

/// What a plan leaves out.
pub(crate) trait Resources: Sync {
    /// Returns the secrets of a source.
    async fn source_secrets(&self, source: &PlannedSource) -> Result<Secrets, Failure>;

    /// Returns the secrets of a destination, its grant excepted.
    async fn destination_secrets(&self, destination: &PlannedDestination) -> Result<Secrets, Failure>;

    /// Returns an authorized client, as the adapter of a destination takes it.
    async fn client(&self, destination: &PlannedDestination, settings: &Settings) -> Result<Arc<dyn Client>, Failure>;

    /// Returns the private keys of these profiles.
    async fn identities(&self, profiles: &[ProfileSecret]) -> Result<Vec<Identity>, Failure>;

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
    let target = PlannedTarget { source: source.clone(), database: None, approved_path: None };
    open_target(&target, registry, resources).await
}

/// Opens the target of a plan.
///
/// # Errors
/// [`Failure`].
pub(crate) async fn open_target(
    target: &PlannedTarget,
    registry: &Registry<SourceAdapter>,
    resources: &impl Resources,
) -> Result<Box<dyn Source>, Failure> {
    let PlannedTarget { source, database, approved_path } = target;
    let mut opened = Configured::load(registry, &source.settings)?;
    let own = opened.host_path();
    if let Some(database) = database {
        opened = opened.with_database(database);
    }
    if let Some(path) = opened.host_path() {
        let approved = if own.as_ref() == Some(&path) { &source.approved_path } else { approved_path };
        let name = path.name;
        opened.settings.set_path(name, &resources.resolve(path, approved.clone()).await?);
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

#[cfg(test)]
mod tests {
    use domain::run::{BackupSpec, DestinationSecret, RunSpec, SecretRef, SourceSecret};
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

        async fn identities(&self, _: &[ProfileSecret]) -> Result<Vec<Identity>, Failure> {
            Ok(Vec::new())
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

    #[tokio::test]
    async fn a_target_is_another_database_of_its_source_and_has_an_approval_of_its_own() {
        let source: PlannedSource = serde_json::from_value(json!({"id": "s", "name": "Shop",
            "settings": {"type": "sqlite", "path": "/srv/shop.db"}, "approvedPath": "/srv/shop.db", "secrets": {}}))
        .unwrap();
        let elsewhere = Elsewhere(BTreeMap::new());
        for (database, expected) in [(None, "sqlite:///srv/shop.db"), (Some("/srv/copy.db"), "sqlite:///srv/copy.db")] {
            let database = database.map(str::to_owned);
            let target = PlannedTarget { source: source.clone(), approved_path: database.clone(), database };
            let opened = open_target(&target, &sources::registry(), &elsewhere).await.unwrap();
            assert_eq!(opened.name(), expected);
        }
    }
}

//! All that is configured, as a whole: read at one moment, and changed in one transaction.

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Value as Json, json};

use crate::audit::NewAuditEntry;
use crate::channels::{Channel, NewChannel};
use crate::destinations::{Destination, NewDestination};
use crate::error::Error;
use crate::jobs::{Job, NewJob};
use crate::notification_rules::{NewNotificationRule, NotificationRule};
use crate::profiles::{NewProfile, Profile};
use crate::retention_policies::{NewRetentionPolicy, RetentionPolicy};
use crate::sources::{NewSource, Source};
use crate::sql::{self, Transaction, record, values};
use crate::{Catalog, audit, housekeeping, jobs, meta, notification_rules, retention_policies, scans};

/// What the names of the rows begin with that say which owner an item has; its id follows.
const OWNER: &str = "managedBy:";

/// What there is several of in a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names of the kinds")]
pub enum Kind {
    Source,
    Destination,
    Profile,
    RetentionPolicy,
    Job,
    Channel,
    NotificationRule,
}

impl Kind {
    /// In the order in which they refer to each other.
    pub const ALL: [Self; 7] = [
        Self::Source,
        Self::Destination,
        Self::Profile,
        Self::RetentionPolicy,
        Self::Job,
        Self::Channel,
        Self::NotificationRule,
    ];

    /// The name in files.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Source => "sources",
            Self::Destination => "destinations",
            Self::Profile => "profiles",
            Self::RetentionPolicy => "retentionPolicies",
            Self::Job => "jobs",
            Self::Channel => "channels",
            Self::NotificationRule => "notificationRules",
        }
    }

    fn table(self) -> &'static str {
        match self {
            Self::RetentionPolicy => "retention_policies",
            Self::NotificationRule => "notification_rules",
            other => other.plural(),
        }
    }
}

/// All that is configured.
#[derive(Debug)]
pub struct Configuration {
    /// By name.
    pub sources: Vec<Source>,
    /// By name.
    pub destinations: Vec<Destination>,
    /// By name.
    pub profiles: Vec<Profile>,
    /// By name.
    pub retention_policies: Vec<RetentionPolicy>,
    /// By name.
    pub jobs: Vec<Job>,
    /// By name.
    pub channels: Vec<Channel>,
    /// By name.
    pub notification_rules: Vec<NotificationRule>,
    /// Which configuration files have an item: the label that they were applied with, by its id.
    pub owners: BTreeMap<String, String>,
}

/// A change of one item.
#[derive(Debug)]
pub enum ConfigurationEdit {
    /// Adds a source with this id, or changes it.
    Source(String, NewSource),
    /// Adds a destination with this id, or changes it.
    Destination(String, NewDestination),
    /// Adds a profile with this id.
    Profile(String, NewProfile),
    /// Renames a profile, and gives it the private key of its recipients if it has none.
    ProfileChange(String, String, Option<SecretString>),
    /// Adds a retention policy with this id, or changes it.
    RetentionPolicy(String, NewRetentionPolicy),
    /// Adds a job with this id, or changes it.
    Job(String, NewJob),
    /// Adds a channel with this id, or changes it.
    Channel(String, NewChannel),
    /// Adds a notification rule with this id, or changes it.
    NotificationRule(String, NewNotificationRule),
    /// Removes an item.
    Removal(Kind, String),
    /// Records the owner of an item.
    Owner(String, String),
}

/// Changes that are made together, in their order, or not at all.
#[derive(Debug)]
pub struct ConfigurationWrite<'a> {
    /// The changes.
    pub edits: &'a [ConfigurationEdit],
    /// An entry of the audit log for each change.
    pub audit: &'a [NewAuditEntry<'a>],
}

struct Owner {
    name: String,
    value: String,
}

record!(Owner, "meta", { name, value });

impl Configuration {
    async fn read(transaction: &mut Transaction) -> Result<Self, Error> {
        let by_name = "ORDER BY name_key";
        let owners = sql::select::<Owner>(&format!("WHERE name LIKE '{OWNER}%'"));
        let owners: Vec<Owner> = sql::all(&mut *transaction, &owners, []).await?;
        let owner = |Owner { name, value }| (name.trim_start_matches(OWNER).to_owned(), value);
        Ok(Self {
            sources: sql::all(&mut *transaction, &sql::select::<Source>(by_name), []).await?,
            destinations: sql::all(&mut *transaction, &sql::select::<Destination>(by_name), []).await?,
            profiles: sql::all(&mut *transaction, &sql::select::<Profile>(by_name), []).await?,
            retention_policies: sql::all(&mut *transaction, &sql::select::<RetentionPolicy>(by_name), []).await?,
            jobs: jobs::all(transaction).await?,
            channels: sql::all(&mut *transaction, &sql::select::<Channel>(by_name), []).await?,
            notification_rules: sql::all(&mut *transaction, &sql::select::<NotificationRule>(by_name), []).await?,
            owners: owners.into_iter().map(owner).collect(),
        })
    }

    /// Returns the ids of items with an owner that were removed one by one.
    fn owned_by_nobody(&self) -> impl Iterator<Item = &String> {
        let sources = self.sources.iter().map(|item| &item.id);
        let destinations = self.destinations.iter().map(|item| &item.id);
        let profiles = self.profiles.iter().map(|item| &item.id);
        let policies = self.retention_policies.iter().map(|item| &item.id);
        let jobs = self.jobs.iter().map(|item| &item.id);
        let channels = self.channels.iter().map(|item| &item.id);
        let rules = self.notification_rules.iter().map(|item| &item.id);
        let stores = sources.chain(destinations).chain(profiles).chain(policies);
        let ids: HashSet<&String> = stores.chain(jobs).chain(channels).chain(rules).collect();
        self.owners.keys().filter(move |id| !ids.contains(id))
    }

    /// Returns all that changes decide by, without what runs and checks write beside them.
    fn state(&self) -> Json {
        let source = |s: &Source| json!([s.id, s.name, s.settings, s.restore_target, s.approved_path, s.sealed]);
        let destination =
            |d: &Destination| json!([d.id, d.name, d.settings, d.approved_path, d.sealed, d.sealed_grant]);
        let profile = |p: &Profile| json!([p.id, p.name, p.recipients, p.sealed_identity, p.exported_at.is_some()]);
        let policy = |p: &RetentionPolicy| json!([p.id, p.name, p.rules, p.grace_days]);
        let job = |j: &Job| {
            let how = json!([j.compression.to_string(), j.cron, j.time_zone, j.timeout_seconds, j.enabled]);
            let what = json!([j.source_id, j.databases, j.destination_ids, j.profile_id, j.retention]);
            json!([j.id, j.name, what, how, j.acknowledged_warnings, j.allow_damaged])
        };
        let channel = |c: &Channel| json!([c.id, c.name, c.settings, c.sealed, c.enabled]);
        let rule = |r: &NotificationRule| json!([r.id, r.name, r.rule]);
        json!([
            self.sources.iter().map(source).collect::<Json>(),
            self.destinations.iter().map(destination).collect::<Json>(),
            self.profiles.iter().map(profile).collect::<Json>(),
            self.retention_policies.iter().map(policy).collect::<Json>(),
            self.jobs.iter().map(job).collect::<Json>(),
            self.channels.iter().map(channel).collect::<Json>(),
            self.notification_rules.iter().map(rule).collect::<Json>(),
            self.owners,
        ])
    }
}

impl Catalog {
    /// Reads all that is configured.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn configuration(&self) -> Result<Configuration, Error> {
        let mut transaction = self.db.begin().await?;
        Configuration::read(&mut transaction).await
    }

    /// Makes changes that were decided on what `seen` says, all of them or none.
    ///
    /// # Errors
    /// [`Error::Conflict`] if something has been changed since `seen` was read; [`Error::NameTaken`]; [`Error::Referenced`];
    /// [`Error::AlreadyRunning`] if a job would be removed that is running.
    pub async fn change_configuration(
        &self,
        seen: &Configuration,
        write: ConfigurationWrite<'_>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let mut transaction = self.begin_sealing().await?;
        // On PostgreSQL, this locks out concurrent changes of jobs.
        sql::run(&mut transaction, "UPDATE jobs SET enabled = enabled", []).await?;
        let present = Configuration::read(&mut transaction).await?;
        if present.state() != seen.state() {
            return Err(Error::Conflict);
        }
        for id in seen.owned_by_nobody() {
            sql::run(&mut transaction, "DELETE FROM meta WHERE name = $1", values![format!("{OWNER}{id}")]).await?;
        }
        for edit in write.edits {
            self.make(&mut transaction, &present, edit, now).await?;
        }
        for entry in write.audit {
            audit::insert(&mut transaction, entry, now).await?;
        }
        transaction.commit().await
    }

    async fn make(
        &self,
        transaction: &mut Transaction,
        present: &Configuration,
        edit: &ConfigurationEdit,
        now: Timestamp,
    ) -> Result<(), Error> {
        let is_made = match edit {
            ConfigurationEdit::Source(id, new) => match present.sources.iter().find(|source| source.id == *id) {
                Some(source) => self.change_source(transaction, id, source.revision, new, now).await?,
                None => self.insert_source(transaction, id, new, now).await.map(|()| true)?,
            },
            ConfigurationEdit::Destination(id, new) => {
                match present.destinations.iter().find(|other| other.id == *id) {
                    Some(before) => self.change_destination(transaction, id, before.revision, new, now).await?,
                    None => self.insert_destination(transaction, id, new, now).await.map(|()| true)?,
                }
            }
            ConfigurationEdit::Profile(id, new) => {
                self.insert_profile(transaction, id, new, now).await.map(|()| true)?
            }
            ConfigurationEdit::ProfileChange(id, name, identity) => {
                let revision =
                    present.profiles.iter().find(|profile| profile.id == *id).map_or(0, |found| found.revision);
                self.change_profile(transaction, id, revision, name, identity.as_ref()).await?
            }
            ConfigurationEdit::RetentionPolicy(id, new) => {
                match present.retention_policies.iter().find(|policy| policy.id == *id) {
                    Some(before) => retention_policies::change(transaction, id, before.revision, new, now).await?,
                    None => retention_policies::insert(transaction, id, new, now).await.map(|()| true)?,
                }
            }
            ConfigurationEdit::Job(id, new) => match present.jobs.iter().find(|job| job.id == *id) {
                Some(job) => jobs::change(transaction, id, job.revision, new, now).await?,
                None => jobs::insert(transaction, id, new, now).await.map(|()| true)?,
            },
            ConfigurationEdit::Channel(id, new) => match present.channels.iter().find(|channel| channel.id == *id) {
                Some(before) => self.change_channel(transaction, id, before.revision, new, now).await?,
                None => self.insert_channel(transaction, id, new, now).await.map(|()| true)?,
            },
            ConfigurationEdit::NotificationRule(id, new) => {
                match present.notification_rules.iter().find(|rule| rule.id == *id) {
                    Some(before) => notification_rules::change(transaction, id, before.revision, new, now).await?,
                    None => notification_rules::insert(transaction, id, new, now).await.map(|()| true)?,
                }
            }
            ConfigurationEdit::Removal(kind, id) => remove(transaction, *kind, id, now).await?,
            ConfigurationEdit::Owner(id, owner) => {
                meta::set(transaction, &format!("{OWNER}{id}"), owner).await.map(|()| true)?
            }
        };
        if is_made { Ok(()) } else { Err(Error::Conflict) }
    }
}

/// Removes an item. Its runs and backups are kept. Returns `false` if it does not exist.
async fn remove(transaction: &mut Transaction, kind: Kind, id: &str, now: Timestamp) -> Result<bool, Error> {
    if kind == Kind::Job {
        let running = "SELECT id FROM runs WHERE job_id = $1 AND state IN ('queued', 'running') LIMIT 1";
        if sql::value::<String>(&mut *transaction, running, values![id]).await?.is_some() {
            return Err(Error::AlreadyRunning);
        }
    }
    if kind == Kind::Destination {
        // In the order of all who write copies; a scan in progress would add what is removed.
        scans::invalidate(transaction, id, now).await?;
        let text = "DELETE FROM copies WHERE destination_id = $1 RETURNING backup_id";
        housekeeping::remove_copies(transaction, text, values![id]).await?;
    }
    let owner = "DELETE FROM meta WHERE name = $1";
    sql::run(&mut *transaction, owner, values![format!("{OWNER}{id}")]).await?;
    if kind == Kind::Job {
        return Ok(jobs::remove(transaction, id).await? > 0);
    }
    let text = format!("DELETE FROM {} WHERE id = $1", kind.table());
    Ok(sql::run(transaction, &text, values![id]).await? > 0)
}

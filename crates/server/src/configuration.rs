//! A configuration as a whole: what would have to change for the server to be what it says, and those changes made together.
//!
//! An entry is the whole desired state of an item: what it leaves out has its default. Each entry is checked by what checks single
//! requests, for the same caller.

mod apply;
mod diff;
mod entry;
mod jobs;
mod notifications;
mod prune;
mod retention;
mod stores;
mod targets;

use std::collections::HashMap;

use adapter::Manifest;
use catalog::{Configuration, ConfigurationEdit, Kind};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::app::App;
use crate::http::caller::Caller;
use crate::http::problem::{FieldError, Problem};
use diff::Diff;
use entry::Entry;
use targets::{Target, Targets};

pub(crate) use apply::{apply, apply_at_start};
pub(crate) use diff::FieldChange;

/// What is wanted.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) sources: Vec<Map<String, Value>>,
    pub(crate) destinations: Vec<Map<String, Value>>,
    pub(crate) profiles: Vec<Map<String, Value>>,
    pub(crate) retention_policies: Vec<Map<String, Value>>,
    pub(crate) jobs: Vec<Map<String, Value>>,
    pub(crate) channels: Vec<Map<String, Value>>,
    pub(crate) notification_rules: Vec<Map<String, Value>>,
    /// Whether to remove what has this owner and is in no entry.
    pub(crate) prune: bool,
    /// The label of the configuration, which its items get.
    pub(crate) owner: String,
}

impl Wanted {
    fn of(&self, kind: Kind) -> &[Map<String, Value>] {
        match kind {
            Kind::Source => &self.sources,
            Kind::Destination => &self.destinations,
            Kind::Profile => &self.profiles,
            Kind::RetentionPolicy => &self.retention_policies,
            Kind::Job => &self.jobs,
            Kind::Channel => &self.channels,
            Kind::NotificationRule => &self.notification_rules,
        }
    }
}

/// What is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongField {
    /// Where it is: `jobs[0].schedule.cron`. Empty if no field is to blame.
    pub field: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// What is done with an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Action {
    /// It is added.
    Create,
    /// It is changed.
    Update,
    /// It is as it should be.
    Keep,
    /// It is removed. Its backups are kept.
    Delete,
}

/// What is done with one item.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Change {
    /// `sources`, `destinations`, `profiles`, `retentionPolicies`, `jobs`, `channels` or `notificationRules`.
    pub(crate) kind: &'static str,
    #[serde(skip)]
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) action: Action,
    /// Field by field, without secrets.
    pub(crate) fields: Vec<FieldChange>,
}

/// What has to be done.
#[derive(Debug)]
pub(crate) struct Plan {
    /// An item each.
    pub(crate) changes: Vec<Change>,
    pub(crate) warnings: Vec<String>,
    edits: Vec<ConfigurationEdit>,
    seen: Configuration,
}

/// The order in which changes are made: names become free before they are taken, and nothing is removed that is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    RemoveRule,
    RemoveJob,
    Update,
    Insert,
    UpdateJob,
    InsertJob,
    UpdateRule,
    InsertRule,
    Remove,
    Own,
}

impl Stage {
    fn of(target: &Target) -> Self {
        if target.exists { Self::Update } else { Self::Insert }
    }
}

/// A plan in the making.
struct Planner<'a> {
    app: &'a App,
    caller: &'a Caller,
    seen: &'a Configuration,
    owner: String,
    targets: Targets,
    /// The adapters of sources, by their ids.
    manifests: HashMap<String, &'static Manifest>,
    /// The name of a job or rule that uses an item, by its id.
    used: HashMap<String, String>,
    /// What names people know, by id.
    names: HashMap<String, String>,
    errors: Vec<FieldError>,
    is_forbidden: bool,
    edits: Vec<(Stage, ConfigurationEdit)>,
    changes: Vec<Change>,
    warnings: Vec<String>,
}

/// Compares the server with what is wanted, and changes nothing.
///
/// # Errors
/// Everything that is wrong, field by field: `jobs[0].schedule.cron`.
pub(crate) async fn plan(app: &App, caller: &Caller, wanted: &Wanted) -> Result<Plan, Problem> {
    let seen = app.catalog.configuration().await?;
    let mut errors = Vec::new();
    let targets = Targets::find(&seen, |kind| wanted.of(kind), app.now(), &mut errors);
    let mut planner = Planner::new(app, caller, &seen, wanted.owner.clone(), targets, errors);
    for kind in Kind::ALL {
        for (index, fields) in wanted.of(kind).iter().enumerate() {
            planner.add(kind, index, fields.clone()).await?;
        }
    }
    if wanted.prune {
        planner.prune();
    }
    planner.finish().map(|(changes, warnings, edits)| Plan { changes, warnings, edits, seen })
}

/// Changes, warnings, and edits in their order.
type Planned = (Vec<Change>, Vec<String>, Vec<ConfigurationEdit>);

impl<'a> Planner<'a> {
    fn new(
        app: &'a App,
        caller: &'a Caller,
        seen: &'a Configuration,
        owner: String,
        targets: Targets,
        errors: Vec<FieldError>,
    ) -> Self {
        let sources = seen.sources.iter().map(|item| (item.id.clone(), item.name.clone()));
        let destinations = seen.destinations.iter().map(|item| (item.id.clone(), item.name.clone()));
        let profiles = seen.profiles.iter().map(|item| (item.id.clone(), item.name.clone()));
        let policies = seen.retention_policies.iter().map(|item| (item.id.clone(), item.name.clone()));
        let jobs = seen.jobs.iter().map(|item| (item.id.clone(), item.name.clone()));
        let channels = seen.channels.iter().map(|item| (item.id.clone(), item.name.clone()));
        let stores = sources.chain(destinations).chain(profiles).chain(policies);
        let manifest =
            |source: &catalog::Source| Some((source.id.clone(), app.source_settings(source).ok()?.manifest()));
        Self {
            app,
            caller,
            seen,
            owner,
            targets,
            manifests: seen.sources.iter().filter_map(manifest).collect(),
            used: HashMap::new(),
            names: stores.chain(jobs).chain(channels).collect(),
            errors,
            is_forbidden: false,
            edits: Vec::new(),
            changes: Vec::new(),
            warnings: Vec::new(),
        }
    }

    async fn add(&mut self, kind: Kind, index: usize, fields: Map<String, Value>) -> Result<(), Problem> {
        let entry = Entry::new(format!("{}[{index}]", kind.plural()), fields);
        let Some(target) = self.targets.of(kind, index) else { return Ok(()) };
        match kind {
            Kind::Source => self.source(entry, target).await,
            Kind::Destination => self.destination(entry, target).await,
            Kind::Profile => self.profile(entry, &target),
            Kind::RetentionPolicy => self.retention_policy(entry, &target),
            Kind::Job => {
                self.job(entry, &target);
                Ok(())
            }
            Kind::Channel => self.channel(entry, &target),
            Kind::NotificationRule => self.notification_rule(entry, &target),
        }
    }

    /// Takes the name of an entry, and what it was called before. Without a name, the rest is checked all the same.
    fn name_of(&mut self, entry: &mut Entry) -> String {
        entry.text("renamedFrom");
        entry.text("name").unwrap_or_else(|| {
            entry.miss("name");
            "unnamed".to_owned()
        })
    }

    fn refuse(&mut self, field: &str, message: String) {
        self.errors.push(FieldError { field: field.to_owned(), message });
    }

    fn warn(&mut self, message: String) {
        self.warnings.push(message);
    }

    /// Returns what was checked, or notes what is wrong with it. What is the server's own fault is passed on.
    fn accept<T>(&mut self, place: &str, checked: Result<T, Problem>) -> Result<Option<T>, Problem> {
        let problem = match checked {
            Ok(checked) => return Ok(Some(checked)),
            Err(problem) if problem.status.is_server_error() => return Err(problem),
            Err(problem) => problem,
        };
        self.is_forbidden |= problem.status == axum::http::StatusCode::FORBIDDEN;
        for FieldError { field, message } in problem.into_errors("") {
            let field = if field.is_empty() { place.to_owned() } else { format!("{place}.{field}") };
            // What could not be read was checked as if it were left out.
            let prefix = field.split_inclusive('.').take(2).collect::<String>();
            if !self.errors.iter().any(|error| error.field == prefix.trim_end_matches('.') || error.field == field) {
                self.errors.push(FieldError { field, message });
            }
        }
        Ok(None)
    }

    /// Notes what becomes of an item, and whose it is.
    fn settle(
        &mut self,
        kind: Kind,
        name: &str,
        target: &Target,
        Diff(fields): Diff,
        stage: Stage,
        edit: impl FnOnce(String) -> ConfigurationEdit,
    ) {
        let action = match target.exists {
            false => Action::Create,
            true if fields.is_empty() => Action::Keep,
            true => Action::Update,
        };
        if action != Action::Keep {
            self.edits.push((stage, edit(target.id.clone())));
        }
        if !self.seen.owners.contains_key(&target.id) {
            self.edits.push((Stage::Own, ConfigurationEdit::Owner(target.id.clone(), self.owner.clone())));
        }
        self.names.insert(target.id.clone(), name.trim().to_owned());
        self.change(kind, &target.id, name.trim().to_owned(), action, fields);
    }

    fn change(&mut self, kind: Kind, id: &str, name: String, action: Action, fields: Vec<FieldChange>) {
        self.changes.push(Change { kind: kind.plural(), id: id.to_owned(), name, action, fields });
    }

    /// Returns the name of what a job refers to.
    fn shown(&self, id: &str) -> String {
        self.names.get(id).cloned().unwrap_or_default()
    }

    fn finish(mut self) -> Result<Planned, Problem> {
        if !self.errors.is_empty() {
            let problem = Problem::invalid(self.errors);
            return Err(if self.is_forbidden { problem.into_forbidden() } else { problem });
        }
        self.edits.sort_by_key(|(stage, _)| *stage);
        Ok((self.changes, self.warnings, self.edits.into_iter().map(|(_, edit)| edit).collect()))
    }
}

/// What people call an item of a kind.
pub(crate) fn noun(kind: Kind) -> &'static str {
    match kind {
        Kind::Source => "source",
        Kind::Destination => "destination",
        Kind::Profile => "encryption profile",
        Kind::RetentionPolicy => "retention policy",
        Kind::Job => "job",
        Kind::Channel => "channel",
        Kind::NotificationRule => "notification rule",
    }
}

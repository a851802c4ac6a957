//! Entries of sources, destinations and profiles.

use std::collections::{BTreeMap, BTreeSet};

use adapter::{Adapter, Registry};
use catalog::{AuthorizationState, ConfigurationEdit, GrantChange, Kind, NewProfile, Profile};
use secrecy::SecretString;
use serde_json::{Map, Value};

use super::diff::{Diff, FieldAction};
use super::entry::Entry;
use super::targets::Target;
use super::{Planner, Stage};
use crate::authorizations::grants::REFRESH_TOKEN;
use crate::http::api::destinations::DestinationInput;
use crate::http::api::profiles::{ProfileInput, check as check_profile};
use crate::http::api::sources::SourceInput;
use crate::http::problem::Problem;
use crate::http::secret_field::SecretFields;
use crate::restore_targets::RestoreTarget;

/// What an entry of a source, a destination or a channel says.
pub(super) struct Store {
    pub(super) place: String,
    pub(super) name: String,
    pub(super) settings: Map<String, Value>,
    pub(super) secrets: SecretFields,
}

impl Planner<'_> {
    pub(super) fn read_store(&mut self, mut entry: Entry, kept: &[String]) -> Store {
        let name = self.name_of(&mut entry);
        let settings = entry.table("settings").unwrap_or_else(|| {
            entry.miss("settings");
            Map::new()
        });
        let secrets = SecretFields::all_of(entry.rest(), kept);
        let place = entry.place.clone();
        self.errors.extend(entry.finish(""));
        Store { place, name, settings, secrets }
    }

    /// Notes of which adapter a source will be, for the jobs that refer to it.
    fn note_manifest<A: Adapter>(&mut self, registry: &Registry<A>, id: &str, settings: &Map<String, Value>) {
        let adapter = settings.get("type").and_then(Value::as_str).and_then(|kind| registry.get(kind));
        if let Some(adapter) = adapter {
            self.manifests.insert(id.to_owned(), adapter.manifest());
        }
    }

    pub(super) async fn source(&mut self, mut entry: Entry, target: Target) -> Result<(), Problem> {
        let before = self.seen.sources.iter().find(|source| source.id == target.id);
        let restore_target =
            entry.text("restoreTarget").map(Value::from).map_or(Ok(RestoreTarget::None), serde_json::from_value);
        let restore_target = restore_target.unwrap_or_else(|_| {
            entry.refuse("restoreTarget", "must be one of none, newDatabases, ownDatabases");
            RestoreTarget::None
        });
        let kept = before.map(|before| before.secrets_set.as_slice()).unwrap_or_default();
        let Store { place, name, settings, secrets } = self.read_store(entry, kept);
        self.note_manifest(&self.app.config.adapters.sources, &target.id, &settings);
        let input = SourceInput { name, settings, restore_target: Some(restore_target), secrets };
        let Some(mut new) = self.accept(&place, input.check(self.app, self.caller, before).await)? else {
            return Ok(());
        };
        let mut diff = Diff::default();
        let opened = before.map(|before| self.app.catalog.source_secrets(before)).transpose()?.unwrap_or_default();
        let settings = before.map(|before| self.app.source_settings(before)).transpose()?;
        let settings = settings.map(|configured| serde_json::to_value(&configured.settings)).transpose();
        diff_name(&mut diff, before.map(|before| before.name.as_str()), &new.name);
        diff.table("settings", &settings.map_err(Problem::internal)?.unwrap_or_default(), &new.settings);
        let target_before = before.map_or(RestoreTarget::None, RestoreTarget::of);
        diff.field("restoreTarget", target_before.as_str(), new.restore_target.as_str());
        if let Some(before) = before {
            diff_approval(&mut diff, before.approved_path.as_ref(), new.approved_path.as_ref());
        }
        diff.secrets(&opened, &mut new.secrets);
        let name = new.name.clone();
        self.settle(Kind::Source, &name, &target, diff, Stage::of(&target), |id| ConfigurationEdit::Source(id, new));
        Ok(())
    }

    pub(super) async fn destination(&mut self, entry: Entry, target: Target) -> Result<(), Problem> {
        let before = self.seen.destinations.iter().find(|destination| destination.id == target.id);
        let kept = before.map(|before| before.secrets_set.as_slice()).unwrap_or_default();
        let Store { place, name, settings, secrets } = self.read_store(entry, kept);
        let input = DestinationInput { name, settings, secrets };
        let Some(mut new) = self.accept(&place, input.check(self.app, self.caller, before).await)? else {
            return Ok(());
        };
        let mut diff = Diff::default();
        let opened: BTreeMap<String, SecretString> = match before {
            Some(before) => self.app.catalog.destination_secrets(before)?.settings,
            None => BTreeMap::new(),
        };
        let settings = before.map(|before| self.app.destination_settings(before)).transpose()?;
        let settings = settings.map(|configured| serde_json::to_value(&configured.settings)).transpose();
        diff_name(&mut diff, before.map(|before| before.name.as_str()), &new.name);
        diff.table("settings", &settings.map_err(Problem::internal)?.unwrap_or_default(), &new.settings);
        if let Some(before) = before {
            diff_approval(&mut diff, before.approved_path.as_ref(), new.approved_path.as_ref());
        }
        diff.secrets(&opened, &mut new.secrets);
        diff_grant(&mut diff, before.and_then(|before| before.authorization.as_ref()), &mut new.grant);
        let name = new.name.clone();
        let stage = Stage::of(&target);
        self.settle(Kind::Destination, &name, &target, diff, stage, |id| ConfigurationEdit::Destination(id, new));
        Ok(())
    }

    pub(super) fn profile(&mut self, mut entry: Entry, target: &Target) -> Result<(), Problem> {
        let name = self.name_of(&mut entry);
        let recipients = entry.texts("recipients").unwrap_or_default();
        let identity = entry.text("identity").map(SecretString::from);
        let has_keys = !recipients.is_empty() || identity.is_some();
        let place = entry.place.clone();
        let found = entry.finish("name, renamedFrom, recipients and identity");
        let is_read = found.is_empty();
        self.errors.extend(found);
        let checked = check_profile(self.app, ProfileInput { name, recipients, identity });
        let Some(new) = self.accept(&place, checked)? else { return Ok(()) };
        if !is_read {
            return Ok(());
        }
        match self.seen.profiles.iter().find(|profile| profile.id == target.id) {
            Some(before) => self.change_profile(&place, before, new, has_keys, target),
            None => self.add_profile(new, target),
        }
        Ok(())
    }

    fn add_profile(&mut self, new: NewProfile, target: &Target) {
        let mut diff = Diff::default();
        diff.field("recipients", Value::Null, new.recipients.clone());
        let (name, lacks_key) = (new.name.clone(), new.identity.is_none());
        let stage = Stage::of(target);
        self.settle(Kind::Profile, &name, target, diff, stage, |id| ConfigurationEdit::Profile(id, new));
        if lacks_key {
            self.warn(format!(
                "the private key of encryption profile '{name}' is not on this server, which can encrypt backups with it and cannot \
                 open them. To let it, add identity = \"file:/path/to/key.txt\" in place of the recipients"
            ));
        }
    }

    /// The keys of a profile never change; its private key can be added.
    fn change_profile(&mut self, place: &str, before: &Profile, new: NewProfile, has_keys: bool, target: &Target) {
        let keys = |recipients: &[String]| recipients.iter().cloned().collect::<BTreeSet<_>>();
        if has_keys && keys(&before.recipients) != keys(&new.recipients) {
            let field = if new.identity.is_some() { "identity" } else { "recipients" };
            let message = "the keys of an encryption profile never change: give the other keys another name";
            self.refuse(&format!("{place}.{field}"), message.to_owned());
            return;
        }
        let mut diff = Diff::default();
        diff_name(&mut diff, Some(&before.name), &new.name);
        let identity = new.identity.filter(|_| has_keys && !before.has_identity());
        let mut secrets = BTreeMap::from([("identity".to_owned(), identity.clone())]);
        diff.secrets(&BTreeMap::new(), &mut secrets);
        let name = new.name.clone();
        let edit = |id| ConfigurationEdit::ProfileChange(id, new.name, identity);
        self.settle(Kind::Profile, &name, target, diff, Stage::of(target), edit);
    }
}

pub(super) fn diff_name(diff: &mut Diff, before: Option<&str>, after: &str) {
    if let Some(before) = before {
        diff.field("name", before, after.trim());
    }
}

/// A grant that there is not cannot be removed.
fn diff_grant(diff: &mut Diff, before: Option<&AuthorizationState>, grant: &mut GrantChange) {
    let account = |state: &AuthorizationState| Value::from(state.email.clone());
    let account_before = before.map_or(Value::Null, account);
    match (&*grant, before) {
        (GrantChange::Keep, _) => return,
        (GrantChange::Remove, None) => {
            *grant = GrantChange::Keep;
            return;
        }
        (GrantChange::Remove, Some(_)) => diff.secret(REFRESH_TOKEN, FieldAction::Removed),
        (GrantChange::Set(..), Some(_)) => diff.secret(REFRESH_TOKEN, FieldAction::Changed),
        (GrantChange::Set(..), None) => diff.secret(REFRESH_TOKEN, FieldAction::Set),
    }
    let account_after = if let GrantChange::Set(_, state) = &*grant { account(state) } else { Value::Null };
    diff.field("account", account_before, account_after);
}

/// Where a path of this machine leads is shown once it is approved, or leads elsewhere than when it was.
fn diff_approval(diff: &mut Diff, before: Option<&String>, after: Option<&String>) {
    match (before, after) {
        (Some(before), Some(after)) if before != catalog::APPROVED_BEFORE => {
            diff.field("approvedPath", before.as_str(), after.as_str());
        }
        (None, Some(after)) => diff.field("approvedPath", Value::Null, after.as_str()),
        _ => {}
    }
}

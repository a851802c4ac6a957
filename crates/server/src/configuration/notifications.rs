//! Entries of channels and notification rules.

use catalog::{Channel, ConfigurationEdit, Kind, NewNotificationRule, NotificationRule};
use domain::access::Permission;
use domain::notification::Rule;
use serde_json::{Map, Value, json};

use super::diff::Diff;
use super::entry::Entry;
use super::stores::diff_name;
use super::targets::Target;
use super::{Planner, Stage};
use crate::http::api::channels::ChannelInput;
use crate::http::problem::{Fields, Problem};

const FIELDS: &str =
    "name, renamedFrom, channels, jobs, events, minSeverity, quietHours, reminderHours, digest and timeZone";

/// The fields that refer to others, as the API and as files name them.
const REFERENCES: [(&str, &str); 2] = [("channelIds", "channels"), ("jobIds", "jobs")];

impl Planner<'_> {
    pub(super) fn channel(&mut self, mut entry: Entry, target: &Target) -> Result<(), Problem> {
        let before = self.seen.channels.iter().find(|channel| channel.id == target.id);
        let enabled = entry.flag("enabled").unwrap_or(true);
        let kept = before.map(|before| before.secrets_set.as_slice()).unwrap_or_default();
        let store = self.read_store(entry, kept);
        let place = store.place.clone();
        let input = ChannelInput { name: store.name, settings: store.settings, enabled, secrets: store.secrets };
        let Some(mut new) = self.accept(&place, input.check(self.app, self.caller, before))? else { return Ok(()) };
        let mut diff = Diff::default();
        let opened = before.map(|before| self.app.catalog.channel_secrets(before)).transpose()?.unwrap_or_default();
        let settings = before.map(|before| self.app.channel_settings(before)).transpose()?;
        let settings = settings.map(|configured| serde_json::to_value(&configured.settings)).transpose();
        diff_name(&mut diff, before.map(|before| before.name.as_str()), &new.name);
        diff.table("settings", &settings.map_err(Problem::internal)?.unwrap_or_default(), &new.settings);
        let was = |value: fn(&Channel) -> Value| before.map(value).unwrap_or_default();
        diff.field("enabled", was(|channel| channel.enabled.into()), new.enabled);
        diff.secrets(&opened, &mut new.secrets);
        let name = new.name.clone();
        self.check_administers(&place, target, &diff)?;
        self.settle(Kind::Channel, &name, target, diff, Stage::of(target), |id| ConfigurationEdit::Channel(id, new));
        Ok(())
    }

    pub(super) fn notification_rule(&mut self, mut entry: Entry, target: &Target) -> Result<(), Problem> {
        let name = self.name_of(&mut entry);
        let mut fields = Map::new();
        let channels = self.references(&mut entry, "channels", Kind::Channel);
        fields.insert("channelIds".to_owned(), json!(channels.clone().unwrap_or_default()));
        if channels.is_none() {
            entry.miss("channels");
        }
        if let Some(jobs) = self.references(&mut entry, "jobs", Kind::Job) {
            fields.insert("jobIds".to_owned(), json!(jobs));
        }
        let place = entry.place.clone();
        for field in ["events", "minSeverity", "quietHours", "reminderHours", "digest", "timeZone"] {
            let value = entry.value(field);
            fields.extend(value.map(|value| (field.to_owned(), value)));
        }
        let rule = match serde_json::from_value::<Rule>(Value::Object(fields)) {
            Ok(rule) => {
                for error in rule.errors() {
                    let field =
                        REFERENCES.iter().find(|(id, _)| *id == error.field).map_or(error.field, |(_, name)| name);
                    if !entry.has_errors_at(field) && !entry.has_errors_below(field) {
                        entry.refuse(field, error.message);
                    }
                }
                Some(rule)
            }
            Err(error) => {
                entry.refuse("", error.to_string());
                None
            }
        };
        let found = entry.finish(FIELDS);
        let is_read = found.is_empty();
        self.errors.extend(found);
        let mut wrong = Fields::default();
        wrong.check_name(&name);
        let Some(()) = self.accept(&place, wrong.finish())? else { return Ok(()) };
        let Some(rule) = rule.filter(|_| is_read) else { return Ok(()) };
        let new = NewNotificationRule { name, rule };
        let before = self.seen.notification_rules.iter().find(|rule| rule.id == target.id);
        let diff = self.diff_rule(before, &new);
        for id in &new.rule.channel_ids {
            self.used.insert(id.clone(), new.name.clone());
        }
        let name = new.name.clone();
        self.check_administers(&place, target, &diff)?;
        let stage = if target.exists { Stage::UpdateRule } else { Stage::InsertRule };
        let edit = |id| ConfigurationEdit::NotificationRule(id, new);
        self.settle(Kind::NotificationRule, &name, target, diff, stage, edit);
        Ok(())
    }

    fn references(&self, entry: &mut Entry, field: &str, kind: Kind) -> Option<Vec<String>> {
        let names = entry.texts(field)?;
        let found = names.iter().enumerate().filter_map(|(index, name)| {
            let field = format!("{field}[{index}]");
            self.reference(entry, &field, kind, name)
        });
        Some(found.collect())
    }

    /// Compares by ids, and shows names.
    fn diff_rule(&self, before: Option<&NotificationRule>, new: &NewNotificationRule) -> Diff {
        let mut diff = Diff::default();
        diff_name(&mut diff, before.map(|before| before.name.as_str()), &new.name);
        let names = |ids: &[String]| ids.iter().map(|id| self.shown(id)).collect::<Vec<_>>();
        let old = before.map(|before| &before.rule);
        if old.is_none_or(|old| old.channel_ids != new.rule.channel_ids) {
            diff.field("channels", old.map(|old| names(&old.channel_ids)), names(&new.rule.channel_ids));
        }
        if old.is_none_or(|old| old.job_ids != new.rule.job_ids) {
            let shown = |rule: &Rule| rule.job_ids.as_ref().map(|ids| names(ids));
            diff.field("jobs", old.and_then(shown), shown(&new.rule));
        }
        let value = |rule: &Rule, field: &str| json!(rule).get(field).cloned().unwrap_or_default();
        for field in ["events", "minSeverity", "quietHours", "reminderHours", "digest", "timeZone"] {
            diff.field(field, old.map(|old| value(old, field)).unwrap_or_default(), value(&new.rule, field));
        }
        diff
    }

    /// Refuses a change to those who may configure only: channels carry messages out of the house.
    fn check_administers(&mut self, place: &str, target: &Target, diff: &Diff) -> Result<(), Problem> {
        if (target.exists && diff.0.is_empty()) || self.caller.allows(Permission::Administer) {
            return Ok(());
        }
        let words = "Only administrators change channels and notification rules";
        self.accept::<()>(place, Err(Problem::forbidden(words))).map(drop)
    }
}

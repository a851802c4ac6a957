//! Entries of retention policies, and which of them a job has at its destinations.

use std::collections::BTreeMap;

use catalog::{ConfigurationEdit, Job, Kind, NewJob, RetentionPolicy};
use domain::retention::Rules;
use serde_json::{Value, json};

use super::diff::Diff;
use super::entry::Entry;
use super::targets::Target;
use super::{Planner, Stage};
use crate::http::api::retention::{GRACE_DAYS, PolicyInput, check};
use crate::http::problem::Problem;

impl Planner<'_> {
    pub(super) fn retention_policy(&mut self, mut entry: Entry, target: &Target) -> Result<(), Problem> {
        let name = self.name_of(&mut entry);
        let rules = entry.table("rules").map(|rules| serde_json::from_value::<Rules>(Value::Object(rules)));
        match &rules {
            None => entry.miss("rules"),
            Some(Err(error)) => entry.refuse("rules", error.to_string()),
            Some(Ok(_)) => {}
        }
        let rules = rules.and_then(Result::ok);
        let grace_days = entry.number("graceDays").unwrap_or(GRACE_DAYS);
        let place = entry.place.clone();
        let found = entry.finish("name, renamedFrom, rules and graceDays");
        let is_read = found.is_empty();
        self.errors.extend(found);
        // What could not be read is refused already; the rest is checked with rules that are right.
        let checked = rules.unwrap_or(Rules { keep_last: 1, ..Rules::default() });
        let Some(new) = self.accept(&place, check(PolicyInput { name, rules: checked, grace_days }))? else {
            return Ok(());
        };
        if !is_read {
            return Ok(());
        }
        let before = self.seen.retention_policies.iter().find(|policy| policy.id == target.id);
        let was = |value: fn(&RetentionPolicy) -> Value| before.map(value).unwrap_or_default();
        let mut diff = Diff::default();
        if before.is_some() {
            diff.field("name", was(|policy| policy.name.clone().into()), new.name.trim());
        }
        diff.table("rules", &was(|policy| json!(policy.rules)), &json!(new.rules));
        diff.field("graceDays", was(|policy| policy.grace_days.into()), new.grace_days);
        let name = new.name.clone();
        let edit = |id| ConfigurationEdit::RetentionPolicy(id, new);
        self.settle(Kind::RetentionPolicy, &name, target, diff, Stage::of(target), edit);
        Ok(())
    }

    /// Takes the policies of a job: `retention = { Offsite = "Standard" }`. Returns the policies' ids by the destinations'.
    pub(super) fn read_retention(&self, entry: &mut Entry, destination_ids: &[String]) -> BTreeMap<String, String> {
        let mut retention = BTreeMap::new();
        for (destination, policy) in entry.table("retention").unwrap_or_default() {
            let field = format!("retention.{destination}");
            let Value::String(policy) = policy else {
                entry.refuse(&field, "must be the name of a retention policy");
                continue;
            };
            let destination_id = self.reference(entry, &field, Kind::Destination, &destination);
            let policy_id = self.reference(entry, &field, Kind::RetentionPolicy, &policy);
            let (Some(destination_id), Some(policy_id)) = (destination_id, policy_id) else { continue };
            if destination_ids.contains(&destination_id) {
                retention.insert(destination_id, policy_id);
            } else {
                entry.refuse(&field, "is not a destination of this job");
            }
        }
        retention
    }

    /// Says where backups pile up from now on. Files of versions before policies were part of them name none.
    pub(super) fn warn_of_lost_retention(&mut self, before: Option<&Job>, new: &NewJob) {
        let policies = before.map(|job| &job.retention).into_iter().flatten();
        let lost = policies.filter(|(id, _)| new.destination_ids.contains(id) && !new.retention.contains_key(*id));
        for (destination, policy) in lost {
            self.warn(format!(
                "job '{}' no longer has the retention policy '{}' at {}: all its backups are kept there. To keep the policy, add \
                 retention = {{ \"{2}\" = \"{1}\" }}",
                new.name.trim(),
                self.shown(policy),
                self.shown(destination)
            ));
        }
    }

    /// Compares by ids, and shows names.
    pub(super) fn diff_retention(&self, before: Option<&Job>, new: &BTreeMap<String, String>, diff: &mut Diff) {
        let none = BTreeMap::new();
        let old = before.map_or(&none, |job| &job.retention);
        let destinations = old.keys().chain(new.keys().filter(|id| !old.contains_key(*id)));
        for id in destinations.filter(|id| old.get(*id) != new.get(*id)) {
            let name = |policy: Option<&String>| policy.map(|id| self.shown(id));
            diff.field(&format!("retention.{}", self.shown(id)), name(old.get(id)), name(new.get(id)));
        }
    }
}

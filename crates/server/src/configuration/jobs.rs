//! Entries of jobs.

use catalog::{ConfigurationEdit, Job, Kind, NewJob};
use serde_json::Value;

use super::diff::Diff;
use super::entry::Entry;
use super::targets::Target;
use super::{Planner, Stage};
use crate::http::api::job_input::{JobInput, References, ScheduleInput, check_with, default_compression, utc};
use crate::http::problem::FieldError;

const FIELDS: &str = "name, renamedFrom, source, databases, destinations, retention, compression, profile, schedule, timeoutSeconds, \
                      enabled, acknowledgedWarnings and allowDamaged";

impl Planner<'_> {
    pub(super) fn job(&mut self, mut entry: Entry, target: &Target) {
        let (input, references) = self.read_job(&mut entry);
        let (place, name) = (entry.place.clone(), input.name.clone());
        let found = entry.finish(FIELDS);
        let checked = check_with(self.app, input, &references);
        let refused = checked.as_ref().err().is_some() || !found.is_empty();
        // What was read as something else was checked as if it were left out.
        let known: Vec<String> = found.iter().map(|error| error.field.clone()).collect();
        self.errors.extend(found);
        match checked {
            Err(problem) => {
                for FieldError { field, message } in problem.into_errors("") {
                    let field = format!("{place}.{}", of_entry(&field));
                    let is_said = known.iter().any(|known| field == *known || field.starts_with(&format!("{known}[")));
                    if !is_said {
                        self.errors.push(FieldError { field, message });
                    }
                }
            }
            Ok(_) if refused => {}
            Ok(new) => self.put_job(&name, new, target),
        }
    }

    fn read_job(&mut self, entry: &mut Entry) -> (JobInput, References) {
        let name = self.name_of(entry);
        let mut references = References::default();
        let source_id = entry.text("source").and_then(|name| self.reference(entry, "source", Kind::Source, &name));
        references.source = source_id.as_ref().and_then(|id| self.manifests.get(id).copied());
        if source_id.is_none() {
            entry.miss("source");
        }
        let names = entry.texts("destinations");
        if names.is_none() {
            entry.miss("destinations");
        }
        let mut destination_ids = Vec::new();
        for (index, name) in names.into_iter().flatten().enumerate() {
            let field = format!("destinations[{index}]");
            destination_ids.push(self.reference(entry, &field, Kind::Destination, &name).unwrap_or_default());
        }
        references.destinations = destination_ids.iter().cloned().collect();
        let profile_id = entry.text("profile").and_then(|name| self.reference(entry, "profile", Kind::Profile, &name));
        references.has_profile = profile_id.is_some();
        let retention = self.read_retention(entry, &destination_ids);
        references.policies = retention.values().cloned().collect();
        let input = JobInput {
            name,
            source_id: source_id.unwrap_or_default(),
            databases: entry.texts("databases"),
            retention,
            destination_ids,
            compression: entry.text("compression").unwrap_or_else(default_compression),
            profile_id,
            schedule: read_schedule(entry),
            timeout_seconds: entry.number("timeoutSeconds"),
            enabled: entry.flag("enabled").unwrap_or(true),
            acknowledged_warnings: Some(entry.texts("acknowledgedWarnings").unwrap_or_default()),
            allow_damaged: entry.flag("allowDamaged").unwrap_or_default(),
        };
        (input, references)
    }

    /// Finds what a job refers to, as it is called once the configuration is applied.
    pub(super) fn reference(&self, entry: &mut Entry, field: &str, kind: Kind, name: &str) -> Option<String> {
        let id = self.targets.id(kind, name).cloned();
        if id.is_none() {
            let noun = super::noun(kind);
            entry.refuse(field, format!("there is no {noun} '{name}', neither in the configuration nor on the server"));
        }
        id
    }

    fn put_job(&mut self, name: &str, new: NewJob, target: &Target) {
        let policies = new.retention.values();
        let ids = [&new.source_id].into_iter().chain(&new.destination_ids).chain(&new.profile_id).chain(policies);
        self.used.extend(ids.map(|id| (id.clone(), name.to_owned())));
        let before = self.seen.jobs.iter().find(|job| job.id == target.id);
        let diff = self.diff_job(before, &new);
        self.warn_of_lost_retention(before, &new);
        let stage = if target.exists { Stage::UpdateJob } else { Stage::InsertJob };
        self.settle(Kind::Job, &new.name.clone(), target, diff, stage, |id| ConfigurationEdit::Job(id, new));
    }

    fn diff_job(&self, before: Option<&Job>, new: &NewJob) -> Diff {
        let mut diff = Diff::default();
        let was = |value: fn(&Job) -> Value| before.map(value).unwrap_or_default();
        if before.is_some() {
            diff.field("name", was(|job| job.name.clone().into()), new.name.trim());
        }
        self.diff_references(before, new, &mut diff);
        self.diff_retention(before, &new.retention, &mut diff);
        diff.field("databases", was(|job| job.databases.clone().into()), new.databases.clone());
        diff.field("compression", was(|job| job.compression.to_string().into()), new.compression.to_string());
        diff.field("schedule.cron", was(|job| job.cron.clone().into()), new.cron.clone());
        let zone = |cron: Option<&String>, zone: &str| cron.map(|_| zone.to_owned());
        let zone_before = before.and_then(|job| zone(job.cron.as_ref(), &job.time_zone));
        diff.field("schedule.timeZone", zone_before, zone(new.cron.as_ref(), &new.time_zone));
        diff.field("timeoutSeconds", was(|job| job.timeout_seconds.into()), new.timeout_seconds);
        diff.field("enabled", was(|job| job.enabled.into()), new.enabled);
        let list = |entries: &[String]| Some(entries.to_vec()).filter(|entries| !entries.is_empty());
        let acknowledged = list(new.acknowledged_warnings.as_deref().unwrap_or_default());
        diff.field("acknowledgedWarnings", before.and_then(|job| list(&job.acknowledged_warnings)), acknowledged);
        let damaged = |allowed: bool| Some(true).filter(|_| allowed);
        diff.field("allowDamaged", before.and_then(|job| damaged(job.allow_damaged)), damaged(new.allow_damaged));
        diff
    }

    /// Compares what a job refers to by ids, so that a renamed source is no change of the job; shows it by names.
    fn diff_references(&self, before: Option<&Job>, new: &NewJob, diff: &mut Diff) {
        if before.is_none_or(|job| job.source_id != new.source_id) {
            let name = |id: &String| self.shown(id);
            diff.field("source", before.map(|job| name(&job.source_id)), name(&new.source_id));
        }
        if before.is_none_or(|job| job.destination_ids != new.destination_ids) {
            let names = |ids: &[String]| ids.iter().map(|id| self.shown(id)).collect::<Vec<_>>();
            diff.field("destinations", before.map(|job| names(&job.destination_ids)), names(&new.destination_ids));
        }
        if before.is_none_or(|job| job.profile_id != new.profile_id) {
            let name = |id: Option<&String>| id.map(|id| self.shown(id));
            let before = before.and_then(|job| name(job.profile_id.as_ref()));
            diff.field("profile", before, name(new.profile_id.as_ref()));
        }
    }
}

fn read_schedule(entry: &mut Entry) -> Option<ScheduleInput> {
    let mut schedule = Entry::new(format!("{}.schedule", entry.place), entry.table("schedule")?);
    let (cron, time_zone) = (schedule.text("cron"), schedule.text("timeZone"));
    if cron.is_none() {
        schedule.miss("cron");
    }
    let errors = schedule.finish("cron and timeZone");
    let prefix = format!("{}.", entry.place);
    errors.into_iter().for_each(|error| entry.refuse(error.field.trim_start_matches(&prefix), error.message));
    Some(ScheduleInput { cron: cron?, time_zone: time_zone.unwrap_or_else(utc) })
}

/// Returns what an entry calls a field of the API.
fn of_entry(field: &str) -> String {
    let names = [("sourceId", "source"), ("destinationIds", "destinations"), ("profileId", "profile")];
    let found = names.iter().find_map(|(api, entry)| field.strip_prefix(api).map(|rest| format!("{entry}{rest}")));
    found.unwrap_or_else(|| field.to_owned())
}

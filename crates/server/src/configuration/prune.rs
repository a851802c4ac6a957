//! What a configuration no longer names: removed on request, if it was applied under the same label. Backups are never deleted.

use std::collections::HashSet;

use catalog::{ConfigurationEdit, Kind};
use domain::access::Permission;

use super::{Action, Planner, Stage};

impl Planner<'_> {
    /// Plans the removal of what belongs to the owner and is in no entry.
    pub(super) fn prune(&mut self) {
        let seen = self.seen;
        let is_pruned = |id: &String| seen.owners.get(id) == Some(&self.owner) && !self.targets.has(id);
        let mut pruned: Vec<(Kind, String, String)> = Vec::new();
        pruned.extend(seen.jobs.iter().filter(|job| is_pruned(&job.id)).map(|job| of(Kind::Job, &job.id, &job.name)));
        let jobs: HashSet<&String> = pruned.iter().map(|(_, id, _)| id).collect();
        let kept = seen.jobs.iter().filter(|job| !self.targets.has(&job.id) && !jobs.contains(&job.id));
        for job in kept {
            let ids = [&job.source_id]
                .into_iter()
                .chain(&job.destination_ids)
                .chain(&job.profile_id)
                .chain(job.retention.values());
            self.used.extend(ids.map(|id| (id.clone(), job.name.clone())));
        }
        let rules = seen.notification_rules.iter().filter(|rule| is_pruned(&rule.id));
        pruned.extend(rules.map(|rule| of(Kind::NotificationRule, &rule.id, &rule.name)));
        let gone: HashSet<&String> = pruned.iter().map(|(_, id, _)| id).collect();
        let kept =
            seen.notification_rules.iter().filter(|rule| !self.targets.has(&rule.id) && !gone.contains(&rule.id));
        for rule in kept {
            self.used.extend(rule.rule.channel_ids.iter().map(|id| (id.clone(), rule.name.clone())));
        }
        let channels = seen.channels.iter().map(|item| of(Kind::Channel, &item.id, &item.name));
        let sources = seen.sources.iter().map(|item| of(Kind::Source, &item.id, &item.name));
        let destinations = seen.destinations.iter().map(|item| of(Kind::Destination, &item.id, &item.name));
        let profiles = seen.profiles.iter().map(|item| of(Kind::Profile, &item.id, &item.name));
        let policies = seen.retention_policies.iter().map(|item| of(Kind::RetentionPolicy, &item.id, &item.name));
        pruned.extend(
            sources
                .chain(destinations)
                .chain(profiles)
                .chain(policies)
                .chain(channels)
                .filter(|(_, id, _)| is_pruned(id)),
        );
        for (kind, id, name) in pruned {
            self.prune_one(kind, id, name);
        }
    }

    fn prune_one(&mut self, kind: Kind, id: String, name: String) {
        if let Some(user) = self.used.get(&id) {
            let by = super::noun(if kind == Kind::Channel { Kind::NotificationRule } else { Kind::Job });
            let message = format!(
                "would remove {} '{name}', which {by} '{user}' uses: name it in the configuration",
                super::noun(kind)
            );
            self.refuse("prune", message);
            return;
        }
        let profile = self.seen.profiles.iter().find(|profile| profile.id == id);
        if profile.is_some_and(|profile| profile.has_identity() && profile.exported_at.is_none()) {
            let message = format!(
                "would remove encryption profile '{name}', whose private key only this server has: export it first, or its backups \
                 can never be opened again"
            );
            self.refuse("prune", message);
            return;
        }
        let is_told = matches!(kind, Kind::Channel | Kind::NotificationRule);
        if is_told && !self.caller.allows(Permission::Administer) {
            self.is_forbidden = true;
            self.refuse("prune", "Only administrators remove channels and notification rules".to_owned());
            return;
        }
        let stage = match kind {
            Kind::Job => Stage::RemoveJob,
            Kind::NotificationRule => Stage::RemoveRule,
            _ => Stage::Remove,
        };
        self.change(kind, &id, name, Action::Delete, Vec::new());
        self.edits.push((stage, ConfigurationEdit::Removal(kind, id)));
    }
}

fn of(kind: Kind, id: &str, name: &str) -> (Kind, String, String) {
    (kind, id.to_owned(), name.to_owned())
}

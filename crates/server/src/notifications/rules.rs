//! One rule in a pass: which problems are its own, and what it writes into the outbox.

use std::collections::HashSet;

use catalog::{Channel, Job, NewMessage, NotificationRule, RunNews, Telling};
use domain::notification::{Event, Rule};
use jiff::Timestamp;

use super::digest::digest_due;
use super::judge::{How, Judge, Judgement, Tell};
use super::troubles::{Concerns, Known, Trouble};
use super::words::{Place, Words};
use crate::app::App;
use crate::http::problem::Problem;

/// The jobs that a rule is about.
pub(super) enum Scope {
    All,
    Some(Vec<Job>),
}

impl Scope {
    pub(super) fn has(&self, job_id: &str) -> bool {
        match self {
            Self::All => true,
            Self::Some(jobs) => jobs.iter().any(|job| job.id == job_id),
        }
    }

    /// Returns a problem as far as it concerns the jobs.
    fn narrow(&self, trouble: &Trouble) -> Option<Trouble> {
        let Self::Some(jobs) = self else { return Some(trouble.clone()) };
        let mut trouble = trouble.clone();
        trouble.jobs.retain(|concerned| self.has(&concerned.id));
        let concerns = match &trouble.concerns {
            Concerns::Jobs => !trouble.jobs.is_empty(),
            Concerns::Destination(id) => jobs.iter().any(|job| job.destination_ids.contains(id)),
            Concerns::Profile(id) => jobs.iter().any(|job| job.profile_id.as_ref() == Some(id)),
            Concerns::Everybody | Concerns::Channel(_) => true,
        };
        concerns.then_some(trouble)
    }
}

impl App {
    /// Returns `false` if another server's pass came first.
    pub(super) async fn judge_rule(
        &self,
        rule: &NotificationRule,
        known: &Known,
        channels: &[Channel],
        news: &[RunNews],
        now: Timestamp,
    ) -> Result<bool, catalog::Error> {
        let scope = self.scope_of(&rule.rule).await?;
        let own = |troubles: &[Trouble]| -> Vec<Trouble> {
            let told = troubles.iter().filter(|trouble| rule.rule.tells(trouble.event));
            told.filter_map(|trouble| scope.narrow(trouble)).collect()
        };
        let (standing, passing) = (own(&known.standing), own(&known.passing));
        let quiet = rule.rule.quiet_hours.as_ref();
        let is_quiet = quiet.is_some_and(|quiet| quiet.cover(now, &rule.rule.time_zone));
        let judge = Judge { rule: &rule.rule, now, is_quiet };
        let open = self.catalog.open_causes(&rule.id).await?;
        let Judgement { open, closed, tells, was_held } = judge.judge(open, &standing, &passing);
        let channels: Vec<&Channel> =
            channels.iter().filter(|channel| channel.enabled && rule.rule.channel_ids.contains(&channel.id)).collect();
        let mut telling = Telling { open, closed, ..Telling::default() };
        let writer = Writer { app: self, rule, channels: &channels };
        writer.write_tells(&tells, was_held && quiet.is_some(), &mut telling);
        writer.write_digest(known, &scope, now, &mut telling).await?;
        self.write_pings(rule, &scope, &channels, news, &mut telling).await?;
        if telling.is_empty() {
            return Ok(true);
        }
        self.catalog.tell(&rule.id, rule.pass, &telling, now).await
    }

    /// Reads the jobs of a rule that still exist.
    async fn scope_of(&self, rule: &Rule) -> Result<Scope, catalog::Error> {
        let Some(ids) = &rule.job_ids else { return Ok(Scope::All) };
        let mut jobs = Vec::new();
        for id in ids {
            jobs.extend(self.catalog.job(id).await?);
        }
        Ok(Scope::Some(jobs))
    }

    /// Checks that what a rule names exists.
    pub(crate) async fn check_rule(&self, rule: &Rule) -> Result<Vec<(String, &'static str)>, Problem> {
        let mut wrong = Vec::new();
        for (index, id) in rule.channel_ids.iter().enumerate() {
            if self.catalog.channel(id).await?.is_none() {
                wrong.push((format!("channelIds[{index}]"), "does not exist. Choose another channel"));
            }
        }
        for (index, id) in rule.job_ids.iter().flatten().enumerate() {
            if self.catalog.job(id).await?.is_none() {
                wrong.push((format!("jobIds[{index}]"), "does not exist. Choose another job"));
            }
        }
        Ok(wrong)
    }
}

/// Writes the messages of a rule.
pub(super) struct Writer<'a> {
    app: &'a App,
    rule: &'a NotificationRule,
    channels: &'a [&'a Channel],
}

impl Writer<'_> {
    fn place(&self) -> Place<'_> {
        Place { public_url: &self.app.config.public_url, time_zone: &self.rule.rule.time_zone }
    }

    fn write_tells(&self, tells: &[Tell], are_grouped: bool, telling: &mut Telling) {
        let is_end = |tell: &&Tell| matches!(tell.how, How::Resolved);
        let told: Vec<Tell> = tells
            .iter()
            .filter(|tell| !is_end(tell) || self.rule.rule.events.contains(&Event::Recovered))
            .cloned()
            .collect();
        if are_grouped && told.len() > 1 {
            let keys: Vec<String> = told.iter().map(once).collect();
            let message = Message { event: "summary", cause_key: &format!("summary {}", self.rule.id), is_over: false };
            self.write(&keys.join(" "), &message, &Words::of_many(&told, &self.place()), telling, None);
            return;
        }
        for tell in &told {
            let event = if tell.how == How::Resolved { Event::Recovered } else { tell.trouble.event };
            // A channel that does not deliver cannot tell of itself.
            let except = match &tell.trouble.concerns {
                Concerns::Channel(id) => Some(id.as_str()),
                _ => None,
            };
            let message = Message { event: event.as_str(), cause_key: &tell.trouble.key, is_over: tell.is_over() };
            self.write(&once(tell), &message, &Words::of(tell, &self.place()), telling, except);
        }
    }

    async fn write_digest(
        &self,
        known: &Known,
        scope: &Scope,
        now: Timestamp,
        telling: &mut Telling,
    ) -> Result<(), catalog::Error> {
        let Some(due) = digest_due(self.rule, now) else { return Ok(()) };
        let causes: Vec<Trouble> = known.standing.iter().filter_map(|trouble| scope.narrow(trouble)).collect();
        let digested = self.app.digest(self.rule, scope, &causes, now).await?;
        let words = Words::of_digest(&digested, &self.place());
        let message = Message { event: "digest", cause_key: &format!("digest {}", self.rule.id), is_over: false };
        self.write(&format!("digest {due}"), &message, &words, telling, None);
        telling.digest_at = Some(due);
        Ok(())
    }

    fn write(&self, once: &str, message: &Message<'_>, words: &Words, telling: &mut Telling, except: Option<&str>) {
        let mut seen = HashSet::new();
        for channel in self.channels.iter().filter(|channel| Some(channel.id.as_str()) != except) {
            if !seen.insert(&channel.id) || self.app.is_ping(channel) {
                continue;
            }
            telling.messages.push(NewMessage {
                channel_id: channel.id.clone(),
                rule_id: Some(self.rule.id.clone()),
                once_key: format!("{} {} {once}", self.rule.id, channel.id),
                cause_key: message.cause_key.to_owned(),
                event: message.event.to_owned(),
                message: self.app.message(message.event, message.cause_key, message.is_over, words),
            });
        }
    }
}

struct Message<'a> {
    event: &'a str,
    cause_key: &'a str,
    is_over: bool,
}

/// Returns what makes a message about a problem the same.
fn once(tell: &Tell) -> String {
    format!("{} {} {} {}", tell.trouble.key, tell.opened_at.as_millisecond(), tell.how.as_str(), tell.number)
}

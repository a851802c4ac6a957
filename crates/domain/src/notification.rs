//! Which events are told through which channels, and when: the rules of notifications.

mod times;

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::stored::named;

pub use times::{ClockTime, Digest, Frequency, QuietHours};

named! {
    /// What can be told.
    Event {
        /// Runs of a job failed, and no copy was stored.
        Failed = "failed",
        /// Runs of a job stored some copies and not all.
        Partial = "partial",
        /// A run gave warnings that are not acknowledged.
        Warnings = "warnings",
        /// The server stopped during a run, which was lost.
        Interrupted = "interrupted",
        /// A scheduled run did not start, or waits in the queue for too long.
        Missed = "missed",
        /// A destination lost its authorization.
        Authorization = "authorization",
        /// A destination is nearly full.
        Quota = "quota",
        /// A private key exists only on this server.
        Key = "key",
        /// A stored backup is not the file that was backed up.
        Verification = "verification",
        /// Another channel does not deliver.
        Channel = "channel",
        /// A problem that was told is gone.
        Recovered = "recovered",
    }
}

named! {
    /// How much an event matters.
    Severity {
        /// Nothing has to be done.
        Info = "info",
        /// Backups can be lost, or will be missing.
        Warning = "warning",
        /// Backups are missing now.
        Critical = "critical",
    }
}

named! {
    /// The state of a message in the outbox.
    MessageState {
        /// It is sent, or sent again, once it is due.
        Waiting = "waiting",
        /// The service has accepted it.
        Sent = "sent",
        /// The service refused it, or could not be reached for too long.
        Failed = "failed",
        /// It was not sent: its channel was disabled, or too many others waited.
        Dropped = "dropped",
    }
}

impl Event {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Failed,
        Self::Partial,
        Self::Warnings,
        Self::Interrupted,
        Self::Missed,
        Self::Authorization,
        Self::Quota,
        Self::Key,
        Self::Verification,
        Self::Channel,
        Self::Recovered,
    ];

    /// Returns how much it matters.
    pub fn severity(self) -> Severity {
        match self {
            Self::Failed | Self::Partial | Self::Missed | Self::Authorization | Self::Verification => {
                Severity::Critical
            }
            Self::Warnings | Self::Interrupted | Self::Quota | Self::Key | Self::Channel => Severity::Warning,
            Self::Recovered => Severity::Info,
        }
    }
}

impl Severity {
    /// Returns whether it matters at least as much as another.
    pub fn reaches(self, least: Self) -> bool {
        self as u8 >= least as u8
    }
}

/// What a rule tells, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = NotificationRuleContent))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// What is told at once. Empty: only the digest is sent.
    #[serde(default = "all_events")]
    #[cfg_attr(feature = "openapi", schema(required = false))]
    pub events: Vec<Event>,
    /// The ids of the jobs that it is about. Absent: all, those of the future included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_ids: Option<Vec<String>>,
    /// The ids of the channels that tell it.
    pub channel_ids: Vec<String>,
    /// Events that matter less are not told. Recoveries of what was told are told all the same.
    #[serde(default = "info")]
    #[cfg_attr(feature = "openapi", schema(required = false))]
    pub min_severity: Severity,
    /// When nothing is told at once. What happens meanwhile is told at the end, together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_hours: Option<QuietHours>,
    /// Hours after which a problem that lasts is told again. Absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 720))]
    pub reminder_hours: Option<i64>,
    /// A regular message about all jobs of the rule, which lists what was not backed up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The time zone of quiet hours and digest: an IANA name, such as `Europe/Berlin`.
    #[serde(default = "utc")]
    #[cfg_attr(feature = "openapi", schema(required = false))]
    pub time_zone: String,
}

fn all_events() -> Vec<Event> {
    Event::ALL.to_vec()
}

fn info() -> Severity {
    Severity::Info
}

fn utc() -> String {
    "UTC".to_owned()
}

/// What is wrong with a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleError {
    /// The field, as in JSON.
    pub field: &'static str,
    /// What is wrong, as a clause.
    pub message: String,
}

impl Rule {
    /// Maximum of [`Self::reminder_hours`].
    pub const MAX_REMINDER_HOURS: i64 = 720;
    /// Maximum number of channels.
    pub const MAX_CHANNELS: usize = 20;
    /// Maximum number of jobs that are named.
    pub const MAX_JOBS: usize = 500;

    /// Creates a rule that tells every event of every job at once.
    pub fn of_everything(channel_ids: Vec<String>) -> Self {
        Self {
            events: all_events(),
            job_ids: None,
            channel_ids,
            min_severity: info(),
            quiet_hours: None,
            reminder_hours: None,
            digest: None,
            time_zone: utc(),
        }
    }

    /// Returns everything that is wrong with it.
    pub fn errors(&self) -> Vec<RuleError> {
        let mut errors = Vec::new();
        let mut check = |field, is_right: bool, message: &str| {
            if !is_right {
                errors.push(RuleError { field, message: message.to_owned() });
            }
        };
        let channels = self.channel_ids.len();
        check("channelIds", (1..=Self::MAX_CHANNELS).contains(&channels), "must be 1 to 20 channels");
        let jobs = self.job_ids.as_ref().map_or(1, Vec::len);
        check("jobIds", (1..=Self::MAX_JOBS).contains(&jobs), "must be 1 to 500 jobs. Leave it out for all jobs");
        let is_told = !self.events.is_empty() || self.digest.is_some();
        check("events", is_told, "choose at least one event, or a digest");
        let hours = self.reminder_hours.unwrap_or(1);
        check("reminderHours", (1..=Self::MAX_REMINDER_HOURS).contains(&hours), "must be 1 to 720");
        let is_empty = self.quiet_hours.as_ref().is_some_and(|quiet| quiet.from == quiet.until);
        check("quietHours", !is_empty, "must begin and end at different times");
        let is_known = jiff::tz::TimeZone::get(&self.time_zone).is_ok();
        check("timeZone", is_known, "is not an IANA time zone. Use a name such as Europe/Berlin or UTC");
        errors
    }

    /// Returns whether an event is told at once.
    pub fn tells(&self, event: Event) -> bool {
        self.events.contains(&event) && event.severity().reaches(self.min_severity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_of_a_rule_has_its_default_and_what_is_wrong_is_named() {
        let rule: Rule = serde_json::from_str(r#"{"channelIds": ["c"]}"#).unwrap();
        assert_eq!(rule, Rule::of_everything(vec!["c".to_owned()]));
        assert!(rule.errors().is_empty() && rule.tells(Event::Recovered));
        let text = r#"{"channelIds": [], "jobIds": [], "events": [], "reminderHours": 0, "timeZone": "Nowhere",
                       "quietHours": {"from": "07:00", "until": "07:00"}}"#;
        let wrong: Rule = serde_json::from_str(text).unwrap();
        let fields: Vec<_> = wrong.errors().into_iter().map(|error| error.field).collect();
        assert_eq!(fields, ["channelIds", "jobIds", "events", "reminderHours", "quietHours", "timeZone"]);
        let errors_only = Rule { min_severity: Severity::Critical, ..rule };
        assert!(errors_only.tells(Event::Failed) && !errors_only.tells(Event::Warnings));
        for event in Event::ALL {
            assert_eq!(event.as_str().parse(), Ok(event));
        }
        assert!(serde_json::from_str::<Rule>(r#"{"channelIds": ["c"], "evnts": []}"#).is_err());
    }
}

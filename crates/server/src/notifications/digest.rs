//! Digests: how all jobs of a rule stand, and which of them were not backed up.

use catalog::NotificationRule;
use domain::notification::{Digest, Frequency};
use jiff::{SignedDuration, Timestamp};

use super::rules::Scope;
use super::troubles::Trouble;
use super::words::Digested;
use crate::app::App;
use crate::overview::SLOT_TOLERANCE;

/// Maximum number of jobs that are looked at.
const MAX_JOBS: i64 = 1000;

/// Returns when the digest was due that has not been sent yet. After a while without a server, only the last one is sent.
pub(super) fn digest_due(rule: &NotificationRule, now: Timestamp) -> Option<Timestamp> {
    let digest = rule.rule.digest.as_ref()?;
    let due = digest.last_due(now, &rule.rule.time_zone)?;
    let sent = rule.digest_at.map_or(rule.created_at, |sent| sent);
    (due > sent.0).then_some(due)
}

fn period(digest: Option<&Digest>) -> (&'static str, SignedDuration) {
    match digest.map(|digest| digest.every) {
        Some(Frequency::Week) => ("Last 7 days", SignedDuration::from_hours(7 * 24)),
        _ => ("Last 24 hours", SignedDuration::from_hours(24)),
    }
}

impl App {
    pub(super) async fn digest<'a>(
        &self,
        rule: &NotificationRule,
        scope: &Scope,
        causes: &'a [Trouble],
        now: Timestamp,
    ) -> Result<Digested<'a>, catalog::Error> {
        let (period, length) = period(rule.rule.digest.as_ref());
        let mut lacking = self.catalog.unprotected_jobs(now - SLOT_TOLERANCE, now - length, MAX_JOBS).await?;
        lacking.retain(|job| scope.has(&job.id));
        let jobs = match scope {
            Scope::All => self.catalog.count_jobs().await?,
            Scope::Some(jobs) => i64::try_from(jobs.len()).unwrap_or(i64::MAX),
        };
        Ok(Digested { jobs, lacking, period, causes: causes.iter().collect() })
    }
}

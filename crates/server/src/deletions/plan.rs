//! The retention plan of a job at a destination, from what the catalog knows.

use catalog::{Job, Retained, RetainedCopy};
use domain::retention::{Backup, Census, Evidence, Listing, OtherCopies, Plan, Quality, Rules, plan};
use domain::stored::{ScanState, SidecarKnown, VerificationResult};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::app::App;

/// A plan with the copies that it decides on, in the same order: the newest first.
#[derive(Debug)]
pub(crate) struct JobPlan {
    pub(crate) plan: Plan,
    pub(crate) copies: Vec<RetainedCopy>,
}

impl App {
    /// Plans what rules make of the backups of a job at a destination, as the last scan has seen them.
    ///
    /// # Errors
    /// [`catalog::Error`].
    pub(crate) async fn retention_plan(
        &self,
        job: &Job,
        destination_id: &str,
        rules: &Rules,
        now: Timestamp,
    ) -> Result<JobPlan, catalog::Error> {
        let retained = self.catalog.retained(destination_id, &job.id, &job.name).await?;
        let ours = self.signer.public_key();
        let backups: Vec<Backup> = retained.copies.iter().map(|copy| backup_of(copy, job, ours)).collect();
        let zone = TimeZone::get(&job.time_zone).unwrap_or(TimeZone::UTC);
        let plan = plan(rules, &zone, now, &evidence_of(&retained), &backups);
        Ok(JobPlan { plan, copies: retained.copies })
    }
}

fn backup_of(copy: &RetainedCopy, job: &Job, ours: &str) -> Backup {
    Backup {
        id: copy.id.clone(),
        database: copy.database.clone().unwrap_or_default(),
        source: copy.source.clone().unwrap_or_default(),
        time: copy.created_at.0,
        arrival: copy.arrival,
        quality: quality_of(copy, job, ours),
        verified: copy.verified_result == Some(VerificationResult::Whole),
        locked: copy.locked,
        other_copies: match (copy.has_other, copy.has_confirmed) {
            (false, _) => OtherCopies::None,
            (true, true) => OtherCopies::Confirmed,
            (true, false) => OtherCopies::Unconfirmed,
        },
        marked: copy.due_at.is_some(),
    }
}

/// Returns what is known of a backup. What this installation has not signed for this job is unknown, whatever it says of itself.
fn quality_of(copy: &RetainedCopy, job: &Job, ours: &str) -> Quality {
    let is_ours = copy.job_id.as_deref() == Some(&job.id) && copy.signature.as_deref() == Some(ours);
    let has_warnings = || copy.warnings.iter().any(|warning| !warning.is_acknowledged(&job.acknowledged_warnings));
    match copy.verified_result {
        Some(VerificationResult::Altered) => Quality::Altered,
        // Every backup is verified when it is published, so this is another file than that.
        None => Quality::Unknown,
        _ if copy.sidecar != SidecarKnown::Read || !is_ours => Quality::Unknown,
        _ if has_warnings() => Quality::SucceededWithWarnings,
        _ => Quality::Succeeded,
    }
}

fn evidence_of(retained: &Retained) -> Evidence {
    let census = |found: i64, expected: i64| Census { found: found.unsigned_abs(), expected: expected.unsigned_abs() };
    // A scan in progress marks copies as missing only once it has read everything.
    let listing = match retained.scan {
        Some(ScanState::Complete | ScanState::Running) => Listing::Complete {
            job: census(retained.found, retained.expected),
            destination: census(retained.found_in_all, retained.expected_in_all),
        },
        _ => Listing::Failed,
    };
    let clock_ahead = retained.published.map(|(storage, server)| storage.0.duration_since(server.0));
    Evidence { listing, clock_ahead }
}

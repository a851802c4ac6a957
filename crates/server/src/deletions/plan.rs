//! The retention plan of a job at a destination, from what the catalog knows.

use catalog::{Job, Published, Retained, RetainedCopy};
use domain::retention::{Backup, Census, Evidence, Listing, OtherCopies, Plan, Quality, Rules, plan};
use domain::stored::{ScanState, SidecarKnown, VerificationResult};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use crate::app::App;

/// A plan with the copies that it decides on, in the same order: the newest first.
#[derive(Debug)]
pub(crate) struct JobPlan {
    pub(crate) plan: Plan,
    pub(crate) copies: Vec<RetainedCopy>,
    rules: Rules,
}

impl JobPlan {
    /// Returns what a confirmation binds: the rules, and which copies go.
    pub(crate) fn digest(&self) -> String {
        let mut ids: Vec<&str> = self.plan.deletions().collect();
        ids.sort_unstable();
        // Numbers and text only, which JSON has.
        let bound = serde_json::json!([self.rules, ids]).to_string();
        base16ct::lower::encode_string(&Sha256::digest(bound.as_bytes()))
    }
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
        let retained = self.catalog.retained(destination_id, (&job.id, &job.name), now).await?;
        let ours = self.signer.public_key();
        let backups: Vec<Backup> = retained.copies.iter().map(|copy| backup_of(copy, job, ours)).collect();
        let zone = TimeZone::get(&job.time_zone).unwrap_or(TimeZone::UTC);
        let plan = plan(rules, &zone, now, &evidence_of(&retained, now), &backups);
        Ok(JobPlan { plan, copies: retained.copies, rules: *rules })
    }
}

fn backup_of(copy: &RetainedCopy, job: &Job, ours: &str) -> Backup {
    Backup {
        id: copy.id.clone(),
        database: copy.database.clone().unwrap_or_default(),
        source: copy.source.clone().unwrap_or_default(),
        time: copy.created_at.0,
        arrival: copy.arrival,
        quality: quality_of(copy, (&job.id, &job.acknowledged_warnings), ours),
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
fn quality_of(copy: &RetainedCopy, (job_id, acknowledged): (&str, &[String]), ours: &str) -> Quality {
    let is_ours = copy.job_id.as_deref() == Some(job_id) && copy.signature.as_deref() == Some(ours);
    let has_warnings = || copy.warnings.iter().any(|warning| !warning.is_acknowledged(acknowledged));
    match copy.verified_result {
        Some(VerificationResult::Altered) => Quality::Altered,
        // Every backup is verified when it is published, so this is another file than that.
        None => Quality::Unknown,
        _ if copy.sidecar != SidecarKnown::Read || !is_ours => Quality::Unknown,
        // The run that published it compared its size only. If a user did, it may be another file of that size.
        Some(VerificationResult::Unknown) if !is_verified_by_run(copy) => Quality::Unknown,
        Some(VerificationResult::Unknown) => Quality::SucceededWithWarnings,
        _ if has_warnings() => Quality::SucceededWithWarnings,
        _ => Quality::Succeeded,
    }
}

fn is_verified_by_run(copy: &RetainedCopy) -> bool {
    copy.verified_by.as_deref().is_some_and(|by| by.starts_with("run "))
}

fn evidence_of(retained: &Retained, now: Timestamp) -> Evidence {
    let census = |found: i64, expected: i64| Census { found: found.unsigned_abs(), expected: expected.unsigned_abs() };
    // A scan in progress marks copies as missing only once it has read everything.
    let listing = match retained.scan {
        Some(ScanState::Complete | ScanState::Running) => Listing::Complete {
            job: census(retained.found, retained.expected),
            destination: census(retained.found_in_all, retained.expected_in_all),
        },
        _ => Listing::Failed,
    };
    let clock_ahead = retained.published.map(|published| clock_ahead(published, now));
    let Retained { shared_with, place_unknown, .. } = retained;
    Evidence { listing, clock_ahead, shared_with: shared_with.clone(), place_unknown: place_unknown.clone() }
}

/// Returns how far the storage's clock is ahead of the server's. It is ahead if the newest backup was stored after it was recorded, or
/// after now; it is behind if that was stored before its run started.
fn clock_ahead(published: Published, now: Timestamp) -> SignedDuration {
    let Published { started_at, stored_at, recorded_at } = published;
    let ahead = stored_at.0.duration_since(recorded_at.0.min(now));
    let behind = stored_at.0.duration_since(started_at.0);
    ahead.max(SignedDuration::ZERO) + behind.min(SignedDuration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn what_was_compared_by_its_size_only_counts_if_the_run_that_published_it_did_so() {
        let copy = |by: &str, result| RetainedCopy {
            id: "c".to_owned(),
            path: "p".to_owned(),
            job_id: Some("j".to_owned()),
            database: None,
            source: None,
            created_at: at(0).into(),
            stored_size: 1,
            arrival: 1,
            warnings: Vec::new(),
            sidecar: SidecarKnown::Read,
            signature: Some("ours".to_owned()),
            verified_by: Some(by.to_owned()),
            verified_result: Some(result),
            locked: false,
            has_other: false,
            has_confirmed: false,
            due_at: None,
        };
        for (by, result, quality) in [
            ("run r", VerificationResult::Whole, Quality::Succeeded),
            ("run r", VerificationResult::Unknown, Quality::SucceededWithWarnings),
            ("user anna", VerificationResult::Whole, Quality::Succeeded),
            ("user anna", VerificationResult::Unknown, Quality::Unknown),
            ("user anna", VerificationResult::Altered, Quality::Altered),
        ] {
            assert_eq!(quality_of(&copy(by, result), ("j", &[]), "ours"), quality, "{by}: {result:?}");
        }
    }

    #[test]
    fn a_run_that_takes_long_is_no_clock_that_disagrees() {
        let published = |started_at: i64, stored_at: i64, recorded_at: i64| Published {
            started_at: at(started_at).into(),
            stored_at: at(stored_at).into(),
            recorded_at: at(recorded_at).into(),
        };
        for (published, now, ahead) in [
            // Stored early in a run of three hours.
            (published(0, 60, 10_800), 20_000, 0),
            (published(0, 10_800, 10_800), 20_000, 0),
            (published(10_000, 9_000, 10_800), 20_000, -1_000),
            (published(0, 18_000, 10_800), 20_000, 7_200),
            // The server's clock was set back since.
            (published(0, 60, 10_800), 10, 50),
        ] {
            assert_eq!(clock_ahead(published, at(now)).as_secs(), ahead, "{published:?} at {now}");
        }
    }
}

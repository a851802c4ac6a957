//! What retention does at the end of a scan: marks what the plans no longer keep, takes back marks that no longer hold, and deletes what
//! was marked long enough ago.

use std::collections::HashSet;

use adapter::Kind;
use adapter::destination::Destination;
use catalog::{Deletion, Job, MarkedBy, NewAuditEntry, NewDeletion, RetentionPolicy};
use domain::stored::CopyState;
use jiff::{SignedDuration, Timestamp};
use runner::{DeleteError, Listed};
use tokio::sync::Mutex;

use super::plan::JobPlan;
use crate::app::App;

/// Who is in the audit log.
const ACTOR: &str = "retention";
/// Maximum number of deletions of a job's backups at the end of one scan; the next one continues.
const MAX_DELETIONS: i64 = 1000;
/// Time before the second attempt to delete a copy; it doubles with each attempt.
const FIRST_RETRY: SignedDuration = SignedDuration::from_mins(10);
/// Maximum time between two attempts.
const MAX_RETRY: SignedDuration = SignedDuration::from_hours(24);

/// What the end of a scan does about retention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retain {
    /// Marks what the plans no longer keep, and deletes what is due.
    Apply,
    /// Marks only.
    Mark,
}

/// Which backups of a plan are marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marks {
    /// Those that are marked already: the plan is on hold.
    Standing,
    /// All.
    All,
    /// All, confirmed by a user.
    Confirmed,
}

impl App {
    /// Starts a scan of each destination where a job has a retention policy: its backups may go now.
    pub(crate) async fn retain_after_backup(&self, job_id: &str) {
        let started = async {
            let Some(job) = self.catalog.job(job_id).await? else { return Ok(()) };
            for destination_id in job.retention.keys() {
                self.start_scan(destination_id, Retain::Apply).await?;
            }
            Ok::<_, catalog::Error>(())
        };
        if let Err(error) = started.await {
            tracing::warn!(%error, job_id, "retention could not be applied after the backup; the daily scan does it");
        }
    }

    /// Applies the retention policies at a destination. Call it at the end of a scan that has read everything. With [`Retain::Mark`],
    /// nothing is deleted. `deleting` is locked during each deletion, which should not be interrupted.
    ///
    /// # Errors
    /// [`catalog::Error`]. What was marked stays marked.
    pub(crate) async fn apply_retention(
        &self,
        (id, scan): (&str, i64),
        destination: &dyn Destination,
        retain: Retain,
        deleting: &Mutex<()>,
    ) -> Result<(), catalog::Error> {
        let now = self.catalog.shared_now(self.now()).await?;
        self.catalog.drop_void_deletions(id).await?;
        self.resume_deletions((id, scan), destination, now, deleting).await?;
        let jobs = self.catalog.jobs_with_retention(id).await?;
        if !jobs.is_empty() {
            self.look_at_places_like(id).await?;
        }
        for job in jobs {
            let Some(policy_id) = job.retention.get(id) else { continue };
            let Some(policy) = self.catalog.retention_policy(policy_id).await? else { continue };
            let planned = self.retention_plan(&job, id, &policy.rules, now).await?;
            if let Some(reason) = planned.plan.suspended.first() {
                tracing::warn!(job = job.name, destination = id, %reason, "retention deletes nothing");
                continue;
            }
            self.mark((id, scan), &job, &policy, &planned, now).await?;
            if retain == Retain::Apply {
                self.delete_due((id, scan), destination, (&job, &planned), now, deleting).await?;
            }
        }
        Ok(())
    }

    async fn mark(
        &self,
        at: (&str, i64),
        job: &Job,
        policy: &RetentionPolicy,
        planned: &JobPlan,
        now: Timestamp,
    ) -> Result<(), catalog::Error> {
        let pairs = || planned.plan.decisions.iter().zip(&planned.copies);
        let kept: Vec<&str> = pairs()
            .filter(|(decision, copy)| decision.keep && copy.due_at.is_some())
            .map(|(_, copy)| &*copy.id)
            .collect();
        self.catalog.unmark_deletions(&job.id, &kept).await?;
        if let Some(hold) = planned.plan.hold {
            tracing::warn!(job = job.name, destination = at.0, "retention is on hold: {hold}");
        }
        let extent = if planned.plan.hold.is_some() { Marks::Standing } else { Marks::All };
        self.mark_planned(at, (job, policy), planned, extent, now).await.map(drop)
    }

    /// Marks what a plan does not keep. Marks that stand take the policy's grace period. Returns how many copies are marked by it.
    ///
    /// # Errors
    /// [`catalog::Error`].
    pub(crate) async fn mark_planned(
        &self,
        at: (&str, i64),
        (job, policy): (&Job, &RetentionPolicy),
        planned: &JobPlan,
        extent: Marks,
        now: Timestamp,
    ) -> Result<u64, catalog::Error> {
        let marks: Vec<NewDeletion<'_>> = (planned.plan.decisions.iter().zip(&planned.copies))
            .filter(|(decision, copy)| !decision.keep && (extent != Marks::Standing || copy.due_at.is_some()))
            .map(|(decision, _)| NewDeletion { copy_id: &decision.id, reasons: &decision.reasons })
            .collect();
        if marks.is_empty() {
            return Ok(0);
        }
        let grace = SignedDuration::from_hours(24 * policy.grace_days);
        let by = MarkedBy { job_id: &job.id, policy: &policy.name, grace, confirmed: extent == Marks::Confirmed };
        self.catalog.mark_deletions(at, by, &marks, now).await
    }

    /// Completes deletions that were interrupted: deletes the sidecars that they have left, and writes them into the audit log.
    async fn resume_deletions(
        &self,
        at: (&str, i64),
        destination: &dyn Destination,
        now: Timestamp,
        deleting: &Mutex<()>,
    ) -> Result<(), catalog::Error> {
        for marked in self.catalog.interrupted_deletions(at.0, now, MAX_DELETIONS).await? {
            let _uninterrupted = deleting.lock().await;
            if !self.catalog.may_resume_deletion(at, &marked).await? {
                continue;
            }
            self.listings.forget(at.0);
            let deleted = match runner::delete_left(&self.config.adapters.sources, destination, &marked.path).await {
                Err(DeleteError::Destination(error)) if *error.kind() == Kind::NotFound => Ok(()),
                deleted => deleted,
            };
            self.settle_deletion(&marked, deleted, now).await?;
        }
        Ok(())
    }

    /// Deletes what is due of a job, if its plan of this scan still does not keep it.
    async fn delete_due(
        &self,
        (id, scan): (&str, i64),
        destination: &dyn Destination,
        (job, planned): (&Job, &JobPlan),
        now: Timestamp,
        deleting: &Mutex<()>,
    ) -> Result<(), catalog::Error> {
        let going: HashSet<&str> = planned.plan.deletions().collect();
        let epoch = self.catalog.epoch(id).await?;
        for due in self.catalog.due_deletions((id, &job.id), now, MAX_DELETIONS).await? {
            if !going.contains(due.copy_id.as_str()) {
                continue;
            }
            let _uninterrupted = deleting.lock().await;
            let Some(before) = self.catalog.begin_marked_deletion((id, scan), &due, now).await? else { continue };
            let size = u64::try_from(due.stored_size).unwrap_or_default();
            let listed = Listed { size, modified: due.stored_at.map(|time| time.0) };
            let deleted = self.delete_copy((id, epoch), destination, &due.path, Some(&listed), &before).await?;
            self.settle_deletion(&due, deleted, now).await?;
        }
        Ok(())
    }

    async fn settle_deletion(
        &self,
        due: &Deletion,
        deleted: Result<(), DeleteError>,
        now: Timestamp,
    ) -> Result<(), catalog::Error> {
        let path = &due.path;
        let error = match deleted {
            Ok(()) => None,
            Err(error @ DeleteError::Locked(_)) if due.state == CopyState::Present => {
                tracing::warn!(%error, destination = due.destination_id, path, "retention keeps a backup");
                return self.catalog.sidecar_locks(&due.copy_id).await;
            }
            Err(error @ DeleteError::Destination(_)) if due.state == CopyState::Deleted => Some(error),
            // The backup is gone. A sidecar that must be kept, or that cannot be read, stays.
            Err(_) if due.state == CopyState::Deleted => None,
            Err(error) => match self.catalog.backup_at(&due.destination_id, path).await? {
                Some(copy) if copy.state == CopyState::Deleted => None,
                _ => Some(error),
            },
        };
        self.metrics.count_deletion(error.is_none());
        if let Some(error) = error {
            tracing::warn!(%error, destination = due.destination_id, path, "retention could not delete a backup");
            let wait = FIRST_RETRY * 2_i32.saturating_pow(u32::try_from(due.attempts.clamp(0, 10)).unwrap_or_default());
            let retry_at = now.checked_add(wait.min(MAX_RETRY)).unwrap_or(Timestamp::MAX);
            return self.catalog.deletion_failed(&due.copy_id, &error.to_string(), retry_at).await;
        }
        let object = format!("{path} at {}", due.destination);
        let detail = format!("deleted by the retention policy {}, marked at {}", due.policy, due.marked_at.0);
        let entry = NewAuditEntry {
            actor: ACTOR,
            event: "backup.delete",
            action: "delete",
            object_kind: "backup",
            object_name: path,
            object: &object,
            detail: &detail,
            ..NewAuditEntry::default()
        };
        self.catalog.deletion_done(&due.copy_id, &entry, now).await
    }
}

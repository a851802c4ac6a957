//! What retention does at the end of a scan: marks what the plans no longer keep, takes back marks that no longer hold, and deletes what
//! was marked long enough ago.

use std::collections::HashSet;

use adapter::destination::Destination;
use catalog::{Deletion, Job, MarkedBy, NewAuditEntry, NewDeletion, RetentionPolicy};
use domain::retention::Decision;
use domain::stored::CopyState;
use jiff::{SignedDuration, Timestamp};
use runner::{DeleteError, Listed};

use super::plan::JobPlan;
use crate::app::App;

/// Who is in the audit log.
const ACTOR: &str = "retention";
/// Maximum number of deletions at the end of one scan; the next one continues.
const MAX_DELETIONS: i64 = 1000;
/// Time before the second attempt to delete a copy; it doubles with each attempt.
const FIRST_RETRY: SignedDuration = SignedDuration::from_mins(10);
/// Maximum time between two attempts.
const MAX_RETRY: SignedDuration = SignedDuration::from_hours(24);

impl App {
    /// Starts a scan of each destination where a job has a retention policy: its backups may go now.
    pub(crate) async fn retain_after_backup(&self, job_id: &str) {
        let started = async {
            let Some(job) = self.catalog.job(job_id).await? else { return Ok(()) };
            for destination_id in job.retention.keys() {
                self.start_scan(destination_id).await?;
            }
            Ok::<_, catalog::Error>(())
        };
        if let Err(error) = started.await {
            tracing::warn!(%error, job_id, "retention could not be applied after the backup; the daily scan does it");
        }
    }

    /// Applies the retention policies at a destination. Call it at the end of a scan that has read everything.
    ///
    /// # Errors
    /// [`catalog::Error`]. What was marked stays marked.
    pub(crate) async fn apply_retention(
        &self,
        (id, scan): (&str, i64),
        destination: &dyn Destination,
    ) -> Result<(), catalog::Error> {
        let now = self.catalog.shared_now(self.now()).await?;
        self.catalog.drop_void_deletions(id).await?;
        let mut going = HashSet::new();
        for job in self.catalog.jobs_with_retention(id).await? {
            let Some(policy_id) = job.retention.get(id) else { continue };
            let Some(policy) = self.catalog.retention_policy(policy_id).await? else { continue };
            let planned = self.retention_plan(&job, id, &policy.rules, now).await?;
            if let Some(reason) = planned.plan.suspended.first() {
                tracing::warn!(job = job.name, destination = id, %reason, "retention deletes nothing");
                continue;
            }
            self.mark((id, scan), &job, &policy, &planned, now).await?;
            going.extend(planned.plan.deletions().map(str::to_owned));
        }
        self.delete_due((id, scan), destination, &going, now).await
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
        self.catalog.unmark_deletions(&kept).await?;
        match planned.plan.hold {
            Some(hold) => tracing::warn!(job = job.name, destination = at.0, "retention is on hold: {hold}"),
            None => drop(self.mark_planned(at, job, policy, planned, now).await?),
        }
        Ok(())
    }

    /// Marks what a plan does not keep, as confirmed. Returns how many copies were marked.
    ///
    /// # Errors
    /// [`catalog::Error`].
    pub(crate) async fn mark_planned(
        &self,
        at: (&str, i64),
        job: &Job,
        policy: &RetentionPolicy,
        planned: &JobPlan,
        now: Timestamp,
    ) -> Result<u64, catalog::Error> {
        let mark = |decision: &'_ Decision| !decision.keep;
        let marks: Vec<NewDeletion<'_>> =
            planned.plan.decisions.iter().filter(|decision| mark(decision)).map(new).collect();
        if marks.is_empty() {
            return Ok(0);
        }
        let grace = SignedDuration::from_hours(24 * policy.grace_days);
        let due_at = now.checked_add(grace).unwrap_or(Timestamp::MAX);
        let by = MarkedBy { job_id: &job.id, policy: &policy.name, due_at };
        self.catalog.mark_deletions(at, by, &marks, now).await
    }

    /// Deletes what is due, if the plans of this scan still do not keep it.
    async fn delete_due(
        &self,
        (id, scan): (&str, i64),
        destination: &dyn Destination,
        going: &HashSet<String>,
        now: Timestamp,
    ) -> Result<(), catalog::Error> {
        let epoch = self.catalog.epoch(id).await?;
        for due in self.catalog.due_deletions(id, now, MAX_DELETIONS).await? {
            if !going.contains(&due.copy_id) {
                continue;
            }
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
        self.catalog.deletion_done(&due.copy_id).await?;
        let object = format!("{path} at {}", due.destination);
        let detail = format!("deleted by the retention policy {}, marked at {}", due.policy, due.marked_at.0);
        let entry = NewAuditEntry {
            actor: ACTOR,
            address: "",
            action: "delete",
            object: &object,
            refused: false,
            detail: &detail,
        };
        self.catalog.add_audit_entry(&entry, now).await
    }
}

fn new(decision: &Decision) -> NewDeletion<'_> {
    NewDeletion { copy_id: &decision.id, reasons: &decision.reasons }
}

//! Retention policies, and what they make of the backups of a job (S-07).

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use catalog::{Job, NewRetentionPolicy, Page, RetentionPolicy};
use domain::retention::{Hold, Reason, Rules, RulesError};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::access::AuditDetail;
use super::super::edit::{Edit, Editable};
use super::super::extract::{Body, Id, Query};
use super::super::lists::{List, NamedListQuery, list as answer};
use super::super::problem::{Fields, Problem};
use super::super::revision::{HasRevision, IfMatch, Revised};
use super::super::time::Time;
use crate::app::App;
use crate::deletions::{JobPlan, Marks};

const MAX_GRACE_DAYS: i64 = 365;
/// Days between the mark and the deletion, unless a policy says otherwise.
pub(crate) const GRACE_DAYS: i64 = 7;
/// Maximum number of backups in the answer to a preview.
const MAX_SHOWN: usize = 10_000;

/// A retention policy.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RetentionPolicy)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PolicyInfo {
    id: String,
    name: String,
    rules: Rules,
    /// Days between the mark and the deletion of a backup.
    grace_days: i64,
    /// Counts the changes that users make, from 1. It is also the `ETag`.
    revision: i64,
    created_at: Time,
    updated_at: Time,
}

impl HasRevision for PolicyInfo {
    fn revision(&self) -> i64 {
        self.revision
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl From<RetentionPolicy> for PolicyInfo {
    fn from(policy: RetentionPolicy) -> Self {
        Self {
            id: policy.id,
            name: policy.name,
            rules: policy.rules,
            grace_days: policy.grace_days,
            revision: policy.revision,
            created_at: policy.created_at.into(),
            updated_at: policy.updated_at.into(),
        }
    }
}

/// A retention policy that is added or changed.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = RetentionPolicyInput)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PolicyInput {
    #[schema(min_length = 1, max_length = 100)]
    pub(crate) name: String,
    /// Rules are joined: a backup that one of them keeps is kept.
    pub(crate) rules: Rules,
    /// Days between the mark and the deletion of a backup. Marks that nobody has confirmed have at least one.
    #[serde(default = "grace_days")]
    #[schema(minimum = 0, maximum = 365, default = 7)]
    pub(crate) grace_days: i64,
}

fn grace_days() -> i64 {
    GRACE_DAYS
}

impl Editable for PolicyInput {
    const READ_ONLY: &'static [&'static str] = &["id", "revision", "createdAt", "updatedAt"];
}

/// The fields of a retention policy that change; those that are absent stay.
#[derive(Debug, ToSchema)]
#[schema(as = RetentionPolicyPatch)]
pub(crate) struct PolicyPatch {}

/// What a plan is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RetentionPreviewInput {
    job_id: String,
    destination_id: String,
    /// Rules that need not be saved. Absent: those of the job's policy at the destination.
    rules: Option<Rules>,
}

/// A confirmation of what a plan deletes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RetentionConfirmation {
    destination_id: String,
    /// The digest of the previewed plan. If the plan deletes other backups by now, or has other rules, nothing is marked.
    #[schema(min_length = 64, max_length = 64)]
    digest: String,
}

/// What a policy makes of the backups of a job at a destination.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RetentionPlan {
    /// The newest first, at most 10,000.
    items: Vec<PlannedBackup>,
    kept: usize,
    /// Backups that are or would be marked for deletion.
    deletions: usize,
    /// Bytes of their files.
    deleted_size: i64,
    /// Stands for the rules and for the backups that go. A confirmation names it.
    digest: String,
    /// Set if so much would be deleted at once that it has to be confirmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<HeldPlan>,
    /// Why nothing is deleted for now: what is known of the backups cannot be trusted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    suspended: Vec<ReasonInfo>,
}

/// What becomes of a backup.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlannedBackup {
    /// Relative to the destination's folder.
    path: String,
    /// Absent for engines with one database per source.
    #[serde(skip_serializing_if = "Option::is_none")]
    database: Option<String>,
    time: Time,
    /// Bytes of the file.
    size: i64,
    keep: bool,
    /// All reasons why it stays, or the one why it goes.
    reasons: Vec<ReasonInfo>,
    /// When it may be deleted, if it is marked already.
    #[serde(skip_serializing_if = "Option::is_none")]
    due_at: Option<Time>,
}

/// A reason, as data and in words.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReasonInfo {
    reason: Reason,
    words: String,
}

/// What has to be confirmed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HeldPlan {
    #[serde(flatten)]
    hold: Hold,
    words: String,
}

impl From<&Reason> for ReasonInfo {
    fn from(reason: &Reason) -> Self {
        Self { words: reason.to_string(), reason: reason.clone() }
    }
}

impl From<JobPlan> for RetentionPlan {
    fn from(planned: JobPlan) -> Self {
        let digest = planned.digest();
        let JobPlan { plan, copies, .. } = planned;
        let pairs = || plan.decisions.iter().zip(&copies);
        let going = || pairs().filter(|(decision, _)| !decision.keep);
        let shown = pairs().take(MAX_SHOWN).map(|(decision, copy)| PlannedBackup {
            path: copy.path.clone(),
            database: copy.database.clone(),
            time: copy.created_at.into(),
            size: copy.stored_size,
            keep: decision.keep,
            reasons: decision.reasons.iter().map(ReasonInfo::from).collect(),
            due_at: copy.due_at.map(Time::from),
        });
        Self {
            items: shown.collect(),
            kept: pairs().filter(|(decision, _)| decision.keep).count(),
            deletions: going().count(),
            deleted_size: going().map(|(_, copy)| copy.stored_size).sum(),
            digest,
            hold: plan.hold.map(|hold| HeldPlan { words: hold.to_string(), hold }),
            suspended: plan.suspended.iter().map(ReasonInfo::from).collect(),
        }
    }
}

fn gone() -> Problem {
    Problem::not_found("the retention policy")
}

fn check_rules(fields: &mut Fields, rules: &Rules) {
    if let Err(error) = rules.check() {
        let field = match error {
            RulesError::NoRule => "rules".to_owned(),
            RulesError::TooLarge { rule, .. } => format!("rules.{rule}"),
        };
        fields.add(&field, error.to_string());
    }
}

pub(crate) fn check(input: PolicyInput) -> Result<NewRetentionPolicy, Problem> {
    let mut fields = Fields::default();
    fields.check_name(&input.name);
    check_rules(&mut fields, &input.rules);
    fields.check("graceDays", (0..=MAX_GRACE_DAYS).contains(&input.grace_days), || {
        format!("must be between 0 and {MAX_GRACE_DAYS}")
    });
    fields.finish()?;
    Ok(NewRetentionPolicy { name: input.name, rules: input.rules, grace_days: input.grace_days })
}

/// Lists retention policies by name.
#[utoipa::path(get, path = "/api/retention-policies", tag = "retention", params(NamedListQuery), responses((status = 200, body = List<PolicyInfo>)))]
pub(crate) async fn list(
    State(app): State<App>,
    Query(query): Query<NamedListQuery>,
) -> Result<Json<List<PolicyInfo>>, Problem> {
    let request = query.page()?;
    let page = match &query.name {
        Some(name) => Page::of_one(app.catalog.retention_policy_by_name(name).await?),
        None => app.catalog.retention_policies(&request).await?,
    };
    Ok(answer(page, |policy| policy.name.clone(), PolicyInfo::from))
}

/// Creates a retention policy. It deletes nothing until a job uses it.
#[utoipa::path(post, path = "/api/retention-policies", tag = "retention", request_body = PolicyInput, responses((status = 201, body = PolicyInfo)))]
pub(crate) async fn create(
    State(app): State<App>,
    Body(input): Body<PolicyInput>,
) -> Result<(StatusCode, Revised<PolicyInfo>), Problem> {
    let made = app.catalog.create_retention_policy(&check(input)?, app.now()).await?;
    Ok((StatusCode::CREATED, Revised(made.into())))
}

/// Returns a retention policy.
#[utoipa::path(get, path = "/api/retention-policies/{id}", tag = "retention", params(("id" = String, Path)), responses((status = 200, body = PolicyInfo)))]
pub(crate) async fn show(State(app): State<App>, Id(id): Id) -> Result<Revised<PolicyInfo>, Problem> {
    Ok(Revised(app.catalog.retention_policy(&id).await?.ok_or_else(gone)?.into()))
}

/// Replaces a retention policy. Read-only fields are ignored. What is marked by it is looked at again by the next scan.
#[utoipa::path(put, path = "/api/retention-policies/{id}", tag = "retention", params(("id" = String, Path), IfMatch),
    request_body = PolicyInput, responses((status = 200, body = PolicyInfo)))]
pub(crate) async fn update(
    State(app): State<App>,
    Id(id): Id,
    if_match: IfMatch,
    edit: Edit<PolicyInput>,
) -> Result<(Extension<AuditDetail>, Revised<PolicyInfo>), Problem> {
    let before = app.catalog.retention_policy(&id).await?.ok_or_else(gone)?;
    if_match.check(before.revision)?;
    let new = check(edit.of(&PolicyInfo::from(before.clone()))?)?;
    let saved = app.catalog.update_retention_policy(&id, before.revision, &new, app.now()).await;
    let saved = saved.map_err(|error| if_match.refusal(error))?.ok_or_else(gone)?;
    let detail = format!("{} -> {}", in_words(&before)?, in_words(&saved)?);
    Ok((Extension(AuditDetail(detail)), Revised(saved.into())))
}

/// Changes some fields of a retention policy by a merge patch (RFC 7396): `{"rules": {"keepLast": 10}}`.
#[utoipa::path(patch, path = "/api/retention-policies/{id}", tag = "retention", params(("id" = String, Path), IfMatch),
    request_body(content = PolicyPatch, content_type = "application/merge-patch+json"), responses((status = 200, body = PolicyInfo)))]
pub(crate) async fn change(
    State(app): State<App>,
    Id(id): Id,
    if_match: IfMatch,
    edit: Edit<PolicyInput>,
) -> Result<(Extension<AuditDetail>, Revised<PolicyInfo>), Problem> {
    update(State(app), Id(id), if_match, edit).await
}

/// Returns a policy as the audit log has it: its name, its rules as JSON, and its grace period.
fn in_words(policy: &RetentionPolicy) -> Result<String, Problem> {
    let rules = serde_json::to_string(&policy.rules).map_err(Problem::internal)?;
    Ok(format!("{}: {rules}, {} days of grace", policy.name, policy.grace_days))
}

/// Deletes a retention policy that no job uses.
#[utoipa::path(delete, path = "/api/retention-policies/{id}", tag = "retention", params(("id" = String, Path), IfMatch), responses((status = 204)))]
pub(crate) async fn delete(State(app): State<App>, Id(id): Id, if_match: IfMatch) -> Result<StatusCode, Problem> {
    let policy = app.catalog.retention_policy(&id).await?.ok_or_else(gone)?;
    if_match.check(policy.revision)?;
    let deleted = app.catalog.delete_retention_policy(&id, policy.revision).await;
    if deleted.map_err(|error| if_match.refusal(error))? { Ok(StatusCode::NO_CONTENT) } else { Err(gone()) }
}

/// Returns what rules make of the backups of a job at a destination, as the last scan has seen them: every backup, whether it stays, and
/// why. Nothing is changed.
#[utoipa::path(post, path = "/api/retention-policies/preview", tag = "retention", request_body = RetentionPreviewInput,
    responses((status = 200, body = RetentionPlan)))]
pub(crate) async fn preview(
    State(app): State<App>,
    Body(input): Body<RetentionPreviewInput>,
) -> Result<Json<RetentionPlan>, Problem> {
    let job = job_at(&app, &input.job_id, &input.destination_id).await?;
    let rules = match input.rules {
        Some(rules) => {
            let mut fields = Fields::default();
            check_rules(&mut fields, &rules);
            fields.finish()?;
            rules
        }
        None => policy_at(&app, &job, &input.destination_id).await?.rules,
    };
    let now = shared_now(&app).await?;
    Ok(Json(app.retention_plan(&job, &input.destination_id, &rules, now).await?.into()))
}

/// Confirms what the retention policy of a job deletes at a destination: marks it, however much it is. It is deleted once the grace period
/// is over.
#[utoipa::path(post, path = "/api/jobs/{id}/retention", tag = "retention", params(("id" = String, Path)),
    request_body = RetentionConfirmation, responses((status = 200, body = RetentionPlan)))]
pub(crate) async fn confirm(
    State(app): State<App>,
    Id(id): Id,
    Body(input): Body<RetentionConfirmation>,
) -> Result<(Extension<AuditDetail>, Json<RetentionPlan>), Problem> {
    let RetentionConfirmation { destination_id, digest } = input;
    let job = job_at(&app, &id, &destination_id).await?;
    let policy = policy_at(&app, &job, &destination_id).await?;
    let now = shared_now(&app).await?;
    let planned = app.retention_plan(&job, &destination_id, &policy.rules, now).await?;
    if planned.digest() != digest {
        let words = "The plan has changed since it was reviewed. Review it again.";
        return Err(Problem::conflict("changed", words));
    }
    let scan = app.catalog.scan(&destination_id).await?.map_or(0, |scan| scan.number);
    let at = (destination_id.as_str(), scan);
    let marked = app.mark_planned(at, (&job, &policy), &planned, Marks::Confirmed, now).await?;
    let detail = format!("{marked} backups of {} marked for deletion by {}", job.name, policy.name);
    let planned = app.retention_plan(&job, &destination_id, &policy.rules, now).await?;
    Ok((Extension(AuditDetail(detail)), Json(planned.into())))
}

async fn shared_now(app: &App) -> Result<Timestamp, Problem> {
    Ok(app.catalog.shared_now(app.now()).await?)
}

async fn job_at(app: &App, job_id: &str, destination_id: &str) -> Result<Job, Problem> {
    let job = app.catalog.job(job_id).await?.ok_or_else(|| Problem::not_found("the job"))?;
    if !job.destination_ids.iter().any(|id| id == destination_id) {
        return Err(Problem::invalid_field("destinationId", "is not a destination of this job"));
    }
    Ok(job)
}

async fn policy_at(app: &App, job: &Job, destination_id: &str) -> Result<RetentionPolicy, Problem> {
    let missing =
        || Problem::conflict("conflict", "The job has no retention policy at this destination. Choose one first.");
    let id = job.retention.get(destination_id).ok_or_else(missing)?;
    app.catalog.retention_policy(id).await?.ok_or_else(missing)
}

//! Retention policies: rules that jobs share.

use domain::retention::Rules;
use jiff::Timestamp;

use crate::error::Error;
use crate::page::{Page, PageRequest};
use crate::sql::{self, Transaction, record, values};
use crate::values::{Moment, as_json, json};
use crate::{Catalog, names, new_id, revision};

/// A retention policy.
#[derive(Debug, Clone)]
pub struct RetentionPolicy {
    /// UUID.
    pub id: String,
    /// Unique but for case.
    pub name: String,
    /// Which backups are kept.
    pub rules: Rules,
    /// Days between the mark and the deletion.
    pub grace_days: i64,
    /// Counts the changes that users make, from 1.
    pub revision: i64,
    /// When it was added.
    pub created_at: Moment,
    /// When it was last changed.
    pub updated_at: Moment,
}

/// A policy that is added or changed; the fields are [`RetentionPolicy`]'s.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the fields of RetentionPolicy")]
pub struct NewRetentionPolicy {
    pub name: String,
    pub rules: Rules,
    pub grace_days: i64,
}

record!(RetentionPolicy, "retention_policies", { id, name, rules, grace_days, revision, created_at, updated_at });
as_json! { Rules; }

impl Catalog {
    /// Adds a policy.
    ///
    /// # Errors
    /// [`Error::NameTaken`].
    pub async fn create_retention_policy(
        &self,
        new: &NewRetentionPolicy,
        now: Timestamp,
    ) -> Result<RetentionPolicy, Error> {
        let id = new_id(now);
        let mut transaction = self.db.begin().await?;
        insert(&mut transaction, &id, new, now).await?;
        transaction.commit().await?;
        self.retention_policy(&id).await?.ok_or(Error::Referenced)
    }

    /// Changes a policy of this revision. Returns `None` if it does not exist.
    ///
    /// # Errors
    /// [`Error::NameTaken`], [`Error::Outdated`].
    pub async fn update_retention_policy(
        &self,
        id: &str,
        revision: i64,
        new: &NewRetentionPolicy,
        now: Timestamp,
    ) -> Result<Option<RetentionPolicy>, Error> {
        let mut transaction = self.db.begin().await?;
        let is_changed = change(&mut transaction, id, revision, new, now).await?;
        transaction.commit().await?;
        revision::found(u64::from(is_changed), self.retention_policy(id).await?)
    }

    /// Returns the policy with this id.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn retention_policy(&self, id: &str) -> Result<Option<RetentionPolicy>, Error> {
        sql::one(&self.db, &sql::select::<RetentionPolicy>("WHERE id = $1"), values![id]).await
    }

    /// Returns the policy with this name.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn retention_policy_by_name(&self, name: &str) -> Result<Option<RetentionPolicy>, Error> {
        let text = sql::select::<RetentionPolicy>("WHERE name_key = $1");
        sql::one(&self.db, &text, values![names::key(name)]).await
    }

    /// Returns a page of policies in the order of their names.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn retention_policies(&self, page: &PageRequest) -> Result<Page<RetentionPolicy>, Error> {
        let after = names::key(page.after.as_deref().unwrap_or_default());
        let text = sql::select::<RetentionPolicy>("WHERE name_key > $1 ORDER BY name_key LIMIT $2");
        Ok(Page::of(sql::all(&self.db, &text, values![after, page.probe()]).await?, page))
    }

    /// Removes a policy of this revision. Returns `false` if it does not exist.
    ///
    /// # Errors
    /// [`Error::Referenced`] if a job uses it; [`Error::Outdated`].
    pub async fn delete_retention_policy(&self, id: &str, revision: i64) -> Result<bool, Error> {
        let text = "DELETE FROM retention_policies WHERE id = $1 AND revision = $2";
        let deleted = sql::run(&self.db, text, values![id, revision]).await?;
        revision::gone(deleted, self.retention_policy(id).await?.as_ref())
    }
}

pub(crate) async fn insert(
    transaction: &mut Transaction,
    id: &str,
    new: &NewRetentionPolicy,
    now: Timestamp,
) -> Result<(), Error> {
    let text = "INSERT INTO retention_policies (id, name, name_key, rules, grace_days, created_at, updated_at) \
                VALUES ($1, $2, $3, $4, $5, $6, $6)";
    let name = new.name.trim();
    let values = values![id, name, names::key(name), json(&new.rules)?, new.grace_days, now];
    sql::run(transaction, text, values).await.map(drop)
}

/// Returns `false` if there is no such policy of this revision.
pub(crate) async fn change(
    transaction: &mut Transaction,
    id: &str,
    revision: i64,
    new: &NewRetentionPolicy,
    now: Timestamp,
) -> Result<bool, Error> {
    let text = "UPDATE retention_policies SET name = $3, name_key = $4, rules = $5, grace_days = $6, updated_at = $7, \
                revision = revision + 1 WHERE id = $1 AND revision = $2";
    let name = new.name.trim();
    let values = values![id, revision, name, names::key(name), json(&new.rules)?, new.grace_days, now];
    Ok(sql::run(transaction, text, values).await? > 0)
}

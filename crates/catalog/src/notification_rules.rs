//! Notification rules: which events are told through which channels.

use domain::notification::Rule;
use jiff::Timestamp;

use crate::error::Error;
use crate::page::{Page, PageRequest};
use crate::sql::{self, Transaction, record, values};
use crate::values::{Moment, as_json, json};
use crate::{Catalog, names, new_id, revision};

/// A notification rule.
#[derive(Debug, Clone)]
pub struct NotificationRule {
    /// UUID.
    pub id: String,
    /// Unique but for case.
    pub name: String,
    /// What it tells, and when.
    pub rule: Rule,
    /// Counts the changes of what it has told.
    pub pass: i64,
    /// Up to when digests have been sent.
    pub digest_at: Option<Moment>,
    /// Counts the changes that users make, from 1.
    pub revision: i64,
    /// When it was added.
    pub created_at: Moment,
    /// When it was last changed.
    pub updated_at: Moment,
}

/// A rule that is added or changed; the fields are [`NotificationRule`]'s.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the fields of NotificationRule")]
pub struct NewNotificationRule {
    pub name: String,
    pub rule: Rule,
}

record!(NotificationRule, "notification_rules", { id, name, rule, pass, digest_at, revision, created_at, updated_at });
as_json! { Rule; }

impl Catalog {
    /// Adds a rule.
    ///
    /// # Errors
    /// [`Error::NameTaken`]; [`Error::Referenced`] if one of its channels does not exist.
    pub async fn create_notification_rule(
        &self,
        new: &NewNotificationRule,
        now: Timestamp,
    ) -> Result<NotificationRule, Error> {
        let id = new_id(now);
        let mut transaction = self.db.begin().await?;
        insert(&mut transaction, &id, new, now).await?;
        transaction.commit().await?;
        self.notification_rule(&id).await?.ok_or(Error::Referenced)
    }

    /// Changes a rule of this revision. Returns `None` if it does not exist.
    ///
    /// # Errors
    /// [`Error::NameTaken`], [`Error::Outdated`], [`Error::Referenced`].
    pub async fn update_notification_rule(
        &self,
        id: &str,
        revision: i64,
        new: &NewNotificationRule,
        now: Timestamp,
    ) -> Result<Option<NotificationRule>, Error> {
        let mut transaction = self.db.begin().await?;
        let is_changed = change(&mut transaction, id, revision, new, now).await?;
        transaction.commit().await?;
        revision::found(u64::from(is_changed), self.notification_rule(id).await?)
    }

    /// Returns the rule with this id.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn notification_rule(&self, id: &str) -> Result<Option<NotificationRule>, Error> {
        sql::one(&self.db, &sql::select::<NotificationRule>("WHERE id = $1"), values![id]).await
    }

    /// Returns the rule with this name.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn notification_rule_by_name(&self, name: &str) -> Result<Option<NotificationRule>, Error> {
        let text = sql::select::<NotificationRule>("WHERE name_key = $1");
        sql::one(&self.db, &text, values![names::key(name)]).await
    }

    /// Returns a page of rules in the order of their names.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn notification_rules(&self, page: &PageRequest) -> Result<Page<NotificationRule>, Error> {
        let after = names::key(page.after.as_deref().unwrap_or_default());
        let text = sql::select::<NotificationRule>("WHERE name_key > $1 ORDER BY name_key LIMIT $2");
        Ok(Page::of(sql::all(&self.db, &text, values![after, page.probe()]).await?, page))
    }

    /// Removes a rule of this revision with what it holds back. Messages that wait are sent. Returns `false` if it does not exist.
    ///
    /// # Errors
    /// [`Error::Outdated`].
    pub async fn delete_notification_rule(&self, id: &str, revision: i64) -> Result<bool, Error> {
        let text = "DELETE FROM notification_rules WHERE id = $1 AND revision = $2";
        let deleted = sql::run(&self.db, text, values![id, revision]).await?;
        revision::gone(deleted, self.notification_rule(id).await?.as_ref())
    }
}

pub(crate) async fn insert(
    transaction: &mut Transaction,
    id: &str,
    new: &NewNotificationRule,
    now: Timestamp,
) -> Result<(), Error> {
    let text = "INSERT INTO notification_rules (id, name, name_key, rule, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $5)";
    let name = new.name.trim();
    sql::run(&mut *transaction, text, values![id, name, names::key(name), json(&new.rule)?, now]).await?;
    link(transaction, id, &new.rule).await
}

/// Returns `false` if there is no such rule of this revision.
pub(crate) async fn change(
    transaction: &mut Transaction,
    id: &str,
    revision: i64,
    new: &NewNotificationRule,
    now: Timestamp,
) -> Result<bool, Error> {
    // A pass that judges by the old rule is void.
    let text = "UPDATE notification_rules SET name = $3, name_key = $4, rule = $5, updated_at = $6, revision = revision + 1, \
                pass = pass + 1 WHERE id = $1 AND revision = $2";
    let name = new.name.trim();
    let values = values![id, revision, name, names::key(name), json(&new.rule)?, now];
    if sql::run(&mut *transaction, text, values).await? == 0 {
        return Ok(false);
    }
    sql::run(&mut *transaction, "DELETE FROM notification_rule_channels WHERE rule_id = $1", values![id]).await?;
    link(transaction, id, &new.rule).await?;
    Ok(true)
}

async fn link(transaction: &mut Transaction, id: &str, rule: &Rule) -> Result<(), Error> {
    let text = "INSERT INTO notification_rule_channels (rule_id, channel_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    for channel_id in &rule.channel_ids {
        sql::run(&mut *transaction, text, values![id, channel_id]).await?;
    }
    Ok(())
}

//! Channels: ways of telling people. Settings, secrets, and whether messages arrive.

use std::collections::BTreeMap;

use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::Value as Json;

use crate::error::Error;
use crate::page::{Page, PageRequest};
use crate::sql::{self, Transaction, record, values};
use crate::values::{Moment, json};
use crate::{Catalog, names, new_id, revision, sources};

const TABLE: &str = "channels";

/// A channel, without its secrets.
#[derive(Debug, Clone)]
pub struct Channel {
    /// UUID.
    pub id: String,
    /// Unique but for case.
    pub name: String,
    /// The settings that are no secret; `type` says of which kind.
    pub settings: Json,
    /// The names of the secrets that are set.
    pub secrets_set: Vec<String>,
    pub(crate) sealed: BTreeMap<String, String>,
    /// Whether messages are sent through it.
    pub enabled: bool,
    /// Since when nothing could be delivered.
    pub failing_since: Option<Moment>,
    /// Why.
    pub last_error: Option<String>,
    /// When a message was last delivered.
    pub last_sent_at: Option<Moment>,
    /// Counts the changes that users make, from 1.
    pub revision: i64,
    /// When it was added.
    pub created_at: Moment,
    /// When it was last changed.
    pub updated_at: Moment,
}

/// A channel that is added or changed.
#[derive(Debug, Clone)]
pub struct NewChannel {
    /// See [`Channel::name`].
    pub name: String,
    /// See [`Channel::settings`].
    pub settings: Json,
    /// Secrets by name: set, or removed where `None`; those that are not named stay.
    pub secrets: BTreeMap<String, Option<SecretString>>,
    /// See [`Channel::enabled`].
    pub enabled: bool,
}

record!(
    Channel,
    "channels",
    {
        id,
        name,
        settings,
        sealed = "secret_settings",
        enabled,
        failing_since,
        last_error,
        last_sent_at,
        revision,
        created_at,
        updated_at
    },
    |row| { secrets_set: sources::names_of_secrets(row, TABLE)? }
);

impl Catalog {
    /// Adds a channel.
    ///
    /// # Errors
    /// [`Error::NameTaken`].
    pub async fn create_channel(&self, new: &NewChannel, now: Timestamp) -> Result<Channel, Error> {
        let id = new_id(now);
        let mut transaction = self.begin_sealing().await?;
        self.insert_channel(&mut transaction, &id, new, now).await?;
        transaction.commit().await?;
        self.channel(&id).await?.ok_or(Error::Referenced)
    }

    pub(crate) async fn insert_channel(
        &self,
        transaction: &mut Transaction,
        id: &str,
        new: &NewChannel,
        now: Timestamp,
    ) -> Result<(), Error> {
        let sealed = self.seal_settings(TABLE, id, BTreeMap::new(), &new.secrets)?;
        let text = "INSERT INTO channels (id, name, name_key, settings, secret_settings, enabled, created_at, updated_at) \
                    VALUES ($1, $2, $3, $4, $5, $6, $7, $7)";
        let name = new.name.trim();
        let values = values![id, name, names::key(name), json(&new.settings)?, json(&sealed)?, new.enabled, now];
        sql::run(transaction, text, values).await.map(drop)
    }

    /// Changes a channel of this revision. Returns `None` if it does not exist.
    ///
    /// # Errors
    /// [`Error::NameTaken`], [`Error::Outdated`].
    pub async fn update_channel(
        &self,
        id: &str,
        revision: i64,
        new: &NewChannel,
        now: Timestamp,
    ) -> Result<Option<Channel>, Error> {
        let mut transaction = self.begin_sealing().await?;
        if !self.change_channel(&mut transaction, id, revision, new, now).await? {
            return Ok(None);
        }
        transaction.commit().await?;
        self.channel(id).await
    }

    /// Returns `false` if there is no such channel. What was known of failures does not hold for other settings.
    ///
    /// # Errors
    /// As [`Self::update_channel`].
    pub(crate) async fn change_channel(
        &self,
        transaction: &mut Transaction,
        id: &str,
        revision: i64,
        new: &NewChannel,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let found: Option<Channel> =
            sql::one(&mut *transaction, &sql::select::<Channel>("WHERE id = $1"), values![id]).await?;
        let Some(before) = found else { return Ok(false) };
        let sealed = self.seal_settings(TABLE, id, before.sealed, &new.secrets)?;
        let text = "UPDATE channels SET name = $2, name_key = $3, settings = $4, secret_settings = $5, enabled = $6, updated_at = $7, \
                    failing_since = NULL, last_error = NULL, revision = revision + 1 WHERE id = $1 AND revision = $8";
        let name = new.name.trim();
        let (settings, sealed) = (json(&new.settings)?, json(&sealed)?);
        let values = values![id, name, names::key(name), settings, sealed, new.enabled, now, revision];
        if sql::run(transaction, text, values).await? == 0 { Err(Error::Outdated) } else { Ok(true) }
    }

    /// Returns the channel with this id.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn channel(&self, id: &str) -> Result<Option<Channel>, Error> {
        sql::one(&self.db, &sql::select::<Channel>("WHERE id = $1"), values![id]).await
    }

    /// Returns the channel with this name.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn channel_by_name(&self, name: &str) -> Result<Option<Channel>, Error> {
        sql::one(&self.db, &sql::select::<Channel>("WHERE name_key = $1"), values![names::key(name)]).await
    }

    /// Returns a page of channels in the order of their names.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn channels(&self, page: &PageRequest) -> Result<Page<Channel>, Error> {
        let after = names::key(page.after.as_deref().unwrap_or_default());
        let text = sql::select::<Channel>("WHERE name_key > $1 ORDER BY name_key LIMIT $2");
        Ok(Page::of(sql::all(&self.db, &text, values![after, page.probe()]).await?, page))
    }

    /// Removes a channel of this revision with its messages. Returns `false` if it does not exist.
    ///
    /// # Errors
    /// [`Error::Referenced`] if a rule uses it; [`Error::Outdated`].
    pub async fn delete_channel(&self, id: &str, revision: i64) -> Result<bool, Error> {
        let text = "DELETE FROM channels WHERE id = $1 AND revision = $2";
        let deleted = sql::run(&self.db, text, values![id, revision]).await?;
        revision::gone(deleted, self.channel(id).await?.as_ref())
    }

    /// Opens the secrets of a channel.
    ///
    /// # Errors
    /// [`Error::Sealed`].
    pub fn channel_secrets(&self, channel: &Channel) -> Result<BTreeMap<String, SecretString>, Error> {
        self.open_settings(TABLE, &channel.id, &channel.sealed)
    }
}

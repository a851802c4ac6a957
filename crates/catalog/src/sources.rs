//! Databases to back up: settings that everybody may see, and sealed ones.

use std::collections::BTreeMap;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value as Json;

use crate::error::Error;
use crate::page::{Page, PageRequest};
use crate::sql::{self, Row, Transaction, record, values};
use crate::values::{Moment, json};
use crate::vault::Place;
use crate::{Catalog, names, new_id, revision};

/// The approved path of what was saved before approvals were kept: wherever it leads.
pub const APPROVED_BEFORE: &str = "*";

/// A source, without its secrets.
#[derive(Debug, Clone)]
pub struct Source {
    /// UUID.
    pub id: String,
    /// What people call it; unique but for case.
    pub name: String,
    /// The settings that are no secret; `type` says of which engine.
    pub settings: Json,
    /// What operators may restore into it: `none`, `newDatabases`, `ownDatabases`.
    pub restore_target: String,
    /// Where its path on the server's machine led when an administrator saved it; [`APPROVED_BEFORE`] if that was not kept yet.
    pub approved_path: Option<String>,
    /// The names of the secrets that are set.
    pub secrets_set: Vec<String>,
    pub(crate) sealed: BTreeMap<String, String>,
    /// Counts the changes that users make, from 1.
    pub revision: i64,
    /// When it was added.
    pub created_at: Moment,
    /// When it was last changed.
    pub updated_at: Moment,
}

/// A source that is added or changed.
#[derive(Debug, Clone)]
pub struct NewSource {
    /// See [`Source::name`].
    pub name: String,
    /// See [`Source::settings`].
    pub settings: Json,
    /// See [`Source::restore_target`].
    pub restore_target: String,
    /// See [`Source::approved_path`].
    pub approved_path: Option<String>,
    /// Secrets by name: set, or removed where none; those that are not named stay.
    pub secrets: BTreeMap<String, Option<SecretString>>,
}

record!(
    Source,
    "sources",
    { id, name, settings, restore_target, approved_path, sealed = "secret_settings", revision, created_at, updated_at },
    |row| { secrets_set: names_of_secrets(row, "sources")? }
);

/// Returns the names of the secrets that a source or a destination has.
pub(crate) fn names_of_secrets(row: &Row, table: &str) -> Result<Vec<String>, Error> {
    let sealed: BTreeMap<String, String> = row.get(table, "secret_settings")?;
    Ok(sealed.into_keys().collect())
}

impl Catalog {
    /// Adds a source.
    ///
    /// # Errors
    /// [`Error::NameTaken`].
    pub async fn create_source(&self, new: &NewSource, now: Timestamp) -> Result<Source, Error> {
        let id = new_id(now);
        let mut transaction = self.begin_sealing().await?;
        self.insert_source(&mut transaction, &id, new, now).await?;
        transaction.commit().await?;
        self.source(&id).await?.ok_or(Error::Referenced)
    }

    pub(crate) async fn insert_source(
        &self,
        transaction: &mut Transaction,
        id: &str,
        new: &NewSource,
        now: Timestamp,
    ) -> Result<(), Error> {
        let sealed = self.seal_settings("sources", id, BTreeMap::new(), &new.secrets)?;
        let text = "INSERT INTO sources (id, name, name_key, settings, secret_settings, created_at, updated_at, restore_target, \
                    approved_path) VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $8)";
        let name = new.name.trim();
        let (target, approved) = (&new.restore_target, &new.approved_path);
        let (settings, sealed) = (json(&new.settings)?, json(&sealed)?);
        let values = values![id, name, names::key(name), settings, sealed, now, target, approved];
        sql::run(transaction, text, values).await.map(drop)
    }

    /// Changes a source of this revision. Returns `None` if it does not exist.
    ///
    /// # Errors
    /// [`Error::NameTaken`], [`Error::Outdated`].
    pub async fn update_source(
        &self,
        id: &str,
        revision: i64,
        new: &NewSource,
        now: Timestamp,
    ) -> Result<Option<Source>, Error> {
        // Two changes at once must not lose one another's secrets: this also makes the second wait.
        let mut transaction = self.begin_sealing().await?;
        if !self.change_source(&mut transaction, id, revision, new, now).await? {
            return Ok(None);
        }
        transaction.commit().await?;
        self.source(id).await
    }

    /// Returns `false` if there is no such source.
    ///
    /// # Errors
    /// As [`Self::update_source`].
    pub(crate) async fn change_source(
        &self,
        transaction: &mut Transaction,
        id: &str,
        revision: i64,
        new: &NewSource,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let found: Option<Source> =
            sql::one(&mut *transaction, &sql::select::<Source>("WHERE id = $1"), values![id]).await?;
        let Some(source) = found else { return Ok(false) };
        let sealed = self.seal_settings("sources", id, source.sealed, &new.secrets)?;
        let text = "UPDATE sources SET name = $2, name_key = $3, settings = $4, secret_settings = $5, updated_at = $6, \
                    restore_target = $7, approved_path = $8, revision = revision + 1 WHERE id = $1 AND revision = $9";
        let name = new.name.trim();
        let (target, approved) = (&new.restore_target, &new.approved_path);
        let (settings, sealed) = (json(&new.settings)?, json(&sealed)?);
        let values = values![id, name, names::key(name), settings, sealed, now, target, approved, revision];
        if sql::run(transaction, text, values).await? == 0 { Err(Error::Outdated) } else { Ok(true) }
    }

    /// By id.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn source(&self, id: &str) -> Result<Option<Source>, Error> {
        sql::one(&self.db, &sql::select::<Source>("WHERE id = $1"), values![id]).await
    }

    /// Returns the source with this name.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn source_by_name(&self, name: &str) -> Result<Option<Source>, Error> {
        sql::one(&self.db, &sql::select::<Source>("WHERE name_key = $1"), values![names::key(name)]).await
    }

    /// By name, in order.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn sources(&self, page: &PageRequest) -> Result<Page<Source>, Error> {
        let after = names::key(page.after.as_deref().unwrap_or_default());
        let text = sql::select::<Source>("WHERE name_key > $1 ORDER BY name_key LIMIT $2");
        Ok(Page::of(sql::all(&self.db, &text, values![after, page.probe()]).await?, page))
    }

    /// Removes a source of this revision. Returns `false` if it does not exist.
    ///
    /// # Errors
    /// [`Error::Referenced`] if a job uses it; [`Error::Outdated`].
    pub async fn delete_source(&self, id: &str, revision: i64) -> Result<bool, Error> {
        let text = "DELETE FROM sources WHERE id = $1 AND revision = $2";
        let deleted = sql::run(&self.db, text, values![id, revision]).await?;
        revision::gone(deleted, self.source(id).await?.as_ref())
    }

    /// A source's secrets, opened.
    ///
    /// # Errors
    /// [`Error::Sealed`].
    pub fn source_secrets(&self, source: &Source) -> Result<BTreeMap<String, SecretString>, Error> {
        self.open_settings("sources", &source.id, &source.sealed)
    }

    /// Seals what is new, drops what is to go, and keeps the rest.
    pub(crate) fn seal_settings(
        &self,
        table: &'static str,
        id: &str,
        mut sealed: BTreeMap<String, String>,
        changes: &BTreeMap<String, Option<SecretString>>,
    ) -> Result<BTreeMap<String, String>, Error> {
        for (name, value) in changes {
            match value.as_ref().filter(|value| !value.expose_secret().is_empty()) {
                Some(value) => {
                    let place = format!("{id}/{name}");
                    let place = Place { table, id: &place, column: "secret_settings" };
                    sealed.insert(name.clone(), self.vault.seal(place, value)?);
                }
                None => {
                    sealed.remove(name);
                }
            }
        }
        Ok(sealed)
    }

    pub(crate) fn open_settings(
        &self,
        table: &'static str,
        id: &str,
        sealed: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, SecretString>, Error> {
        let open = |(name, value): (&String, &String)| {
            let place = format!("{id}/{name}");
            let place = Place { table, id: &place, column: "secret_settings" };
            Ok((name.clone(), self.vault.open(place, value)?))
        };
        sealed.iter().map(open).collect()
    }
}

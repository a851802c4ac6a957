//! Databases to back up: settings that everybody may see, and sealed ones.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sea_orm::{DbErr, FromQueryResult, QueryResult};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value as Json;

use crate::columns::{JsonText, Moment, json};
use crate::error::Error;
use crate::page::{Page, PageRequest};
use crate::sql::{self, values};
use crate::vault::Place;
use crate::{Catalog, names, new_id};

/// A source, without its secrets.
#[derive(Debug, Clone)]
pub struct Source {
    /// UUID.
    pub id: String,
    /// What people call it; unique but for case.
    pub name: String,
    /// The settings that are no secret; `type` says of which engine.
    pub settings: Json,
    /// The names of the secrets that are set.
    pub secrets_set: Vec<String>,
    pub(crate) sealed: BTreeMap<String, String>,
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
    /// Secrets by name: set, or removed where none; those that are not named stay.
    pub secrets: BTreeMap<String, Option<SecretString>>,
}

impl FromQueryResult for Source {
    fn from_query_result(row: &QueryResult, prefix: &str) -> Result<Self, DbErr> {
        let JsonText(settings) = row.try_get(prefix, "settings")?;
        let JsonText(sealed): JsonText<BTreeMap<String, String>> = row.try_get(prefix, "secret_settings")?;
        Ok(Self {
            id: row.try_get(prefix, "id")?,
            name: row.try_get(prefix, "name")?,
            settings,
            secrets_set: sealed.keys().cloned().collect(),
            sealed,
            created_at: row.try_get(prefix, "created_at")?,
            updated_at: row.try_get(prefix, "updated_at")?,
        })
    }
}

const SELECT: &str = "SELECT id, name, settings, secret_settings, created_at, updated_at FROM sources";

impl Catalog {
    /// Adds a source.
    ///
    /// # Errors
    /// [`Error::NameTaken`].
    pub async fn create_source(&self, new: &NewSource, now: Timestamp) -> Result<Source, Error> {
        let id = new_id(now);
        let sealed = self.seal_settings("sources", &id, BTreeMap::new(), &new.secrets)?;
        let text = "INSERT INTO sources (id, name, name_key, settings, secret_settings, created_at, updated_at) \
                    VALUES ($1, $2, $3, $4, $5, $6, $6)";
        let name = new.name.trim();
        let values = values![id.clone(), name, names::key(name), json(&new.settings)?, json(&sealed)?, Moment(now)];
        self.write_sealed(text, values).await?;
        self.source(&id).await?.ok_or(Error::Referenced)
    }

    /// Changes a source. None if there is none.
    ///
    /// # Errors
    /// [`Error::NameTaken`].
    pub async fn update_source(&self, id: &str, new: &NewSource, now: Timestamp) -> Result<Option<Source>, Error> {
        // Two changes at once must not lose one another's secrets: this also makes the second wait.
        let transaction = self.begin_sealing().await?;
        let found: Option<Source> = sql::one(&transaction, &format!("{SELECT} WHERE id = $1"), values![id]).await?;
        let Some(source) = found else { return Ok(None) };
        let sealed = self.seal_settings("sources", id, source.sealed, &new.secrets)?;
        let text = "UPDATE sources SET name = $2, name_key = $3, settings = $4, secret_settings = $5, updated_at = $6 \
                    WHERE id = $1";
        let name = new.name.trim();
        let values = values![id, name, names::key(name), json(&new.settings)?, json(&sealed)?, Moment(now)];
        sql::run(&transaction, text, values).await?;
        transaction.commit().await?;
        self.source(id).await
    }

    /// By id.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn source(&self, id: &str) -> Result<Option<Source>, Error> {
        sql::one(&self.db, &format!("{SELECT} WHERE id = $1"), values![id]).await
    }

    /// By name, in order.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn sources(&self, page: &PageRequest) -> Result<Page<Source>, Error> {
        let after = names::key(page.after.as_deref().unwrap_or_default());
        let text = format!("{SELECT} WHERE name_key > $1 ORDER BY name_key LIMIT $2");
        Ok(Page::of(sql::all(&self.db, &text, values![after, page.probe()]).await?, page))
    }

    /// Removes a source. False if there is none.
    ///
    /// # Errors
    /// [`Error::Referenced`] if a job uses it.
    pub async fn delete_source(&self, id: &str) -> Result<bool, Error> {
        Ok(sql::run(&self.db, "DELETE FROM sources WHERE id = $1", values![id]).await? > 0)
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

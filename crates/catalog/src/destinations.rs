//! Places that keep backups: settings, secrets, and at some of them an authorization.

use std::collections::BTreeMap;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::error::Error;
use crate::housekeeping::HOUSEKEEPING_BATCH;
use crate::page::{Page, PageRequest};
use crate::sql::{self, Transaction, record, values};
use crate::values::{Moment, as_json, json};
use crate::vault::Place;
use crate::{Catalog, names, new_id, revision, scans, sources};

/// A destination, without its secrets.
#[derive(Debug, Clone)]
pub struct Destination {
    /// UUID.
    pub id: String,
    /// What people call it; unique but for case.
    pub name: String,
    /// The settings that are no secret; `type` says of which kind.
    pub settings: Json,
    /// As [`crate::Source::approved_path`].
    pub approved_path: Option<String>,
    /// The names of the secrets that are set.
    pub secrets_set: Vec<String>,
    pub(crate) sealed: BTreeMap<String, String>,
    pub(crate) sealed_grant: Option<String>,
    /// What is known of its authorization, where it needs one and was authorized at least once.
    pub authorization: Option<AuthorizationState>,
    /// Counts the changes that users make, from 1.
    pub revision: i64,
    /// When it was added.
    pub created_at: Moment,
    /// When it was last changed.
    pub updated_at: Moment,
}

/// What is known of an authorization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthorizationState {
    /// The account's id at the storage.
    pub account_id: String,
    /// Its owner's name.
    pub account_name: String,
    /// Its owner's address.
    pub email: String,
    /// The team, if it belongs to one.
    pub team: Option<String>,
    /// What was granted.
    pub scopes: Vec<String>,
    /// Bytes in use.
    pub used: Option<u64>,
    /// Bytes allowed; none if there is no limit, or it is not known.
    pub allowed: Option<u64>,
    /// When it was authorized.
    pub authorized_at: Timestamp,
    /// When it was last used or checked.
    pub checked_at: Timestamp,
    /// Why Dropbox refuses every call; `None` while the authorization stands.
    pub broken: Option<String>,
    /// Whether `broken` is about the app instead of the authorization: authorizing again would not help.
    #[serde(default)]
    pub app_refused: bool,
    /// Whether the App Key was changed since: the grant belongs to the previous app, and cannot be revoked with this one.
    #[serde(default)]
    pub app_changed: bool,
    /// Scopes that calls needed and lacked, sorted.
    #[serde(default)]
    pub missing_scopes: Vec<String>,
    /// The namespace of the team whose space was chosen; `None` until it is known.
    #[serde(default)]
    pub team_root: Option<String>,
}

impl AuthorizationState {
    /// Returns whether a new authorization leads to another place than this one, as far as is known.
    fn is_other_place(&self, new: &Self) -> bool {
        self.account_id != new.account_id
            || self.account_id.is_empty()
            || self.app_changed
            || self.team_root.as_ref().is_some_and(|root| new.team_root.as_ref() != Some(root))
    }
}

/// A destination's secrets, opened.
#[derive(Debug)]
pub struct DestinationSecrets {
    /// By name.
    pub settings: BTreeMap<String, SecretString>,
    /// The OAuth refresh token.
    pub grant: Option<SecretString>,
}

/// A destination that is added or changed.
#[derive(Debug, Clone)]
pub struct NewDestination {
    /// See [`Destination::name`].
    pub name: String,
    /// See [`Destination::settings`].
    pub settings: Json,
    /// See [`Destination::approved_path`].
    pub approved_path: Option<String>,
    /// Secrets by name: set, or removed where none; those that are not named stay.
    pub secrets: BTreeMap<String, Option<SecretString>>,
    /// The access that a person has granted.
    pub grant: GrantChange,
}

/// What a change does with the access that a person has granted.
#[derive(Debug, Clone, Default)]
pub enum GrantChange {
    /// It stays.
    #[default]
    Keep,
    /// It is replaced: by the refresh token, and what is known of the account.
    Set(SecretString, Box<AuthorizationState>),
    /// It is removed.
    Remove,
}

impl GrantChange {
    /// Returns whether the copies of a destination may be in another account afterwards.
    fn is_elsewhere(&self, before: &Destination) -> bool {
        before.authorization.as_ref().is_some_and(|before| match self {
            Self::Keep => false,
            Self::Set(_, state) => before.is_other_place(state),
            // The next access may be that of another account.
            Self::Remove => true,
        })
    }
}

record!(
    Destination,
    "destinations",
    {
        id,
        name,
        settings,
        approved_path,
        sealed = "secret_settings",
        sealed_grant = "secret_grant",
        authorization = "authorization_state",
        revision,
        created_at,
        updated_at
    },
    |row| { secrets_set: sources::names_of_secrets(row, "destinations")? }
);

as_json!(AuthorizationState;);

impl Catalog {
    /// Adds a destination.
    ///
    /// # Errors
    /// [`Error::NameTaken`].
    pub async fn create_destination(&self, new: &NewDestination, now: Timestamp) -> Result<Destination, Error> {
        let id = new_id(now);
        let mut transaction = self.begin_sealing().await?;
        self.insert_destination(&mut transaction, &id, new, now).await?;
        transaction.commit().await?;
        self.destination(&id).await?.ok_or(Error::Referenced)
    }

    pub(crate) async fn insert_destination(
        &self,
        transaction: &mut Transaction,
        id: &str,
        new: &NewDestination,
        now: Timestamp,
    ) -> Result<(), Error> {
        let sealed = self.seal_settings("destinations", id, BTreeMap::new(), &new.secrets)?;
        let text = "INSERT INTO destinations (id, name, name_key, settings, secret_settings, created_at, updated_at, approved_path) \
                    VALUES ($1, $2, $3, $4, $5, $6, $6, $7)";
        let name = new.name.trim();
        let (settings, sealed, approved) = (json(&new.settings)?, json(&sealed)?, &new.approved_path);
        let values = values![id, name, names::key(name), settings, sealed, now, approved];
        sql::run(&mut *transaction, text, values).await?;
        self.write_grant(transaction, id, &new.grant).await
    }

    /// Changes a destination of this revision. Returns `None` if it does not exist. If more than its name is changed, or its team's space is
    /// looked up anew, what is known of its copies has to be confirmed by a scan.
    ///
    /// # Errors
    /// [`Error::NameTaken`], [`Error::Outdated`].
    pub async fn update_destination(
        &self,
        id: &str,
        revision: i64,
        new: &NewDestination,
        now: Timestamp,
    ) -> Result<Option<Destination>, Error> {
        // Two changes at once must not lose one another's secrets: this also makes the second wait.
        let mut transaction = self.begin_sealing().await?;
        if !self.change_destination(&mut transaction, id, revision, new, now).await? {
            return Ok(None);
        }
        transaction.commit().await?;
        self.destination(id).await
    }

    /// Returns `false` if there is no such destination.
    ///
    /// # Errors
    /// As [`Self::update_destination`].
    pub(crate) async fn change_destination(
        &self,
        transaction: &mut Transaction,
        id: &str,
        revision: i64,
        new: &NewDestination,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let found: Option<Destination> =
            sql::one(&mut *transaction, &sql::select::<Destination>("WHERE id = $1"), values![id]).await?;
        let Some(destination) = found else { return Ok(false) };
        if self.is_elsewhere(&destination, new)? {
            scans::invalidate(transaction, id, now).await?;
        }
        let sealed = self.seal_settings("destinations", id, destination.sealed, &new.secrets)?;
        let text = "UPDATE destinations SET name = $2, name_key = $3, settings = $4, secret_settings = $5, updated_at = $6, \
                    approved_path = $7, revision = revision + 1 WHERE id = $1 AND revision = $8";
        let name = new.name.trim();
        let (settings, sealed, approved) = (json(&new.settings)?, json(&sealed)?, &new.approved_path);
        let values = values![id, name, names::key(name), settings, sealed, now, approved, revision];
        if sql::run(&mut *transaction, text, values).await? == 0 {
            return Err(Error::Outdated);
        }
        self.write_grant(transaction, id, &new.grant).await.map(|()| true)
    }

    /// Returns whether a change can make another place of a destination.
    fn is_elsewhere(&self, before: &Destination, new: &NewDestination) -> Result<bool, Error> {
        let known = self.open_settings("destinations", &before.id, &before.sealed)?;
        let is_other_secret = |(name, secret): (&String, &Option<SecretString>)| {
            known.get(name).map(ExposeSecret::expose_secret) != secret.as_ref().map(ExposeSecret::expose_secret)
        };
        Ok(before.settings != new.settings
            || before.approved_path != new.approved_path
            || before.authorization.as_ref().is_some_and(|state| state.team_root.is_some())
            || new.secrets.iter().any(is_other_secret)
            || new.grant.is_elsewhere(before))
    }

    /// Keeps a grant: the refresh token, sealed, and what is known of the account. If it is for another account, app or team than before,
    /// what is known of the destination's copies has to be confirmed by a scan.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn set_grant(
        &self,
        id: &str,
        refresh_token: &SecretString,
        state: &AuthorizationState,
    ) -> Result<(), Error> {
        let mut transaction = self.begin_sealing().await?;
        let found: Option<Destination> =
            sql::one(&mut transaction, &sql::select::<Destination>("WHERE id = $1"), values![id]).await?;
        let Some(before) = found else { return Ok(()) };
        let change = GrantChange::Set(refresh_token.clone(), Box::new(state.clone()));
        if change.is_elsewhere(&before) {
            scans::invalidate(&mut transaction, id, state.authorized_at).await?;
        }
        self.write_grant(&mut transaction, id, &change).await?;
        transaction.commit().await
    }

    async fn write_grant(&self, transaction: &mut Transaction, id: &str, change: &GrantChange) -> Result<(), Error> {
        let (sealed, state) = match change {
            GrantChange::Keep => return Ok(()),
            GrantChange::Set(refresh_token, state) => {
                (Some(self.vault.seal(grant_place(id), refresh_token)?), Some(json(&**state)?))
            }
            GrantChange::Remove => (None, None),
        };
        let text = "UPDATE destinations SET secret_grant = $2, authorization_state = $3 WHERE id = $1";
        sql::run(transaction, text, values![id, sealed, state]).await.map(drop)
    }

    /// Keeps what was learnt of an authorization, unless the grant has been replaced since it was read.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn set_authorization_state(
        &self,
        destination: &Destination,
        state: &AuthorizationState,
    ) -> Result<(), Error> {
        let text = "UPDATE destinations SET authorization_state = $3 WHERE id = $1 AND secret_grant = $2";
        let grant = destination.sealed_grant.as_deref().unwrap_or_default();
        sql::run(&self.db, text, values![&destination.id, grant, json(state)?]).await.map(drop)
    }

    /// By id.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn destination(&self, id: &str) -> Result<Option<Destination>, Error> {
        sql::one(&self.db, &sql::select::<Destination>("WHERE id = $1"), values![id]).await
    }

    /// Returns the destination with this name.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn destination_by_name(&self, name: &str) -> Result<Option<Destination>, Error> {
        sql::one(&self.db, &sql::select::<Destination>("WHERE name_key = $1"), values![names::key(name)]).await
    }

    /// By name, in order.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn destinations(&self, page: &PageRequest) -> Result<Page<Destination>, Error> {
        let after = names::key(page.after.as_deref().unwrap_or_default());
        let text = sql::select::<Destination>("WHERE name_key > $1 ORDER BY name_key LIMIT $2");
        Ok(Page::of(sql::all(&self.db, &text, values![after, page.probe()]).await?, page))
    }

    /// Returns the ids of the other destinations with the same adapter.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn destinations_like(&self, destination: &Destination) -> Result<Vec<String>, Error> {
        let all: Vec<Destination> = sql::all(&self.db, &sql::select::<Destination>(""), []).await?;
        let is_like =
            |other: &Destination| other.id != destination.id && other.settings["type"] == destination.settings["type"];
        Ok(all.into_iter().filter(is_like).map(|other| other.id).collect())
    }

    /// Removes a destination of this revision and what is known of the copies there, which stay. Returns `false` if there is none. If this
    /// fails half-way, what is left has to be confirmed by a scan.
    ///
    /// # Errors
    /// [`Error::Referenced`] if a job uses it; [`Error::Outdated`].
    pub async fn delete_destination(&self, id: &str, revision: i64, now: Timestamp) -> Result<bool, Error> {
        let found = self.destination(id).await?;
        if found.is_some_and(|found| found.revision != revision) {
            return Err(Error::Outdated);
        }
        let used = "SELECT job_id FROM job_destinations WHERE destination_id = $1 LIMIT 1";
        if sql::value::<String>(&self.db, used, values![id]).await?.is_some() {
            return Err(Error::Referenced);
        }
        if self.destination(id).await?.is_none() {
            return Ok(false);
        }
        // Also ends a scan in progress, which would add what is removed.
        let mut transaction = self.db.begin().await?;
        scans::invalidate(&mut transaction, id, now).await?;
        transaction.commit().await?;
        // There can be a million copies: removing all of them with the destination would lock everybody else out.
        let text = "DELETE FROM copies WHERE id IN (SELECT id FROM copies WHERE destination_id = $1 LIMIT $2) RETURNING backup_id";
        while self.remove_copies(text, values![id, HOUSEKEEPING_BATCH]).await? > 0 {}
        let text = "DELETE FROM destinations WHERE id = $1 AND revision = $2";
        let deleted = sql::run(&self.db, text, values![id, revision]).await?;
        revision::gone(deleted, self.destination(id).await?.as_ref())
    }

    /// A destination's secrets, opened.
    ///
    /// # Errors
    /// [`Error::Sealed`].
    pub fn destination_secrets(&self, destination: &Destination) -> Result<DestinationSecrets, Error> {
        let settings = self.open_settings("destinations", &destination.id, &destination.sealed)?;
        let grant = destination.sealed_grant.as_ref();
        let grant = grant.map(|sealed| self.vault.open(grant_place(&destination.id), sealed)).transpose()?;
        Ok(DestinationSecrets { settings, grant })
    }
}

pub(crate) fn grant_place(id: &str) -> Place<'_> {
    Place { table: "destinations", id, column: "secret_grant" }
}

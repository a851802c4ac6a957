//! Encryption profiles: to whom backups are encrypted, and perhaps the key that opens them.

use jiff::Timestamp;
use secrecy::SecretString;

use crate::error::Error;
use crate::page::{Page, PageRequest};
use crate::sql::{self, Transaction, record, values};
use crate::values::{Moment, json};
use crate::vault::Place;
use crate::{Catalog, names, new_id, revision};

/// An encryption profile, without its private key.
#[derive(Debug, Clone)]
pub struct Profile {
    /// UUID.
    pub id: String,
    /// What people call it; unique but for case.
    pub name: String,
    /// age public keys.
    pub recipients: Vec<String>,
    pub(crate) sealed_identity: Option<String>,
    /// When the private key was handed out.
    pub exported_at: Option<Moment>,
    /// Counts the changes that users make, from 1.
    pub revision: i64,
    /// When it was made.
    pub created_at: Moment,
}

impl Profile {
    /// Whether this server can open what is encrypted to it.
    pub fn has_identity(&self) -> bool {
        self.sealed_identity.is_some()
    }
}

/// A profile that is made.
#[derive(Debug)]
pub struct NewProfile {
    /// See [`Profile::name`].
    pub name: String,
    /// See [`Profile::recipients`].
    pub recipients: Vec<String>,
    /// The private key, as the text of an age identity file; none if the server shall not be able to read what it writes.
    pub identity: Option<SecretString>,
}

record!(Profile, "profiles", { id, name, recipients, sealed_identity = "secret_identity", exported_at, revision, created_at });

impl Catalog {
    /// Makes a profile. Its keys never change: other keys are another profile.
    ///
    /// # Errors
    /// [`Error::NameTaken`].
    pub async fn create_profile(&self, new: &NewProfile, now: Timestamp) -> Result<Profile, Error> {
        let id = new_id(now);
        let mut transaction = self.begin_sealing().await?;
        self.insert_profile(&mut transaction, &id, new, now).await?;
        transaction.commit().await?;
        self.profile(&id).await?.ok_or(Error::Referenced)
    }

    pub(crate) async fn insert_profile(
        &self,
        transaction: &mut Transaction,
        id: &str,
        new: &NewProfile,
        now: Timestamp,
    ) -> Result<(), Error> {
        let identity = new.identity.as_ref().map(|identity| self.vault.seal(place(id), identity)).transpose()?;
        let text = "INSERT INTO profiles (id, name, name_key, recipients, secret_identity, created_at) \
                    VALUES ($1, $2, $3, $4, $5, $6)";
        let name = new.name.trim();
        let values = values![id, name, names::key(name), json(&new.recipients)?, identity, now];
        sql::run(transaction, text, values).await.map(drop)
    }

    /// Renames a profile, and gives it the private key of its recipients if it has none. Returns `false` if there is no such profile of this
    /// revision.
    pub(crate) async fn change_profile(
        &self,
        transaction: &mut Transaction,
        id: &str,
        revision: i64,
        name: &str,
        identity: Option<&SecretString>,
    ) -> Result<bool, Error> {
        let sealed = identity.map(|identity| self.vault.seal(place(id), identity)).transpose()?;
        let name = name.trim();
        let text = "UPDATE profiles SET name = $2, name_key = $3, secret_identity = COALESCE(secret_identity, $4), \
                    revision = revision + 1 WHERE id = $1 AND revision = $5";
        Ok(sql::run(transaction, text, values![id, name, names::key(name), sealed, revision]).await? > 0)
    }

    /// Renames a profile of this revision. Returns `None` if it does not exist.
    ///
    /// # Errors
    /// [`Error::NameTaken`], [`Error::Outdated`].
    pub async fn rename_profile(&self, id: &str, revision: i64, name: &str) -> Result<Option<Profile>, Error> {
        let name = name.trim();
        let text =
            "UPDATE profiles SET name = $3, name_key = $4, revision = revision + 1 WHERE id = $1 AND revision = $2";
        let changed = sql::run(&self.db, text, values![id, revision, name, names::key(name)]).await?;
        revision::found(changed, self.profile(id).await?)
    }

    /// By id.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn profile(&self, id: &str) -> Result<Option<Profile>, Error> {
        sql::one(&self.db, &sql::select::<Profile>("WHERE id = $1"), values![id]).await
    }

    /// Returns the profile with this name.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn profile_by_name(&self, name: &str) -> Result<Option<Profile>, Error> {
        sql::one(&self.db, &sql::select::<Profile>("WHERE name_key = $1"), values![names::key(name)]).await
    }

    /// By name, in order.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn profiles(&self, page: &PageRequest) -> Result<Page<Profile>, Error> {
        let after = names::key(page.after.as_deref().unwrap_or_default());
        let text = sql::select::<Profile>("WHERE name_key > $1 ORDER BY name_key LIMIT $2");
        Ok(Page::of(sql::all(&self.db, &text, values![after, page.probe()]).await?, page))
    }

    /// Removes a profile of this revision with its private key. Returns `false` if it does not exist.
    ///
    /// # Errors
    /// [`Error::Referenced`] if a job uses it; [`Error::Outdated`].
    pub async fn delete_profile(&self, id: &str, revision: i64) -> Result<bool, Error> {
        let text = "DELETE FROM profiles WHERE id = $1 AND revision = $2";
        let deleted = sql::run(&self.db, text, values![id, revision]).await?;
        revision::gone(deleted, self.profile(id).await?.as_ref())
    }

    /// The private key, as an age identity file; none if this server has none.
    ///
    /// # Errors
    /// [`Error::Sealed`].
    pub fn profile_identity(&self, profile: &Profile) -> Result<Option<SecretString>, Error> {
        profile.sealed_identity.as_ref().map(|sealed| self.vault.open(place(&profile.id), sealed)).transpose()
    }

    /// Returns the ids of the profiles whose private key this server has.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn profiles_with_identity(&self) -> Result<Vec<String>, Error> {
        Ok(self.with_identity().await?.into_iter().map(|profile| profile.id).collect())
    }

    async fn with_identity(&self) -> Result<Vec<Profile>, Error> {
        sql::all(&self.db, &sql::select::<Profile>("WHERE secret_identity IS NOT NULL ORDER BY id"), []).await
    }

    /// Every private key that this server has, for opening a backup of which it is not known who may.
    ///
    /// # Errors
    /// [`Error::Sealed`].
    pub async fn all_identities(&self) -> Result<Vec<SecretString>, Error> {
        let profiles = self.with_identity().await?;
        let opened = profiles.iter().map(|profile| self.profile_identity(profile)).collect::<Result<Vec<_>, _>>()?;
        Ok(opened.into_iter().flatten().collect())
    }

    /// Notes that the private key is handed out. True once.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn mark_exported(&self, id: &str, now: Timestamp) -> Result<bool, Error> {
        let text = "UPDATE profiles SET exported_at = $2 WHERE id = $1 AND exported_at IS NULL";
        Ok(sql::run(&self.db, text, values![id, now]).await? > 0)
    }
}

pub(crate) fn place(id: &str) -> Place<'_> {
    Place { table: "profiles", id, column: "secret_identity" }
}

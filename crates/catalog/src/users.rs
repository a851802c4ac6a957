//! People who sign in.

use domain::access::{Permission, Role};
use jiff::Timestamp;

use crate::error::Error;
use crate::names;
use crate::page::{Page, PageRequest};
use crate::sql::{self, Executor, Transaction, record, values};
use crate::token::Token;
use crate::values::Moment;
use crate::{Catalog, NewApiToken, api_tokens, new_id, revision};

/// A person.
#[derive(Debug, Clone)]
pub struct User {
    /// UUID.
    pub id: String,
    /// What they sign in with; upper and lower case are the same.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Argon2id, as a PHC string.
    pub password_hash: String,
    /// Counts the changes of role and password, from 1.
    pub revision: i64,
    /// When they were added.
    pub created_at: Moment,
}

/// Somebody new.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// See [`User::name`].
    pub name: String,
    /// See [`User::role`].
    pub role: Role,
    /// See [`User::password_hash`].
    pub password_hash: String,
}

/// Which credentials stay valid after a new password. By default none.
#[derive(Debug, Clone, Copy, Default)]
pub struct Keep<'a> {
    /// The session that set it.
    pub session: Option<&'a str>,
    /// API tokens.
    pub tokens: bool,
}

record!(User, "users", { id, name, role, password_hash, revision, created_at });

impl Catalog {
    /// Whether nobody has been added yet.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn has_no_users(&self) -> Result<bool, Error> {
        let first: Option<User> = sql::one(&self.db, &sql::select::<User>("LIMIT 1"), []).await?;
        Ok(first.is_none())
    }

    /// Adds the first administrator, whoever shows the setup token first; none for everybody else. With it, an API token with every
    /// scope, by its name.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn create_first_administrator(
        &self,
        token: &Token,
        new: &NewUser,
        api_token: Option<(&str, &Token)>,
        now: Timestamp,
    ) -> Result<Option<User>, Error> {
        let mut transaction = self.db.begin().await?;
        if !crate::setup_tokens::spend(&mut transaction, token).await? {
            return Ok(None);
        }
        let user = insert(&mut transaction, new, now).await?;
        if let Some((name, token)) = api_token {
            let (user_id, scopes) = (user.id.as_str(), &Permission::ALL[..]);
            let new = NewApiToken { user_id, name, token, scopes, expires_at: None };
            api_tokens::insert(&mut transaction, &new, now).await?;
        }
        transaction.commit().await?;
        Ok(Some(user))
    }

    /// Adds somebody.
    ///
    /// # Errors
    /// [`Error::NameTaken`].
    pub async fn create_user(&self, new: &NewUser, now: Timestamp) -> Result<User, Error> {
        insert(&self.db, new, now).await
    }

    /// By id.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn user(&self, id: &str) -> Result<Option<User>, Error> {
        sql::one(&self.db, &sql::select::<User>("WHERE id = $1"), values![id]).await
    }

    /// By name.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn user_by_name(&self, name: &str) -> Result<Option<User>, Error> {
        sql::one(&self.db, &sql::select::<User>("WHERE name_key = $1"), values![names::key(name)]).await
    }

    /// By name, in order.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn users(&self, page: &PageRequest) -> Result<Page<User>, Error> {
        let after = names::key(page.after.as_deref().unwrap_or_default());
        let text = sql::select::<User>("WHERE name_key > $1 ORDER BY name_key LIMIT $2");
        Ok(Page::of(sql::all(&self.db, &text, values![after, page.probe()]).await?, page))
    }

    /// Changes the role and the password of a user of this revision; what is `None` stays. A new password ends all of the user's
    /// credentials. Returns `false` if that would leave no administrator, or if there is no such user.
    ///
    /// # Errors
    /// [`Error::Outdated`].
    pub async fn update_user(
        &self,
        id: &str,
        revision: i64,
        role: Option<Role>,
        password_hash: Option<&str>,
    ) -> Result<bool, Error> {
        let mut transaction = self.db.begin().await?;
        let text = "UPDATE users SET role = COALESCE($3, role), password_hash = COALESCE($4, password_hash), \
                    revision = revision + 1 WHERE id = $1 AND revision = $2";
        let values = values![id, revision, role.map(Role::as_str), password_hash];
        let changed = sql::run(&mut transaction, text, values).await?;
        if changed == 0 {
            drop(transaction);
            return revision::gone(0, self.user(id).await?.as_ref());
        }
        if password_hash.is_some() {
            end_credentials(&mut transaction, id, Keep::default()).await?;
        }
        commit_if_administered(transaction, changed).await
    }

    /// Sets a password, and ends that person's other credentials: sessions, API tokens, and links to downloads.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn set_password(&self, id: &str, password_hash: &str, keep: Keep<'_>) -> Result<(), Error> {
        let mut transaction = self.db.begin().await?;
        let set = "UPDATE users SET password_hash = $2, revision = revision + 1 WHERE id = $1";
        sql::run(&mut transaction, set, values![id, password_hash]).await?;
        end_credentials(&mut transaction, id, keep).await?;
        transaction.commit().await
    }

    /// Removes a user of this revision with their sessions and tokens. Returns `false` if that would leave no administrator, or if
    /// there is no such user.
    ///
    /// # Errors
    /// [`Error::Outdated`].
    pub async fn delete_user(&self, id: &str, revision: i64) -> Result<bool, Error> {
        let mut transaction = self.db.begin().await?;
        let text = "DELETE FROM users WHERE id = $1 AND revision = $2";
        let changed = sql::run(&mut transaction, text, values![id, revision]).await?;
        if changed == 0 {
            drop(transaction);
            return revision::gone(0, self.user(id).await?.as_ref());
        }
        commit_if_administered(transaction, changed).await
    }
}

async fn insert(db: impl Executor, new: &NewUser, now: Timestamp) -> Result<User, Error> {
    let NewUser { name, role, password_hash } = new.clone();
    let user = User {
        id: new_id(now),
        name: name.trim().to_owned(),
        role,
        password_hash,
        revision: 1,
        created_at: now.into(),
    };
    let text =
        "INSERT INTO users (id, name, name_key, role, password_hash, created_at) VALUES ($1, $2, $3, $4, $5, $6)";
    let values =
        values![&user.id, &user.name, names::key(&user.name), role.as_str(), &user.password_hash, user.created_at];
    sql::run(db, text, values).await?;
    Ok(user)
}

/// Ends a user's credentials, but for those that are kept.
async fn end_credentials(transaction: &mut Transaction, id: &str, keep: Keep<'_>) -> Result<(), Error> {
    let end = "DELETE FROM sessions WHERE user_id = $1 AND id <> $2";
    sql::run(&mut *transaction, end, values![id, keep.session.unwrap_or_default()]).await?;
    sql::run(&mut *transaction, "DELETE FROM download_links WHERE user_id = $1", values![id]).await?;
    if !keep.tokens {
        sql::run(&mut *transaction, "DELETE FROM api_tokens WHERE user_id = $1", values![id]).await?;
    }
    Ok(())
}

async fn commit_if_administered(mut transaction: Transaction, changed: u64) -> Result<bool, Error> {
    // PostgreSQL: two administrators who demote each other at once must wait for each other.
    let lock = "UPDATE users SET role = role WHERE role = 'administrator'";
    let administrators = sql::run(&mut transaction, lock, []).await?;
    if changed == 0 || administrators == 0 {
        return Ok(false);
    }
    transaction.commit().await?;
    Ok(true)
}

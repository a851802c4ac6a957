//! Tokens for programs.

use domain::access::Permission;
use jiff::Timestamp;

use crate::error::Error;
use crate::sql::{self, Executor, record, values};
use crate::token::Token;
use crate::values::{Moment, json};
use crate::{Catalog, new_id};

/// A token, without the token itself.
#[derive(Debug, Clone)]
pub struct ApiToken {
    /// UUID.
    pub id: String,
    /// On whose behalf it acts; never beyond that person's role.
    pub user_id: String,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Permission>,
    /// When it was made.
    pub created_at: Moment,
    /// When it ends; never if none.
    pub expires_at: Option<Moment>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Moment>,
}

/// A token that is made.
#[derive(Debug, Clone)]
pub struct NewApiToken<'a> {
    /// See [`ApiToken::user_id`].
    pub user_id: &'a str,
    /// See [`ApiToken::name`].
    pub name: &'a str,
    /// What the program will show.
    pub token: &'a Token,
    /// See [`ApiToken::scopes`].
    pub scopes: &'a [Permission],
    /// See [`ApiToken::expires_at`].
    pub expires_at: Option<Timestamp>,
}

record!(ApiToken, "api_tokens", { id, user_id, name, scopes, created_at, expires_at, last_used_at });

/// Maximum number of tokens that a user has.
pub const MAX_TOKENS_PER_USER: i64 = 50;

impl Catalog {
    /// Makes a token. Returns `None` if the user has [`MAX_TOKENS_PER_USER`] already.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn create_api_token(&self, new: &NewApiToken<'_>, now: Timestamp) -> Result<Option<ApiToken>, Error> {
        insert(&self.db, new, now).await
    }

    /// By what a program shows.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn api_token_by_token(&self, token: &Token) -> Result<Option<ApiToken>, Error> {
        sql::one(&self.db, &sql::select::<ApiToken>("WHERE token_hash = $1"), values![token.hash()]).await
    }

    /// A person's tokens, the newest first; everybody's if nobody is named.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn api_tokens(&self, user_id: Option<&str>) -> Result<Vec<ApiToken>, Error> {
        let text = sql::select::<ApiToken>("WHERE $1 = '' OR user_id = $1 ORDER BY id DESC LIMIT 1000");
        sql::all(&self.db, &text, values![user_id.unwrap_or_default()]).await
    }

    /// Notes that a token was used.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn touch_api_token(&self, id: &str, now: Timestamp) -> Result<(), Error> {
        let text = "UPDATE api_tokens SET last_used_at = $2 WHERE id = $1";
        sql::run(&self.db, text, values![id, now]).await.map(drop)
    }

    /// Ends a token; only if it is that person's, where somebody is named. False if there is none.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn delete_api_token(&self, user_id: Option<&str>, id: &str) -> Result<bool, Error> {
        let text = "DELETE FROM api_tokens WHERE id = $1 AND ($2 = '' OR user_id = $2)";
        Ok(sql::run(&self.db, text, values![id, user_id.unwrap_or_default()]).await? > 0)
    }
}

pub(crate) async fn insert(
    db: impl Executor,
    new: &NewApiToken<'_>,
    now: Timestamp,
) -> Result<Option<ApiToken>, Error> {
    let token = ApiToken {
        id: new_id(now),
        user_id: new.user_id.to_owned(),
        name: new.name.to_owned(),
        scopes: new.scopes.to_vec(),
        created_at: now.into(),
        expires_at: new.expires_at.map(Moment),
        last_used_at: None,
    };
    let text = "INSERT INTO api_tokens (id, user_id, name, token_hash, scopes, created_at, expires_at) \
                SELECT $1, $2, $3, $4, $5, $6, $7 \
                WHERE (SELECT COUNT(*) FROM api_tokens WHERE user_id = $2) < $8";
    let values = values![
        &token.id,
        new.user_id,
        new.name,
        new.token.hash(),
        json(&token.scopes)?,
        token.created_at,
        new.expires_at,
        MAX_TOKENS_PER_USER
    ];
    Ok((sql::run(db, text, values).await? > 0).then_some(token))
}

//! Who is signed in.

use jiff::{SignedDuration, Timestamp};

use crate::error::Error;
use crate::sql::{self, record, values};
use crate::token::Token;
use crate::values::Moment;
use crate::{Catalog, new_id};

/// A signed-in browser.
#[derive(Debug, Clone)]
pub struct Session {
    /// UUID.
    pub id: String,
    /// Whose.
    pub user_id: String,
    /// Where the sign-in came from.
    pub address: String,
    /// What the browser calls itself.
    pub user_agent: String,
    /// When it began.
    pub created_at: Moment,
    /// When it was last used, to the minute.
    pub last_seen_at: Moment,
}

record!(Session, "sessions", { id, user_id, address, user_agent, created_at, last_seen_at });

/// A session that begins.
#[derive(Debug, Clone)]
pub struct NewSession<'a> {
    /// See [`Session::user_id`].
    pub user_id: &'a str,
    /// What the browser will show.
    pub token: &'a Token,
    /// See [`Session::address`].
    pub address: &'a str,
    /// See [`Session::user_agent`].
    pub user_agent: &'a str,
}

/// Maximum number of sessions that a user has; beyond, the ones that were unused for longest end.
pub const MAX_SESSIONS_PER_USER: i64 = 50;

impl Catalog {
    /// Begins a session. Ends the ones that were unused for longest where the user has more than [`MAX_SESSIONS_PER_USER`].
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn create_session(&self, new: &NewSession<'_>, now: Timestamp) -> Result<Session, Error> {
        let session = Session {
            id: new_id(now),
            user_id: new.user_id.to_owned(),
            address: new.address.to_owned(),
            user_agent: new.user_agent.to_owned(),
            created_at: now.into(),
            last_seen_at: now.into(),
        };
        let text = "INSERT INTO sessions (id, user_id, token_hash, address, user_agent, created_at, last_seen_at) \
                    VALUES ($1, $2, $3, $4, $5, $6, $6)";
        let values =
            values![&session.id, new.user_id, new.token.hash(), new.address, new.user_agent, session.created_at];
        sql::run(&self.db, text, values).await?;
        let end = "DELETE FROM sessions WHERE user_id = $1 AND id NOT IN \
                   (SELECT id FROM sessions WHERE user_id = $1 ORDER BY last_seen_at DESC, id DESC LIMIT $2)";
        sql::run(&self.db, end, values![new.user_id, MAX_SESSIONS_PER_USER]).await?;
        Ok(session)
    }

    /// The session of a token.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn session_by_token(&self, token: &Token) -> Result<Option<Session>, Error> {
        sql::one(&self.db, &sql::select::<Session>("WHERE token_hash = $1"), values![token.hash()]).await
    }

    /// Notes that a session was used.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn touch_session(&self, id: &str, now: Timestamp) -> Result<(), Error> {
        let text = "UPDATE sessions SET last_seen_at = $2 WHERE id = $1";
        sql::run(&self.db, text, values![id, now]).await.map(drop)
    }

    /// A person's sessions, the newest first.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn sessions_of(&self, user_id: &str) -> Result<Vec<Session>, Error> {
        let text = sql::select::<Session>("WHERE user_id = $1 ORDER BY id DESC LIMIT 1000");
        sql::all(&self.db, &text, values![user_id]).await
    }

    /// Ends one of a person's sessions. False if it is not theirs.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn delete_session(&self, user_id: &str, id: &str) -> Result<bool, Error> {
        let text = "DELETE FROM sessions WHERE user_id = $1 AND id = $2";
        Ok(sql::run(&self.db, text, values![user_id, id]).await? > 0)
    }

    /// Forgets what has expired: sessions unused for `idle` or older than `longest`, authorizations, download links.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn forget_expired(
        &self,
        now: Timestamp,
        idle: SignedDuration,
        longest: SignedDuration,
    ) -> Result<(), Error> {
        let before = |age: SignedDuration| now.checked_sub(age).unwrap_or(Timestamp::UNIX_EPOCH);
        let text = "DELETE FROM sessions WHERE last_seen_at < $1 OR created_at < $2";
        sql::run(&self.db, text, values![before(idle), before(longest)]).await?;
        // A grant that nobody confirmed is kept until it can be revoked.
        sql::run(&self.db, "DELETE FROM authorizations WHERE expires_at < $1 AND mode <> 'confirm'", values![now])
            .await?;
        sql::run(&self.db, "DELETE FROM download_links WHERE expires_at < $1", values![now]).await?;
        Ok(())
    }
}

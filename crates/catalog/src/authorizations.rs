//! OAuth flows that have begun: a random `state`, single-use, bound to the session or token that began it and to the destination.
//!
//! A flow that was completed leaves its outcome under the same `state` until it expires, so that the page that began it can
//! ask what became of it, wherever the browser ended up.

use jiff::Timestamp;
use secrecy::SecretString;

use crate::error::Error;
use crate::sql::{self, record, values};
use crate::token::Token;
use crate::values::Moment;
use crate::vault::Place;
use crate::{Catalog, new_id};

/// A flow that is being completed.
#[derive(Debug)]
pub struct Authorization {
    /// The destination to authorize.
    pub destination_id: String,
    /// Who began it: the id of a session or an API token.
    pub credential: String,
    /// `redirect` or `code` while it can be completed; then `confirm`, `done` or `failed`.
    pub mode: String,
    /// The PKCE verifier; then what is known of the outcome.
    pub verifier: SecretString,
    /// Until when it may be completed.
    pub expires_at: Moment,
}

/// A flow that begins.
#[derive(Debug)]
pub struct NewAuthorization<'a> {
    /// What the browser will bring back.
    pub state: &'a Token,
    /// See [`Authorization::destination_id`].
    pub destination_id: &'a str,
    /// See [`Authorization::credential`].
    pub credential: &'a str,
    /// See [`Authorization::mode`].
    pub mode: &'a str,
    /// See [`Authorization::verifier`].
    pub verifier: &'a SecretString,
    /// See [`Authorization::expires_at`].
    pub expires_at: Timestamp,
}

struct Row {
    id: String,
    destination_id: String,
    credential: String,
    mode: String,
    secret_verifier: String,
    expires_at: Moment,
}

record!(Row, "authorizations", { id, destination_id, credential, mode, secret_verifier, expires_at });

impl Catalog {
    /// Keeps a flow that begins.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn create_authorization(&self, new: &NewAuthorization<'_>, now: Timestamp) -> Result<(), Error> {
        let id = new_id(now);
        let verifier = self.vault.seal(place(&id), new.verifier)?;
        let text = "INSERT INTO authorizations \
                    (state_hash, id, destination_id, credential, mode, secret_verifier, expires_at) \
                    VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let values =
            values![new.state.hash(), id, new.destination_id, new.credential, new.mode, verifier, new.expires_at];
        self.write_sealed(text, values).await
    }

    /// Removes and returns the flow of a `state` that can still be completed. Returns `None` if there is none.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn take_authorization(&self, state: &Token) -> Result<Option<Authorization>, Error> {
        let text = removing("state_hash = $1 AND mode IN ('redirect', 'code')");
        self.opened(sql::one(&self.db, &text, values![state.hash()]).await?)
    }

    /// Removes and returns a grant that waits for its confirmation under a `state`. Returns `None` if there is none.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn take_unconfirmed(&self, state: &Token) -> Result<Option<Authorization>, Error> {
        let text = removing("state_hash = $1 AND mode = 'confirm'");
        self.opened(sql::one(&self.db, &text, values![state.hash()]).await?)
    }

    /// Returns a destination's unconfirmed grants.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn unconfirmed(&self, destination_id: &str) -> Result<Vec<Authorization>, Error> {
        let text = sql::select::<Row>("WHERE destination_id = $1 AND mode = 'confirm'");
        let rows: Vec<Row> = sql::all(&self.db, &text, values![destination_id]).await?;
        rows.into_iter().filter_map(|row| self.opened(Some(row)).transpose()).collect()
    }

    /// Removes and returns the grants of a destination that nobody confirmed.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn take_all_unconfirmed(&self, destination_id: &str) -> Result<Vec<Authorization>, Error> {
        let text = removing("destination_id = $1 AND mode = 'confirm'");
        let rows: Vec<Row> = sql::all(&self.db, &text, values![destination_id]).await?;
        rows.into_iter().filter_map(|row| self.opened(Some(row)).transpose()).collect()
    }

    /// Returns the flow of a `state`, or what became of it. Nothing is used up.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn authorization(&self, state: &Token) -> Result<Option<Authorization>, Error> {
        let text = sql::select::<Row>("WHERE state_hash = $1");
        self.opened(sql::one(&self.db, &text, values![state.hash()]).await?)
    }

    fn opened(&self, row: Option<Row>) -> Result<Option<Authorization>, Error> {
        let Some(row) = row else { return Ok(None) };
        let verifier = self.vault.open(place(&row.id), &row.secret_verifier)?;
        let Row { destination_id, credential, mode, expires_at, .. } = row;
        Ok(Some(Authorization { destination_id, credential, mode, verifier, expires_at }))
    }
}

/// Returns the statement that removes and returns the rows that meet `condition`.
fn removing(condition: &str) -> String {
    format!("DELETE FROM authorizations WHERE {condition} RETURNING {}", sql::columns::<Row>())
}

pub(crate) fn place(id: &str) -> Place<'_> {
    Place { table: "authorizations", id, column: "secret_verifier" }
}

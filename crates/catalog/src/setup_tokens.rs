//! The tokens for the first administrator: one per server that has started meanwhile, each as good as the others until one is used.

use crate::Catalog;
use crate::error::Error;
use crate::meta::{KEY_ID, get, set};
use crate::sql::{self, Transaction, values};
use crate::token::Token;

/// What the names of their rows begin with; the hash follows.
const PREFIX: &str = "setupTokenHash:";

fn name(token: &Token) -> String {
    format!("{PREFIX}{}", token.hash())
}

impl Catalog {
    /// Adds a token for the first administrator.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn add_setup_token(&self, token: &Token) -> Result<(), Error> {
        set(&self.db, &name(token), &token.hash()).await
    }

    /// Returns whether this is a setup token.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn is_setup_token(&self, token: &Token) -> Result<bool, Error> {
        Ok(get(&self.db, &name(token)).await?.is_some())
    }
}

/// Spends a setup token, and all others with it. Returns `false` if it does not exist or there is an administrator already.
pub(crate) async fn spend(transaction: &mut Transaction, token: &Token) -> Result<bool, Error> {
    // Two that have different tokens take turns here; the second one sees the first one's user.
    sql::run(&mut *transaction, "UPDATE meta SET value = value WHERE name = $1", values![KEY_ID]).await?;
    let spend = "DELETE FROM meta WHERE name = $1 AND NOT EXISTS (SELECT 1 FROM users)";
    if sql::run(&mut *transaction, spend, values![name(token)]).await? == 0 {
        return Ok(false);
    }
    sql::run(&mut *transaction, "DELETE FROM meta WHERE name LIKE 'setupTokenHash%'", values![]).await?;
    Ok(true)
}

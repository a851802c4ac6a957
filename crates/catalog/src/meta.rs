//! Single values: which key the database is encrypted under, and others.

use crate::Catalog;
use crate::error::Error;
use crate::master_key::MasterKey;
use crate::sql::{self, Executor, Pool, Transaction, values};
use crate::token::Token;
use crate::values::Value;

pub(crate) const KEY_ID: &str = "keyId";
/// A random name of the installation, by which a server recognizes its own metadata database. `sources` reads it, too.
const INSTALLATION_ID: &str = "installationId";

pub(crate) async fn get(db: impl Executor, name: &str) -> Result<Option<String>, Error> {
    sql::value(db, "SELECT value FROM meta WHERE name = $1", values![name]).await
}

pub(crate) async fn set(db: impl Executor, name: &str, value: &str) -> Result<(), Error> {
    let text = "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    sql::run(db, text, values![name, value]).await.map(drop)
}

/// Sets a value that has none yet.
pub(crate) async fn set_first(db: impl Executor, name: &str, value: &str) -> Result<(), Error> {
    let text = "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    sql::run(db, text, values![name, value]).await.map(drop)
}

/// Which key the database is encrypted under; none before its first.
pub(crate) async fn key_id(db: &Pool) -> Result<Option<String>, Error> {
    get(db, KEY_ID).await
}

/// Returns the same for a database whose schema may be of any version, or none.
pub(crate) async fn first_key_id(db: &Pool) -> Result<Option<String>, Error> {
    let text = match db {
        Pool::Sqlite(_) => "SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'meta'",
        Pool::Postgres(..) => "SELECT to_regclass('meta')::text",
    };
    match sql::value::<Option<String>>(db, text, []).await?.flatten() {
        Some(_) => key_id(db).await,
        None => Ok(None),
    }
}

/// Makes this the key of a database that has none yet. The key that it has now, whoever was first.
pub(crate) async fn adopt_key(db: &Pool, key: &MasterKey) -> Result<Option<String>, Error> {
    set_first(db, KEY_ID, key.id()).await?;
    key_id(db).await
}

/// Holds on to the key until the transaction ends: nothing may be sealed under a key that another process is replacing.
pub(crate) async fn hold_key(transaction: &mut Transaction, key_id: &str) -> Result<(), Error> {
    let text = "UPDATE meta SET value = value WHERE name = $1 AND value = $2";
    match sql::run(transaction, text, values![KEY_ID, key_id]).await? {
        0 => Err(Error::KeyChanged),
        _ => Ok(()),
    }
}

impl Catalog {
    /// Returns the random name of this installation, which is the same for all servers on one database. Creates it at its first use.
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::Randomness`].
    pub async fn installation_id(&self) -> Result<String, Error> {
        if let Some(id) = get(&self.db, INSTALLATION_ID).await? {
            return Ok(id);
        }
        set_first(&self.db, INSTALLATION_ID, Token::new("")?.expose()).await?;
        Ok(get(&self.db, INSTALLATION_ID).await?.unwrap_or_default())
    }

    /// Begins a transaction that stores sealed values.
    pub(crate) async fn begin_sealing(&self) -> Result<Transaction, Error> {
        let mut transaction = self.db.begin().await?;
        hold_key(&mut transaction, self.vault.key_id()).await?;
        Ok(transaction)
    }

    /// Runs one statement that stores sealed values.
    pub(crate) async fn write_sealed(&self, sql: &str, values: impl IntoIterator<Item = Value>) -> Result<(), Error> {
        let mut transaction = self.begin_sealing().await?;
        sql::run(&mut transaction, sql, values).await?;
        transaction.commit().await
    }
}

//! Single values: which key the database is encrypted under, and others.

use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, FromQueryResult, Value};

use crate::Catalog;
use crate::error::Error;
use crate::master_key::MasterKey;
use crate::sql::{self, values};

pub(crate) const KEY_ID: &str = "keyId";

#[derive(FromQueryResult)]
struct Row {
    value: String,
}

pub(crate) async fn get(db: &impl ConnectionTrait, name: &str) -> Result<Option<String>, Error> {
    let row: Option<Row> = sql::one(db, "SELECT value FROM meta WHERE name = $1", values![name]).await?;
    Ok(row.map(|row| row.value))
}

pub(crate) async fn set(db: &impl ConnectionTrait, name: &str, value: &str) -> Result<(), Error> {
    let text = "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    sql::run(db, text, values![name, value]).await.map(drop)
}

/// Sets a value that has none yet.
pub(crate) async fn set_first(db: &impl ConnectionTrait, name: &str, value: &str) -> Result<(), Error> {
    let text = "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    sql::run(db, text, values![name, value]).await.map(drop)
}

/// Which key the database is encrypted under; none before its first.
pub(crate) async fn key_id(db: &DatabaseConnection) -> Result<Option<String>, Error> {
    get(db, KEY_ID).await
}

/// Makes this the key of a database that has none yet. The key that it has now, whoever was first.
pub(crate) async fn adopt_key(db: &DatabaseConnection, key: &MasterKey) -> Result<Option<String>, Error> {
    set_first(db, KEY_ID, key.id()).await?;
    key_id(db).await
}

/// Holds on to the key until the transaction ends: nothing may be sealed under a key that another process is replacing.
pub(crate) async fn hold_key(transaction: &impl ConnectionTrait, key_id: &str) -> Result<(), Error> {
    let text = "UPDATE meta SET value = value WHERE name = $1 AND value = $2";
    match sql::run(transaction, text, values![KEY_ID, key_id]).await? {
        0 => Err(Error::KeyChanged),
        _ => Ok(()),
    }
}

impl Catalog {
    /// Begins a transaction that stores sealed values.
    pub(crate) async fn begin_sealing(&self) -> Result<DatabaseTransaction, Error> {
        let transaction = sql::begin(&self.db).await?;
        hold_key(&transaction, self.vault.key_id()).await?;
        Ok(transaction)
    }

    /// Runs one statement that stores sealed values.
    pub(crate) async fn write_sealed(&self, sql: &str, values: impl IntoIterator<Item = Value>) -> Result<(), Error> {
        let transaction = self.begin_sealing().await?;
        sql::run(&transaction, sql, values).await?;
        Ok(transaction.commit().await?)
    }
}

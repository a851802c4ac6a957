//! Changing the master key: everything is sealed anew in one transaction.

use std::collections::BTreeMap;

use crate::error::Error;
use crate::master_key::MasterKey;
use crate::sql::{self, Transaction, record, values};
use crate::values::json;
use crate::vault::{Place, Vault};
use crate::{Catalog, authorizations, destinations, idempotency_keys, meta, profiles, signing_key};

struct Row {
    id: String,
    sealed: String,
}

record!(Row, "the sealed values", { id, sealed });

impl Catalog {
    /// Encrypts everything under another key. This catalog still has the old one: open it again. Gives the number of values.
    ///
    /// # Errors
    /// [`Error::Sealed`] if a value does not open; nothing is changed then.
    pub async fn rotate_key(&self, new: &MasterKey) -> Result<usize, Error> {
        let rotation = Rotation { from: &self.vault, to: &Vault::new(new)? };
        let mut transaction = self.begin_sealing().await?;
        let mut count = 0;
        for table in ["sources", "destinations", "channels"] {
            count += rotation.settings(&mut transaction, table).await?;
        }
        count += rotation.column(&mut transaction, destinations::grant_place).await?;
        count += rotation.column(&mut transaction, profiles::place).await?;
        count += rotation.column(&mut transaction, authorizations::place).await?;
        count += rotation.column(&mut transaction, idempotency_keys::place).await?;
        if let Some(sealed) = meta::get(&mut transaction, signing_key::NAME).await? {
            meta::set(&mut transaction, signing_key::NAME, &rotation.again(signing_key::PLACE, &sealed)?).await?;
            count += 1;
        }
        meta::set(&mut transaction, meta::KEY_ID, new.id()).await?;
        transaction.commit().await?;
        Ok(count)
    }
}

struct Rotation<'a> {
    from: &'a Vault,
    to: &'a Vault,
}

impl Rotation<'_> {
    fn again(&self, place: Place<'_>, sealed: &str) -> Result<String, Error> {
        self.to.seal(place, &self.from.open(place, sealed)?)
    }

    /// A column that holds one sealed value.
    async fn column(&self, db: &mut Transaction, place: fn(&str) -> Place<'_>) -> Result<usize, Error> {
        let Place { table, column, .. } = place("");
        let select = format!("SELECT id, {column} AS sealed FROM {table} WHERE {column} IS NOT NULL");
        let rows: Vec<Row> = sql::all(&mut *db, &select, []).await?;
        for row in &rows {
            let sealed = self.again(place(&row.id), &row.sealed)?;
            let update = format!("UPDATE {table} SET {column} = $2 WHERE id = $1");
            sql::run(&mut *db, &update, values![&row.id, sealed]).await?;
        }
        Ok(rows.len())
    }

    /// A column that holds sealed values by name.
    async fn settings(&self, db: &mut Transaction, table: &'static str) -> Result<usize, Error> {
        let rows: Vec<Row> =
            sql::all(&mut *db, &format!("SELECT id, secret_settings AS sealed FROM {table}"), []).await?;
        let mut count = 0;
        for row in rows {
            let mut all: BTreeMap<String, String> = serde_json::from_str(&row.sealed)
                .map_err(|_| Error::Sealed { place: format!("{table}/{}", row.id), reason: "it is not readable" })?;
            for (name, sealed) in &mut all {
                let id = format!("{}/{name}", row.id);
                *sealed = self.again(Place { table, id: &id, column: "secret_settings" }, sealed)?;
                count += 1;
            }
            let update = format!("UPDATE {table} SET secret_settings = $2 WHERE id = $1");
            sql::run(&mut *db, &update, values![&row.id, json(&all)?]).await?;
        }
        Ok(count)
    }
}

//! How copies were verified: when, by whom, how, and with which result.

use domain::stored::{VerificationMethod, VerificationResult};
use jiff::Timestamp;

use crate::error::Error;
use crate::sql::{self, Transaction, record, values};
use crate::values::Moment;
use crate::{Catalog, new_id, scans};

/// Maximum number of verifications that are kept of one copy.
const MAX_PER_COPY: i64 = 20;

/// A verification.
#[derive(Debug, Clone)]
pub struct StoredVerification {
    /// When.
    pub verified_at: Moment,
    /// By whom: `user anna`, `token laptop of anna`, `run <id>`.
    pub verified_by: String,
    /// How.
    pub how: VerificationMethod,
    /// The result.
    pub result: VerificationResult,
    /// The result in words.
    pub detail: String,
}

record!(StoredVerification, "verifications", { verified_at, verified_by, how, result, detail });

/// A verification that is recorded.
#[derive(Debug, Clone, Copy)]
pub struct NewVerification<'a> {
    /// See [`StoredVerification::verified_by`].
    pub by: &'a str,
    /// See [`StoredVerification::how`].
    pub how: VerificationMethod,
    /// See [`StoredVerification::result`].
    pub result: VerificationResult,
    /// See [`StoredVerification::detail`].
    pub detail: &'a str,
}

impl Catalog {
    /// Records a verification of the copy at a path. Returns `false` if no copy is known there. Nothing is recorded if the destination was
    /// changed since it had this [`Catalog::epoch`].
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn record_verification(
        &self,
        (destination_id, epoch): (&str, i64),
        path: &str,
        new: &NewVerification<'_>,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let mut transaction = self.db.begin().await?;
        if scans::lock(&mut transaction, destination_id).await?.valid_from > epoch {
            return Ok(true);
        }
        let text = "SELECT id FROM copies WHERE destination_id = $1 AND path = $2";
        let Some(id) = sql::value::<String>(&mut transaction, text, values![destination_id, path]).await? else {
            return Ok(false);
        };
        add(&mut transaction, &id, new, now).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Returns the verifications of the copy at a path, newest first.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn verifications(&self, destination_id: &str, path: &str) -> Result<Vec<StoredVerification>, Error> {
        let text = sql::select::<StoredVerification>(
            "WHERE copy_id = (SELECT id FROM copies WHERE destination_id = $1 AND path = $2) ORDER BY id DESC",
        );
        sql::all(&self.db, &text, values![destination_id, path]).await
    }
}

/// Adds a verification of a copy, which becomes its last one. A verification that compared no content does not take the place of one that
/// did: it says nothing about what that one has found.
pub(crate) async fn add(
    transaction: &mut Transaction,
    copy_id: &str,
    new: &NewVerification<'_>,
    now: Timestamp,
) -> Result<(), Error> {
    let (how, result) = (new.how.as_str(), new.result.as_str());
    let text = "INSERT INTO verifications (id, copy_id, verified_at, verified_by, how, result, detail) \
                VALUES ($1, $2, $3, $4, $5, $6, $7)";
    sql::run(&mut *transaction, text, values![new_id(now), copy_id, now, new.by, how, result, new.detail]).await?;
    let text = "UPDATE copies SET verified_at = $2, verified_by = $3, verified_how = $4, verified_result = $5 \
                WHERE id = $1 AND ($5 <> 'unknown' OR verified_result IS NULL OR verified_result = 'unknown')";
    sql::run(&mut *transaction, text, values![copy_id, now, new.by, how, result]).await?;
    let old = "DELETE FROM verifications WHERE copy_id = $1 AND id NOT IN \
               (SELECT id FROM verifications WHERE copy_id = $1 ORDER BY id DESC LIMIT $2)";
    sql::run(transaction, old, values![copy_id, MAX_PER_COPY]).await.map(drop)
}

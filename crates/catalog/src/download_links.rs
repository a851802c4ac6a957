//! Links to download one backup once.

use jiff::Timestamp;

use crate::Catalog;
use crate::error::Error;
use crate::sql::{self, record, values};
use crate::token::Token;
use crate::values::Moment;

/// A link that is being used.
#[derive(Debug, Clone)]
pub struct DownloadLink {
    /// Who alone may use it.
    pub user_id: String,
    /// Where the backup is.
    pub destination_id: String,
    /// Its path there.
    pub path: String,
    /// As it is stored, or else decrypted and decompressed.
    pub raw: bool,
    /// Until when.
    pub expires_at: Moment,
}

record!(DownloadLink, "download_links", { user_id, destination_id, path, raw, expires_at });

/// A link that is made.
#[derive(Debug)]
pub struct NewDownloadLink<'a> {
    /// What the link holds.
    pub token: &'a Token,
    /// Whom and what it is for.
    pub link: &'a DownloadLink,
}

impl Catalog {
    /// Makes a link.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn create_download_link(&self, new: &NewDownloadLink<'_>) -> Result<(), Error> {
        let DownloadLink { user_id, destination_id, path, raw, expires_at } = new.link;
        let text = "INSERT INTO download_links (token_hash, user_id, destination_id, path, raw, expires_at) \
                    VALUES ($1, $2, $3, $4, $5, $6)";
        let values = values![new.token.hash(), user_id, destination_id, path, *raw, *expires_at];
        sql::run(&self.db, text, values).await.map(drop)
    }

    /// Takes a link, which works once, and for that person only. A stranger does not use it up.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn take_download_link(
        &self,
        token: &Token,
        user_id: &str,
        now: Timestamp,
    ) -> Result<Option<DownloadLink>, Error> {
        let text = format!(
            "DELETE FROM download_links WHERE token_hash = $1 AND user_id = $2 AND expires_at > $3 RETURNING {}",
            sql::columns::<DownloadLink>()
        );
        sql::one(&self.db, &text, values![token.hash(), user_id, now]).await
    }
}

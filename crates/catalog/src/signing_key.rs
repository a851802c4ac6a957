//! The key with which an installation signs, sealed like every other secret.

use secrecy::SecretString;

use crate::error::Error;
use crate::vault::Place;
use crate::{Catalog, meta};

/// Its name among the single values.
pub(crate) const NAME: &str = "secretSigningKey";
pub(crate) const PLACE: Place<'_> = Place { table: "meta", id: NAME, column: "value" };

impl Catalog {
    /// Returns the signing key; the one that `draw` gives if there is none yet. Of several servers that start at once, all get the
    /// same.
    ///
    /// # Errors
    /// [`Error::Sealed`]; [`Error::Database`].
    pub async fn signing_key(&self, draw: impl FnOnce() -> Result<SecretString, Error>) -> Result<SecretString, Error> {
        if meta::get(&self.db, NAME).await?.is_none() {
            meta::set_first(&self.db, NAME, &self.vault.seal(PLACE, &draw()?)?).await?;
        }
        let sealed = meta::get(&self.db, NAME).await?.unwrap_or_default();
        self.vault.open(PLACE, &sealed)
    }
}

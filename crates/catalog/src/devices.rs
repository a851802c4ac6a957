//! Browsers in which a user has signed in before.

use crate::Catalog;
use crate::error::Error;
use crate::vault::Place;

/// What a mark holds; its nonce makes each one unique.
const KNOWN: &str = "known";

impl Catalog {
    /// Returns a mark for a browser in which this user has signed in. It grants nothing: it only tells the browser's attempts to
    /// sign in from those of strangers.
    ///
    /// # Errors
    /// [`Error::Randomness`].
    pub fn device_mark(&self, user_id: &str) -> Result<String, Error> {
        self.vault.seal(place(user_id), &KNOWN.into())
    }

    /// Whether this is a mark that was made for this user.
    pub fn is_device_mark(&self, user_id: &str, mark: &str) -> bool {
        self.vault.open(place(user_id), mark).is_ok()
    }
}

fn place(user_id: &str) -> Place<'_> {
    Place { table: "devices", id: user_id, column: "mark" }
}

//! Deleting.

use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::error::{DeleteError, Error};

#[derive(Serialize)]
struct Delete<'a> {
    path: &'a str,
}

#[derive(Deserialize)]
struct Deleted {}

impl Client {
    /// Deletes a file, or a folder with all it holds. What is gone already counts as deleted. Needs `files.content.write`.
    ///
    /// # Errors
    /// As every call.
    pub async fn delete(&self, path: &str) -> Result<(), Error> {
        match self.rpc::<_, Deleted, DeleteError>("files/delete_v2", &Delete { path }).await {
            Ok(Deleted {}) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }
}

//! Deleting.

use serde::{Deserialize, Serialize};

use super::path::RemotePath;
use crate::client::Client;
use crate::error::{DeleteError, Error};

#[derive(Serialize)]
struct Delete<'a> {
    path: RemotePath<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_rev: Option<&'a str>,
}

#[derive(Deserialize)]
struct Deleted {}

impl Client {
    /// Deletes a file, or a folder with all it holds. What is gone already counts as deleted. Needs `files.content.write`.
    ///
    /// # Errors
    /// As every call.
    pub async fn delete(&self, path: &str) -> Result<(), Error> {
        self.delete_revision(path, None).await
    }

    /// The same, but refused by Dropbox if the file's revision is another one; [`Error::is_conflict`] then.
    ///
    /// # Errors
    /// As every call.
    pub async fn delete_revision(&self, path: &str, parent_rev: Option<&str>) -> Result<(), Error> {
        let delete = Delete { path: RemotePath::new(path), parent_rev };
        match self.rpc::<_, Deleted, DeleteError>("files/delete_v2", &delete).await {
            Ok(Deleted {}) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }
}

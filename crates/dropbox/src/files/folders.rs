//! Creating folders. Uploads make the folders above them by themselves.

use serde::{Deserialize, Serialize};

use super::FolderMetadata;
use super::path::RemotePath;
use crate::client::Client;
use crate::error::{CreateFolderError, Error};

#[derive(Serialize)]
struct CreateFolder<'a> {
    path: RemotePath<'a>,
}

#[derive(Deserialize)]
struct Created {
    metadata: FolderMetadata,
}

impl Client {
    /// Creates a folder. Needs `files.content.write`.
    ///
    /// # Errors
    /// [`Error::is_conflict`] if the path is taken; as every call.
    pub async fn create_folder(&self, path: &str) -> Result<FolderMetadata, Error> {
        let created: Created = self
            .rpc::<_, _, CreateFolderError>("files/create_folder_v2", &CreateFolder { path: RemotePath::new(path) })
            .await?;
        Ok(created.metadata)
    }
}

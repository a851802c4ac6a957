//! What Dropbox knows of a file or folder.

use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::error::{Error, GetMetadataError};

/// One entry of a listing, or the answer to a look-up.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = ".tag", rename_all = "snake_case")]
pub enum Metadata {
    /// A file.
    File(FileMetadata),
    /// A folder.
    Folder(FolderMetadata),
    /// What has been deleted, or is of a kind that this client does not know.
    #[serde(other)]
    Other,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FileMetadata {
    /// The last component of the path, as its writer spelt it.
    pub name: String,
    /// Stable across renames, starts with `id:`.
    pub id: String,
    /// The whole path in lower case: the key by which Dropbox compares.
    #[serde(default)]
    pub path_lower: String,
    /// The whole path for display; only the last component's case is certain.
    #[serde(default)]
    pub path_display: String,
    /// The revision, which every change of the content changes.
    pub rev: String,
    /// Bytes.
    pub size: u64,
    /// When Dropbox took it, RFC 3339, UTC.
    pub server_modified: String,
    /// See [`crate::ContentHasher`].
    #[serde(default)]
    pub content_hash: String,
}

/// A folder.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FolderMetadata {
    /// The last component of the path, as its writer spelt it.
    pub name: String,
    /// The whole path in lower case.
    #[serde(default)]
    pub path_lower: String,
    /// The whole path for display.
    #[serde(default)]
    pub path_display: String,
}

#[derive(Serialize)]
struct GetMetadata<'a> {
    path: &'a str,
}

impl Client {
    /// Looks a path up; none if nothing is there. The root (the empty path) cannot be looked up. Needs `files.metadata.read`.
    ///
    /// # Errors
    /// As every call; that nothing is there is no error.
    pub async fn metadata(&self, path: &str) -> Result<Option<Metadata>, Error> {
        match self.rpc::<_, Metadata, GetMetadataError>("files/get_metadata", &GetMetadata { path }).await {
            Ok(metadata) => Ok(Some(metadata)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

//! What Dropbox knows of a file or folder.

use serde::{Deserialize, Serialize};

use super::path::RemotePath;
use crate::client::Client;
use crate::error::{Error, GetMetadataError};
use crate::lenient;

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
    #[serde(default)]
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
    #[serde(deserialize_with = "lenient::number")]
    pub size: u64,
    /// When Dropbox took it, RFC 3339, UTC.
    #[serde(default)]
    pub server_modified: String,
    /// See [`crate::ContentHasher`]. Optional in the specification: `None` is unknown.
    #[serde(default)]
    pub content_hash: Option<String>,
}

impl FileMetadata {
    /// Whether the content hash is this one; `None` if Dropbox does not say.
    pub fn has_hash(&self, content_hash: &str) -> Option<bool> {
        self.content_hash.as_ref().map(|hash| hash.eq_ignore_ascii_case(content_hash))
    }
}

/// A folder.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FolderMetadata {
    /// The last component of the path, as its writer spelt it.
    pub name: String,
    /// Stable across renames, starts with `id:`.
    #[serde(default)]
    pub id: String,
    /// The whole path in lower case.
    #[serde(default)]
    pub path_lower: String,
    /// The whole path for display.
    #[serde(default)]
    pub path_display: String,
}

#[derive(Serialize)]
struct GetMetadata<'a> {
    path: RemotePath<'a>,
}

impl Client {
    /// Looks a path up; none if nothing is there. The root (the empty path) cannot be looked up. Needs `files.metadata.read`.
    ///
    /// # Errors
    /// As every call; that nothing is there is no error.
    pub async fn metadata(&self, path: &str) -> Result<Option<Metadata>, Error> {
        match self
            .rpc::<_, Metadata, GetMetadataError>("files/get_metadata", &GetMetadata { path: RemotePath::new(path) })
            .await
        {
            Ok(metadata) => Ok(Some(metadata)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_specification_calls_optional_may_be_missing() {
        let file = r#"{".tag":"file","name":"a","id":"id:1","client_modified":"x","server_modified":"x","rev":"0123456789","size":"5","new":{}}"#;
        let Metadata::File(file) = serde_json::from_str(file).unwrap() else { panic!("no file") };
        assert_eq!((file.size, file.has_hash("e3"), file.path_lower.as_str()), (5, None, ""));
        let known = FileMetadata { content_hash: Some("AB".to_owned()), ..file };
        assert_eq!((known.has_hash("ab"), known.has_hash("cd")), (Some(true), Some(false)));
        let folder = r#"{".tag":"folder","name":"a"}"#;
        assert!(matches!(serde_json::from_str(folder).unwrap(), Metadata::Folder(_)));
        let unknown = r#"{".tag":"shortcut","name":"a"}"#;
        assert_eq!(serde_json::from_str::<Metadata>(unknown).unwrap(), Metadata::Other);
    }
}

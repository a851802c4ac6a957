//! Copying a file inside one Dropbox: no byte of it passes through this machine.

use serde::{Deserialize, Serialize};

use super::gate::{Gate, prepared};
use super::path::RemotePath;
use super::publication::{Content, Entry, prove, publish};
use super::upload::broken;
use super::{FileMetadata, Metadata};
use crate::client::Client;
use crate::error::{Error, LookupError, RelocationError};
use crate::retry::Progress;

pub(super) const ROUTE: &str = "files/copy_v2";

/// The file that is to be copied, as it was when it was checked.
#[derive(Debug, Clone, Copy)]
pub struct Original<'a> {
    /// Where it is.
    pub path: &'a str,
    /// Its revision.
    pub rev: &'a str,
    /// Bytes.
    pub size: u64,
    /// Its content hash.
    pub content_hash: &'a str,
}

/// `files/copy_v2` (SRC: files.stone, `RelocationArg`). It names the original by path or id, not by revision.
#[derive(Serialize)]
struct Relocation<'a> {
    from_path: RemotePath<'a>,
    to_path: RemotePath<'a>,
    autorename: bool,
}

#[derive(Deserialize)]
struct Relocated {
    metadata: Metadata,
}

impl Client {
    /// Copies a file to `path`, and proves by Dropbox's content hash that the copy is `original`. Never overwrites. Retries as a
    /// commit does, asks `gate` before each attempt, and looks whether a copy happened whose answer was lost. Needs
    /// `files.content.write` and `files.metadata.read`.
    ///
    /// # Errors
    /// [`Error::OriginalChanged`] if the original is another revision: nothing was copied. [`Error::ContentMismatch`] if it changed
    /// at that very moment: its copy was removed. [`Error::is_conflict`] if `path` is taken; [`Error::refuses_copy`] if this file
    /// cannot be copied so; [`Error::Stopped`] if the gate closed before anything was copied, [`Error::Unsettled`] if an attempt
    /// had no answer until then; as every call.
    pub async fn copy(&self, original: &Original<'_>, path: &str, gate: &dyn Gate) -> Result<FileMetadata, Error> {
        prepared(gate, Box::pin(self.check_original(original))).await?;
        let progress = Progress::new(self.settings().timeouts.stall);
        let content_hash = original.content_hash.to_ascii_lowercase();
        let content = Content::File(original.path.to_owned());
        let entry = Entry { path, size: original.size, content_hash: &content_hash, content };
        let outcome = publish(self, &progress, std::slice::from_ref(&entry), gate).await.pop().flatten();
        prove(self, &entry, outcome.unwrap_or_else(|| Err(broken("a copy without an outcome")))).await
    }

    /// Since a copy takes what is at the path, this makes sure beforehand that it is the right revision.
    async fn check_original(&self, original: &Original<'_>) -> Result<(), Error> {
        match self.metadata(original.path).await? {
            Some(Metadata::File(file)) if file.rev == original.rev => Ok(()),
            Some(_) => Err(Error::OriginalChanged { path: original.path.to_owned() }),
            None => {
                let error = RelocationError::FromLookup { from_lookup: LookupError::NotFound }.into();
                Err(Error::Route { route: ROUTE.to_owned(), error, message: None })
            }
        }
    }

    /// One attempt.
    pub(super) async fn copy_once(&self, from: &str, to: &str, gate: Option<&dyn Gate>) -> Result<FileMetadata, Error> {
        let (from_path, to_path) = (RemotePath::new(from), RemotePath::new(to));
        let relocation = Relocation { from_path, to_path, autorename: false };
        let copied: Relocated = self.rpc_once::<_, _, RelocationError>(ROUTE, &relocation, gate).await?;
        match copied.metadata {
            Metadata::File(file) => Ok(file),
            _ => Err(Error::UnexpectedAnswer { route: ROUTE.to_owned(), reason: "it copied a folder".to_owned() }),
        }
    }
}

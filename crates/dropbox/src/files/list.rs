//! Listing folders, page by page.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::Metadata;
use super::path::RemotePath;
use crate::client::Client;
use crate::error::{Error, ListFolderContinueError, ListFolderError, RouteError};

/// Dropbox's largest page; it treats the number as approximate.
const PAGE: u32 = 2000;
/// How often Dropbox may ask to start over (`reset`) before we give up.
const MAX_RESETS: u32 = 5;

#[derive(Serialize)]
struct ListFolder<'a> {
    path: RemotePath<'a>,
    recursive: bool,
    limit: u32,
}

#[derive(Serialize)]
struct Continue<'a> {
    cursor: &'a str,
}

#[derive(Deserialize)]
struct Page {
    entries: Vec<Metadata>,
    cursor: String,
    has_more: bool,
}

impl Client {
    /// Lists what lies in a folder, or with `recursive` everything below it; the empty path is the root. An entry comes once
    /// even if Dropbox repeats it across pages. Needs `files.metadata.read`.
    ///
    /// # Errors
    /// [`Error::is_not_found`] if there is no such folder; as every call. A listing is whole or an error, never a part.
    pub async fn list_folder(&self, path: &str, recursive: bool) -> Result<Vec<Metadata>, Error> {
        let mut resets = 0;
        loop {
            match self.list_once(path, recursive).await {
                Err(error) if is_reset(&error) && resets < MAX_RESETS => resets += 1,
                result => return result,
            }
        }
    }

    async fn list_once(&self, path: &str, recursive: bool) -> Result<Vec<Metadata>, Error> {
        let (mut entries, mut seen) = (Vec::new(), HashSet::new());
        let first = ListFolder { path: RemotePath::new(path), recursive, limit: PAGE };
        let mut page: Page = self.rpc::<_, _, ListFolderError>("files/list_folder", &first).await?;
        loop {
            entries.extend(page.entries.into_iter().filter(|entry| is_new(entry, &mut seen)));
            if !page.has_more {
                return Ok(entries);
            }
            let next = Continue { cursor: &page.cursor };
            page = self.rpc::<_, _, ListFolderContinueError>("files/list_folder/continue", &next).await?;
        }
    }
}

/// Entries of places that are not mounted have no path, but an id.
fn is_new(entry: &Metadata, seen: &mut HashSet<String>) -> bool {
    let (path, id) = match entry {
        Metadata::File(file) => (&file.path_lower, &file.id),
        Metadata::Folder(folder) => (&folder.path_lower, &folder.id),
        Metadata::Other => return false,
    };
    seen.insert(if path.is_empty() { id.clone() } else { path.clone() })
}

fn is_reset(error: &Error) -> bool {
    matches!(error, Error::Route { error: RouteError::ListFolderContinue(ListFolderContinueError::Reset), .. })
}

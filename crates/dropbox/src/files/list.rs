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
        let (mut entries, mut seen) = (Vec::new(), HashSet::new());
        let mut listing = self.listing(path, recursive);
        let mut resets = 0;
        while let Some(page) = listing.next_page().await? {
            if listing.resets > resets {
                resets = listing.resets;
                entries.clear();
                seen.clear();
            }
            entries.extend(page.into_iter().filter(|entry| is_new(entry, &mut seen)));
        }
        Ok(entries)
    }

    /// Starts a listing as [`Self::list_folder`] makes it, page by page: nothing is asked for yet.
    pub fn listing(&self, path: &str, recursive: bool) -> Listing {
        let client = self.clone();
        Listing { client, path: path.to_owned(), recursive, cursor: None, is_done: false, resets: 0 }
    }
}

/// A listing in progress.
#[derive(Debug)]
pub struct Listing {
    client: Client,
    path: String,
    recursive: bool,
    /// `None` before the first page.
    cursor: Option<String>,
    is_done: bool,
    /// How often Dropbox asked to start over.
    resets: u32,
}

impl Listing {
    /// Returns the next page; `None` after the last one. An entry may come again: Dropbox repeats some across pages, and where it asks
    /// to start over, all come again.
    ///
    /// # Errors
    /// As [`Client::list_folder`].
    pub async fn next_page(&mut self) -> Result<Option<Vec<Metadata>>, Error> {
        while !self.is_done {
            match self.ask().await {
                Ok(page) => {
                    self.is_done = !page.has_more;
                    self.cursor = Some(page.cursor);
                    return Ok(Some(page.entries));
                }
                Err(error) if is_reset(&error) && self.resets < MAX_RESETS => {
                    self.resets += 1;
                    self.cursor = None;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    async fn ask(&self) -> Result<Page, Error> {
        match &self.cursor {
            Some(cursor) => {
                let next = Continue { cursor };
                self.client.rpc::<_, _, ListFolderContinueError>("files/list_folder/continue", &next).await
            }
            None => {
                let first = ListFolder { path: RemotePath::new(&self.path), recursive: self.recursive, limit: PAGE };
                self.client.rpc::<_, _, ListFolderError>("files/list_folder", &first).await
            }
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

//! Listing, page by page.

use std::collections::HashMap;

use ::dropbox::files::{FileMetadata, Listing, Metadata};
use adapter::Error;
use adapter::destination::{Object, Page, Pages};
use async_trait::async_trait;

use super::Dropbox;

/// A listing in progress.
struct DropboxPages {
    destination: Dropbox,
    listing: Listing,
    /// A page has come.
    has_begun: bool,
    /// The names of the folders that came so far, by their lower-case paths: Dropbox is sure only of the case of each entry's own
    /// name, so a path is put together from the names of its folders.
    folders: HashMap<String, String>,
}

impl Dropbox {
    /// Starts to list the files below a folder; nothing is asked for yet.
    pub(super) fn start_listing(&self, folder: &str) -> Result<impl Pages + use<>, Error> {
        let full = if folder.is_empty() { self.folder.clone() } else { self.resolve(folder)? };
        let listing = self.client.listing(&full, true);
        Ok(DropboxPages { destination: self.clone(), listing, has_begun: false, folders: HashMap::new() })
    }
}

#[async_trait]
impl Pages for DropboxPages {
    async fn next(&mut self) -> Result<Option<Page>, Error> {
        let entries = match self.listing.next_page().await {
            Ok(Some(entries)) => entries,
            Ok(None) => return Ok(None),
            // A job that has no backups yet. One that vanishes in the middle is not the end of its listing.
            Err(error) if error.is_not_found() && !self.has_begun => return Ok(None),
            Err(error) => return Err(self.failed(&error)),
        };
        self.has_begun = true;
        for entry in &entries {
            if let Metadata::Folder(folder) = entry {
                self.folders.insert(folder.path_lower.clone(), folder.name.clone());
            }
        }
        let mut page = Page::default();
        for entry in &entries {
            if let Metadata::File(file) = entry {
                let path = self.spelt(file).await?;
                let modified = file.server_modified.parse().ok();
                page.objects.push(Object { path, size: file.size, modified });
            }
        }
        Ok(Some(page))
    }
}

impl DropboxPages {
    fn failed(&self, error: &::dropbox::Error) -> Error {
        let name = adapter::destination::Destination::name(&self.destination);
        self.destination.error(format!("could not list {name}"), error)
    }

    /// Returns a file's path below the destination's folder.
    async fn spelt(&mut self, file: &FileMetadata) -> Result<String, Error> {
        let depth = self.destination.folder.matches('/').count();
        let displayed: Vec<&str> = file.path_display.split('/').collect();
        let ends = file.path_lower.match_indices('/').map(|(position, _)| position).skip(1);
        let mut segments = Vec::new();
        for (index, end) in ends.enumerate().skip(depth) {
            let fallback = displayed.get(index + 1).copied().unwrap_or_default();
            segments.push(self.name_of(&file.path_lower[..end], fallback).await?);
        }
        segments.push(file.name.clone());
        Ok(segments.join("/"))
    }

    /// Returns a folder's name. One whose entry comes on a later page is looked up once.
    async fn name_of(&mut self, lower: &str, fallback: &str) -> Result<String, Error> {
        if let Some(name) = self.folders.get(lower) {
            return Ok(name.clone());
        }
        let name = match self.destination.client.metadata(lower).await {
            Ok(Some(Metadata::Folder(folder))) => folder.name,
            Ok(_) => fallback.to_owned(),
            Err(error) => return Err(self.failed(&error)),
        };
        self.folders.insert(lower.to_owned(), name.clone());
        Ok(name)
    }
}

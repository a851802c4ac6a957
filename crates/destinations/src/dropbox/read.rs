//! Listing, reading, hashing.

use std::collections::HashMap;

use ::dropbox::files::{FileMetadata, Metadata};
use async_trait::async_trait;
use bytes::Bytes;

use super::Dropbox;
use crate::error::Error;
use crate::{Download, Entry, Object, StoredHash};

/// A download from Dropbox.
struct DropboxDownload {
    destination: Dropbox,
    what: String,
    entry: Entry,
    download: ::dropbox::files::Download,
}

impl Dropbox {
    /// Opens a file.
    pub(super) async fn start_download(&self, path: &str) -> Result<impl Download + use<>, Error> {
        let full = self.resolve(path)?;
        let what = format!("could not read {full}");
        let opened = match self.recall(&full) {
            Some(file) => Ok(self.client.open_known(file, None)),
            None => self.client.open(&full, None).await,
        };
        match opened {
            Ok(download) => {
                let entry = entry(download.metadata());
                Ok(DropboxDownload { destination: self.clone(), what, entry, download })
            }
            Err(error) if error.is_not_found() => Err(Error::NotFound(full)),
            Err(error) => Err(self.error(what, error)),
        }
    }

    /// Lists files below a folder.
    pub(super) async fn list_files(&self, folder: &str) -> Result<Vec<Object>, Error> {
        let full = if folder.is_empty() { self.folder.clone() } else { self.resolve(folder)? };
        let entries = match self.client.list_folder(&full, true).await {
            Ok(entries) => entries,
            Err(error) if error.is_not_found() => return Ok(Vec::new()),
            Err(error) => return Err(self.error(format!("could not list {}", crate::Destination::name(self)), error)),
        };
        let mut objects = relative_to(self.folder.matches('/').count(), &entries);
        objects.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(objects)
    }

    /// Looks a file up.
    pub(super) async fn look_up(&self, path: &str) -> Result<Option<Entry>, Error> {
        let full = self.resolve(path)?;
        match self.client.metadata(&full).await {
            Ok(Some(Metadata::File(file))) => {
                self.remember(&full, &file);
                Ok(Some(entry(&file)))
            }
            Ok(_) => Ok(None),
            Err(error) => Err(self.error(format!("could not look up {full}"), error)),
        }
    }

    /// Returns Dropbox's own hash, or computes it where Dropbox does not say it.
    pub(super) async fn content_hash(&self, path: &str) -> Result<StoredHash, Error> {
        match self.look_up(path).await? {
            Some(Entry { hash: Some(hash), .. }) => Ok(hash),
            Some(_) => self.compute_hash(path).await,
            None => Err(Error::NotFound(self.resolve(path)?)),
        }
    }

    async fn compute_hash(&self, path: &str) -> Result<StoredHash, Error> {
        let mut download = self.start_download(path).await?;
        let mut hasher = ::dropbox::ContentHasher::default();
        while let Some(piece) = download.next().await? {
            hasher.update(&piece);
        }
        Ok(StoredHash::DropboxContentHash(hasher.finish()))
    }
}

fn entry(file: &FileMetadata) -> Entry {
    let hash = file.content_hash.clone().map(StoredHash::DropboxContentHash);
    Entry { size: file.size, modified: file.server_modified.parse().ok(), hash }
}

/// Paths without their first `depth` segments. Dropbox is sure only of the case of each entry's own name, so a path is put
/// together from the names of its folders.
fn relative_to(depth: usize, entries: &[Metadata]) -> Vec<Object> {
    let folders: HashMap<&str, &str> = entries
        .iter()
        .filter_map(|entry| match entry {
            Metadata::Folder(folder) => Some((folder.path_lower.as_str(), folder.name.as_str())),
            _ => None,
        })
        .collect();
    entries
        .iter()
        .filter_map(|entry| match entry {
            Metadata::File(file) => {
                let path = spelt(&file.path_lower, &file.path_display, &file.name, depth, &folders);
                Some(Object { path, size: file.size, modified: file.server_modified.parse().ok() })
            }
            _ => None,
        })
        .collect()
}

fn spelt(lower: &str, display: &str, name: &str, depth: usize, folders: &HashMap<&str, &str>) -> String {
    let mut segments: Vec<&str> = Vec::new();
    let displayed: Vec<&str> = display.split('/').collect();
    let ends = lower.match_indices('/').map(|(position, _)| position).skip(1);
    for (index, end) in ends.enumerate().skip(depth) {
        let fallback = displayed.get(index + 1).copied().unwrap_or_default();
        segments.push(folders.get(&lower[..end]).copied().unwrap_or(fallback));
    }
    segments.push(name);
    segments.join("/")
}

#[async_trait]
impl Download for DropboxDownload {
    fn entry(&self) -> &Entry {
        &self.entry
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        self.download.chunk().await.map_err(|error| self.destination.error(self.what.clone(), error))
    }
}

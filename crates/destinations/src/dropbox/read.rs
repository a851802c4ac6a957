//! Looking up, reading, proving.

use ::dropbox::files::{FileMetadata, Metadata};
use adapter::Error;
use adapter::destination::{Download, Entry, Expected, How, Proof, SHA256, Version, prove_by_reading};
use async_trait::async_trait;
use bytes::Bytes;
use domain::Hashes;

use super::{DROPBOX_CONTENT_HASH, Dropbox};

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
            Err(error) if error.is_not_found() => Err(Error::missing(&full)),
            Err(error) => Err(self.error(what, &error)),
        }
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
            Err(error) => Err(self.error(format!("could not look up {full}"), &error)),
        }
    }

    /// Compares with Dropbox's own hash; reads the file where Dropbox does not tell it, or where it is not known what it should be.
    pub(super) async fn prove_file(&self, path: &str, expected: &Expected) -> Result<Proof, Error> {
        let Some(Entry { size, hashes, .. }) = self.look_up(path).await? else {
            return Err(Error::missing(&self.resolve(path)?));
        };
        let is_comparable = expected.hashes.is_empty() || expected.hashes.get(DROPBOX_CONTENT_HASH.name).is_some();
        if !hashes.is_empty() && (is_comparable || size != expected.size) {
            return Ok(Proof { how: How::OwnHash, size, hashes });
        }
        prove_by_reading(self, path, &[SHA256, DROPBOX_CONTENT_HASH]).await
    }
}

fn entry(file: &FileMetadata) -> Entry {
    let hash = file.content_hash.as_ref();
    Entry {
        size: file.size,
        modified: file.server_modified.parse().ok(),
        version: Some(Version(file.rev.clone())),
        hashes: hash.map(|hash| Hashes::of(DROPBOX_CONTENT_HASH.name, hash)).unwrap_or_default(),
    }
}

#[async_trait]
impl Download for DropboxDownload {
    fn entry(&self) -> &Entry {
        &self.entry
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        self.download.chunk().await.map_err(|error| self.destination.error(self.what.clone(), &error))
    }
}

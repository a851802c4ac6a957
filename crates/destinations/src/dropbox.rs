//! A folder in Dropbox.

mod config;
mod read;
mod write;

use async_trait::async_trait;

use crate::error::Error;
use crate::{Destination, Download, Object, StoredHash, Upload};

/// A folder of one account.
#[derive(Debug, Clone)]
pub(crate) struct Dropbox {
    client: ::dropbox::Client,
    /// Starts with a slash, ends without; empty for the root.
    folder: String,
}

#[async_trait]
impl Destination for Dropbox {
    fn name(&self) -> String {
        let folder = if self.folder.is_empty() { "/" } else { &self.folder };
        format!("dropbox:{folder}")
    }

    async fn create(&self) -> Result<Box<dyn Upload>, Error> {
        Ok(Box::new(self.start_upload()))
    }

    async fn open(&self, path: &str) -> Result<Box<dyn Download>, Error> {
        Ok(Box::new(self.start_download(path).await?))
    }

    async fn list(&self, folder: &str) -> Result<Vec<Object>, Error> {
        self.list_files(folder).await
    }

    async fn delete(&self, path: &str) -> Result<(), Error> {
        let full = self.resolve(path)?;
        self.client.delete(&full).await.map_err(|error| self.error(format!("could not delete {full}"), error))
    }

    async fn stored_hash(&self, path: &str) -> Result<StoredHash, Error> {
        self.content_hash(path).await
    }
}

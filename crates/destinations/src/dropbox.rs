//! A folder in Dropbox.

mod browse;
mod config;
mod probe;
mod read;
mod write;

use ::dropbox::Space;
use async_trait::async_trait;
use domain::probe::Step;

use crate::error::Error;
use crate::{Checkpoint, Destination, Download, Entry, Folder, Object, StoredHash, Upload, Usage};

/// Addresses in the account's own space, and in its team's.
pub(crate) const SCHEME: &str = "dropbox:";
pub(crate) const TEAM_SCHEME: &str = "dropbox-team:";

/// A folder of one account.
#[derive(Debug, Clone)]
pub(crate) struct Dropbox {
    client: ::dropbox::Client,
    /// Starts with a slash, ends without; empty for the root.
    folder: String,
}

impl Dropbox {
    fn scheme(&self) -> &'static str {
        match self.client.settings().space {
            Space::Home => SCHEME,
            Space::Team => TEAM_SCHEME,
        }
    }

    /// Returns a digest that tells one grant from another, and tells nothing else.
    fn grant(&self) -> String {
        use secrecy::ExposeSecret;
        let settings = self.client.settings();
        let mut digester = pipeline::Digester::default();
        digester.update(settings.app_key.as_bytes());
        if let Some(token) = &settings.refresh_token {
            digester.update(token.expose_secret().as_bytes());
        }
        digester.finish().sha256
    }
}

#[async_trait]
impl Destination for Dropbox {
    fn name(&self) -> String {
        let folder = if self.folder.is_empty() { "/" } else { &self.folder };
        format!("{}{folder}", self.scheme())
    }

    fn identity(&self) -> String {
        // Dropbox does not distinguish case.
        format!("{}{} of {}", self.scheme(), self.folder.to_lowercase(), self.grant())
    }

    async fn create(&self) -> Result<Box<dyn Upload>, Error> {
        Ok(Box::new(self.start_upload()))
    }

    async fn resume(&self, checkpoint: &Checkpoint) -> Result<Box<dyn Upload>, Error> {
        Ok(Box::new(self.resume_upload(checkpoint)?))
    }

    async fn usage(&self) -> Result<Option<Usage>, Error> {
        let cannot = |error| self.error(format!("could not look up the space in {}", self.name()), error);
        let usage = self.client.space_usage().await.map_err(cannot)?;
        Ok(Some(Usage { used: usage.used, allowed: usage.allowed }))
    }

    async fn open(&self, path: &str) -> Result<Box<dyn Download>, Error> {
        Ok(Box::new(self.start_download(path).await?))
    }

    async fn list(&self, folder: &str) -> Result<Vec<Object>, Error> {
        self.list_files(folder).await
    }

    async fn stat(&self, path: &str) -> Result<Option<Entry>, Error> {
        self.look_up(path).await
    }

    async fn delete(&self, path: &str) -> Result<(), Error> {
        let full = self.resolve(path)?;
        self.client.delete(&full).await.map_err(|error| self.error(format!("could not delete {full}"), error))
    }

    async fn stored_hash(&self, path: &str) -> Result<StoredHash, Error> {
        self.content_hash(path).await
    }

    async fn probe(&self, on_step: &(dyn Fn(Step) + Sync)) -> bool {
        self.take_steps(on_step).await
    }

    async fn folders(&self, path: &str) -> Result<Vec<Folder>, Error> {
        self.list_folders(path).await
    }

    async fn create_folder(&self, path: &str) -> Result<Folder, Error> {
        self.make_folder(path).await
    }
}

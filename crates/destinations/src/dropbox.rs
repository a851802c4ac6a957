//! A folder in Dropbox.

mod authorization;
mod browse;
mod config;
mod error;
mod folder;
mod list;
pub(crate) mod manifest;
mod probe;
mod provider;
mod read;
mod within;
mod write;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::dropbox::Space;
use ::dropbox::files::FileMetadata;
use adapter::Error;
use adapter::destination::{
    Algorithm, Capabilities, Checkpoint, Destination, Download, Entry, Expected, Folder, Gate, Hasher, Original, Pages,
    Place, Proof, Storage, Upload, Usage, Version,
};
use async_trait::async_trait;
use domain::probe::Step;
use tokio::time::Instant;

use self::folder::dropbox_folder;

/// Dropbox's `content_hash`.
pub const DROPBOX_CONTENT_HASH: Algorithm =
    Algorithm { name: "dropbox-content-hash", start: || Box::new(ContentHasher(::dropbox::ContentHasher::default())) };

struct ContentHasher(::dropbox::ContentHasher);

impl Hasher for ContentHasher {
    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn finish(self: Box<Self>) -> String {
        self.0.finish()
    }
}

/// Addresses in the account's own space, and in its team's.
const SCHEME: &str = "dropbox:";
const TEAM_SCHEME: &str = "dropbox-team:";

/// A folder of one account.
#[derive(Debug, Clone)]
pub(crate) struct Dropbox {
    client: ::dropbox::Client,
    /// Starts with a slash, ends without; empty for the root.
    folder: String,
    /// The file whose hash was asked for last: opening it next needs no look-up, and reads the revision that has this hash.
    looked_up: Arc<Mutex<Option<LookedUp>>>,
    stops_when_full: bool,
}

/// What Dropbox said of a file, and when.
#[derive(Debug)]
struct LookedUp {
    path: String,
    file: FileMetadata,
    at: Instant,
}

/// A look-up that is older is not used.
const FRESH: Duration = Duration::from_secs(60);

impl Dropbox {
    fn remember(&self, path: &str, file: &FileMetadata) {
        let looked_up = LookedUp { path: path.to_owned(), file: file.clone(), at: Instant::now() };
        *self.looked_up.lock().unwrap_or_else(PoisonError::into_inner) = Some(looked_up);
    }

    /// What was looked up a moment ago; it is used once.
    fn recall(&self, path: &str) -> Option<FileMetadata> {
        let mut looked_up = self.looked_up.lock().unwrap_or_else(PoisonError::into_inner);
        let looked_up = looked_up.take_if(|looked_up| looked_up.path == path)?;
        (looked_up.at.elapsed() < FRESH).then_some(looked_up.file)
    }

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

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            browse: true,
            quota: true,
            resume: true,
            atomic_pair: true,
            no_clobber: true,
            rename_at_commit: true,
            versions: true,
            ignores_case: true,
            server_side_copy: true,
            own_hash: Some(DROPBOX_CONTENT_HASH),
        }
    }

    fn stops_when_full(&self) -> bool {
        self.stops_when_full
    }

    async fn identity(&self) -> String {
        // Dropbox does not distinguish case.
        format!("{}{} of {}", self.scheme(), self.folder.to_lowercase(), self.grant())
    }

    async fn place(&self) -> Result<Place, Error> {
        self.place_in_dropbox().await
    }

    async fn create(&self, path: &str) -> Result<Box<dyn Upload>, Error> {
        // Dropbox learns the name at the commit; one that cannot be is refused now.
        self.resolve(path)?;
        Ok(Box::new(self.start_upload()))
    }

    async fn resume(&self, path: &str, checkpoint: &Checkpoint) -> Result<Box<dyn Upload>, Error> {
        self.resolve(path)?;
        Ok(Box::new(self.resume_upload(checkpoint)?))
    }

    async fn usage(&self) -> Result<Option<Usage>, Error> {
        let cannot = |error| self.error(format!("could not look up the space in {}", self.name()), &error);
        let usage = self.client.space_usage().await.map_err(cannot)?;
        Ok(Some(Usage { used: usage.used, allowed: usage.allowed }))
    }

    async fn open(&self, path: &str) -> Result<Box<dyn Download>, Error> {
        Ok(Box::new(self.start_download(path).await?))
    }

    async fn pages(&self, folder: &str) -> Result<Box<dyn Pages>, Error> {
        Ok(Box::new(self.start_listing(folder)?))
    }

    async fn stat(&self, path: &str) -> Result<Option<Entry>, Error> {
        self.look_up(path).await
    }

    async fn delete(&self, path: &str, version: Option<&Version>) -> Result<(), Error> {
        let full = self.resolve(path)?;
        self.recall(&full);
        let revision = version.map(|version| version.0.as_str());
        match self.client.delete_revision(&full, revision).await {
            Err(error) if version.is_some() && error.is_conflict() => Err(Error::changed("delete", &full)),
            deleted => deleted.map_err(|error| self.error(format!("could not delete {full}"), &error)),
        }
    }

    async fn prove(&self, path: &str, expected: &Expected) -> Result<Proof, Error> {
        self.prove_file(path, expected).await
    }

    async fn storage(&self) -> Result<Option<Storage>, Error> {
        self.storage_of_account().await.map(Some)
    }

    fn location(&self, path: &str) -> Result<String, Error> {
        self.resolve(path)
    }

    async fn copy_within(&self, original: &Original, path: &str, gate: Arc<dyn Gate>) -> Result<Proof, Error> {
        self.copy_file(original, path, gate).await
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

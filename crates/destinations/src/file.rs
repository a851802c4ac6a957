//! A folder of this machine (or mounted on it).

mod beneath;
mod browse;
mod config;
mod list;
pub(crate) mod manifest;
mod read;
mod write;

use std::path::PathBuf;

use async_trait::async_trait;
use domain::probe::{Step, Steps};

pub use self::beneath::RootLinks;
use crate::error::Error;
use crate::probe::{space, write_read_delete};
use crate::{Destination, Download, Entry, Folder, Listing, Object, StoredHash, Upload, Usage};

/// Why a link is not followed.
const LINK: &str = "it is, or lies below, a symbolic link, and none is followed: mount the other folder there instead \
                    (mount --bind), or move the link out of the way";

/// A folder.
#[derive(Debug, Clone)]
pub(crate) struct FileSystem {
    folder: PathBuf,
    links: RootLinks,
    stops_when_full: bool,
}

#[async_trait]
impl Destination for FileSystem {
    fn name(&self) -> String {
        crate::folder_address(&self.folder)
    }

    fn stops_when_full(&self) -> bool {
        self.stops_when_full
    }

    async fn identity(&self) -> String {
        let destination = self.clone();
        blocking(move || Ok(destination.place())).await.unwrap_or_else(|_| self.name())
    }

    async fn create(&self) -> Result<Box<dyn Upload>, Error> {
        self.create_in("").await
    }

    async fn create_in(&self, folder: &str) -> Result<Box<dyn Upload>, Error> {
        Ok(Box::new(self.start_upload(folder).await?))
    }

    async fn open(&self, path: &str) -> Result<Box<dyn Download>, Error> {
        Ok(Box::new(self.start_download(path).await?))
    }

    async fn list(&self, folder: &str) -> Result<Vec<Object>, Error> {
        self.list_all_files(folder).await
    }

    async fn list_readable(&self, folder: &str) -> Result<Listing, Error> {
        self.list_files(folder).await
    }

    async fn stat(&self, path: &str) -> Result<Option<Entry>, Error> {
        self.look_up(path).await
    }

    async fn delete(&self, path: &str) -> Result<(), Error> {
        self.remove(path).await
    }

    async fn remove_leftovers(&self, folder: &str) -> Result<Vec<String>, Error> {
        self.sweep(folder).await
    }

    async fn stored_hash(&self, path: &str) -> Result<StoredHash, Error> {
        self.hash(path).await
    }

    async fn probe(&self, on_step: &(dyn Fn(Step) + Sync)) -> bool {
        let mut steps = Steps::new(on_step);
        steps.take("folder", self.look_at_folder()).await;
        write_read_delete(self, &mut steps).await;
        space(self, &mut steps).await;
        steps.passed()
    }

    async fn usage(&self) -> Result<Option<Usage>, Error> {
        self.space().await.map(Some)
    }

    async fn folders(&self, path: &str) -> Result<Vec<Folder>, Error> {
        self.list_folders(path).await
    }

    async fn create_folder(&self, path: &str) -> Result<Folder, Error> {
        self.make_folder(path).await
    }
}

/// Runs file system work off the runtime.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    pipeline::held::blocking(work).await.unwrap_or_else(|error| Err(Error::failed("file system", error)))
}

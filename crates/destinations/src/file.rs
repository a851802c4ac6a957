//! A folder of this machine (or mounted on it).

mod beneath;
mod browse;
mod config;
mod error;
mod list;
pub(crate) mod manifest;
mod read;
mod write;

use std::path::PathBuf;

use adapter::Error;
use adapter::destination::{
    Capabilities, Destination, Download, Entry, Expected, Folder, Pages, Place, Proof, Upload, Usage, Version,
};
use async_trait::async_trait;
use domain::probe::{Step, Steps};

use self::list::Unreadables;

pub use self::beneath::RootLinks;
use adapter::destination::probe::{space, write_read_delete};

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

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            browse: true,
            quota: true,
            no_clobber: true,
            rename_at_commit: true,
            versions: true,
            ..Capabilities::default()
        }
    }

    fn stops_when_full(&self) -> bool {
        self.stops_when_full
    }

    async fn identity(&self) -> String {
        let destination = self.clone();
        blocking(move || Ok(destination.place())).await.unwrap_or_else(|_| self.name())
    }

    async fn place(&self) -> Result<Place, Error> {
        let destination = self.clone();
        let what = format!("could not find out where {} is", destination.name());
        blocking(move || destination.place_on_machine().map_err(|error| Error::failed(what, error))).await
    }

    async fn create(&self, path: &str) -> Result<Box<dyn Upload>, Error> {
        Ok(Box::new(self.start_upload(path).await?))
    }

    async fn open(&self, path: &str) -> Result<Box<dyn Download>, Error> {
        Ok(Box::new(self.start_download(path).await?))
    }

    async fn pages(&self, folder: &str) -> Result<Box<dyn Pages>, Error> {
        Ok(Box::new(self.start_listing(folder, Unreadables::Fail)?))
    }

    async fn readable_pages(&self, folder: &str) -> Result<Box<dyn Pages>, Error> {
        Ok(Box::new(self.start_listing(folder, Unreadables::Report)?))
    }

    async fn stat(&self, path: &str) -> Result<Option<Entry>, Error> {
        self.look_up(path).await
    }

    async fn delete(&self, path: &str, version: Option<&Version>) -> Result<(), Error> {
        self.remove(path, version).await
    }

    async fn remove_leftovers(&self, folder: &str) -> Result<Vec<String>, Error> {
        self.sweep(folder).await
    }

    async fn prove(&self, path: &str, expected: &Expected) -> Result<Proof, Error> {
        self.prove_file(path, expected).await
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

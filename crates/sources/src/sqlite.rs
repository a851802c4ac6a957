//! SQLite: a consistent snapshot of a database in use, page by page.
//!
//! A database in WAL mode is streamed out of one read transaction, without any copy and without blocking writers, if that leaves
//! nothing behind that its application could not write to. Otherwise a private copy is made first: in the other journal modes a
//! reader would block writers as long as the upload takes. The copy is readable by its owner only, and unlinked as soon as it is
//! open. Either way the snapshot that is streamed is the one that `PRAGMA integrity_check` has read.

mod config;
mod connection;
mod dump;
mod files;
mod in_use;
mod integrity;
pub(crate) mod manifest;
pub(crate) mod private_copy;
mod probe;
mod restore;
mod rows;
mod snapshot;
mod still_copy;

use std::path::PathBuf;

use async_trait::async_trait;
use domain::Warning;
use domain::probe::{Step, Steps};

use crate::error::Error;
use crate::{Contents, Databases, Dump, DumpOptions, Finding, Restore, RestoreOptions, Review, Source, SourceAdapter};

/// One SQLite database file.
#[derive(Debug, Clone)]
pub(crate) struct Sqlite {
    path: PathBuf,
}

#[async_trait]
impl Source for Sqlite {
    fn adapter(&self) -> SourceAdapter {
        manifest::ADAPTER
    }

    fn name(&self) -> String {
        format!("sqlite://{}", self.path.display())
    }

    async fn databases(&self) -> Result<Databases, Error> {
        let stem = self.path.file_stem().unwrap_or(self.path.as_os_str());
        Ok(Databases::all(vec![stem.to_string_lossy().into_owned()]))
    }

    async fn dump(&self, _database: &str, options: DumpOptions) -> Result<Box<dyn Dump>, Error> {
        Ok(Box::new(dump::SqliteDump::start(self.path.clone(), options).await?))
    }

    async fn restore(&self, options: RestoreOptions) -> Result<Box<dyn Restore>, Error> {
        Ok(Box::new(restore::SqliteRestore::start(self.path.clone(), options).await?))
    }

    async fn review(&self, _options: RestoreOptions) -> Result<Box<dyn Review>, Error> {
        Ok(Box::new(NothingToReview))
    }

    async fn remove_leftovers(&self) -> Vec<Warning> {
        let path = self.path.clone();
        blocking(move || Ok(private_copy::remove_leftovers(&path))).await.unwrap_or_default()
    }

    fn refuses_restores(&self) -> Option<String> {
        let path = self.path.display();
        let reason = || format!("{path} is the name of a file that belongs to a SQLite database: choose another name");
        files::is_companion(&self.path).then(reason)
    }

    async fn contents(&self) -> Result<Contents, Error> {
        probe::contents(self.path.clone()).await
    }

    async fn probe(&self, on_step: &(dyn Fn(Step) + Sync)) -> bool {
        let mut steps = Steps::new(on_step);
        steps.take("file", probe::look_at_file(self.path.clone())).await;
        steps.take("open", probe::look_inside(self.path.clone())).await;
        steps.take("copy", probe::look_at_copy(self.path.clone())).await;
        steps.passed()
    }
}

struct NothingToReview;

#[async_trait]
impl Review for NothingToReview {
    fn read(&mut self, _piece: &[u8]) -> Result<bool, Error> {
        Ok(true)
    }

    async fn finish(self: Box<Self>) -> Result<Vec<Finding>, Error> {
        Ok(Vec::new())
    }
}

/// Runs what blocks on a thread for that.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    pipeline::held::blocking(work).await.unwrap_or_else(|error| Err(Error::failed("the thread of the database", error)))
}

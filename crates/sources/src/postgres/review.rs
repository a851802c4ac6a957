//! Reviewing a restore before a byte is loaded.

use async_trait::async_trait;

use super::Postgres;
use super::archive::ArchiveReader;
use crate::error::Error;
use crate::{Finding, RestoreOptions, Review};

/// A review that reads the archive's table of contents, then asks the target.
pub(super) struct PostgresReview {
    database: String,
    archive: ArchiveReader,
}

impl PostgresReview {
    /// Starts a review of a restore into the database that the source's address names.
    pub(super) fn start(source: Postgres, _options: RestoreOptions) -> Result<Self, Error> {
        let database = source.named_database()?;
        Ok(Self { database, archive: ArchiveReader::default() })
    }
}

#[async_trait]
impl Review for PostgresReview {
    fn read(&mut self, piece: &[u8]) -> Result<bool, Error> {
        let what = || format!("could not review the restore into '{}'", self.database);
        self.archive.read(piece).map_err(|error| Error::failed(what(), error))?;
        Ok(self.archive.contents_read())
    }

    async fn finish(self: Box<Self>) -> Result<Vec<Finding>, Error> {
        Ok(Vec::new())
    }
}

//! Dumping PostgreSQL: pg_dump's custom format, uncompressed, as it comes.

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use domain::Warning;
use pipeline::process::{EXIT_PATIENCE, Process};
use pipeline::stream::PIECE_SIZE;
use tokio::io::AsyncReadExt;
use tokio::process::ChildStdout;

use super::archive::ArchiveReader;
use super::tools::{Tool, cure};
use super::{Postgres, probe};
use crate::error::Error;
use crate::{Dump, Versions};

/// pg_dump gives up on a table that another session keeps locked for so long.
const LOCK_TIMEOUT: &str = "--lock-wait-timeout=10min";

/// A running pg_dump.
pub(super) struct PostgresDump {
    what: String,
    versions: Versions,
    process: Process,
    output: ChildStdout,
    archive: ArchiveReader,
}

impl PostgresDump {
    /// Matches the versions and starts pg_dump.
    pub(super) async fn start(source: &Postgres, database: &str) -> Result<Self, Error> {
        let server = probe::server(source, database).await?;
        let tool = Tool::find("pg_dump", server.major, 0).await?;
        let what = format!("could not dump database '{database}'");
        let command = tool.command(source).arguments([
            "--format=custom",
            "--compress=0",
            "--no-password",
            LOCK_TIMEOUT,
            &format!("--dbname={}", source.conninfo(database)),
        ]);
        let (process, _, output) = command.start().map_err(|error| Error::of_tool(&what, &error, cure))?;
        let output = output.ok_or_else(|| Error::failed(&what, "pg_dump has no output"))?;
        let versions = Versions { engine: server.version, tool: tool.version };
        Ok(Self { what, versions, process, output, archive: ArchiveReader::default() })
    }
}

#[async_trait]
impl Dump for PostgresDump {
    fn versions(&self) -> Versions {
        self.versions.clone()
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let mut piece = BytesMut::with_capacity(PIECE_SIZE);
        while piece.len() < PIECE_SIZE {
            match self.output.read_buf(&mut piece).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => return Err(Error::failed(&self.what, error)),
            }
        }
        if piece.is_empty() {
            return Ok(None);
        }
        let piece = piece.freeze();
        self.archive.read(&piece).map_err(|error| Error::failed(&self.what, error))?;
        Ok(Some(piece))
    }

    async fn finish(self: Box<Self>) -> Result<Vec<Warning>, Error> {
        let Self { what, process, output, archive, .. } = *self;
        drop(output);
        let said = process.finish(Some(EXIT_PATIENCE)).await.map_err(|error| Error::of_tool(&what, &error, cure))?;
        archive.finish().map_err(|error| Error::failed(&what, error))?;
        Ok(said.map(|words| Warning::new("tool", format!("pg_dump says: {words}"))).into_iter().collect())
    }
}

//! Dumping PostgreSQL: pg_dump's custom format, uncompressed, as it comes.

use std::ffi::OsString;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use domain::Warning;
use domain::rows::Rows;
use pipeline::process::{Command, EXIT_PATIENCE, Output, Process};
use pipeline::stream::PIECE_SIZE;
use tokio::io::AsyncReadExt;

use super::Postgres;
use super::archive::ArchiveReader;
use super::cures::Operation;
use super::rights::Look;
use super::tools::Tool;
use crate::error::{self, Error};
use crate::{Dump, Versions};

/// pg_dump gives up on a table that another session keeps locked for so long.
const LOCK_TIMEOUT: &str = "--lock-wait-timeout=10min";

/// A running pg_dump.
pub(super) struct PostgresDump {
    source: Postgres,
    what: String,
    versions: Versions,
    /// What the dump leaves out, as a look before it found.
    warnings: Vec<Warning>,
    process: Process,
    output: Output,
    archive: ArchiveReader,
}

impl PostgresDump {
    /// Looks at the database, matches the versions and starts pg_dump.
    pub(super) async fn start(source: &Postgres, database: &str) -> Result<Self, Error> {
        let look = Look::for_dump(source, database).await?;
        let tool = Tool::find("pg_dump", look.server.major, 0).await?;
        let what = format!("could not dump database '{database}'");
        let mut command = tool.command(source).arguments([
            "--format=custom",
            "--compress=0",
            "--no-password",
            LOCK_TIMEOUT,
            // The database's own, whatever client_encoding says: the archive's becomes that of the restored database.
            &format!("--encoding={}", look.encoding),
            &format!("--dbname={}", source.reading_conninfo(database)),
        ]);
        switch_off(&mut command, &look.to_switch_off());
        let (process, _, output) = command
            .start()
            .map_err(|error| error::of_tool(&what, &error, |words| source.cure(Operation::Dump, words)))?;
        let output = output.ok_or_else(|| Error::failed(&what, "pg_dump has no output"))?;
        let warnings = look.warnings();
        let versions = Versions { engine: look.server.version, tool: tool.version };
        Ok(Self {
            source: source.clone(),
            what,
            versions,
            warnings,
            process,
            output,
            archive: ArchiveReader::counting(),
        })
    }
}

/// Switches settings off for the tool's session, besides what `PGOPTIONS` says already.
fn switch_off(command: &mut Command, settings: &[&str]) {
    if settings.is_empty() {
        return;
    }
    let mut options = OsString::new();
    command.environment.retain(|(name, value)| {
        let is_options = name == "PGOPTIONS";
        if is_options {
            options.push(value);
        }
        !is_options
    });
    for setting in settings {
        options.push(format!(" -c {setting}=off"));
    }
    command.environment.push(("PGOPTIONS".into(), options));
}

/// What pg_dump said, without what the look before it said better.
fn remarks(words: &str) -> Option<Warning> {
    let known = "subscriptions not dumped because current user is not a superuser";
    let lines: Vec<&str> = words.lines().filter(|line| !line.contains(known)).collect();
    (!lines.is_empty()).then(|| Warning::new("tool", format!("pg_dump says: {}", lines.join("\n"))))
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

    async fn count_rows(&mut self, _limit: Duration) -> Option<Rows> {
        self.archive.rows()
    }

    async fn finish(self: Box<Self>) -> Result<Vec<Warning>, Error> {
        let Self { source, what, process, output, archive, mut warnings, .. } = *self;
        drop(output);
        let cure = |words: &str| source.cure(Operation::Dump, words);
        let said = process.finish(Some(EXIT_PATIENCE)).await.map_err(|error| error::of_tool(&what, &error, cure))?;
        archive.finish().map_err(|error| Error::failed(&what, error))?;
        warnings.extend(said.as_deref().and_then(remarks));
        Ok(warnings)
    }
}

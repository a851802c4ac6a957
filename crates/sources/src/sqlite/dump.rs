//! Dumping SQLite: the pages of one snapshot, in order.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use domain::Warning;
use domain::rows::Rows;
use pipeline::stream::{self, PIECE_SIZE, Receiver, Sender};
use rusqlite::{Connection, InterruptHandle};
use tokio::task::JoinHandle;

use super::blocking;
use super::connection::{failed, page_count};
use super::integrity;
use super::private_copy::remove_leftovers;
use super::rows;
use super::snapshot::Snapshot;
use crate::error::Error;
use crate::{Dump, DumpOptions, Versions};

/// A dump of one snapshot.
pub(super) struct SqliteDump {
    pieces: Receiver,
    /// Every page was handed on.
    ended: bool,
    reader: Option<JoinHandle<Result<Read, Error>>>,
    /// What the reader came to, once its rows were to be counted.
    read: Option<Result<Read, Error>>,
    interrupt: InterruptHandle,
}

/// What is left of a dump that was read.
struct Read {
    warnings: Vec<Warning>,
    snapshot: Snapshot,
}

impl SqliteDump {
    /// Takes the snapshot and starts to stream it.
    pub(super) async fn start(path: PathBuf, options: DumpOptions) -> Result<Self, Error> {
        let opened = path.clone();
        let (snapshot, mut warnings) = blocking(move || {
            let warnings = remove_leftovers(&opened);
            Ok((Snapshot::take(&opened, options.allow_damaged)?, warnings))
        })
        .await?;
        let interrupt = snapshot.connection().get_interrupt_handle();
        let (sender, pieces) = stream::channel();
        let reader = tokio::task::spawn_blocking(move || {
            let connection = snapshot.connection();
            let report = integrity::check(connection, &path)?;
            warnings.extend(report.warnings(&path, options.allow_damaged)?);
            stream_pages(connection, &path, sender)?;
            Ok(Read { warnings, snapshot })
        });
        Ok(Self { pieces, ended: false, reader: Some(reader), read: None, interrupt })
    }

    async fn reader_result(&mut self) -> Result<Read, Error> {
        let gone = |cause: String| Err(Error::failed("the reader of the database", cause));
        match (self.read.take(), self.reader.take()) {
            (Some(read), _) => read,
            (None, Some(reader)) => reader.await.unwrap_or_else(|error| gone(error.to_string())),
            (None, None) => gone("it has ended already".to_owned()),
        }
    }
}

#[async_trait]
impl Dump for SqliteDump {
    fn versions(&self) -> Versions {
        let version = rusqlite::version();
        Versions { engine: version.to_owned(), tool: format!("dbackup with SQLite {version}") }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        match self.pieces.receive().await {
            Ok(piece) => {
                self.ended |= piece.is_none();
                Ok(piece)
            }
            Err(interrupted) => {
                self.reader_result().await?;
                Err(Error::failed("could not read the database", interrupted))
            }
        }
    }

    async fn count_rows(&mut self, limit: Duration) -> Option<Rows> {
        if !self.ended {
            return None;
        }
        let Read { warnings, snapshot } = match self.reader_result().await {
            Ok(read) => read,
            failed => {
                self.read = Some(failed);
                return None;
            }
        };
        // In the transaction in which the pages were read.
        let counted = rows::count(snapshot, Snapshot::connection, limit).await;
        let (read, rows) = match counted {
            Ok((snapshot, rows)) => (Ok(Read { warnings, snapshot }), rows.ok()),
            Err(error) => (Err(error), None),
        };
        self.read = Some(read);
        rows
    }

    async fn finish(mut self: Box<Self>) -> Result<Vec<Warning>, Error> {
        if !self.ended {
            return Err(Error::failed("the dump", "it was not read to its end"));
        }
        let Read { warnings, snapshot } = self.reader_result().await?;
        blocking(move || {
            drop(snapshot);
            Ok(warnings)
        })
        .await
    }
}

impl Drop for SqliteDump {
    fn drop(&mut self) {
        // A check of a large database would otherwise run to its end after a cancel.
        self.interrupt.interrupt();
    }
}

/// Sends every page in order. The number of pages is the end mark: fewer or more is an error.
fn stream_pages(snapshot: &Connection, path: &Path, sender: Sender) -> Result<(), Error> {
    let unreadable = |error: rusqlite::Error| failed("read", path, &error);
    let expected = page_count(snapshot).map_err(unreadable)?;
    let mut statement = snapshot.prepare("SELECT data FROM sqlite_dbpage ORDER BY pgno").map_err(unreadable)?;
    let mut rows = statement.query([]).map_err(unreadable)?;
    let (mut piece, mut pages) = (BytesMut::with_capacity(PIECE_SIZE), 0);
    while let Some(row) = rows.next().map_err(unreadable)? {
        let page = row.get_ref(0).and_then(|value| Ok(value.as_blob()?)).map_err(unreadable)?;
        piece.extend_from_slice(page);
        pages += 1;
        if piece.len() >= PIECE_SIZE {
            let full = std::mem::replace(&mut piece, BytesMut::with_capacity(PIECE_SIZE));
            sender.blocking_send(full.freeze()).map_err(|error| Error::failed("the dump", error))?;
        }
    }
    if pages != expected {
        return Err(Error::failed(
            format!("could not read all of {}", path.display()),
            format!("{pages} of {expected} pages"),
        ));
    }
    sender
        .blocking_send(piece.freeze())
        .and_then(|()| sender.blocking_end())
        .map_err(|error| Error::failed("the dump", error))
}

//! Dumping SQLite: the pages of one snapshot, in order.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use domain::Warning;
use pipeline::PrivateFile;
use pipeline::stream::{self, PIECE_SIZE, Receiver, Sender};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, InterruptHandle};
use tokio::task::JoinHandle;

use super::connection::{check_integrity, failed, open_read_only, open_read_write};
use crate::error::Error;
use crate::{Dump, Versions};

/// What names a copy beside a database.
const COPY: &str = "dbackup-copy";
/// Pages copied before writers get their turn.
const PAGES_PER_STEP: i32 = 1024;
/// A copy that writers made start over so often is finished in one step, during which they wait.
const MAX_RESTARTS: u32 = 3;

/// A dump of one snapshot.
pub(super) struct SqliteDump {
    pieces: Receiver,
    reader: Option<JoinHandle<Result<Option<String>, Error>>>,
    interrupt: InterruptHandle,
}

impl SqliteDump {
    /// Takes the snapshot and starts to stream it.
    pub(super) async fn start(path: PathBuf) -> Result<Self, Error> {
        let opened = path.clone();
        let snapshot = run(&path, move || take_snapshot(&opened)).await?;
        let interrupt = snapshot.get_interrupt_handle();
        let (sender, pieces) = stream::channel();
        let reader = tokio::task::spawn_blocking(move || {
            let remark = check_integrity(&snapshot, &path)?;
            stream_pages(&snapshot, &path, sender)?;
            Ok(remark)
        });
        Ok(Self { pieces, reader: Some(reader), interrupt })
    }

    async fn reader_result(&mut self) -> Result<Option<String>, Error> {
        match self.reader.take() {
            Some(reader) => {
                reader.await.unwrap_or_else(|error| Err(Error::failed("the reader of the database", error)))
            }
            None => Ok(None),
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
            Ok(piece) => Ok(piece),
            Err(interrupted) => {
                self.reader_result().await?;
                Err(Error::failed("reading the database", interrupted))
            }
        }
    }

    async fn finish(mut self: Box<Self>) -> Result<Vec<Warning>, Error> {
        let remark = self.reader_result().await?;
        Ok(remark.map(|remark| Warning::new("integrity-unchecked", remark)).into_iter().collect())
    }
}

impl Drop for SqliteDump {
    fn drop(&mut self) {
        // A check of a large database would otherwise run to its end after a cancel.
        self.interrupt.interrupt();
    }
}

async fn run<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let what = format!("could not read {}", path.display());
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(Error::failed(what, error)))
}

/// Gives a connection that sees one unchanging state of the database until it is closed.
fn take_snapshot(path: &Path) -> Result<Connection, Error> {
    let database = open_read_only(path)?;
    let mode: String = database
        .query_row("PRAGMA journal_mode", [], |row| row.get(0))
        .map_err(|error| failed("read", path, &error))?;
    refuse_nothing(&database, path)?;
    let snapshot = if mode == "wal" { database } else { copy(&database, path)? };
    // The transaction's first read fixes what it sees.
    snapshot
        .execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema;")
        .map_err(|error| failed("read", path, &error))?;
    Ok(snapshot)
}

/// An empty file is an empty database to SQLite, but hardly what somebody wants to keep.
fn refuse_nothing(database: &Connection, path: &Path) -> Result<(), Error> {
    let pages: i64 =
        database.query_row("PRAGMA page_count", [], |row| row.get(0)).map_err(|error| failed("read", path, &error))?;
    if pages > 0 {
        return Ok(());
    }
    Err(Error::Failed {
        what: format!("{} is empty", path.display()),
        cause: "it has no pages at all".to_owned(),
        cure: Some("Is it the right file? A database that was ever written to has at least one page"),
    })
}

/// Copies the database beside itself and gives the copy, whose name is gone already.
fn copy(database: &Connection, path: &Path) -> Result<Connection, Error> {
    let cannot =
        |error: std::io::Error| Error::failed(format!("could not make a copy beside {}", path.display()), error);
    let file = PrivateFile::beside(path, COPY, 0o600).map_err(cannot)?;
    let mut copy = open_read_write(file.path())?;
    drop(file);
    let copied = copy.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;").and_then(|()| {
        let backup = Backup::new(database, &mut copy)?;
        copy_pages(&backup)
    });
    copied.map_err(|error| failed("copy", path, &error))?;
    Ok(copy)
}

/// Copies step by step, so that writers get their turn between two steps. A write starts the copy over.
fn copy_pages(backup: &Backup<'_, '_>) -> rusqlite::Result<()> {
    let (mut restarts, mut remaining, mut refused) = (0, i32::MAX, 0);
    loop {
        let pages = if restarts < MAX_RESTARTS { PAGES_PER_STEP } else { -1 };
        match backup.step(pages)? {
            StepResult::Done => return Ok(()),
            // Each refusal has waited for the lock as long as is bearable already.
            StepResult::Busy | StepResult::Locked if refused > 0 => return Err(busy()),
            StepResult::Busy | StepResult::Locked => refused += 1,
            _ => refused = 0,
        }
        let left = backup.progress().remaining;
        if left >= remaining {
            restarts += 1;
        }
        remaining = left;
        std::thread::yield_now();
    }
}

fn busy() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY), None)
}

/// Sends every page in order. The number of pages is the end mark: fewer or more is an error.
fn stream_pages(snapshot: &Connection, path: &Path, sender: Sender) -> Result<(), Error> {
    let unreadable = |error: rusqlite::Error| failed("read", path, &error);
    let expected: i64 = snapshot.query_row("PRAGMA page_count", [], |row| row.get(0)).map_err(unreadable)?;
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

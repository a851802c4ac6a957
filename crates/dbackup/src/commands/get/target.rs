//! Where a backup is fetched to.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use domain::naming::PARTIAL_PREFIX;
use pipeline::private_file::sync;
use pipeline::{PrivateFile, Progress};
use tokio::sync::{mpsc, oneshot};

use crate::failure::Failure;

/// Pieces between the download and the disk.
const PIECES: usize = 64;
/// The disk gets to work while the rest is on its way, so that little is left to make durable at the end.
const SYNC_EVERY: usize = 8 * 1024 * 1024;

/// A file that gets its name only when it is whole, or the standard output. A separate thread writes it, so that
/// neither a slow disk nor a stalled pipe delays a cancel.
pub(super) struct Target {
    pieces: mpsc::Sender<Bytes>,
    written: oneshot::Receiver<io::Result<()>>,
    /// The file, and its name.
    file: Option<(PrivateFile, PathBuf)>,
}

impl Target {
    /// `progress` counts what has been written.
    pub(super) fn open(path: Option<&Path>, progress: &Progress) -> Result<Self, Failure> {
        let Some(path) = path.filter(|path| *path != Path::new("-")) else {
            if io::stdout().is_terminal() {
                return Err(Failure::usage(
                    "a backup would only garble the terminal: name a file with --output, or pipe it on",
                ));
            }
            return Self::start(None, progress.clone());
        };
        if path.symlink_metadata().is_ok() {
            return Err(Failure::usage(format!("{} exists already, and nothing is overwritten", path.display())));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = PrivateFile::create(folder, PARTIAL_PREFIX.as_ref(), 0o600)
            .map_err(|error| Failure::usage(format!("could not write to {}: {error}", folder.display())))?;
        Self::start(Some((file, path.to_owned())), progress.clone())
    }

    fn start(file: Option<(PrivateFile, PathBuf)>, progress: Progress) -> Result<Self, Failure> {
        let (pieces, waiting) = mpsc::channel(PIECES);
        let (done, written) = oneshot::channel();
        // A handle of its own: a cancel removes the file while the thread may still be writing to it.
        let handle = file.as_ref().map(|(file, _)| file.file().try_clone()).transpose().map_err(could_not_write)?;
        let write = move || {
            let result = match handle {
                Some(file) => write_file(file, waiting, &progress),
                None => write_to(&mut io::stdout(), waiting, &progress),
            };
            // Nobody waits for it after a cancel.
            let _ = done.send(result);
        };
        std::thread::Builder::new().name("write".to_owned()).spawn(write).map_err(could_not_write)?;
        Ok(Self { pieces, written, file })
    }

    pub(super) async fn write(&mut self, piece: Bytes) -> Result<(), Failure> {
        match self.pieces.send(piece).await {
            Ok(()) => Ok(()),
            Err(_) => Err(could_not_write(ended(&mut self.written).await.err().unwrap_or_else(stopped))),
        }
    }

    /// Waits until everything is written, and gives the file its name.
    pub(super) async fn finish(self) -> Result<(), Failure> {
        let Self { pieces, mut written, file } = self;
        drop(pieces);
        ended(&mut written).await.map_err(could_not_write)?;
        file.map_or(Ok(()), |(file, path)| file.publish(&path)).map_err(could_not_write)
    }
}

async fn ended(written: &mut oneshot::Receiver<io::Result<()>>) -> io::Result<()> {
    written.await.unwrap_or_else(|_| Err(stopped()))
}

fn stopped() -> io::Error {
    io::Error::other("the thread that writes has stopped")
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn could_not_write(error: io::Error) -> Failure {
    Failure::failed(format!("could not write the backup: {error}"))
}

fn write_file(mut file: File, mut pieces: mpsc::Receiver<Bytes>, progress: &Progress) -> io::Result<()> {
    let mut unsynced = 0;
    while let Some(piece) = pieces.blocking_recv() {
        file.write_all(&piece)?;
        progress.add_dumped(piece.len());
        unsynced += piece.len();
        if unsynced >= SYNC_EVERY {
            sync(&file)?;
            unsynced = 0;
        }
    }
    Ok(())
}

fn write_to(output: &mut impl Write, mut pieces: mpsc::Receiver<Bytes>, progress: &Progress) -> io::Result<()> {
    while let Some(piece) = pieces.blocking_recv() {
        output.write_all(&piece)?;
        progress.add_dumped(piece.len());
    }
    output.flush()
}

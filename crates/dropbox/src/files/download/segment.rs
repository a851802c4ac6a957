//! One range of a file on its way, received by a task of its own.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use reqwest::Response;
use reqwest::header::CONTENT_RANGE;
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::client::Client;
use crate::content_hash::{BLOCK_SIZE, BlockDigest};
use crate::error::{DownloadError, Error, RouteError};
use crate::files::FileMetadata;
use crate::files::path::RemotePath;
use crate::retry::{Attempts, Progress};
use crate::transport;

/// A whole range waits in memory for its reader, unless it comes in very small pieces.
const MOST_PIECES: usize = 2048;

const ROUTE: &str = "files/download";

#[derive(Serialize)]
struct DownloadArg<'a> {
    path: RemotePath<'a>,
}

/// The one revision that a download reads.
#[derive(Debug)]
pub(super) struct Pinned {
    pub(super) client: Client,
    pub(super) metadata: FileMetadata,
    pub(super) progress: Progress,
    pub(super) slow_down: AtomicBool,
}

/// A range in order. Dropping it stops it.
#[derive(Debug)]
pub(super) struct Segment {
    pieces: mpsc::Receiver<Bytes>,
    task: JoinHandle<Result<Vec<BlockDigest>, Error>>,
    begun: bool,
}

impl Segment {
    /// Starts to receive a range, from `response` if that is it already. `hash` wants the digests of its blocks.
    pub(super) fn receive(pinned: Arc<Pinned>, range: Range<u64>, hash: bool, response: Option<Response>) -> Self {
        let (sender, pieces) = mpsc::channel(MOST_PIECES);
        let receiving = Receiving { pinned, position: range.start, end: range.end, blocks: hash.then(Blocks::default) };
        Self { pieces, task: tokio::spawn(receiving.run(sender, response)), begun: false }
    }

    /// Whether anything of it has come.
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// Whether all of it has come, or nothing more will.
    pub(super) fn is_received(&self) -> bool {
        self.task.is_finished()
    }

    /// The next piece, if it is here already.
    pub(super) fn try_next(&mut self) -> Option<Bytes> {
        let piece = self.pieces.try_recv().ok()?;
        self.begun = true;
        Some(piece)
    }

    /// The next piece; none when no more will come.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        let piece = self.pieces.recv().await?;
        self.begun = true;
        Some(piece)
    }

    /// How it ended: the digests of its blocks, or why it broke off.
    pub(super) async fn finish(&mut self) -> Result<Vec<BlockDigest>, Error> {
        (&mut self.task).await.unwrap_or_else(|_| Err(Error::Internal("a download".to_owned())))
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The task behind a segment.
struct Receiving {
    pinned: Arc<Pinned>,
    position: u64,
    end: u64,
    blocks: Option<Blocks>,
}

impl Receiving {
    async fn run(
        mut self,
        pieces: mpsc::Sender<Bytes>,
        mut response: Option<Response>,
    ) -> Result<Vec<BlockDigest>, Error> {
        // The reader may have taken its time: patience is for what is asked for now.
        self.pinned.progress.made();
        let mut retry = 0;
        while self.position < self.end {
            let before = self.position;
            let error = match self.stream(&pieces, response.take()).await {
                Ok(()) => break,
                Err(error) => error,
            };
            if self.position > before {
                self.pinned.progress.made();
                retry = 0;
            }
            if !error.is_transient() {
                return Err(error);
            }
            self.pinned.note(&error);
            self.pinned.client.settings().retry.wait_in_transfer(error, retry, &self.pinned.progress).await?;
            retry += 1;
        }
        Ok(self.blocks.map(Blocks::finish).unwrap_or_default())
    }

    /// Passes on what comes over one connection, to the range's end.
    async fn stream(&mut self, pieces: &mpsc::Sender<Bytes>, response: Option<Response>) -> Result<(), Error> {
        let client = &self.pinned.client;
        let mut response = match response {
            Some(response) => response,
            None => self.pinned.reopen(self.position..self.end).await?,
        };
        while self.position < self.end {
            let piece = transport::chunk(ROUTE, &mut response, client.settings().timeouts.idle).await?;
            let Some(mut piece) = piece else {
                return Err(Error::Network {
                    route: ROUTE.into(),
                    reason: "the answer ended early".into(),
                    unsent: false,
                });
            };
            client.receiving().pass(piece.len()).await;
            // An answer that ignores the end of the range is used up to there.
            piece.truncate(usize::try_from(self.end - self.position).unwrap_or(usize::MAX));
            self.position += piece.len() as u64;
            if let Some(blocks) = &mut self.blocks {
                blocks.update(&piece);
            }
            if pieces.send(piece).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// The digests of a range's blocks.
#[derive(Default)]
struct Blocks {
    digests: Vec<BlockDigest>,
    block: Sha256,
    in_block: usize,
}

impl Blocks {
    fn update(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            let (now, later) = data.split_at(data.len().min(BLOCK_SIZE - self.in_block));
            self.block.update(now);
            self.in_block += now.len();
            data = later;
            if self.in_block == BLOCK_SIZE {
                self.digests.push(self.block.finalize_reset().into());
                self.in_block = 0;
            }
        }
    }

    fn finish(mut self) -> Vec<BlockDigest> {
        if self.in_block > 0 {
            self.digests.push(self.block.finalize().into());
        }
        self.digests
    }
}

impl Pinned {
    pub(super) fn new(client: &Client, metadata: FileMetadata) -> Self {
        let progress = Progress::new(client.settings().timeouts.stall);
        Self { client: client.clone(), metadata, progress, slow_down: AtomicBool::new(false) }
    }

    /// Remembers that Dropbox wants fewer calls.
    fn note(&self, error: &Error) {
        if error.is_overloaded() {
            self.slow_down.store(true, Ordering::Relaxed);
        }
    }

    /// Asks for a range of the same revision, so that a file changed meanwhile cannot be mixed in.
    async fn reopen(&self, range: Range<u64>) -> Result<Response, Error> {
        let path = format!("rev:{}", self.metadata.rev);
        let header = Some(format!("bytes={}-{}", range.start, range.end - 1));
        let argument = DownloadArg { path: RemotePath::new(&path) };
        let response = self.client.download_once::<_, DownloadError>(ROUTE, &argument, header).await?;
        let metadata = result_header(&response)?;
        let hashes = [&metadata.content_hash, &self.metadata.content_hash].map(Option::as_ref);
        let same = metadata.rev == self.metadata.rev
            && metadata.size == self.metadata.size
            && (hashes[0] == hashes[1] || hashes.contains(&None));
        if !same {
            let (expected, found) = (format!("revision {}", self.metadata.rev), format!("revision {}", metadata.rev));
            return Err(self.mismatch(expected, found));
        }
        starts_at(range.start, response)
    }

    pub(super) fn mismatch(&self, expected: String, found: String) -> Error {
        Error::ContentMismatch { path: self.metadata.path_display.clone(), transferred: "received", expected, found }
    }
}

/// Opens a path, or a range of it; the answer tells everything about the file, too.
pub(super) async fn open_first(
    client: &Client,
    path: &str,
    range: Option<Range<u64>>,
) -> Result<(FileMetadata, Response), Error> {
    let start = range.as_ref().map_or(0, |range| range.start);
    let mut header = range.map(|range| format!("bytes={}-{}", range.start, range.end.saturating_sub(1)));
    let mut attempts = Attempts::new();
    loop {
        let argument = DownloadArg { path: RemotePath::new(path) };
        let error = match client.download_once::<_, DownloadError>(ROUTE, &argument, header.clone()).await {
            Ok(response) => return Ok((result_header(&response)?, starts_at(start, response)?)),
            Err(error) => error,
        };
        // An empty file has no range.
        if header.is_some() && start == 0 && is_unsatisfiable(&error) {
            header = None;
            continue;
        }
        client.wait_after(error, &mut attempts).await?;
    }
}

/// It is not known how Dropbox says so: as 416, or as a 409 of which the specification has no tag (SRC: Go SDK).
fn is_unsatisfiable(error: &Error) -> bool {
    match error {
        Error::BadRequest { status, .. } => matches!(status, 409 | 416),
        Error::Route { error: RouteError::Download(error), .. } => *error == DownloadError::Other,
        _ => false,
    }
}

/// Makes sure that an answer begins where it should.
fn starts_at(start: u64, response: Response) -> Result<Response, Error> {
    let range = response.headers().get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
    let begins = match (response.status().as_u16(), range) {
        (206, Some(range)) => {
            range.strip_prefix("bytes ").and_then(|range| range.split('-').next()?.parse::<u64>().ok())
        }
        // Hashes tell whether it is the right part after all.
        (206, None) => Some(start),
        _ => Some(0),
    };
    if begins == Some(start) { Ok(response) } else { Err(unexpected("another part of the file than was asked for")) }
}

fn result_header(response: &Response) -> Result<FileMetadata, Error> {
    let header = response.headers().get("dropbox-api-result").ok_or_else(|| unexpected("no Dropbox-API-Result"))?;
    transport::parse(ROUTE, header.as_bytes())
}

fn unexpected(reason: &str) -> Error {
    Error::UnexpectedAnswer { route: ROUTE.to_owned(), reason: reason.to_owned() }
}

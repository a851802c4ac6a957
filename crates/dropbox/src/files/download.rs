//! Downloading in order, from one revision: ranges of it come over several connections at once, each going on where it broke.
//!
//! It begins with one connection, and opens more while the reader has to wait for bytes: a reader that is slower than one
//! connection gets one. Memory is bounded by [`crate::Settings::memory`].

mod segment;

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use self::segment::{Pinned, Segment};
use super::FileMetadata;
use crate::client::Client;
use crate::content_hash::{self, BLOCK_SIZE, BlockDigest};
use crate::error::Error;

/// Bytes per request; whole blocks, so that each can be hashed where it arrives.
const SEGMENT: u64 = 2 * BLOCK_SIZE as u64;
/// The last requests are smaller, so that they end together and leave no connection idle.
const LAST_SEGMENT: u64 = BLOCK_SIZE as u64;
/// A reader that has waited so long, all in all, gets another connection.
const WAITED: Duration = Duration::from_millis(10);

/// A download in progress. A whole file is checked against Dropbox's content hash at its end, a range against its length.
#[derive(Debug)]
pub struct Download {
    client: Client,
    pinned: Arc<Pinned>,
    /// What is being received, in order.
    segments: VecDeque<Segment>,
    /// The first byte that nothing has been asked for yet.
    next: u64,
    end: u64,
    /// Connections at once.
    parallel: usize,
    waited: Duration,
    digests: Option<Vec<BlockDigest>>,
}

impl Client {
    /// Starts to download a file, or a range of it. Needs `files.content.read`.
    ///
    /// # Errors
    /// [`Error::is_not_found`] if nothing is there; as every call.
    pub async fn open(&self, path: &str, range: Option<Range<u64>>) -> Result<Download, Error> {
        let whole = range.is_none();
        let wanted = range.unwrap_or(0..u64::MAX);
        let first = wanted.start..wanted.start.saturating_add(SEGMENT).min(wanted.end);
        let (metadata, response) = segment::open_first(self, path, first.clone()).await?;
        let end = wanted.end.min(metadata.size);
        let pinned = Arc::new(Pinned::new(self, metadata));
        let next = first.end.min(end);
        let mut segments = VecDeque::new();
        if wanted.start < end {
            segments.push_back(Segment::receive(Arc::clone(&pinned), wanted.start..next, whole, Some(response)));
        }
        let (waited, digests) = (Duration::ZERO, whole.then(Vec::new));
        Ok(Download { client: self.clone(), pinned, segments, next, end, parallel: 1, waited, digests })
    }
}

impl Download {
    /// The file that is being read.
    pub fn metadata(&self) -> &FileMetadata {
        &self.pinned.metadata
    }

    /// The next bytes; none at the end, once everything has been checked.
    ///
    /// # Errors
    /// [`Error::ContentMismatch`] if the bytes are not those that Dropbox promised; [`Error::Stalled`] if nothing came for too
    /// long; as every call.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            self.ask_for_more();
            let Some(segment) = self.segments.front_mut() else { return self.check().map(|()| None) };
            let piece = match segment.try_next() {
                Some(piece) => Some(piece),
                None => {
                    let (began, since) = (segment.has_begun(), Instant::now());
                    let piece = segment.next().await;
                    // That the first byte takes its time says nothing of the reader.
                    if began {
                        self.waited += since.elapsed();
                    }
                    piece
                }
            };
            if piece.is_some() {
                return Ok(piece);
            }
            let digests = segment.finish().await?;
            self.segments.pop_front();
            self.digests.iter_mut().for_each(|all| all.extend(&digests));
        }
    }

    /// Asks for as many further ranges as there are connections and memory for.
    fn ask_for_more(&mut self) {
        let settings = self.client.settings();
        // Pieces hold on to more of their connection's buffers than their own length.
        let room = (settings.memory as u64 * 3 / 4 / SEGMENT).max(1) as usize;
        if self.waited >= WAITED {
            self.waited = Duration::ZERO;
            self.parallel = (self.parallel * 2).min(settings.parallelism).min(room);
        }
        if self.pinned.slow_down.swap(false, Ordering::Relaxed) {
            self.parallel = (self.parallel / 2).max(1);
        }
        while self.next < self.end
            && self.segments.len() < room
            && self.segments.iter().filter(|segment| !segment.is_received()).count() < self.parallel
        {
            let last = self.end - self.next < SEGMENT * self.parallel as u64;
            let range = self.next..(self.next + if last { LAST_SEGMENT } else { SEGMENT }).min(self.end);
            self.next = range.end;
            self.segments.push_back(Segment::receive(Arc::clone(&self.pinned), range, self.digests.is_some(), None));
        }
    }

    fn check(&mut self) -> Result<(), Error> {
        let Some(digests) = self.digests.take() else { return Ok(()) };
        let (expected, found) = (&self.pinned.metadata.content_hash, content_hash::join(&digests));
        if found == *expected {
            return Ok(());
        }
        Err(self.pinned.mismatch(expected.clone(), found))
    }
}

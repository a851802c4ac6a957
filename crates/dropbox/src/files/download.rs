//! Downloading in order, from one revision: ranges of it come over several connections at once, each going on where it broke.
//!
//! As many ranges are asked for at once as start a fast transfer; more connections open while the reader has to wait for bytes.
//! A reader that is slower than one connection soon has one request at a time. Memory is bounded by
//! [`crate::Settings::memory`].

mod segment;

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Response;
use tokio::time::Instant;

use self::segment::{Pinned, Segment};
use super::FileMetadata;
use crate::client::Client;
use crate::content_hash::{self, BLOCK_SIZE, BlockDigest, ContentHasher};
use crate::error::Error;

const MIB: u64 = 1024 * 1024;
const BLOCK: u64 = BLOCK_SIZE as u64;
/// Bytes that are asked for before the reader has shown how fast it is.
const AT_ONCE: u64 = 64 * MIB;
/// The last requests are no larger, so that they end together and leave no connection idle.
const LAST_SEGMENT: u64 = BLOCK;
/// A reader that has waited for so long in total gets another connection.
const WAITED: Duration = Duration::from_millis(10);

/// Bytes per request. Small files are spread over several connections; large ones spare calls, of which Dropbox allows only so
/// many per second.
fn segment_size(file_size: u64) -> u64 {
    match file_size / MIB {
        0..32 => BLOCK / 2,
        32..256 => BLOCK,
        _ => 2 * BLOCK,
    }
}

/// A download in progress. A whole file is checked against Dropbox's content hash at its end, a range against its length.
#[derive(Debug)]
pub struct Download {
    client: Client,
    pinned: Arc<Pinned>,
    /// What is being received, in order.
    segments: VecDeque<Segment>,
    segment_size: u64,
    /// How many requests there were.
    asked: usize,
    /// The first byte that nothing has been asked for yet.
    next: u64,
    end: u64,
    /// Connections at once.
    parallel: usize,
    waited: Duration,
    hashing: Hashing,
}

/// How the content hash of what comes is computed.
#[derive(Debug)]
enum Hashing {
    /// Not at all: only a part is read, or everything has been checked.
    Off,
    /// Every request is for whole blocks, hashed where they arrive.
    Blocks(Vec<BlockDigest>),
    /// Some are for less: hashed as they are read.
    Stream(Box<ContentHasher>),
}

impl Hashing {
    fn of_whole_file(segment_size: u64) -> Self {
        if (segment_size / 2).is_multiple_of(BLOCK) { Self::Blocks(Vec::new()) } else { Self::Stream(Box::default()) }
    }

    fn is_by_blocks(&self) -> bool {
        matches!(self, Self::Blocks(_))
    }

    fn finish(&mut self) -> Option<String> {
        match std::mem::replace(self, Self::Off) {
            Self::Off => None,
            Self::Blocks(digests) => Some(content_hash::join(&digests)),
            Self::Stream(hasher) => Some(hasher.finish()),
        }
    }
}

impl Client {
    /// Starts to download a file, or a range of it. Needs `files.content.read`.
    ///
    /// # Errors
    /// [`Error::is_not_found`] if nothing is there; as every call.
    pub async fn open(&self, path: &str, range: Option<Range<u64>>) -> Result<Download, Error> {
        let first = range.as_ref().map(|range| range.start..range.start.saturating_add(2 * BLOCK).min(range.end));
        // A file whose size is not known yet may be empty, and an empty file has no range: the first request has none.
        let (metadata, response) = segment::open_first(self, path, first.clone()).await?;
        let mut download = self.open_known(metadata, range);
        let first_end = first.map_or(download.segment_size, |first| first.end).min(download.end);
        if download.next < first_end {
            download.receive(download.next..first_end, Some(response));
        }
        Ok(download)
    }

    /// The same for a file that was looked up before: all connections start at once. Nothing is sent before the first
    /// [`Download::chunk`].
    pub fn open_known(&self, metadata: FileMetadata, range: Option<Range<u64>>) -> Download {
        let segment_size = segment_size(metadata.size);
        let hashing = if range.is_none() { Hashing::of_whole_file(segment_size) } else { Hashing::Off };
        let range = range.unwrap_or(0..u64::MAX);
        let parallel = usize::try_from(AT_ONCE / segment_size).unwrap_or(1).min(self.settings().parallelism);
        Download {
            client: self.clone(),
            next: range.start,
            end: range.end.min(metadata.size),
            pinned: Arc::new(Pinned::new(self, metadata)),
            segments: VecDeque::new(),
            asked: 0,
            segment_size,
            parallel,
            waited: Duration::ZERO,
            hashing,
        }
    }
}

impl Client {
    /// Reads a file to compute its content hash, for where Dropbox does not tell it.
    ///
    /// # Errors
    /// As [`Download::chunk`].
    pub async fn hash_by_reading(&self, file: &FileMetadata) -> Result<String, Error> {
        let (mut download, mut hasher) = (self.open_known(file.clone(), None), ContentHasher::default());
        while let Some(piece) = download.chunk().await? {
            hasher.update(&piece);
        }
        Ok(hasher.finish())
    }
}

impl Download {
    /// The file that is being read.
    pub fn metadata(&self) -> &FileMetadata {
        &self.pinned.metadata
    }

    /// The next bytes; `None` at the end, once everything has been checked.
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
            if let Some(piece) = piece {
                if let Hashing::Stream(hasher) = &mut self.hashing {
                    hasher.update(&piece);
                }
                return Ok(Some(piece));
            }
            let digests = segment.finish().await?;
            self.segments.pop_front();
            if let Hashing::Blocks(all) = &mut self.hashing {
                all.extend(&digests);
            }
        }
    }

    /// Asks for as many further ranges as there are connections and memory for.
    fn ask_for_more(&mut self) {
        let settings = self.client.settings();
        // Pieces hold on to more of their connection's buffers than their own length.
        let room = usize::try_from(settings.memory as u64 * 3 / 4 / self.segment_size).unwrap_or(usize::MAX).max(1);
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
            let range = self.next..(self.next + self.next_length()).min(self.end);
            self.receive(range, None);
        }
    }

    /// Requests that begin together and are of one size end together on a line that they share, and then all of them wait for the
    /// next answer at once. So every other one of the first ones is half as large.
    fn next_length(&self) -> u64 {
        let is_last = self.end - self.next < self.segment_size * self.parallel as u64;
        let is_first = self.asked < self.parallel && self.end > self.segment_size * self.parallel as u64;
        match (is_first && self.asked % 2 == 1, is_last) {
            (true, _) => self.segment_size / 2,
            (false, true) => self.segment_size.min(LAST_SEGMENT),
            (false, false) => self.segment_size,
        }
    }

    fn receive(&mut self, range: Range<u64>, response: Option<Response>) {
        self.asked += 1;
        self.next = range.end;
        let (pinned, hash) = (Arc::clone(&self.pinned), self.hashing.is_by_blocks());
        self.segments.push_back(Segment::receive(pinned, range, hash, response));
    }

    fn check(&mut self) -> Result<(), Error> {
        let Some(found) = self.hashing.finish() else { return Ok(()) };
        match &self.pinned.metadata.content_hash {
            // Dropbox does not say what it is; that it is as long as it says has been checked.
            None => Ok(()),
            Some(expected) if expected.eq_ignore_ascii_case(&found) => Ok(()),
            Some(expected) => Err(self.pinned.mismatch(expected.clone(), found)),
        }
    }
}

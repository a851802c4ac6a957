//! Uploading a stream of unknown length: one request if it fits in a chunk, otherwise a concurrent upload session with several
//! requests at once.
//!
//! Nothing is visible in Dropbox before [`Upload::commit`]. A commit never overwrites. A session that is not committed is
//! forgotten by Dropbox after seven days and counts nowhere. Memory is bounded by [`crate::Settings::memory`]: a block stays
//! until Dropbox has it, for it may have to be sent again.

mod checkpoint;
mod commit;
mod session;
mod sizes;
pub(super) mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::task::{JoinError, JoinHandle, JoinSet};

pub use self::checkpoint::Checkpoint;
pub use self::commit::{Committed, Companion};
use self::session::{Chunk, Session};
use self::sizes::blocks_of_chunk;
use crate::blocks::{Block, BlockPool};
use crate::body::Payload;
use crate::client::Client;
use crate::content_hash::{self, BLOCK_SIZE, BlockDigest};
use crate::error::Error;
use crate::files::gate::{self, Gate};
use crate::files::publication::Content;

/// Per block: the digest of what Dropbox has of it, if it has it.
type Stored = Vec<Option<BlockDigest>>;

/// An upload in progress. Dropping it stops it.
#[derive(Debug)]
pub struct Upload {
    client: Client,
    session: Arc<Session>,
    pool: Arc<BlockPool>,
    filling: Option<Block>,
    /// Full blocks that go up together in the next chunk.
    waiting: Vec<FullBlock>,
    /// How many blocks came before them.
    passed: usize,
    /// Chunks on their way, and blocks of a resumed upload that are being compared.
    tasks: JoinSet<Result<Done, Error>>,
    stored: Stored,
    /// Bytes that Dropbox is known to have.
    acknowledged: Arc<AtomicU64>,
    closed: Option<Closed>,
    whole: Option<Whole>,
    gate: Arc<dyn Gate>,
}

/// A full block, and its digest as soon as it is known.
#[derive(Debug)]
struct FullBlock {
    bytes: Bytes,
    digest: JoinHandle<BlockDigest>,
}

/// Blocks that Dropbox has.
#[derive(Debug)]
struct Done {
    first: usize,
    digests: Vec<BlockDigest>,
}

/// The piece shorter than a block with which the session was closed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Closed {
    length: u64,
    digest: Option<BlockDigest>,
}

/// Everything that was written, ready to be committed as often as need be.
#[derive(Debug)]
struct Whole {
    size: u64,
    content_hash: String,
    content: Content,
}

impl Client {
    /// Starts an upload. Nothing is sent before a chunk is full. Needs `files.content.write`.
    pub fn start_upload(&self) -> Upload {
        Upload::new(self, None, Stored::new(), None)
    }

    /// Goes on with an upload of this or another process. Write the same bytes again, from the first one: what Dropbox has
    /// already is compared instead of sent.
    ///
    /// # Errors
    /// [`Error::Settings`] if the checkpoint is damaged. Later, [`Error::Changed`] if the bytes are not the same, and
    /// [`Error::is_session_lost`] if Dropbox has forgotten the session.
    pub fn resume_upload(&self, checkpoint: &Checkpoint) -> Result<Upload, Error> {
        let (session_id, stored, closed) = checkpoint.open()?;
        Ok(Upload::new(self, Some(session_id), stored, closed))
    }
}

impl Upload {
    fn new(client: &Client, session_id: Option<String>, stored: Stored, closed: Option<Closed>) -> Self {
        Self {
            client: client.clone(),
            session: Arc::new(Session::new(client.clone(), session_id)),
            pool: BlockPool::new(client.settings().memory / BLOCK_SIZE),
            filling: None,
            waiting: Vec::new(),
            passed: 0,
            tasks: JoinSet::new(),
            stored,
            acknowledged: Arc::default(),
            closed,
            whole: None,
            gate: gate::open(),
        }
    }

    /// Has `gate` asked before each attempt of a commit.
    pub fn guard(&mut self, gate: Arc<dyn Gate>) {
        self.gate = gate;
    }

    /// Returns the count of bytes that Dropbox is known to have: it grows as soon as a request is answered, also while a call of this
    /// upload waits.
    pub fn acknowledged(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.acknowledged)
    }

    /// Takes the next bytes; chunks that are full go up meanwhile. Waits while memory is full.
    ///
    /// # Errors
    /// As every call; the upload is over then. [`Error::Stalled`] if it got nowhere for too long.
    pub async fn write(&mut self, mut data: Bytes) -> Result<(), Error> {
        while let Some(done) = self.tasks.try_join_next() {
            self.record(done)?;
        }
        while !data.is_empty() {
            if self.waiting.len() >= self.blocks_of_chunk() {
                self.send_waiting();
            }
            let mut block = self.room().await?;
            block.fill(&mut data);
            if block.is_full() { self.take_full(block) } else { self.filling = Some(block) }
        }
        Ok(())
    }

    /// Sends what is left, and closes the session. Everything written is at Dropbox then (or, if it is small, still here), but
    /// invisible. Nothing can be written any more. Gives the content hash.
    ///
    /// # Errors
    /// As [`Upload::write`].
    pub async fn seal(&mut self) -> Result<&str, Error> {
        let whole = match self.whole.take() {
            Some(whole) => whole,
            None if self.is_small() => self.small().await?,
            None => self.close().await?,
        };
        Ok(&self.whole.insert(whole).content_hash)
    }

    /// What another process needs to go on with this upload; none while Dropbox has nothing of it.
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        self.session.id().map(|id| Checkpoint::new(id, &self.stored, self.closed.as_ref()))
    }

    fn blocks_of_chunk(&self) -> usize {
        let parallel = self.client.grant().pace.limit().min(self.client.settings().parallelism);
        blocks_of_chunk(self.client.settings(), (self.passed * BLOCK_SIZE) as u64, parallel)
    }

    /// The block that is being filled, or a new one as soon as there is memory for it.
    async fn room(&mut self) -> Result<Block, Error> {
        if let Some(block) = self.filling.take() {
            return Ok(block);
        }
        loop {
            tokio::select! {
                biased;
                Some(done) = self.tasks.join_next() => self.record(done)?,
                block = self.pool.take() => return block.ok_or_else(|| broken("the memory of an upload")),
            }
        }
    }

    fn take_full(&mut self, block: Block) {
        let full = FullBlock::new(block.freeze());
        let index = self.passed + self.waiting.len();
        match self.stored.get(index).copied().flatten() {
            None => self.waiting.push(full),
            Some(expected) => {
                self.send_waiting();
                self.passed += 1;
                self.tasks.spawn(full.compare(index, expected, Arc::clone(&self.acknowledged)));
            }
        }
    }

    fn send_waiting(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let (session, acknowledged, first) = (Arc::clone(&self.session), Arc::clone(&self.acknowledged), self.passed);
        let blocks = std::mem::take(&mut self.waiting);
        self.passed += blocks.len();
        self.tasks.spawn(async move {
            let mut digests = Vec::with_capacity(blocks.len());
            let mut pieces = Vec::with_capacity(blocks.len());
            for FullBlock { bytes, digest } in blocks {
                digests.push(digest.await.map_err(|_| broken("the hashing of a block"))?);
                pieces.push(bytes);
            }
            let chunk = Chunk { offset: offset(first), payload: Payload::new(pieces), digests, close: false };
            session.append(&chunk).await?;
            acknowledged.fetch_add(chunk.payload.len(), Ordering::Relaxed);
            Ok(Done { first, digests: chunk.digests })
        });
    }

    fn record(&mut self, done: Result<Result<Done, Error>, JoinError>) -> Result<(), Error> {
        let Done { first, digests } = done.map_err(|_| broken("the upload of a chunk"))??;
        let end = first + digests.len();
        self.stored.resize(self.stored.len().max(end), None);
        for (stored, digest) in self.stored[first..end].iter_mut().zip(digests) {
            *stored = Some(digest);
        }
        Ok(())
    }

    /// Whether everything fits in one request.
    fn is_small(&self) -> bool {
        let fits = self.waiting.len() < self.blocks_of_chunk()
            || self.waiting.len() == self.blocks_of_chunk() && self.filling.is_none();
        self.passed == 0 && self.session.id().is_none() && fits
    }

    async fn small(&mut self) -> Result<Whole, Error> {
        let (mut digests, mut pieces) = (Vec::new(), Vec::new());
        let last = self.filling.take().map(|block| FullBlock::new(block.freeze()));
        for FullBlock { bytes, digest } in std::mem::take(&mut self.waiting).into_iter().chain(last) {
            digests.push(digest.await.map_err(|_| broken("the hashing of a block"))?);
            pieces.push(bytes);
        }
        let payload = Payload::new(pieces);
        let content_hash = content_hash::join(&digests);
        Ok(Whole { size: payload.len(), content_hash, content: Content::Here(payload) })
    }

    async fn close(&mut self) -> Result<Whole, Error> {
        let last = self.filling.take().map(|block| FullBlock::new(block.freeze()));
        self.send_waiting();
        while let Some(done) = self.tasks.join_next().await {
            self.record(done)?;
        }
        if self.stored.len() > self.passed {
            return Err(Error::Changed { offset: offset(self.passed) });
        }
        let mut closing =
            Chunk { offset: offset(self.passed), payload: Payload::default(), digests: Vec::new(), close: true };
        if let Some(FullBlock { bytes, digest }) = last {
            closing.digests.push(digest.await.map_err(|_| broken("the hashing of a block"))?);
            closing.payload = Payload::from(bytes);
        }
        let closed = Closed { length: closing.payload.len(), digest: closing.digests.first().copied() };
        match &self.closed {
            Some(before) if *before != closed => return Err(Error::Changed { offset: closing.offset }),
            Some(_) => {}
            None => self.session.append(&closing).await?,
        }
        let size = closing.offset + closed.length;
        self.acknowledged.fetch_add(closed.length, Ordering::Relaxed);
        let content_hash = content_hash::join(self.stored.iter().flatten().chain(&closed.digest));
        self.closed = Some(closed);
        let id = self.session.id().ok_or_else(|| broken("an upload session without an id"))?.to_owned();
        Ok(Whole { size, content_hash, content: Content::Session(id) })
    }
}

impl FullBlock {
    fn new(bytes: Bytes) -> Self {
        let block = bytes.clone();
        Self { bytes, digest: tokio::task::spawn_blocking(move || content_hash::block_digest(&block)) }
    }

    /// Makes sure that a block which Dropbox has is still the same.
    async fn compare(self, index: usize, expected: BlockDigest, acknowledged: Arc<AtomicU64>) -> Result<Done, Error> {
        let digest = self.digest.await.map_err(|_| broken("the hashing of a block"))?;
        if digest != expected {
            return Err(Error::Changed { offset: offset(index) });
        }
        acknowledged.fetch_add(self.bytes.len() as u64, Ordering::Relaxed);
        Ok(Done { first: index, digests: vec![digest] })
    }
}

fn offset(block: usize) -> u64 {
    block as u64 * BLOCK_SIZE as u64
}

pub(super) fn broken(part: &str) -> Error {
    Error::Internal(part.to_owned())
}

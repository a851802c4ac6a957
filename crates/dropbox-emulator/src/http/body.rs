//! Request bodies: read once, hashed and stored as they come, never gathered in memory.

use std::io;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use crate::failure::Failure;
use crate::hash::ContentHasher;
use crate::store::{BlobStore, Segment};

/// The most that one request may carry: 150 MiB.
pub(crate) const MAX_BODY: u64 = 150 * 1024 * 1024;

/// The most that a JSON argument may take.
const MAX_ARGUMENT: usize = 16 * 1024 * 1024;

/// The body of one request.
pub(crate) struct RequestBody {
    incoming: Incoming,
    pending: Bytes,
    received: u64,
    /// If set, hashes everything that is read.
    pub(crate) whole: Option<ContentHasher>,
}

/// A stretch of a body that now lies in the store.
pub(crate) struct Received {
    /// Where it lies.
    pub(crate) segments: Vec<Segment>,
    /// How long it is.
    pub(crate) len: u64,
    /// The hasher that was handed in, after these bytes.
    pub(crate) hasher: ContentHasher,
}

impl RequestBody {
    /// The body that comes with a request.
    pub(crate) fn new(incoming: Incoming) -> RequestBody {
        RequestBody { incoming, pending: Bytes::new(), received: 0, whole: None }
    }

    /// Bytes received so far.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// The next at most `limit` bytes; `None` at the end.
    async fn next(&mut self, limit: u64) -> Result<Option<Bytes>, Failure> {
        while self.pending.is_empty() {
            match self.incoming.frame().await {
                None => return Ok(None),
                // The caller is gone in the middle of its body: there is nobody to answer.
                Some(Err(_)) => return Err(Failure::Cut),
                Some(Ok(frame)) => self.pending = frame.into_data().unwrap_or_default(),
            }
            self.received += self.pending.len() as u64;
        }
        let length = usize::try_from(limit).unwrap_or(usize::MAX).min(self.pending.len());
        let bytes = self.pending.split_to(length);
        if let Some(whole) = &mut self.whole {
            whole.update(&bytes);
        }
        Ok(Some(bytes))
    }

    /// Stores up to `limit` bytes; fewer only where the body ends.
    pub(crate) async fn store(
        &mut self,
        store: &BlobStore,
        limit: u64,
        mut hasher: ContentHasher,
    ) -> Result<Received, Failure> {
        let mut writer = store.create().await?;
        let mut len = 0;
        while len < limit {
            let Some(bytes) = self.next(limit - len).await? else { break };
            hasher.update(&bytes);
            writer.write(&bytes).await?;
            len += bytes.len() as u64;
        }
        Ok(Received { segments: writer.finish().await?, len, hasher })
    }

    /// Whether nothing is left.
    pub(crate) async fn is_at_end(&mut self) -> Result<bool, Failure> {
        Ok(self.next(0).await?.is_none())
    }

    /// Everything, for arguments and forms.
    pub(crate) async fn text(&mut self) -> Result<String, Failure> {
        let mut text = Vec::new();
        while let Some(bytes) = self.next(u64::MAX).await? {
            if text.len() + bytes.len() > MAX_ARGUMENT {
                return Err(Failure::BadInput("request body: too large".to_owned()));
            }
            text.extend_from_slice(&bytes);
        }
        String::from_utf8(text).map_err(|_| Failure::BadInput("request body: not UTF-8".to_owned()))
    }

    /// Reads and forgets the rest, so that a caller in the middle of sending gets to read its answer.
    pub(crate) async fn drain(&mut self) -> io::Result<()> {
        while let Some(frame) = self.incoming.frame().await {
            let frame = frame.map_err(io::Error::other)?;
            self.received += frame.into_data().map_or(0, |bytes| bytes.len() as u64);
        }
        Ok(())
    }
}

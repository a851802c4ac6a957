//! Request bodies: read once, hashed and stored as they come, never gathered in memory.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};

use super::trouble;
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
    received: Arc<AtomicU64>,
    /// Bytes per second, if it is to be slow.
    speed: Option<u64>,
    /// Whether a byte of it is still to be changed.
    is_lying: bool,
    /// If set, hashes everything as the caller has sent it.
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
        let (pending, received) = (Bytes::new(), Arc::default());
        RequestBody { incoming, pending, received, speed: None, is_lying: false, whole: None }
    }

    /// Bytes received so far.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// The count of bytes received, to be looked at later.
    pub(crate) fn counter(&self) -> Arc<AtomicU64> {
        self.received.clone()
    }

    /// Lets what follows come no faster than this.
    pub(crate) fn slow_down(&mut self, bytes_per_second: u64) {
        self.speed = Some(bytes_per_second);
    }

    /// Lets a byte be stored that was not sent.
    pub(crate) fn damage(&mut self) {
        self.is_lying = true;
    }

    /// Whether what is stored differs from what was sent: then only [`RequestBody::whole`] can tell the latter's hash.
    pub(crate) fn is_lying(&self) -> bool {
        self.is_lying
    }

    /// What comes next over the wire; `None` at the end.
    async fn frame(&mut self) -> Result<Option<Bytes>, hyper::Error> {
        let Some(frame) = self.incoming.frame().await.transpose()? else { return Ok(None) };
        let bytes = frame.into_data().unwrap_or_default();
        self.received.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if let Some(speed) = self.speed {
            tokio::time::sleep(trouble::time_of(bytes.len() as u64, speed)).await;
        }
        Ok(Some(bytes))
    }

    /// The next at most `limit` bytes; `None` at the end.
    async fn next(&mut self, limit: u64) -> Result<Option<Bytes>, Failure> {
        while self.pending.is_empty() {
            match self.frame().await {
                Ok(None) => return Ok(None),
                // The caller is gone in the middle of its body: there is nobody to answer.
                Err(_) => return Err(Failure::Cut),
                Ok(Some(bytes)) => self.pending = bytes,
            }
        }
        let length = usize::try_from(limit).unwrap_or(usize::MAX).min(self.pending.len());
        let bytes = self.pending.split_to(length);
        if let Some(whole) = &mut self.whole {
            whole.update(&bytes);
        }
        if self.is_lying && !bytes.is_empty() {
            self.is_lying = false;
            return Ok(Some(trouble::damaged(&bytes)));
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

    /// Everything, for a look: it is still to be read. `None` if it is too much, no text, or does not come.
    pub(crate) async fn peek(&mut self) -> Option<String> {
        let mut text = Vec::new();
        while let Ok(Some(bytes)) = self.next(u64::MAX).await {
            text.extend_from_slice(&bytes);
            if text.len() > MAX_ARGUMENT {
                break;
            }
        }
        self.pending = text.into();
        String::from_utf8(self.pending.to_vec()).ok().filter(|text| text.len() <= MAX_ARGUMENT)
    }

    /// Reads and forgets about half of it.
    pub(crate) async fn skip_half(&mut self) {
        let length = self.incoming.size_hint().exact().unwrap_or(1);
        while self.received() < length / 2 {
            let Ok(Some(_)) = self.frame().await else { break };
        }
    }

    /// Reads and forgets the rest, so that a caller in the middle of sending gets to read its answer.
    pub(crate) async fn drain(&mut self) -> io::Result<()> {
        while self.frame().await.map_err(io::Error::other)?.is_some() {}
        Ok(())
    }
}

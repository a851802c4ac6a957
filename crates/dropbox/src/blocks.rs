//! The memory of a transfer: buffers of one block each, of which there are only so many. Whoever wants one more waits.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf, Bytes};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::content_hash::BLOCK_SIZE;

/// A block's buffer grows to here by doubling, so that a small file needs little; then it gets its full size at once.
const SMALL: usize = 256 * 1024;

/// The buffers of one transfer.
#[derive(Debug)]
pub(crate) struct BlockPool {
    permits: Arc<Semaphore>,
    free: Mutex<Vec<Vec<u8>>>,
}

/// A buffer that is being filled.
#[derive(Debug)]
pub(crate) struct Block {
    data: Vec<u8>,
    pool: Arc<BlockPool>,
    _permit: OwnedSemaphorePermit,
}

impl BlockPool {
    /// A pool of `blocks` buffers.
    pub(crate) fn new(blocks: usize) -> Arc<Self> {
        Arc::new(Self { permits: Arc::new(Semaphore::new(blocks)), free: Mutex::default() })
    }

    /// An empty buffer, as soon as one is free.
    pub(crate) async fn take(self: &Arc<Self>) -> Option<Block> {
        // The semaphore is never closed; none would only mean that nothing more can be taken.
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok()?;
        let data = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        Some(Block { data, pool: Arc::clone(self), _permit: permit })
    }
}

impl Block {
    /// Takes as much of `source` as has room.
    pub(crate) fn fill(&mut self, source: &mut Bytes) {
        let now = source.len().min(BLOCK_SIZE - self.data.len());
        let wanted = self.data.len() + now;
        if wanted > self.data.capacity() && wanted > SMALL {
            self.data.reserve_exact(BLOCK_SIZE - self.data.len());
        }
        self.data.extend_from_slice(&source[..now]);
        source.advance(now);
    }

    pub(crate) fn is_full(&self) -> bool {
        self.data.len() == BLOCK_SIZE
    }

    /// The bytes, for as many readers as need be; the buffer goes back to its pool with the last of them.
    pub(crate) fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let mut data = std::mem::take(&mut self.data);
        data.clear();
        self.pool.free.lock().unwrap_or_else(PoisonError::into_inner).push(data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn memory_is_bounded_and_used_again() {
        let pool = BlockPool::new(2);
        let mut block = pool.take().await.unwrap();
        let mut data = Bytes::from(vec![7; BLOCK_SIZE + 5]);
        block.fill(&mut data);
        assert!(block.is_full() && data.len() == 5);
        let (frozen, other) = (block.freeze(), pool.take().await.unwrap());
        let place = frozen.as_ptr();
        assert!(tokio::time::timeout(std::time::Duration::ZERO, pool.take()).await.is_err());
        drop(frozen);
        let mut again = pool.take().await.unwrap();
        again.fill(&mut data);
        assert_eq!((again.as_ref(), again.as_ref().as_ptr()), (&[7; 5][..], place));
        drop(other);
    }
}

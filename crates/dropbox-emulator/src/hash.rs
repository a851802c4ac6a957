//! Dropbox's `content_hash`: the SHA-256 of the joined SHA-256 digests of the file's 4 MiB blocks.
//!
//! Source: <https://www.dropbox.com/developers/reference/content-hash>. The hash of nothing is the SHA-256 of nothing.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sha2::digest::common::hazmat::{SerializableState, SerializedState};
use sha2::{Digest as _, Sha256};

/// Bytes per block, and what lengths and offsets in a concurrent session must be multiples of.
pub(crate) const BLOCK: u64 = 4 * 1024 * 1024;

/// Lower-case hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(bytes)
}

fn from_hexadecimal(text: &str) -> Option<Vec<u8>> {
    base16ct::lower::decode_vec(text).ok()
}

/// A content hash in the making: the digests of whole blocks, and the block under way.
#[derive(Clone, Default)]
pub(crate) struct ContentHasher {
    digests: Vec<u8>,
    block: Sha256,
    filled: u64,
}

impl ContentHasher {
    /// Hashes on.
    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = usize::try_from(BLOCK - self.filled).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.block.update(now);
            self.filled += now.len() as u64;
            if self.filled == BLOCK {
                self.digests.extend_from_slice(&self.block.finalize_reset());
                self.filled = 0;
            }
            bytes = later;
        }
    }

    /// Whether what was hashed so far is a whole number of blocks.
    pub(crate) fn is_at_block_border(&self) -> bool {
        self.filled == 0
    }

    /// A hasher for what comes next, that knows only the unfinished block; [`ContentHasher::join`] takes it back.
    pub(crate) fn tail(&self) -> ContentHasher {
        ContentHasher { digests: Vec::new(), block: self.block.clone(), filled: self.filled }
    }

    /// Takes over what a [`ContentHasher::tail`] has hashed, or a fresh hasher if this one is at a block border.
    pub(crate) fn join(&mut self, tail: ContentHasher) {
        self.digests.extend_from_slice(&tail.digests);
        self.block = tail.block;
        self.filled = tail.filled;
    }

    /// The hash of everything so far, in hexadecimal.
    pub(crate) fn finish(&self) -> String {
        let mut whole = Sha256::new();
        whole.update(&self.digests);
        if self.filled > 0 {
            whole.update(self.block.clone().finalize());
        }
        hexadecimal(&whole.finalize())
    }

    /// The content hash of `bytes`.
    pub(crate) fn of(bytes: &[u8]) -> String {
        let mut hasher = ContentHasher::default();
        hasher.update(bytes);
        hasher.finish()
    }
}

/// A hasher as it lies in the state file.
#[derive(Serialize, Deserialize)]
struct Paused {
    digests: String,
    block: String,
    filled: u64,
}

impl Serialize for ContentHasher {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let block = hexadecimal(&SerializableState::serialize(&self.block));
        Paused { digests: hexadecimal(&self.digests), block, filled: self.filled }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ContentHasher {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let paused = Paused::deserialize(deserializer)?;
        let read = |text: &str| from_hexadecimal(text).ok_or_else(|| D::Error::custom("not hexadecimal"));
        let state = SerializedState::<Sha256>::try_from(read(&paused.block)?.as_slice()).map_err(D::Error::custom)?;
        let block = <Sha256 as SerializableState>::deserialize(&state).map_err(D::Error::custom)?;
        Ok(ContentHasher { digests: read(&paused.digests)?, block, filled: paused.filled })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_nothing_is_the_sha256_of_nothing() {
        assert_eq!(ContentHasher::of(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn a_hasher_goes_on_where_another_stopped_and_where_it_was_put_to_sleep() {
        let bytes: Vec<u8> = (0..BLOCK * 2 + 77).map(|at| (at % 251) as u8).collect();
        let (head, rest) = bytes.split_at(BLOCK as usize + 5);
        let mut whole = ContentHasher::default();
        whole.update(head);
        let mut tail = whole.tail();
        tail.update(rest);
        let asleep = serde_json::to_string(&whole).unwrap();
        whole.join(tail);
        assert_eq!(whole.finish(), ContentHasher::of(&bytes));
        let mut awake: ContentHasher = serde_json::from_str(&asleep).unwrap();
        awake.update(rest);
        assert_eq!(awake.finish(), ContentHasher::of(&bytes));
    }
}

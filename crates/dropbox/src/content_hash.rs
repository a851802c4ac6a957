//! Dropbox's `content_hash`: the SHA-256 of the concatenated SHA-256 digests of a file's 4 MiB blocks
//! (DOC: dropbox.com/developers/reference/content-hash).

use sha2::{Digest, Sha256};

/// The length of a block in bytes.
pub const BLOCK_SIZE: usize = 4 * 1024 * 1024;

/// The SHA-256 of one block.
pub(crate) type BlockDigest = [u8; 32];

/// The digest of one block.
pub(crate) fn block_digest(block: &[u8]) -> BlockDigest {
    Sha256::digest(block).into()
}

/// The content hash of blocks that were hashed elsewhere, in their order.
pub(crate) fn join<'a>(digests: impl IntoIterator<Item = &'a BlockDigest>) -> String {
    let mut blocks = Sha256::default();
    digests.into_iter().for_each(|digest| blocks.update(digest));
    hexadecimal(&blocks.finalize())
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(bytes)
}

/// Computes the hash of a stream as it passes.
#[derive(Debug, Clone, Default)]
pub struct ContentHasher {
    blocks: Sha256,
    block: Sha256,
    in_block: usize,
}

impl ContentHasher {
    /// Hashes one piece of data.
    pub fn of(data: &[u8]) -> String {
        let mut hasher = Self::default();
        hasher.update(data);
        hasher.finish()
    }

    /// Takes the next bytes.
    pub fn update(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            let (now, later) = data.split_at(data.len().min(BLOCK_SIZE - self.in_block));
            self.block.update(now);
            self.in_block += now.len();
            data = later;
            if self.in_block == BLOCK_SIZE {
                self.close_block();
            }
        }
    }

    /// The hash of everything taken, in lower-case hexadecimal.
    pub fn finish(mut self) -> String {
        if self.in_block > 0 {
            self.close_block();
        }
        hexadecimal(&self.blocks.finalize())
    }

    fn close_block(&mut self) {
        self.blocks.update(self.block.finalize_reset());
        self.in_block = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors are computed here from the definition, block by block.
    fn by_definition(data: &[u8]) -> String {
        let digests: Vec<u8> = data.chunks(BLOCK_SIZE).flat_map(|block| Sha256::digest(block).to_vec()).collect();
        base16ct::lower::encode_string(&Sha256::digest(digests))
    }

    #[test]
    fn empty_is_the_digest_of_nothing() {
        assert_eq!(ContentHasher::of(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn blocks_do_not_depend_on_how_the_bytes_come() {
        for length in [1, BLOCK_SIZE - 1, BLOCK_SIZE, BLOCK_SIZE + 1, 2 * BLOCK_SIZE, 9_711_423] {
            let data: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
            for step in [1_000_003, BLOCK_SIZE, length] {
                let mut hasher = ContentHasher::default();
                data.chunks(step).for_each(|piece| hasher.update(piece));
                assert_eq!(hasher.finish(), by_definition(&data), "{length} bytes by {step}");
            }
            let digests: Vec<BlockDigest> = data.chunks(BLOCK_SIZE).map(block_digest).collect();
            assert_eq!(join(&digests), by_definition(&data));
        }
    }
}

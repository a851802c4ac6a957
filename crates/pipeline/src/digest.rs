//! Counting and hashing what passes.

use sha2::{Digest, Sha256};

/// How much passed, and its SHA-256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digested {
    /// Bytes.
    pub size: u64,
    /// Lower-case hexadecimal.
    pub sha256: String,
}

/// Takes a stream's bytes as they pass.
#[derive(Debug, Clone, Default)]
pub struct Digester {
    size: u64,
    hash: Sha256,
}

impl Digester {
    /// Takes the next bytes.
    pub fn update(&mut self, data: &[u8]) {
        self.size += data.len() as u64;
        self.hash.update(data);
    }

    /// What passed.
    pub fn finish(self) -> Digested {
        Digested { size: self.size, sha256: base16ct::lower::encode_string(&self.hash.finalize()) }
    }
}

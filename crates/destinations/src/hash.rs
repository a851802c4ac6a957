//! Hashes that storages know of what they hold.

/// A hash that a storage can give of a stored file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredHash {
    /// SHA-256, lower-case hexadecimal.
    Sha256(String),
    /// See [`::dropbox::ContentHasher`].
    DropboxContentHash(String),
}

impl StoredHash {
    /// Computes a hash of the same kind.
    pub fn hasher(&self) -> StoredHasher {
        match self {
            Self::Sha256(_) => StoredHasher::Sha256(pipeline::Digester::default()),
            Self::DropboxContentHash(_) => StoredHasher::DropboxContentHash(::dropbox::ContentHasher::default()),
        }
    }
}

/// Computes a [`StoredHash`].
pub enum StoredHasher {
    /// SHA-256.
    Sha256(pipeline::Digester),
    /// Dropbox's own.
    DropboxContentHash(::dropbox::ContentHasher),
}

impl StoredHasher {
    /// Takes the next bytes.
    pub fn update(&mut self, data: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(data),
            Self::DropboxContentHash(hasher) => hasher.update(data),
        }
    }

    /// The hash of everything taken.
    pub fn finish(self) -> StoredHash {
        match self {
            Self::Sha256(hasher) => StoredHash::Sha256(hasher.finish().sha256),
            Self::DropboxContentHash(hasher) => StoredHash::DropboxContentHash(hasher.finish()),
        }
    }
}

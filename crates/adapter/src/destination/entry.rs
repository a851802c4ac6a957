//! What a storage says of its files without reading them.

use domain::Hashes;
use jiff::Timestamp;

/// A file at a destination, as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Relative to the destination's folder, spelt as its writer did.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// When the storage took it, by the storage's clock, where it tells.
    pub modified: Option<Timestamp>,
}

/// A file's metadata.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Bytes.
    pub size: u64,
    /// When the storage took it, by the storage's clock, where it tells.
    pub modified: Option<Timestamp>,
    /// What tells this version of the file from others, where the storage has that.
    pub version: Option<Version>,
    /// The hashes that the storage knows without reading the file.
    pub hashes: Hashes,
}

/// A version of a file: only its storage knows what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version(pub String);

/// A folder of a storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// Its own name.
    pub name: String,
    /// Absolute in the storage.
    pub path: String,
}

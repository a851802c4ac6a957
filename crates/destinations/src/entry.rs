//! What a storage says of its files without reading them.

use jiff::Timestamp;

use crate::StoredHash;

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Bytes.
    pub size: u64,
    /// When the storage took it, by the storage's clock, where it tells.
    pub modified: Option<Timestamp>,
    /// The storage's own hash, if it knows one without reading the file.
    pub hash: Option<StoredHash>,
}

/// A listing for display: what could be read, and what could not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// The files, sorted by path.
    pub objects: Vec<Object>,
    /// The folders that could not be read.
    pub unreadable: Vec<Unreadable>,
}

/// A folder that a listing had to leave out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Relative to the destination's folder.
    pub path: String,
    /// Why.
    pub cause: String,
}

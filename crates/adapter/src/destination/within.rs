//! Copying inside a storage: from one destination to another, without the bytes passing through this machine.

use super::Entry;

/// What a destination is a part of. Two destinations with equal ones can copy from each other with
/// [`copy_within`](super::Destination::copy_within).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// What people call it: `Dropbox`.
    pub name: &'static str,
    /// Identifies the storage among those of its kind: the account and the root of its paths. Contains no secret.
    pub id: String,
}

/// Where a destination's files are, seen from outside: however it is reached, and by whatever app. Files of two destinations can be the same
/// if they have the same folder, or the folder of the one is around that of the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Identifies its folder among all others. Contains no secret.
    pub own: String,
    /// The folders around that one.
    pub around: Vec<String>,
}

/// A file that is to be copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Original {
    /// Where it is in its storage: what [`location`](super::Destination::location) of its destination returned.
    pub location: String,
    /// What [`stat`](super::Destination::stat) of its destination returned: the version that was checked.
    pub entry: Entry,
}

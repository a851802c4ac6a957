//! What storages differ in, as data: callers and the conformance suite decide by it.

use super::Algorithm;
use crate::manifest::Capability;

/// What a destination can do. The default is the least that dbackup can work with.
#[derive(Debug, Clone, Copy, Default)]
pub struct Capabilities {
    /// People can look through its folders and create one.
    pub browse: bool,
    /// It tells how much room there is.
    pub quota: bool,
    /// Another process can resume an interrupted upload.
    pub resume: bool,
    /// A file and its companion are published in one step.
    pub atomic_pair: bool,
    /// Of two writers of one name at the same time, one gets [`crate::Kind::Taken`]. Without it, an upload looks before it publishes.
    pub no_clobber: bool,
    /// An upload can be committed under another path than it began with.
    pub rename_at_commit: bool,
    /// It tells one version of a file from another, and deletes only the one that is meant.
    pub versions: bool,
    /// Names that differ only by case are the same file, and may be listed in another case than they were written.
    pub ignores_case: bool,
    /// It copies a file from another destination inside the same storage by itself (`Destination::copy_within`), bound to the
    /// version that was checked. Needs `versions`.
    pub server_side_copy: bool,
    /// The hash that it knows of its files without reading them.
    pub own_hash: Option<Algorithm>,
}

impl Capabilities {
    /// Returns those that a manifest lists, in its order.
    pub fn listed(&self) -> Vec<Capability> {
        let all = [
            (self.browse, Capability::Browse),
            (self.quota, Capability::Quota),
            (self.resume, Capability::Resume),
            (self.atomic_pair, Capability::AtomicPair),
            (self.server_side_copy, Capability::ServerSideCopy),
        ];
        all.into_iter().filter_map(|(can, capability)| can.then_some(capability)).collect()
    }
}

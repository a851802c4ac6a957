//! Moving, copying and making folders.

use jiff::Timestamp;

use super::path::fold;
use super::{Kind, Tree, new_id};
use crate::errors::{Conflict, LookupError, RelocationError, WriteError};

/// The most files that one call moves or copies.
const MAX_FILES: usize = 10_000;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relocation {
    Move,
    Copy,
}

impl Tree {
    /// What keeps a folder or a relocated entry from being put there.
    fn obstacle_at(&self, key: &str) -> Option<Conflict> {
        Some(if self.get(key)?.kind == Kind::Folder { Conflict::Folder } else { Conflict::File })
    }

    /// Makes a folder, with its parents, and answers with its key.
    pub(crate) fn create_folder(&mut self, display: &str, autorename: bool) -> Result<String, WriteError> {
        if display.is_empty() {
            return Err(WriteError::conflict(Conflict::Folder));
        }
        let display = self.vacant(display, autorename)?;
        self.ensure_folder(&display);
        Ok(fold(&display))
    }

    fn vacant(&self, display: &str, autorename: bool) -> Result<String, WriteError> {
        let key = fold(display);
        self.check_ancestors(&key)?;
        match self.obstacle_at(&key) {
            None => Ok(display.to_owned()),
            Some(_) if autorename => Ok(self.numbered(display, " (")),
            Some(conflict) => Err(WriteError::conflict(conflict)),
        }
    }

    /// Moves or copies the entry under `from`, with everything below it, and answers with its new key.
    pub(crate) fn relocate(
        &mut self,
        relocation: Relocation,
        from: &str,
        to: &str,
        autorename: bool,
        quota: u64,
        now: Timestamp,
    ) -> Result<String, RelocationError> {
        if self.get(from).is_none() {
            return Err(RelocationError::FromLookup { from_lookup: LookupError::NotFound });
        }
        if fold(to).starts_with(&format!("{from}/")) {
            return Err(match relocation {
                Relocation::Move => RelocationError::CantMoveFolderIntoItself,
                Relocation::Copy => RelocationError::DuplicatedOrNestedPaths,
            });
        }
        let to = self.vacant(to, autorename).map_err(|to| RelocationError::To { to })?;
        let keys: Vec<String> =
            [from.to_owned()].into_iter().chain(self.below(from).map(|(key, _)| key.clone())).collect();
        let sizes: Vec<u64> =
            keys.iter().filter_map(|key| self.file(key)).map(|(_, _, revision)| revision.content.size).collect();
        if sizes.len() > MAX_FILES {
            return Err(RelocationError::TooManyFiles);
        }
        if relocation == Relocation::Copy && self.used() + sizes.iter().sum::<u64>() > quota {
            return Err(RelocationError::InsufficientQuota);
        }
        self.ensure_parents(&to);
        let from_display_length = self.display(from).len();
        for key in &keys {
            let display = format!("{to}{}", &self.display(key)[from_display_length..]);
            self.relocate_one(relocation, key, &display, now);
        }
        Ok(fold(&to))
    }

    fn relocate_one(&mut self, relocation: Relocation, key: &str, display: &str, now: Timestamp) {
        let Some(node) = self.get(key).cloned() else { return };
        let id = if relocation == Relocation::Move { node.id } else { new_id() };
        match self.file(key).map(|(_, _, revision)| revision.clone()) {
            Some(revision) => self.put_file(display, id, revision.content, revision.client_modified, now),
            None => self.put(display, id, Kind::Folder),
        }
        if relocation == Relocation::Move {
            self.bury(key, now);
        }
    }
}

//! Naming bytes: write modes, conflicts, automatic renaming, the allowance.

use jiff::Timestamp;

use super::path::fold;
use super::{Kind, Tree, new_id};
use crate::errors::{Conflict, WriteError};
use crate::store::Content;

/// What to do where something stands already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WriteMode {
    /// Never overwrite.
    Add,
    /// Always overwrite.
    Overwrite,
    /// Overwrite only this revision.
    Update(String),
}

/// How a file is to be named.
#[derive(Debug, Clone)]
pub(crate) struct Commit {
    pub(crate) mode: WriteMode,
    pub(crate) autorename: bool,
    pub(crate) strict_conflict: bool,
    pub(crate) client_modified: Option<Timestamp>,
}

impl Commit {
    /// Overwrites whatever file is there.
    pub(crate) fn overwrite() -> Commit {
        Commit { mode: WriteMode::Overwrite, autorename: false, strict_conflict: false, client_modified: None }
    }
}

impl Tree {
    /// Gives `content` the name `display`, and answers with the key that it lies under in the end.
    pub(crate) fn commit(
        &mut self,
        display: &str,
        content: &Content,
        commit: &Commit,
        quota: u64,
        now: Timestamp,
    ) -> Result<String, WriteError> {
        let key = fold(display);
        if key.is_empty() {
            return Err(WriteError::conflict(Conflict::Folder));
        }
        self.check_ancestors(&key)?;
        if self.is_same(&key, content, commit) {
            return Ok(key);
        }
        let (display, replaced) = match self.obstacle(&key, commit) {
            None => (self.in_place(display), self.file(&key).map(|(node, _, old)| (node.id.clone(), old.content.size))),
            Some(_) if commit.autorename => (self.free_name(display, commit), None),
            Some(conflict) => return Err(WriteError::conflict(conflict)),
        };
        let freed = replaced.as_ref().map_or(0, |(_, size)| *size);
        if self.used() - freed + content.size > quota {
            return Err(WriteError::InsufficientSpace);
        }
        let key = fold(&display);
        self.ensure_parents(&display);
        self.supersede(&key, now);
        let client_modified = commit.client_modified.unwrap_or(now);
        let id = replaced.map_or_else(new_id, |(id, _)| id);
        self.put_file(&display, id, content.clone(), client_modified, now);
        Ok(key)
    }

    /// A file among the ancestors is in the way of everything below it.
    pub(crate) fn check_ancestors(&self, key: &str) -> Result<(), WriteError> {
        let is_file = |(end, _): (usize, &str)| self.file(&key[..end]).is_some();
        if key.match_indices('/').skip(1).any(is_file) {
            return Err(WriteError::conflict(Conflict::FileAncestor));
        }
        Ok(())
    }

    pub(super) fn ensure_parents(&mut self, display: &str) {
        if let Some((parents, _)) = display.rsplit_once('/') {
            self.ensure_folder(parents);
        }
    }

    /// The same bytes again are no change and no conflict, unless `strict_conflict` says so.
    fn is_same(&self, key: &str, content: &Content, commit: &Commit) -> bool {
        let is_strict = commit.strict_conflict && commit.mode != WriteMode::Overwrite;
        !is_strict && self.file(key).is_some_and(|(_, _, there)| there.content.hash == content.hash)
    }

    /// What keeps a file from being written there. To update a file that was deleted is a conflict only if strict.
    fn obstacle(&self, key: &str, commit: &Commit) -> Option<Conflict> {
        match (self.get(key).map(|node| &node.kind), &commit.mode) {
            (Some(Kind::Folder), _) => Some(Conflict::Folder),
            (Some(Kind::File(_)), WriteMode::Add) => Some(Conflict::File),
            (Some(Kind::File(there)), WriteMode::Update(rev)) if there != rev => Some(Conflict::File),
            (None, WriteMode::Update(_)) if commit.strict_conflict => Some(Conflict::File),
            _ => None,
        }
    }

    /// The name that an overwritten file keeps, or else the wanted one.
    fn in_place(&self, display: &str) -> String {
        let key = fold(display);
        if self.get(&key).is_some() { self.display(&key) } else { display.to_owned() }
    }

    fn free_name(&self, display: &str, commit: &Commit) -> String {
        match commit.mode {
            WriteMode::Update(_) => self.numbered(display, " (conflicted copy"),
            WriteMode::Add | WriteMode::Overwrite => self.numbered(display, " ("),
        }
    }

    /// The first of `name (1).ext`, `name (2).ext`, ... that is free.
    pub(crate) fn numbered(&self, display: &str, opening: &str) -> String {
        let (folder, name) = display.rsplit_once('/').unwrap_or(("", display));
        let (stem, extension) = match name.rfind('.') {
            Some(dot) if dot > 0 => name.split_at(dot),
            _ => (name, ""),
        };
        let mut number = 1;
        loop {
            let label = match (opening.ends_with('('), number) {
                (true, _) => format!("{opening}{number})"),
                (false, 1) => format!("{opening})"),
                (false, _) => format!("{opening} {number})"),
            };
            let candidate = format!("{folder}/{stem}{label}{extension}");
            if self.get(&fold(&candidate)).is_none() {
                return candidate;
            }
            number += 1;
        }
    }
}

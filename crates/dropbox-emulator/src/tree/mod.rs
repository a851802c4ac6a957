//! The account's files and folders, in memory, ordered by lower-case path.
//!
//! Paths here are absolute in the root namespace. A key is the lower-case path, the root's is empty. Every change gets
//! the next number of one sequence, which is what cursors count by; a deleted entry stays as a tombstone, so that
//! cursors can tell of it.

pub(crate) mod commit;
pub(crate) mod listing;
pub(crate) mod metadata;
pub(crate) mod path;
pub(crate) mod relocate;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use self::path::fold;
use crate::random;
use crate::store::Content;

/// How long an overwritten or deleted revision can still be read. Basic and Plus accounts: 30 days.
const REVISIONS_KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Revisions have at least nine hexadecimal digits.
const FIRST_REVISION: u64 = 0x0165_0000_0000_0000;

/// `id:` and 22 characters.
fn new_id() -> String {
    format!("id:{}", random::identifier())
}

/// All entries, dead and alive.
#[derive(Serialize, Deserialize)]
pub(crate) struct Tree {
    /// Tells this tree's cursors from another's.
    epoch: String,
    nodes: BTreeMap<String, Node>,
    /// Keys by id, of what is alive.
    ids: HashMap<String, String>,
    revisions: HashMap<String, Revision>,
    sequence: u64,
    #[serde(skip)]
    index: Index,
}

/// What could be found out by looking at everything: kept up with each change, made anew after a restart.
#[derive(Debug, Default)]
struct Index {
    /// The bytes of all current files.
    used: u64,
    /// Keys by the number of their last change.
    changes: BTreeMap<u64, String>,
    /// Revisions that are no longer current, oldest first.
    superseded: VecDeque<(Timestamp, String)>,
}

/// An entry.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Node {
    /// `id:` and 22 characters. It stays through moves and overwrites.
    pub(crate) id: String,
    /// The name as it was first written.
    pub(crate) name: String,
    /// When it last changed, in the tree's sequence.
    pub(crate) sequence: u64,
    /// What it is.
    pub(crate) kind: Kind,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    Folder,
    /// With its current revision.
    File(String),
    Deleted,
}

/// One state of a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Revision {
    pub(crate) id: String,
    /// The path when it was written.
    pub(crate) display: String,
    pub(crate) content: Content,
    pub(crate) client_modified: Timestamp,
    pub(crate) server_modified: Timestamp,
    /// When something else took its place.
    superseded: Option<Timestamp>,
}

impl Tree {
    /// An empty account.
    pub(crate) fn new(epoch: String) -> Tree {
        let (nodes, ids, revisions, index) = Default::default();
        Tree { epoch, nodes, ids, revisions, sequence: 0, index }
    }

    /// Makes what is not kept across restarts.
    pub(crate) fn reindex(&mut self) {
        let used = self.below("").filter_map(|(key, _)| self.size(key)).sum();
        let changes = self.nodes.iter().map(|(key, node)| (node.sequence, key.clone())).collect();
        let since = |(rev, revision): (&String, &Revision)| revision.superseded.map(|since| (since, rev.clone()));
        let mut superseded: Vec<(Timestamp, String)> = self.revisions.iter().filter_map(since).collect();
        superseded.sort();
        self.index = Index { used, changes, superseded: superseded.into() };
    }

    /// What is alive under that key.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.nodes.get(key).filter(|node| node.kind != Kind::Deleted)
    }

    /// Whether something was there once and is no more.
    pub(crate) fn is_deleted(&self, key: &str) -> bool {
        self.nodes.get(key).is_some_and(|node| node.kind == Kind::Deleted)
    }

    /// The key of what bears that id.
    pub(crate) fn key_of(&self, id: &str) -> Option<&str> {
        self.ids.get(id).map(String::as_str)
    }

    /// A revision, current or not.
    pub(crate) fn revision(&self, rev: &str) -> Option<&Revision> {
        self.revisions.get(rev)
    }

    /// The current revision under that key, if it is a file.
    pub(crate) fn file(&self, key: &str) -> Option<(&Node, &str, &Revision)> {
        let node = self.get(key)?;
        let Kind::File(rev) = &node.kind else { return None };
        Some((node, rev, self.revisions.get(rev)?))
    }

    /// How many bytes the file under that key has, if it is one.
    fn size(&self, key: &str) -> Option<u64> {
        self.file(key).map(|(_, _, revision)| revision.content.size)
    }

    /// Changes the bytes of the current revision behind everybody's back.
    pub(crate) fn replace_content(&mut self, key: &str, content: Content) {
        let Some((_, rev, old)) = self.file(key) else { return };
        let (rev, before) = (rev.to_owned(), old.content.size);
        self.index.used = self.index.used - before + content.size;
        if let Some(revision) = self.revisions.get_mut(&rev) {
            revision.content = content;
        }
    }

    /// Everything that is alive below a folder, at any depth, in the order of keys; the folder itself is not in it.
    pub(crate) fn below<'a>(&'a self, folder: &str) -> impl Iterator<Item = (&'a String, &'a Node)> {
        self.all_below(folder).filter(|(_, node)| node.kind != Kind::Deleted)
    }

    /// The same with tombstones.
    fn all_below<'a>(&'a self, folder: &str) -> impl Iterator<Item = (&'a String, &'a Node)> {
        self.all_between(folder, "")
    }

    /// The same, of what comes after a key.
    fn all_between<'a>(&'a self, folder: &str, after: &str) -> impl Iterator<Item = (&'a String, &'a Node)> {
        // '0' is the character after '/': between the two lies the subtree and nothing else.
        let (from, to) = (format!("{folder}/"), format!("{folder}0"));
        let start = if *after < *from { Bound::Included(from.as_str()) } else { Bound::Excluded(after) };
        let is_over = *after >= *to;
        let range = (!is_over).then(|| self.nodes.range::<str, _>((start, Bound::Excluded(to.as_str()))));
        range.into_iter().flatten()
    }

    /// What changed after the change of that number, in the order of changes.
    fn changed_since(&self, sequence: u64) -> impl Iterator<Item = (&String, &Node)> {
        let keys = self.index.changes.range((Bound::Excluded(sequence), Bound::Unbounded));
        keys.filter_map(|(_, key)| self.nodes.get_key_value(key))
    }

    /// The bytes in use: current files only.
    pub(crate) fn used(&self) -> u64 {
        self.index.used
    }

    /// The path with each folder's own capitals.
    pub(crate) fn display(&self, key: &str) -> String {
        let borders = key.match_indices('/').skip(1).map(|(at, _)| at).chain([key.len()]);
        borders.filter_map(|end| self.nodes.get(&key[..end])).fold(String::new(), |path, node| path + "/" + &node.name)
    }

    /// Makes a folder and its parents where nothing is yet.
    pub(crate) fn ensure_folder(&mut self, display: &str) {
        for (end, _) in display.match_indices('/').skip(1).chain([(display.len(), "")]) {
            let path = &display[..end];
            if !path.is_empty() && self.get(&fold(path)).is_none() {
                self.put(path, new_id(), Kind::Folder);
            }
        }
    }

    /// Puts an entry and numbers the change.
    fn put(&mut self, display: &str, id: String, kind: Kind) {
        let key = fold(display);
        let name = display.rsplit('/').next().unwrap_or_default().to_owned();
        self.number(&key);
        self.ids.insert(id.clone(), key.clone());
        let before = self.size(&key).unwrap_or_default();
        self.nodes.insert(key.clone(), Node { id, name, sequence: self.sequence, kind });
        self.index.used = self.index.used - before + self.size(&key).unwrap_or_default();
    }

    /// Gives the next number to a change under that key.
    fn number(&mut self, key: &str) {
        self.sequence += 1;
        if let Some(node) = self.nodes.get(key) {
            self.index.changes.remove(&node.sequence);
        }
        self.index.changes.insert(self.sequence, key.to_owned());
    }

    /// Puts a file with a new revision.
    fn put_file(&mut self, display: &str, id: String, content: Content, client_modified: Timestamp, now: Timestamp) {
        let rev = format!("{:x}", FIRST_REVISION + self.sequence);
        let revision = Revision {
            id: id.clone(),
            display: display.to_owned(),
            content,
            client_modified,
            server_modified: now,
            superseded: None,
        };
        self.revisions.insert(rev.clone(), revision);
        self.put(display, id, Kind::File(rev));
        self.forget_old_revisions(now);
    }

    /// Marks the revision under that key as no longer current.
    fn supersede(&mut self, key: &str, now: Timestamp) {
        let Some(rev) = self.file(key).map(|(_, rev, _)| rev.to_owned()) else { return };
        if let Some(revision) = self.revisions.get_mut(&rev) {
            revision.superseded = Some(now);
            self.index.superseded.push_back((now, rev));
        }
    }

    /// Turns an entry into a tombstone.
    fn bury(&mut self, key: &str, now: Timestamp) {
        self.supersede(key, now);
        self.index.used -= self.size(key).unwrap_or_default();
        self.number(key);
        if let Some(node) = self.nodes.get_mut(key) {
            node.kind = Kind::Deleted;
            node.sequence = self.sequence;
            if self.ids.get(&node.id).is_some_and(|current| current == key) {
                self.ids.remove(&node.id);
            }
        }
    }

    /// Deletes an entry and everything below it.
    pub(crate) fn delete(&mut self, key: &str, now: Timestamp) {
        let below: Vec<String> = self.below(key).map(|(key, _)| key.clone()).collect();
        for key in below.iter().map(String::as_str).chain([key]) {
            self.bury(key, now);
        }
    }

    fn forget_old_revisions(&mut self, now: Timestamp) {
        while let Some((since, rev)) = self.index.superseded.front()
            && *since + REVISIONS_KEPT <= now
        {
            self.revisions.remove(rev);
            self.index.superseded.pop_front();
        }
    }

    /// The contents of all revisions.
    pub(crate) fn contents_mut(&mut self) -> impl Iterator<Item = &mut Content> {
        self.revisions.values_mut().map(|revision| &mut revision.content)
    }
}

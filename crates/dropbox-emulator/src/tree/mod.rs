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

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

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
        let (nodes, ids, revisions) = Default::default();
        Tree { epoch, nodes, ids, revisions, sequence: 0 }
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

    /// The current revision under that key, to be changed behind everybody's back.
    pub(crate) fn file_mut(&mut self, key: &str) -> Option<&mut Revision> {
        let rev = self.file(key)?.1.to_owned();
        self.revisions.get_mut(&rev)
    }

    /// Everything that is alive below a folder, at any depth, in the order of keys; the folder itself is not in it.
    pub(crate) fn below<'a>(&'a self, folder: &str) -> impl Iterator<Item = (&'a String, &'a Node)> {
        self.all_below(folder).filter(|(_, node)| node.kind != Kind::Deleted)
    }

    /// The same with tombstones.
    fn all_below<'a>(&'a self, folder: &str) -> impl Iterator<Item = (&'a String, &'a Node)> {
        // '0' is the character after '/': between the two lies the subtree and nothing else.
        let (from, to) = (format!("{folder}/"), format!("{folder}0"));
        self.nodes.range::<str, _>((Bound::Included(from.as_str()), Bound::Excluded(to.as_str())))
    }

    /// The bytes in use: current files only.
    pub(crate) fn used(&self) -> u64 {
        self.below("").filter_map(|(key, _)| self.file(key)).map(|(_, _, revision)| revision.content.size).sum()
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
            if !path.is_empty() && self.get(&path.to_lowercase()).is_none() {
                self.put(path, new_id(), Kind::Folder);
            }
        }
    }

    /// Puts an entry and numbers the change.
    fn put(&mut self, display: &str, id: String, kind: Kind) {
        let key = display.to_lowercase();
        let name = display.rsplit('/').next().unwrap_or_default().to_owned();
        self.sequence += 1;
        self.ids.insert(id.clone(), key.clone());
        self.nodes.insert(key, Node { id, name, sequence: self.sequence, kind });
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
        if let Some(revision) = self.file_mut(key) {
            revision.superseded = Some(now);
        }
    }

    /// Turns an entry into a tombstone.
    fn bury(&mut self, key: &str, now: Timestamp) {
        self.supersede(key, now);
        self.sequence += 1;
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
        let is_kept = |revision: &Revision| revision.superseded.is_none_or(|since| since + REVISIONS_KEPT > now);
        self.revisions.retain(|_, revision| is_kept(revision));
    }

    /// The contents of all revisions.
    pub(crate) fn contents_mut(&mut self) -> impl Iterator<Item = &mut Content> {
        self.revisions.values_mut().map(|revision| &mut revision.content)
    }
}

//! Listing a folder page by page, and then its changes: what cursors are.
//!
//! A cursor first walks through the keys, then follows the sequence of changes from where the walk began. So what
//! changes behind the walk's back comes again, later, as Dropbox has it too.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::{Kind, Node, Tree};

/// Where a listing stands. Callers see it as an opaque word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    epoch: String,
    /// The folder's key.
    pub(crate) folder: String,
    options: Options,
    /// The last key that was told of; `None` once the walk is over.
    walked: Option<String>,
    /// The last change that was told of.
    sequence: u64,
}

/// What a listing is to tell of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Options {
    /// Everything below, instead of the folder's own entries.
    pub(crate) recursive: bool,
    /// Tombstones too.
    pub(crate) include_deleted: bool,
    /// Entries per page.
    pub(crate) limit: usize,
}

/// One page.
pub(crate) struct Page {
    /// Keys, and whether the entry is alive.
    pub(crate) entries: Vec<(String, bool)>,
    pub(crate) cursor: Cursor,
    pub(crate) has_more: bool,
}

impl Cursor {
    /// The word that callers get.
    pub(crate) fn encode(&self) -> String {
        format!("AA{}", URL_SAFE_NO_PAD.encode(crate::failure::to_value(self).to_string()))
    }

    /// Reads a word back; `None` if it is none of ours.
    pub(crate) fn decode(word: &str) -> Option<Cursor> {
        let json = URL_SAFE_NO_PAD.decode(word.strip_prefix("AA")?).ok()?;
        serde_json::from_slice(&json).ok()
    }

    fn covers(&self, key: &str) -> bool {
        self.options.recursive || !key[self.folder.len() + 1..].contains('/')
    }
}

impl Tree {
    /// A cursor before the first entry of a folder, which in a recursive listing is the folder itself, unless it is
    /// the root of its namespace.
    pub(crate) fn begin(&self, folder: &str, is_root: bool, options: Options) -> Cursor {
        let walked = Some(if is_root { folder.to_owned() } else { String::new() });
        let (epoch, folder) = (self.epoch.clone(), folder.to_owned());
        Cursor { epoch, folder, options, walked, sequence: self.sequence }
    }

    /// A cursor after everything that is there now.
    pub(crate) fn latest(&self, cursor: Cursor) -> Cursor {
        Cursor { walked: None, sequence: self.sequence, ..cursor }
    }

    /// Whether the cursor counts by this tree's sequence.
    pub(crate) fn knows(&self, cursor: &Cursor) -> bool {
        cursor.epoch == self.epoch && cursor.sequence <= self.sequence
    }

    /// The next page, which may be empty.
    pub(crate) fn page(&self, cursor: Cursor) -> Page {
        match cursor.walked.clone() {
            Some(after) => self.walk(cursor, &after),
            None => self.changes(cursor),
        }
    }

    fn walk(&self, cursor: Cursor, after: &str) -> Page {
        // A recursive listing tells of the folder itself first; the root has no entry.
        let itself =
            (cursor.options.recursive && after.is_empty()).then(|| self.nodes.get_key_value(&cursor.folder)).flatten();
        let is_wanted = |key: &str, node: &Node| {
            (cursor.options.include_deleted || node.kind != Kind::Deleted) && cursor.covers(key)
        };
        let below = self.all_between(&cursor.folder, after).filter(|(key, node)| is_wanted(key, node));
        let mut entries: Vec<(String, bool)> =
            itself.into_iter().chain(below).take(cursor.options.limit + 1).map(listed).collect();
        let has_more = entries.len() > cursor.options.limit;
        entries.truncate(cursor.options.limit);
        let walked = entries.last().filter(|_| has_more).map(|(key, _)| key.clone());
        Page { entries, cursor: Cursor { walked, ..cursor }, has_more }
    }

    fn changes(&self, cursor: Cursor) -> Page {
        let is_wanted = |key: &str| is_below(key, &cursor.folder) && cursor.covers(key);
        let changed = self.changed_since(cursor.sequence).filter(|(key, _)| is_wanted(key));
        let mut changed: Vec<(&String, &Node)> = changed.take(cursor.options.limit + 1).collect();
        let has_more = changed.len() > cursor.options.limit;
        changed.truncate(cursor.options.limit);
        let reached = changed.last().filter(|_| has_more).map_or(self.sequence, |(_, node)| node.sequence);
        let entries = changed.into_iter().map(listed).collect();
        Page { entries, cursor: Cursor { sequence: reached, ..cursor }, has_more }
    }
}

fn is_below(key: &str, folder: &str) -> bool {
    key.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

fn listed((key, node): (&String, &Node)) -> (String, bool) {
    (key.clone(), node.kind != Kind::Deleted)
}

//! One more entry for an archive, which pg_restore runs last.
//!
//! Source: PostgreSQL, src/bin/pg_dump/pg_backup_archiver.c (WriteToc, WriteInt, WriteStr, `_tocEntryRestorePass`: event triggers come
//! after everything else), pg_backup_custom.c (_WriteExtraToc).

use std::collections::BTreeSet;

use super::contents::Entry;

/// The kind of the entry: pg_restore runs these in a last pass, and otherwise as they are.
const KIND: &str = "EVENT TRIGGER";
const SECTION_POST_DATA: u64 = 4;
/// "This entry has no data", before the offset of an entry.
const NO_DATA: u8 = 3;

/// What has to change in the bytes of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Addition {
    /// The number of the new entry.
    pub(in super::super) id: i64,
    /// Where the number of entries stands.
    pub(in super::super) count_at: usize,
    /// The new number of entries.
    pub(in super::super) count: Vec<u8>,
    /// Where the table of contents ends: there the entry belongs.
    pub(in super::super) end: usize,
    /// The entry.
    pub(in super::super) entry: Vec<u8>,
}

/// How an archive writes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub(super) minor: u8,
    pub(super) integer_size: usize,
    pub(super) offset_size: usize,
}

/// Writes an entry that runs `sql`.
pub(super) fn of(layout: Layout, entries: &[Entry], sql: &str, count_at: usize, end: usize) -> Addition {
    let id = free_id(entries);
    let integer = |value: u64| layout.integer(value);
    let text = |text: &str| [integer(text.len() as u64), text.as_bytes().to_vec()].concat();
    let none = || [&[1][..], &integer(1)[1..]].concat();
    let mut entry = [integer(id.unsigned_abs()), integer(0), text("0"), text("0")].concat();
    entry.extend([text("dbackup commit"), text(KIND), integer(SECTION_POST_DATA), text(sql)].concat());
    // The statements to drop and to copy, schema, tablespace.
    entry.extend([text(""), none(), none(), none()].concat());
    if layout.minor >= 14 {
        entry.extend(none());
    }
    if layout.minor >= 16 {
        entry.extend(integer(0));
    }
    // Owner, with oids, no dependencies.
    entry.extend([text(""), text("false"), none(), vec![NO_DATA], vec![0; layout.offset_size]].concat());
    Addition { id, count_at, count: integer(entries.len() as u64 + 1), end, entry }
}

impl Layout {
    fn integer(self, value: u64) -> Vec<u8> {
        let bytes = value.to_le_bytes();
        [&[0][..], &bytes[..self.integer_size]].concat()
    }
}

/// The next number, or where that is too large for pg_restore, the first that is free.
fn free_id(entries: &[Entry]) -> i64 {
    let taken: BTreeSet<i64> = entries.iter().map(|entry| entry.id).collect();
    let next = taken.last().map_or(1, |last| last + 1);
    if (1..i64::from(i32::MAX)).contains(&next) {
        return next;
    }
    (1..).find(|id| !taken.contains(id)).unwrap_or(1)
}

//! Counts the rows of an archive as it passes: `COPY`'s text format has a line for each, since it escapes line ends within values.
//!
//! Source: PostgreSQL, src/bin/pg_dump/pg_dump.c (dumpTableData, dumpTableData_copy) and the documentation of COPY, Text Format.

use std::collections::{BTreeMap, BTreeSet};

use domain::rows::Rows;

use super::super::sql;
use super::contents::{Contents, Entry};

/// What was counted so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    current: Lines,
    /// Rows by the number of the entry, once its end mark has come.
    counted: BTreeMap<i64, u64>,
    large_objects: u64,
}

impl Tally {
    /// Reads a piece of an entry's data.
    pub(super) fn read(&mut self, bytes: &[u8]) {
        self.current.read(bytes);
    }

    /// Ends an entry.
    pub(super) fn end(&mut self, entry: i64) {
        let lines = std::mem::take(&mut self.current);
        if lines.ended {
            self.counted.insert(entry, lines.rows);
        }
    }

    /// Counts a large object.
    pub(super) fn large_object(&mut self) {
        self.large_objects += 1;
    }

    /// Returns the rows of a whole archive. `None` if any table could not be counted.
    pub(super) fn rows(&self, contents: &Contents) -> Option<Rows> {
        let mut rows = Rows { large_objects: Some(self.large_objects), ..Rows::default() };
        for table in contents.counted_tables()? {
            rows.add(&table.schema, &table.tag, *self.counted.get(&table.id)?);
        }
        Some(rows)
    }
}

impl Contents {
    /// Returns the tables whose rows belong to the archive alone. `None` if it cannot be told what any of them will hold.
    pub(in super::super) fn counted_tables(&self) -> Option<Vec<&Entry>> {
        let is_utf8 = self.encoding().is_some_and(|name| name == "UTF8");
        let own: BTreeSet<(&str, &str)> = self.of_kind("TABLE").map(|entry| (&*entry.schema, &*entry.tag)).collect();
        // What an extension creates, it also fills in part.
        let tables = self.of_kind("TABLE DATA").filter(|entry| own.contains(&(&*entry.schema, &*entry.tag)));
        let tables: Vec<&Entry> = tables.collect();
        let is_readable = |name: &str| name.is_ascii() || is_utf8 && !name.contains('\u{fffd}');
        let is_certain = |table: &&Entry| table.is_copied && is_readable(&table.schema) && is_readable(&table.tag);
        tables.iter().all(is_certain).then_some(tables)
    }
}

/// Returns whether an entry's data is loaded by a `COPY` of its own table. Rows that are loaded by way of a partitioned table may come
/// to lie in another partition; `INSERT`s have no lines to count.
pub(super) fn is_copied(copy: &str, schema: &str, table: &str) -> bool {
    let mut tokens = sql::tokens(copy).filter(|token| !token.starts_with(char::is_whitespace));
    let mut names = |name: &str| tokens.next().is_some_and(|token| unquoted(token) == name);
    names("COPY") && names(schema) && names(".") && names(table)
}

fn unquoted(token: &str) -> String {
    match token.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => token.to_owned(),
    }
}

/// The lines of one table, up to the line `\.`.
#[derive(Debug, Default)]
struct Lines {
    rows: u64,
    line: Line,
    ended: bool,
}

/// What has come of a line.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Line {
    #[default]
    Nothing,
    Backslash,
    EndMark,
    Other,
}

impl Lines {
    fn read(&mut self, mut bytes: &[u8]) {
        while let (false, [first, rest @ ..]) = (self.ended, bytes) {
            if self.line == Line::Other {
                let Some(end) = memchr::memchr(b'\n', bytes) else { return };
                self.rows += 1;
                self.line = Line::Nothing;
                bytes = &bytes[end + 1..];
                continue;
            }
            self.line = match (self.line, first) {
                (Line::Nothing, b'\\') => Line::Backslash,
                (Line::Backslash, b'.') => Line::EndMark,
                (Line::EndMark, b'\n') => {
                    self.ended = true;
                    return;
                }
                (_, b'\n') => {
                    self.rows += 1;
                    Line::Nothing
                }
                _ => Line::Other,
            };
            bytes = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str, piece: usize) -> Option<u64> {
        let mut tally = Tally::default();
        text.as_bytes().chunks(piece).for_each(|piece| tally.read(piece));
        tally.end(1);
        tally.counted.get(&1).copied()
    }

    #[test]
    fn a_row_is_a_line_before_the_end_mark_however_it_is_cut() {
        for (text, rows) in [
            ("\\.\n\n\n", Some(0)),
            ("1\ta\n2\tb\\nc\n\\.\n\n\n", Some(2)),
            // Rows of a table without columns, an empty text, and values that look like the mark.
            ("\n\n\\.\n\n\n", Some(2)),
            ("\\\\.\n\\\\\n\\N\n\\.x\n\\.\n", Some(4)),
            ("INSERT INTO t VALUES (1);\n\n\n", None),
            ("1\n\\.", None),
            ("", None),
        ] {
            for piece in 1..=text.len().max(1) {
                assert_eq!(count(text, piece), rows, "{text:?} {piece}");
            }
        }
    }

    #[test]
    fn only_a_copy_of_the_table_itself_is_counted() {
        assert!(is_copied("COPY public.orders (id, \"a.b\") FROM stdin;\n", "public", "orders"));
        assert!(is_copied("COPY \"S a\".\"o\"\"x\" (id) FROM stdin;\n", "S a", "o\"x"));
        assert!(
            !is_copied("COPY public.all_orders (id) FROM stdin;\n", "public", "orders"),
            "by its partitioned table"
        );
        assert!(!is_copied("", "public", "orders"), "INSERTs");
    }
}

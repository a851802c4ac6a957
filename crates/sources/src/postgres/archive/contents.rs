//! An archive's table of contents: what a restore has to know before it starts.
//!
//! Source: PostgreSQL, src/bin/pg_dump/pg_dump.c (the descriptions of `ArchiveEntry`).

use super::super::sql;

/// Kinds of entries whose definition is kept; others can be long, and are not looked into.
const KEPT: [&str; 14] = [
    "ENCODING",
    "DATABASE",
    "DATABASE PROPERTIES",
    "COMMENT",
    "ACL",
    "DEFAULT ACL",
    "POLICY",
    "USER MAPPING",
    "EXTENSION",
    "PROCEDURAL LANGUAGE",
    "FOREIGN DATA WRAPPER",
    "COLLATION",
    "SECURITY LABEL",
    "PUBLICATION",
];

/// Bytes that an allocator adds to an entry with three short texts.
const ALLOCATIONS: usize = 64;

/// Returns whether the definition of an entry of this kind is kept.
pub(super) fn is_kept(kind: &str) -> bool {
    KEPT.contains(&kind)
}

/// A table of contents.
#[derive(Debug, Default, Clone)]
pub(in super::super) struct Contents {
    /// The version of the server that was dumped, as it calls itself.
    pub(in super::super) server_version: String,
    /// All entries in the order of the archive.
    pub(in super::super) entries: Vec<Entry>,
}

/// An entry of a table of contents.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in super::super) struct Entry {
    /// Its number in the archive.
    pub(in super::super) id: i64,
    /// Its kind: `TABLE`, `TABLE DATA`, `ACL`.
    pub(in super::super) kind: String,
    /// Its name, as pg_dump labels it: `orders`, `TABLE orders`.
    pub(in super::super) tag: String,
    /// Its schema; empty if it has none.
    pub(in super::super) schema: String,
    /// Its owner; empty if it has none.
    pub(in super::super) owner: String,
    /// Its tablespace; empty for the database's own.
    pub(in super::super) tablespace: String,
    /// Its SQL, for the kinds that are looked into.
    pub(in super::super) definition: String,
    /// Whether its data is loaded by a `COPY` into the table of its name.
    pub(in super::super) is_copied: bool,
}

impl Entry {
    /// Returns the bytes of memory that it takes, with what a list and an allocator add.
    pub(super) fn memory(&self) -> usize {
        let texts = [&self.kind, &self.tag, &self.schema, &self.owner, &self.tablespace, &self.definition];
        size_of::<Self>() + ALLOCATIONS + texts.iter().map(|text| text.len()).sum::<usize>()
    }

    /// Returns its kind and name for a person: `MATERIALIZED VIEW public.m`.
    pub(in super::super) fn label(&self) -> String {
        match self.schema.as_str() {
            "" => format!("{} {}", self.kind, self.tag),
            schema => format!("{} {schema}.{}", self.kind, self.tag),
        }
    }
}

impl Contents {
    pub(super) fn add(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// Returns the entries of a kind.
    pub(in super::super) fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Entry> {
        self.entries.iter().filter(move |entry| entry.kind == kind)
    }

    /// Returns the encoding of the dump: `SET client_encoding = 'UTF8';`
    pub(in super::super) fn encoding(&self) -> Option<String> {
        let entry = self.of_kind("ENCODING").next()?;
        let text = sql::tokens(&entry.definition).find(|token| token.starts_with('\''))?;
        Some(sql::unquote(text))
    }

    /// Returns the names of the extensions that the archive creates.
    pub(in super::super) fn extensions(&self) -> impl Iterator<Item = &str> {
        self.of_kind("EXTENSION").map(|entry| entry.tag.as_str())
    }

    /// Returns the tablespaces that objects are placed in.
    pub(in super::super) fn tablespaces(&self) -> std::collections::BTreeSet<&str> {
        self.entries.iter().map(|entry| entry.tablespace.as_str()).filter(|name| !name.is_empty()).collect()
    }

    /// Returns the major version of the server that was dumped, if it can be read.
    pub(in super::super) fn server_major(&self) -> Option<u32> {
        self.server_version.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
    }
}

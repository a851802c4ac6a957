//! Reads along pg_dump's custom format and knows whether it is whole.
//!
//! The format has no end mark. But its head (the table of contents) says which entries have data, and each entry's data is
//! framed: so an archive is whole if every announced entry came and ended, and nothing is cut off. Data is skipped, not kept.
//!
//! Source: PostgreSQL, src/bin/pg_dump/pg_backup_archiver.c (ReadHead, ReadToc) and pg_backup_custom.c (_LoadLOs, _skipData),
//! archive versions 1.12 (PostgreSQL 9.0) to 1.16 (17, 18).

mod addition;
mod contents;
mod cursor;
mod rows;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use bytes::{Buf, BytesMut};
use domain::rows::Rows;

pub(super) use addition::Addition;
pub(super) use contents::{Contents, Entry};
use cursor::Cursor;
use rows::Tally;

const MAGIC: &[u8] = b"PGDMP";
const MAJOR: u8 = 1;
const MINORS: std::ops::RangeInclusive<u8> = 12..=16;
const CUSTOM_FORMAT: u8 = 1;
const BLOCK_DATA: u8 = 1;
const BLOCK_LARGE_OBJECTS: u8 = 3;
/// Maximum memory in bytes for the table of contents of an archive that comes from outside: its bytes, which a restore keeps until it knows
/// how to start pg_restore, and its parsed entries. Anyone who can write to a destination decides what it claims. A million large
/// objects, the longest lists there are, take 160 MiB of bytes with servers before 17, and 200 MiB of entries.
const MAX_FOREIGN_CONTENTS: usize = 512 * 1024 * 1024;
/// Maximum bytes of one entry of such an archive without its dependencies. It is kept until it is complete.
const MAX_FOREIGN_ENTRY: usize = 64 * 1024 * 1024;

/// Why an archive is not whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ArchiveError {
    #[error("what pg_dump wrote is not a PostgreSQL archive")]
    NotAnArchive,
    #[error(
        "the archive has version {0}.{1}, which this dbackup does not know and so cannot prove whole: update dbackup"
    )]
    UnknownVersion(u8, u8),
    #[error("the archive is damaged: {0}")]
    Damaged(&'static str),
    #[error("the archive is cut off: {0}")]
    CutOff(String),
    #[error(
        "the archive's table of contents takes more than {} MiB of memory, or one of its entries more than {}, as no usual database's does. If it is a real one, use pg_restore itself",
        MAX_FOREIGN_CONTENTS / 1024 / 1024,
        MAX_FOREIGN_ENTRY / 1024 / 1024
    )]
    TooLarge,
}

/// The state of reading along.
#[derive(Debug, Default)]
pub(super) struct ArchiveReader {
    /// What has come and is not understood yet; small, since data is skipped.
    pending: BytesMut,
    state: State,
    minor: u8,
    integer_size: usize,
    offset_size: usize,
    /// Entries whose data has not ended yet.
    missing: BTreeSet<i64>,
    contents: Contents,
    /// Bytes that were read and understood, and where in them the number of entries stands and the table of contents ends.
    consumed: usize,
    count_at: usize,
    contents_end: usize,
    /// Bytes of memory that the table of contents may still take, if that is limited.
    room: Option<usize>,
    /// Whether the data is compressed, and so not counted.
    is_compressed: bool,
    /// Rows so far, if they are counted.
    tally: Option<Tally>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Head,
    Contents {
        left: i64,
    },
    /// In the list that ends an entry, which may be long.
    Dependencies {
        left: i64,
    },
    /// Between two entries' data: the only place where an archive may end.
    Block,
    Data {
        entry: i64,
    },
    LargeObjects {
        entry: i64,
    },
    LargeObject {
        entry: i64,
    },
    Skip {
        left: u64,
        then: SkipThen,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SkipThen {
    Data(i64),
    LargeObject(i64),
}

/// A step needs bytes that have not come yet.
struct More;

type Step<T> = Result<Result<T, More>, ArchiveError>;

impl ArchiveReader {
    /// Reads an archive that somebody may have made to take memory.
    pub(super) fn of_foreign() -> Self {
        Self { room: Some(MAX_FOREIGN_CONTENTS), ..Self::default() }
    }

    /// Counts the rows of the tables, too.
    pub(super) fn counting() -> Self {
        Self { tally: Some(Tally::default()), ..Self::default() }
    }

    /// Returns the rows of a whole archive; `None` if they are not known.
    pub(super) fn rows(&self) -> Option<Rows> {
        let tally = self.tally.as_ref().filter(|_| !self.is_compressed && self.finish().is_ok())?;
        tally.rows(&self.contents)
    }

    /// Reads the next bytes.
    pub(super) fn read(&mut self, mut data: &[u8]) -> Result<(), ArchiveError> {
        if !self.contents_read() {
            self.charge(data.len())?;
        }
        loop {
            if let State::Skip { left, then } = self.state {
                let now = left.min(self.pending.len() as u64);
                let now = usize::try_from(now).unwrap_or(0);
                let from_data = (left - now as u64).min(data.len() as u64);
                let (passing, rest) = data.split_at(usize::try_from(from_data).unwrap_or(0));
                data = rest;
                if let (Some(tally), SkipThen::Data(_)) = (&mut self.tally, then) {
                    tally.read(&self.pending[..now]);
                    tally.read(passing);
                }
                self.pending.advance(now);
                let left = left - now as u64 - from_data;
                if left > 0 {
                    self.state = State::Skip { left, then };
                    return Ok(());
                }
                self.state = match then {
                    SkipThen::Data(entry) => State::Data { entry },
                    SkipThen::LargeObject(entry) => State::LargeObject { entry },
                };
            }
            self.pending.extend_from_slice(data);
            data = &[];
            while !matches!(self.state, State::Skip { .. }) {
                if self.step()?.is_err() {
                    return self.bound_pending();
                }
            }
        }
    }

    /// Takes what is kept of the table of contents from the room for it.
    fn charge(&mut self, bytes: usize) -> Result<(), ArchiveError> {
        if let Some(room) = &mut self.room {
            *room = room.checked_sub(bytes).ok_or(ArchiveError::TooLarge)?;
        }
        Ok(())
    }

    fn bound_pending(&self) -> Result<(), ArchiveError> {
        let too_long = self.room.is_some() && !self.contents_read() && self.pending.len() > MAX_FOREIGN_ENTRY;
        if too_long { Err(ArchiveError::TooLarge) } else { Ok(()) }
    }

    /// Returns the table of contents as far as it was read; complete once [`Self::contents_read`].
    pub(super) fn contents(&self) -> &Contents {
        &self.contents
    }

    /// The oldest major version of pg_restore that reads this archive; known once its table of contents was read.
    pub(super) fn oldest_reader(&self) -> u32 {
        match self.minor {
            ..=13 => 10,
            14 => 12,
            15 => 16,
            16.. => 17,
        }
    }

    /// Returns what makes the archive run `sql` after everything else, inside its transaction; once the table of contents was read.
    pub(super) fn addition(&self, sql: &str) -> Addition {
        let layout =
            addition::Layout { minor: self.minor, integer_size: self.integer_size, offset_size: self.offset_size };
        let (count_at, end) = (self.count_at, self.contents_end);
        addition::of(layout, &self.contents.entries, sql, count_at, end)
    }

    /// Whether the table of contents was read.
    pub(super) fn contents_read(&self) -> bool {
        !matches!(self.state, State::Head | State::Contents { .. } | State::Dependencies { .. })
    }

    /// Answers whether everything that was announced came.
    pub(super) fn finish(&self) -> Result<(), ArchiveError> {
        if self.state != State::Block || !self.pending.is_empty() {
            let place = if self.contents_read() { "in the data of a table" } else { "in its table of contents" };
            return Err(ArchiveError::CutOff(place.to_owned()));
        }
        match self.missing.len() {
            0 => Ok(()),
            count => Err(ArchiveError::CutOff(format!("the data of {count} tables is missing"))),
        }
    }

    fn step(&mut self) -> Step<()> {
        let mut cursor = Cursor { bytes: &self.pending, at: 0, integer_size: self.integer_size };
        let next = match self.state {
            State::Head => match read_head(&mut cursor)? {
                Ok(head) => {
                    (self.minor, self.integer_size, self.offset_size) =
                        (head.minor, head.integer_size, head.offset_size);
                    self.count_at = cursor.at - 1 - head.integer_size;
                    self.is_compressed = head.is_compressed;
                    self.contents.server_version = head.server_version;
                    State::Contents { left: head.entries }
                }
                Err(More) => return Ok(Err(More)),
            },
            State::Contents { left: 0 } => {
                // A long entry leaves a large buffer behind, and the data's come in small pieces.
                self.pending = BytesMut::from(&self.pending[..]);
                self.contents_end = self.consumed;
                self.state = State::Block;
                return Ok(Ok(()));
            }
            State::Contents { left } => match read_entry(&mut cursor, self.minor)? {
                Ok((has_data, entry)) => {
                    let consumed = cursor.at;
                    self.charge(entry.memory())?;
                    if has_data {
                        self.missing.insert(entry.id);
                    }
                    self.contents.add(entry);
                    self.pending.advance(consumed);
                    self.consumed += consumed;
                    self.state = State::Dependencies { left: left - 1 };
                    return Ok(Ok(()));
                }
                Err(More) => return Ok(Err(More)),
            },
            State::Dependencies { left } => match cursor.text()? {
                Ok(Some(_)) => State::Dependencies { left },
                // Where the entry's data starts follows; unknown in a stream.
                Ok(None) if cursor.take(1 + self.offset_size).is_ok() => State::Contents { left },
                Ok(None) | Err(More) => return Ok(Err(More)),
            },
            State::Block => match read_block(&mut cursor, &self.missing)? {
                Ok(state) => state,
                Err(More) => return Ok(Err(More)),
            },
            State::Data { entry } => match cursor.integer()? {
                Ok(0) => {
                    self.missing.remove(&entry);
                    self.tally.iter_mut().for_each(|tally| tally.end(entry));
                    State::Block
                }
                Ok(length) => skip(length, SkipThen::Data(entry))?,
                Err(More) => return Ok(Err(More)),
            },
            State::LargeObjects { entry } => match cursor.integer()? {
                Ok(0) => {
                    self.missing.remove(&entry);
                    State::Block
                }
                Ok(_) => {
                    self.tally.iter_mut().for_each(Tally::large_object);
                    State::LargeObject { entry }
                }
                Err(More) => return Ok(Err(More)),
            },
            State::LargeObject { entry } => match cursor.integer()? {
                Ok(0) => State::LargeObjects { entry },
                Ok(length) => skip(length, SkipThen::LargeObject(entry))?,
                Err(More) => return Ok(Err(More)),
            },
            // Only `read` skips.
            State::Skip { .. } => return Ok(Err(More)),
        };
        let consumed = cursor.at;
        self.pending.advance(consumed);
        // Only where the table of contents ends is of interest: what is skipped is not counted.
        self.consumed += consumed;
        self.state = next;
        Ok(Ok(()))
    }
}

fn skip(length: i64, then: SkipThen) -> Result<State, ArchiveError> {
    let left = u64::try_from(length).map_err(|_| ArchiveError::Damaged("a piece of data has a negative length"))?;
    Ok(State::Skip { left, then })
}

struct Head {
    minor: u8,
    integer_size: usize,
    offset_size: usize,
    entries: i64,
    is_compressed: bool,
    server_version: String,
}

fn read_head(cursor: &mut Cursor<'_>) -> Step<Head> {
    let Ok(start) = cursor.take(MAGIC.len() + 6) else { return Ok(Err(More)) };
    let (magic, &[major, minor, _revision, integer_size, offset_size, format]) = start.split_at(MAGIC.len()) else {
        return Err(ArchiveError::NotAnArchive);
    };
    if magic != MAGIC || format != CUSTOM_FORMAT {
        return Err(ArchiveError::NotAnArchive);
    }
    if major != MAJOR || !MINORS.contains(&minor) {
        return Err(ArchiveError::UnknownVersion(major, minor));
    }
    if !(1..=8).contains(&integer_size) || !(1..=8).contains(&offset_size) {
        return Err(ArchiveError::Damaged("impossible sizes"));
    }
    cursor.integer_size = integer_size.into();
    // From 1.15 on, the compression is one byte for its algorithm; before, a number.
    let is_compressed = if minor >= 15 {
        let Ok(&[algorithm]) = cursor.take(1) else { return Ok(Err(More)) };
        algorithm != 0
    } else {
        let Ok(level) = cursor.integer()? else { return Ok(Err(More)) };
        level != 0
    };
    // The time of the dump: second, minute, hour, day, month, year, daylight saving.
    for _ in 0..7 {
        if cursor.integer()?.is_err() {
            return Ok(Err(More));
        }
    }
    let Ok(_database) = cursor.text()? else { return Ok(Err(More)) };
    let Ok(server_version) = cursor.text()? else { return Ok(Err(More)) };
    let Ok(_tool_version) = cursor.text()? else { return Ok(Err(More)) };
    let Ok(entries) = cursor.integer()? else { return Ok(Err(More)) };
    if entries < 0 {
        return Err(ArchiveError::Damaged("a negative number of entries"));
    }
    let server_version = lossy(server_version);
    let (integer_size, offset_size) = (integer_size.into(), offset_size.into());
    Ok(Ok(Head { minor, integer_size, offset_size, entries, is_compressed, server_version }))
}

/// Reads an entry of the table of contents up to its dependencies, and whether data follows for it.
fn read_entry(cursor: &mut Cursor<'_>, minor: u8) -> Step<(bool, Entry)> {
    macro_rules! or_more {
        ($step:expr) => {
            match $step {
                Ok(value) => value,
                Err(More) => return Ok(Err(More)),
            }
        };
    }
    let id = or_more!(cursor.integer()?);
    let has_data = or_more!(cursor.integer()?) != 0;
    let _table_oid = or_more!(cursor.text()?);
    let _oid = or_more!(cursor.text()?);
    let tag = or_more!(cursor.text()?);
    let kind = or_more!(cursor.text()?);
    let _section = or_more!(cursor.integer()?);
    let definition = or_more!(cursor.text()?);
    let _drop_statement = or_more!(cursor.text()?);
    let copy_statement = or_more!(cursor.text()?);
    let schema = or_more!(cursor.text()?);
    let tablespace = or_more!(cursor.text()?);
    if minor >= 14 {
        or_more!(cursor.text()?); // table access method
    }
    if minor >= 16 {
        or_more!(cursor.integer()?); // kind of relation
    }
    let owner = or_more!(cursor.text()?);
    or_more!(cursor.text()?); // with oids, always "false"
    let [kind, tag, schema, owner, tablespace] = [kind, tag, schema, owner, tablespace].map(lossy);
    let is_copied = kind == "TABLE DATA" && rows::is_copied(&lossy(copy_statement), &schema, &tag);
    let definition = if contents::is_kept(&kind) { lossy(definition) } else { String::new() };
    Ok(Ok((has_data, Entry { id, kind, tag, schema, owner, tablespace, definition, is_copied })))
}

fn lossy(text: Option<&[u8]>) -> String {
    text.map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default()
}

fn read_block(cursor: &mut Cursor<'_>, missing: &BTreeSet<i64>) -> Step<State> {
    let Ok(&[kind]) = cursor.take(1) else { return Ok(Err(More)) };
    let Ok(entry) = cursor.integer()? else { return Ok(Err(More)) };
    if !missing.contains(&entry) {
        return Err(ArchiveError::Damaged("data that its table of contents does not announce"));
    }
    match kind {
        BLOCK_DATA => Ok(Ok(State::Data { entry })),
        BLOCK_LARGE_OBJECTS => Ok(Ok(State::LargeObjects { entry })),
        _ => Err(ArchiveError::Damaged("an unknown kind of data")),
    }
}

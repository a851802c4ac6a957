//! The numbers and texts that an archive consists of.
//!
//! Source: PostgreSQL, src/bin/pg_dump/pg_backup_archiver.c (ReadInt, ReadStr).

use super::{ArchiveError, More, Step};

/// Maximum length of a text. One definition (a function, a view) is not longer; what is, is damage.
const MAX_TEXT: usize = 256 * 1024 * 1024;

/// A place in the bytes that have come.
pub(super) struct Cursor<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
    pub(super) integer_size: usize,
}

impl<'a> Cursor<'a> {
    /// Takes the next `length` bytes.
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], More> {
        let taken = self.bytes.get(self.at..self.at + length).ok_or(More)?;
        self.at += length;
        Ok(taken)
    }

    /// A sign byte, then the value, least significant byte first.
    pub(super) fn integer(&mut self) -> Step<i64> {
        let Ok(bytes) = self.take(1 + self.integer_size) else { return Ok(Err(More)) };
        let value = bytes[1..].iter().rev().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
        let value = i64::try_from(value).map_err(|_| ArchiveError::Damaged("an impossible number"))?;
        Ok(Ok(if bytes[0] == 0 { value } else { -value }))
    }

    /// A length, then the bytes; -1 is no text at all.
    pub(super) fn text(&mut self) -> Step<Option<&'a [u8]>> {
        let Ok(length) = self.integer()? else { return Ok(Err(More)) };
        let Ok(length) = usize::try_from(length) else { return Ok(Ok(None)) };
        if length > MAX_TEXT {
            return Err(ArchiveError::Damaged("an impossibly long text"));
        }
        Ok(self.take(length).map(Some))
    }
}

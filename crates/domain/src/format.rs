//! Database engines and the dump formats that their tools write.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A database engine that can be backed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// PostgreSQL, dumped by its own `pg_dump`.
    Postgres,
    /// SQLite, copied page by page out of one read transaction.
    Sqlite,
}

impl Engine {
    /// Whether one source of this engine holds several databases, which have names then.
    pub fn has_databases(self) -> bool {
        match self {
            Self::Postgres => true,
            Self::Sqlite => false,
        }
    }

    /// The format in which this engine's dumps are written.
    pub fn format(self) -> DumpFormat {
        match self {
            Self::Postgres => DumpFormat::PostgresCustom,
            Self::Sqlite => DumpFormat::SqliteFile,
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Postgres => "PostgreSQL",
            Self::Sqlite => "SQLite",
        })
    }
}

/// What the innermost layer of a backup is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DumpFormat {
    /// `pg_dump --format=custom`, restored by `pg_restore`.
    PostgresCustom,
    /// A SQLite database file.
    SqliteFile,
}

impl DumpFormat {
    /// Every format, for look-ups.
    pub const ALL: [Self; 2] = [Self::PostgresCustom, Self::SqliteFile];

    /// The file name's ending, without its dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::PostgresCustom => "dump",
            Self::SqliteFile => "db",
        }
    }

    /// The bytes that every dump of this format starts with.
    pub fn magic(self) -> &'static [u8] {
        match self {
            Self::PostgresCustom => b"PGDMP",
            Self::SqliteFile => b"SQLite format 3\0",
        }
    }

    /// The engine that can restore it.
    pub fn engine(self) -> Engine {
        match self {
            Self::PostgresCustom => Engine::Postgres,
            Self::SqliteFile => Engine::Sqlite,
        }
    }

    /// Recognizes a format by the first bytes of a dump.
    pub fn of_bytes(start: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|format| start.starts_with(format.magic()))
    }

    /// Recognizes a format by the ending of a file name, without its dot.
    pub fn of_extension(extension: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.extension() == extension)
    }
}

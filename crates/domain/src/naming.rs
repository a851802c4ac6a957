//! Where a backup lies: `<folder>/<job>/backup_<YYYY-MM-DDTHH-MM-SS>[-N][_<database>].<ending>[.zst|.gz][.age]`, its sidecar
//! beside it with `.meta.json` added. Times are UTC.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use unicode_normalization::UnicodeNormalization;

use crate::compression::Compression;
use crate::segment;

/// What a sidecar's name adds to its backup's.
pub const SIDECAR_SUFFIX: &str = ".meta.json";

/// What every file being written is called before it is published; listings pass it over.
pub const PARTIAL_PREFIX: &str = ".dbackup-partial-";

const PREFIX: &str = "backup_";
const TIME_FORMAT: &str = "%Y-%m-%dT%H-%M-%S";
const TIME_LENGTH: usize = "2024-01-15T12-00-00".len();
const ENCRYPTED: &str = "age";
const MAX_JOB_BYTES: usize = 200;
const MAX_DATABASE_BYTES: usize = 160;
const MAX_ENDING_LEN: usize = 16;
/// Endings of layers and of sidecars, which no dump has.
const NO_DUMPS: [&str; 4] = ["zst", "gz", ENCRYPTED, "json"];

/// The folder of a job, as one path segment.
pub fn job_folder(job: &str) -> String {
    segment::encode(job, MAX_JOB_BYTES)
}

/// Whether two jobs' names are one, whatever Unicode form they are spelt in.
pub fn is_same_job(one: &str, other: &str) -> bool {
    one.nfc().eq(other.nfc())
}

/// The job whose folder this is; the folder's own name where that cannot be told (a cut or a foreign name).
pub fn job_of_folder(folder: &str) -> String {
    segment::decode(folder).unwrap_or_else(|| folder.to_owned())
}

/// A database's name as one part of a file name.
pub fn database_segment(database: &str) -> String {
    segment::encode(database, MAX_DATABASE_BYTES)
}

/// Returns whether this can be the ending of a dump's name, without its dot. Which endings there are, the adapters say: a backup may be
/// of one that this version does not have.
pub fn is_ending(text: &str) -> bool {
    let is_allowed = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    (1..=MAX_ENDING_LEN).contains(&text.len()) && text.bytes().all(is_allowed) && !NO_DUMPS.contains(&text)
}

/// The parts of a backup's file name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupName {
    /// When the run started, to the second.
    pub time: Timestamp,
    /// 1, or more where that second's names were taken (`-2`, `-3`, ...).
    pub ordinal: u32,
    /// The database as encoded in the name; none for engines with one database per source.
    pub database: Option<String>,
    /// What the innermost layer is: `dump`, `db`.
    pub ending: String,
    /// `zst`, `gz` or nothing.
    pub compression: Option<&'static str>,
    /// Whether the outermost layer is age.
    pub encrypted: bool,
}

impl BackupName {
    /// Names a backup that starts at `time`.
    pub fn new(
        time: Timestamp,
        database: Option<&str>,
        ending: &str,
        compression: Compression,
        encrypted: bool,
    ) -> Self {
        Self {
            time: to_the_second(time),
            ordinal: 1,
            database: database.map(database_segment),
            ending: ending.to_owned(),
            compression: compression.extension(),
            encrypted,
        }
    }

    /// The same backup under the next free-looking name.
    #[must_use]
    pub fn next(&self) -> Self {
        Self { ordinal: self.ordinal + 1, ..self.clone() }
    }

    /// The name of the sidecar beside it.
    pub fn sidecar(&self) -> String {
        format!("{self}{SIDECAR_SUFFIX}")
    }

    /// The database's own name; none if the name has none or it was cut.
    pub fn database_name(&self) -> Option<String> {
        segment::decode(self.database.as_deref()?)
    }

    /// Takes a file name apart; none if it is not a backup's.
    pub fn parse(file_name: &str) -> Option<Self> {
        let rest = file_name.strip_prefix(PREFIX)?;
        let (rest, encrypted) = match rest.strip_suffix(".age") {
            Some(inner) => (inner, true),
            None => (rest, false),
        };
        let (rest, compression) = match rest.rsplit_once('.')? {
            (inner, "zst") => (inner, Some("zst")),
            (inner, "gz") => (inner, Some("gz")),
            _ => (rest, None),
        };
        let (rest, extension) = rest.rsplit_once('.')?;
        let ending = Some(extension).filter(|extension| is_ending(extension))?.to_owned();
        let time = parse_time(rest.get(..TIME_LENGTH)?)?;
        let (ordinal, database) = parse_tail(&rest[TIME_LENGTH..])?;
        Some(Self { time, ordinal, database, ending, compression, encrypted })
    }
}

impl fmt::Display for BackupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = TimeZone::UTC.to_datetime(self.time).strftime(TIME_FORMAT);
        write!(f, "{PREFIX}{time}")?;
        if self.ordinal > 1 {
            write!(f, "-{}", self.ordinal)?;
        }
        if let Some(database) = &self.database {
            write!(f, "_{database}")?;
        }
        write!(f, ".{}", self.ending)?;
        if let Some(compression) = self.compression {
            write!(f, ".{compression}")?;
        }
        if self.encrypted { write!(f, ".{ENCRYPTED}") } else { Ok(()) }
    }
}

fn to_the_second(time: Timestamp) -> Timestamp {
    // A whole second that a valid timestamp lies in is itself valid.
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

fn parse_time(text: &str) -> Option<Timestamp> {
    let civil = DateTime::strptime(TIME_FORMAT, text).ok()?;
    TimeZone::UTC.to_timestamp(civil).ok()
}

/// `""`, `-2`, `_shop`, `-2_shop`.
fn parse_tail(tail: &str) -> Option<(u32, Option<String>)> {
    let (ordinal, database) = match tail.split_once('_') {
        Some((ordinal, database)) => (ordinal, Some(database.to_owned())),
        None => (tail, None),
    };
    match ordinal.strip_prefix('-') {
        Some(number) => Some((number.parse().ok().filter(|number| *number >= 2)?, database)),
        None if ordinal.is_empty() => Some((1, database)),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time() -> Timestamp {
        "2024-01-15T12:00:00.75Z".parse().unwrap()
    }

    #[test]
    fn names_say_time_database_and_layers() {
        // M-13
        let plain = BackupName::new(time(), None, "db", Compression::None, false);
        assert_eq!(plain.to_string(), "backup_2024-01-15T12-00-00.db");
        assert_eq!(plain.sidecar(), "backup_2024-01-15T12-00-00.db.meta.json");
        let full = BackupName::new(time(), Some("a b"), "dump", Compression::Zstd(3), true);
        assert_eq!(full.to_string(), "backup_2024-01-15T12-00-00_a b.dump.zst.age");
        assert_eq!(full.next().to_string(), "backup_2024-01-15T12-00-00-2_a b.dump.zst.age");
    }

    #[test]
    fn every_name_parses_back() {
        let long = "😀".repeat(200);
        let databases = [
            None,
            Some("shop"),
            Some("-x"),
            Some("-2"),
            Some("a.dump.zst"),
            Some("a_b"),
            Some("x\"; drop"),
            Some(&*long),
        ];
        for database in databases {
            for compression in [Compression::None, Compression::Gzip(6), Compression::Zstd(3)] {
                for encrypted in [true, false] {
                    let first = BackupName::new(time(), database, "dump", compression, encrypted);
                    for name in [first.clone(), first.next(), first.next().next()] {
                        assert_eq!(BackupName::parse(&name.to_string()).as_ref(), Some(&name), "{name}");
                        assert!(name.sidecar().len() <= 255, "{name}");
                        if database.is_some_and(|database| database.len() < 100) {
                            assert_eq!(name.database_name().as_deref(), database);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_backup_may_be_of_an_engine_that_this_version_does_not_know() {
        let name = BackupName::parse("backup_2024-01-15T12-00-00_shop.sql.zst.age").unwrap();
        assert_eq!((name.ending.as_str(), name.database_name().as_deref()), ("sql", Some("shop")));
    }

    #[test]
    fn foreign_names_are_not_backups() {
        for name in [
            "backup.db",
            "backup_.db",
            "backup_2024-01-15.db",
            "backup_2024-13-15T12-00-00.db",
            "notes.txt",
            "backup_2024-01-15T12-00-00.db.meta.json",
            "backup_2024-01-15T12-00-00",
            "backup_2024-01-15T12-00-00.zst",
            "backup_2024-01-15T12-00-00_a.json",
            "backup_2024-01-15T12-00-00.db-wal",
            "backup_2024-01-15T12-00-00.DB",
            "backup_2024-01-15T12-00-00.",
            "backup_2024-01-15T12-00-00.endingofnodumpatall",
            "backup_2024-01-15T12-00-00-1.db",
            "backup_2024-01-15T12-00-00x.db",
            "backup_2024-01-15T12-00-0ü.db",
        ] {
            assert_eq!(BackupName::parse(name), None, "{name}");
        }
    }
}

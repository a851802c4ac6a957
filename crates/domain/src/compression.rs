//! How a dump is compressed, and how a person writes that: `zstd`, `zstd:9`, `gzip`, `gzip:6`, `none`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A compression with its level, 1 to 9. Higher zstd levels are not offered: they cost ten times the time for nothing,
/// and releases of zstd have corrupted data there (restic#4523, restic#4677).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Compression {
    /// The dump as it is.
    None,
    /// RFC 1952, for whoever must unpack where no zstd exists.
    Gzip(u8),
    /// RFC 8878: smaller than gzip in a quarter of its time.
    Zstd(u8),
}

impl Default for Compression {
    fn default() -> Self {
        Self::Zstd(3)
    }
}

impl Compression {
    /// The file name's ending without its dot; none if nothing is compressed.
    pub fn extension(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Gzip(_) => Some("gz"),
            Self::Zstd(_) => Some("zst"),
        }
    }
}

/// Why a text is no compression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a compression: write zstd, gzip or none, with a level of 1 to 9 if you like (zstd:3)")]
pub struct InvalidCompression(String);

impl FromStr for Compression {
    type Err = InvalidCompression;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidCompression(text.to_owned());
        let (name, level) = match text.split_once(':') {
            Some((name, level)) => (name, Some(level.parse::<u8>().map_err(|_| invalid())?)),
            None => (text, None),
        };
        match (name, level) {
            ("none", None) => Ok(Self::None),
            ("gzip", level @ (None | Some(1..=9))) => Ok(Self::Gzip(level.unwrap_or(6))),
            ("zstd", level @ (None | Some(1..=9))) => Ok(Self::Zstd(level.unwrap_or(3))),
            _ => Err(invalid()),
        }
    }
}

impl TryFrom<String> for Compression {
    type Error = InvalidCompression;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Compression> for String {
    fn from(compression: Compression) -> Self {
        compression.to_string()
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Gzip(level) => write!(f, "gzip:{level}"),
            Self::Zstd(level) => write!(f, "zstd:{level}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write_and_writes_it_back() {
        for (text, compression) in [
            ("zstd", Compression::Zstd(3)),
            ("zstd:9", Compression::Zstd(9)),
            ("gzip", Compression::Gzip(6)),
            ("gzip:1", Compression::Gzip(1)),
            ("none", Compression::None),
        ] {
            assert_eq!(text.parse(), Ok(compression));
            assert_eq!(compression.to_string().parse(), Ok(compression));
        }
    }

    #[test]
    fn refuses_levels_and_names_it_does_not_offer() {
        for text in ["", "zstd:0", "zstd:10", "zstd:22", "gzip:x", "none:1", "brotli", "zstd:", "zstd:3:3"] {
            assert!(text.parse::<Compression>().is_err(), "{text}");
        }
    }
}

//! What each kind of operation may take: bytes of its body, time, and how many of it run at once.

use serde::Serialize;

/// The name of the extension that says what an operation may take.
pub(crate) const LIMITS: &str = "x-limits";
const KIB: usize = 1024;

/// A kind of work. Each has requests of its own that may run at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Class {
    /// Asks whether the server lives.
    Probe,
    /// Reads and writes the metadata database.
    Catalog,
    /// Hashes a password.
    Password,
    /// Reads a destination, or writes to it.
    Storage,
    /// Reads a whole backup.
    Verify,
    /// Asks a source.
    Source,
    /// Reviews a restore: reads the beginning of a backup and asks its target.
    Preview,
    /// Talks to a provider about an authorization.
    Authorization,
    /// Answers step by step.
    Test,
    /// Sends a backup.
    Download,
    /// Tells what happens as long as somebody listens.
    Events,
}

/// What an operation of a class may take.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Limits {
    class: Class,
    /// Bytes.
    pub(crate) body: usize,
    /// Until the answer begins.
    pub(crate) seconds: u64,
    /// Requests of this class, of all users.
    pub(crate) at_once: usize,
    /// Requests of this class, of one user, or of one address where nobody is signed in.
    pub(crate) per_user: usize,
}

impl Limits {
    /// Returns how many requests of this class may be at one destination: fewer than one user may have.
    pub(crate) fn per_destination(&self) -> usize {
        (self.per_user * 3 / 4).max(2)
    }
}

impl Class {
    pub(crate) const ALL: [Self; 11] = [
        Self::Probe,
        Self::Catalog,
        Self::Password,
        Self::Storage,
        Self::Verify,
        Self::Source,
        Self::Preview,
        Self::Authorization,
        Self::Test,
        Self::Download,
        Self::Events,
    ];

    /// docs/SERVER.md has the same figures in its table.
    pub(crate) const fn limits(self) -> Limits {
        let (body, seconds, at_once, per_user) = match self {
            Self::Probe => (0, 10, 64, 64),
            Self::Catalog => (KIB * KIB, 30, 256, 64),
            Self::Password => (4 * KIB, 30, 64, 8),
            Self::Storage => (64 * KIB, 60, 32, 8),
            Self::Verify => (64 * KIB, 3600, 4, 2),
            Self::Source => (KIB * KIB, 120, 16, 4),
            Self::Preview => (64 * KIB, 120, 16, 4),
            Self::Authorization => (64 * KIB, 60, 16, 4),
            Self::Test => (64 * KIB, 30, 8, 4),
            Self::Download => (0, 60, 16, 4),
            Self::Events => (0, 30, 256, 16),
        };
        Limits { class: self, body, seconds, at_once, per_user }
    }

    /// Whether its answers go on for as long as somebody reads.
    pub(crate) const fn streams(self) -> bool {
        matches!(self, Self::Test | Self::Download | Self::Events)
    }

    /// Whether its requests wait for the destination that their path names.
    pub(crate) const fn is_at_destinations(self) -> bool {
        matches!(self, Self::Storage | Self::Verify | Self::Test)
    }

    /// Whether its work is cancelled with its request, by a client that gives up or at the end of its time. It changes nothing.
    pub(crate) const fn is_cancelled(self) -> bool {
        matches!(self, Self::Preview)
    }

    /// What its requests wait for, in words.
    pub(crate) const fn waits_for(self) -> &'static str {
        match self {
            Self::Probe | Self::Catalog => "the metadata database",
            Self::Password => "passwords to be checked",
            Self::Storage | Self::Verify => "destinations to answer",
            Self::Source => "sources to answer",
            Self::Preview => "the backup's destination or the target to answer",
            Self::Authorization => "a provider of authorizations to answer",
            Self::Test => "tests to end",
            Self::Download => "downloads to end",
            Self::Events => "event streams to end",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_figures_are_these() {
        let documented = include_str!("../../../../docs/SERVER.md");
        for class in Class::ALL {
            let Limits { body, seconds, at_once, per_user, .. } = class.limits();
            let name = serde_json::to_value(class).unwrap();
            let body = match body {
                0 => "none".to_owned(),
                bytes if bytes < KIB * KIB => format!("{} KiB", bytes / KIB),
                bytes => format!("{} MiB", bytes / KIB / KIB),
            };
            let row = format!("| `{}` | {body} | {seconds} s | {at_once} | {per_user} |", name.as_str().unwrap());
            assert!(documented.contains(&row), "docs/SERVER.md lacks {row}");
        }
    }
}

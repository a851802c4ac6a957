//! Why a backup stays or goes, as data, and in words: the same ones in the API, the command line and the web UI.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Hold, Period, Quality};

/// A reason why a backup stays, or the one why it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Reason {
    /// It is one of the newest that a rule keeps.
    Last {
        /// Its place, from 1, among the backups of its database.
        position: u32,
    },
    /// It is recent enough.
    Within {
        /// How many days are kept.
        days: u32,
    },
    /// It is the newest of a period that is kept.
    Newest {
        /// What kind of period.
        of: Period,
        /// Its name: `2026-03-29`, `2026-W13`.
        period: String,
    },
    /// It is one of the newest good backups of its database, which are never deleted.
    Floor,
    /// It is locked.
    Locked,
    /// It has another copy that is not confirmed, so this may be the only good one.
    OtherCopyUnconfirmed,
    /// It is not known to be good, so no rule counts it, and a person has to decide.
    NotCounted {
        /// What is known of it.
        quality: Quality,
    },
    /// Its time lies in the future, so a clock was wrong.
    Future,
    /// The destination could not be listed completely.
    ListingFailed,
    /// Fewer than half of the backups that are expected were listed.
    ListingShrank {
        /// Backups that were listed.
        found: u64,
        /// Backups that were expected.
        expected: u64,
    },
    /// The server's clock and the storage's disagree.
    ClockDisagrees {
        /// How far the storage's clock is ahead, in seconds.
        seconds: i64,
    },
    /// Another destination is the same folder, or one is in the other: what is deleted here is deleted there, whatever its own policy says.
    SharedPlace {
        /// The other destination's name.
        destination: String,
    },
    /// It is not known whether another destination is the same folder.
    PlaceUnknown {
        /// The name of the destination of which that is not known.
        destination: String,
    },
    /// No rule and no floor keeps it: the reason why a backup goes.
    NoRule,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Last { position: 1 } => f.write_str("The newest backup"),
            Self::Last { position } => write!(f, "Number {position} of the newest backups"),
            Self::Within { days: 1 } => f.write_str("Made within the last day"),
            Self::Within { days } => write!(f, "Made within the last {days} days"),
            Self::Newest { of, period } => write!(f, "The newest of the {} {period}", of.noun()),
            Self::Floor => f.write_str("One of the newest good backups of its database, which are never deleted"),
            Self::Locked => f.write_str("Locked"),
            Self::OtherCopyUnconfirmed => {
                f.write_str("Its other copy is not confirmed, so this may be the only good one")
            }
            Self::NotCounted { quality } => write!(f, "{quality}, so retention leaves it alone"),
            Self::Future => f.write_str("Its time lies in the future. Check the clocks"),
            Self::ListingFailed => f.write_str("The destination could not be listed completely, so nothing is deleted"),
            Self::ListingShrank { found, expected } => {
                write!(f, "Only {found} of {expected} known backups were found, so nothing is deleted")
            }
            Self::ClockDisagrees { seconds } => {
                let (minutes, direction) =
                    (seconds.unsigned_abs() / 60, if *seconds < 0 { "behind" } else { "ahead of" });
                write!(f, "The storage's clock is {minutes} minutes {direction} the server's, so nothing is deleted")
            }
            Self::SharedPlace { destination } => {
                write!(
                    f,
                    "{destination} has the same files, so nothing is deleted. Remove one of the two destinations, or move it to a \
                     folder outside of the other's"
                )
            }
            Self::PlaceUnknown { destination } => {
                write!(
                    f,
                    "It is not known whether two destinations have the same files, so nothing is deleted. Scan {destination}"
                )
            }
            Self::NoRule => f.write_str("No rule keeps it"),
        }
    }
}

impl Period {
    fn noun(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }
}

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Succeeded => "Succeeded",
            Self::SucceededWithWarnings => "Succeeded with warnings",
            Self::Partial => "Incomplete",
            Self::Altered => "Its last verification failed",
            Self::Unknown => "Not known to be a verified backup of this job",
        })
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { deletions, of, allowed } = self;
        write!(
            f,
            "{deletions} of {of} backups would be deleted at once, and only {allowed} may be without confirmation. Review the plan and confirm it"
        )
    }
}

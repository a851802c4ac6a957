//! What happens during a run, as data. `words.rs` has the words.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{FailedObject, FailureCode};
use crate::outcome::RunStatus;
use crate::rows::RowComparison;
use crate::sidecar::{Checksum, Size};
use crate::warning::ListedWarning;

/// Something that happened during a run. Reading an event of an unknown kind is an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "event", rename_all = "camelCase")]
pub enum RunEvent {
    /// Nothing encrypts the backups of this run.
    NotEncrypted,
    /// A destination could not be opened: it gets no copies.
    #[serde(rename_all = "camelCase")]
    Unreachable {
        /// The destination's name.
        destination: String,
        /// Why, and what to do.
        error: String,
        /// The same for programs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<FailureCode>,
        /// What the tool, the server or the storage said, word for word.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        technical_details: Option<String>,
    },
    /// A database's turn.
    Started {
        /// Its name.
        database: String,
    },
    /// The database, or the target of a restore, has done nothing for a while.
    Silent {
        /// The database's name; absent for a restore.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        database: Option<String>,
        /// For how long.
        seconds: u64,
        /// After how long the run fails.
        limit: u64,
    },
    /// A destination has less room left than the last backup of this database took.
    #[serde(rename_all = "camelCase")]
    MayNotFit {
        /// The database's name.
        database: String,
        /// The destination's name.
        destination: String,
        /// Bytes of the last backup.
        last_size: u64,
        /// Bytes in use.
        used: u64,
        /// Bytes there are; absent without a limit.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        allowed: Option<u64>,
        /// Bytes left; absent without a limit.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        free: Option<u64>,
    },
    /// The dump is complete; its copies are being published.
    Dumped {
        /// The database's name.
        database: String,
        /// Bytes of the dump.
        size: u64,
    },
    /// Something is missing, or could not be checked.
    Warning {
        /// The database's name, if it concerns one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        database: Option<String>,
        /// What it is.
        warning: ListedWarning,
    },
    /// There is no dump, and so there are no copies.
    #[serde(rename_all = "camelCase")]
    Failed {
        /// The database's name.
        database: String,
        /// Why, and what to do.
        error: String,
        /// The same for programs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<FailureCode>,
        /// What the tool, the server or the storage said, word for word.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        technical_details: Option<String>,
    },
    /// A destination gets no copy of this database. The others go on.
    #[serde(rename_all = "camelCase")]
    DroppedOut {
        /// The database's name.
        database: String,
        /// The destination's name.
        destination: String,
        /// Why, and what to do.
        error: String,
        /// The same for programs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<FailureCode>,
        /// What the tool, the server or the storage said, word for word.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        technical_details: Option<String>,
    },
    /// The run is to stop, but a copy was already sent: the destination has not told yet whether it was published.
    Settling {
        /// The database's name; absent for the copy of a stored backup.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        database: Option<String>,
        /// The destination's name.
        destination: String,
    },
    /// A backup is complete and verified at a destination.
    #[serde(rename_all = "camelCase")]
    Copied {
        /// The database's name.
        database: String,
        /// The destination's name.
        destination: String,
        /// The file, in the destination's folder.
        path: String,
        /// The backup's id.
        id: String,
        /// Sizes in bytes.
        size: Size,
        /// Digests, by algorithm, in lower-case hexadecimal.
        #[cfg_attr(feature = "openapi", schema(value_type = Digests))]
        checksum: Checksum,
        /// How it was checked, in words.
        checked_by: String,
    },
    /// A restore begins.
    Restoring {
        /// The backup.
        path: String,
        /// The address of the target.
        target: String,
    },
    /// The target has been committing a restore for a while.
    Committing {
        /// For how many seconds.
        seconds: u64,
        /// After how many seconds the run stops waiting for it.
        limit: u64,
    },
    /// The restore was cancelled while its target committed it, which cannot be undone.
    TooLateToCancel,
    /// A restore is complete.
    #[serde(rename_all = "camelCase")]
    Restored {
        /// The address of the database that is in its place.
        target: String,
        /// Bytes of the dump.
        size: u64,
        /// What the backup was checked with, in words.
        checks: String,
        /// Whether every check could be made.
        fully_checked: bool,
        /// Whether it has the rows that the backup recorded; absent if the backup recorded none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rows: Option<RowComparison>,
    },
    /// An object of the backup could not be restored.
    NotRestored {
        /// Which one, and why.
        object: FailedObject,
    },
    /// A database that an earlier restore kept is put in its place.
    PuttingInPlace {
        /// Its passing name.
        kept: String,
        /// The address of the database that it replaces.
        target: String,
    },
    /// It is in its place.
    InPlace {
        /// Its address.
        target: String,
    },
    /// The copy of a stored backup begins.
    Copying {
        /// The backup.
        path: String,
        /// The destination that it is read from.
        from: String,
        /// The destination that it goes to.
        to: String,
    },
    /// Both destinations are in one storage that can copy files itself, but it does not copy this one, or cannot be asked: the backup
    /// is downloaded and uploaded instead.
    CopyStreamed {
        /// Why the storage does not copy it.
        error: String,
    },
    /// It is complete and verified.
    #[serde(rename_all = "camelCase")]
    CopyDone {
        /// The destination's name.
        destination: String,
        /// Bytes.
        size: u64,
        /// How it was checked, in words.
        checked_by: String,
        /// The storage that copied it by itself; absent if the backup was downloaded and uploaded.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        inside: Option<String>,
    },
    /// The destination holds the backup already.
    AlreadyThere {
        /// The destination's name.
        destination: String,
    },
    /// A part of an interrupted upload could not be removed.
    Leftover {
        /// The file.
        name: String,
    },
    /// The run does what an interrupted one left undone.
    #[serde(rename_all = "camelCase")]
    BegunAgain {
        /// The interrupted run's id.
        run_id: String,
    },
    /// A scheduled run was left out because this one had not ended.
    SlotLeftOut {
        /// When it was due.
        #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
        slot: Timestamp,
    },
    /// More happened than could be stored here.
    #[serde(rename_all = "camelCase")]
    LinesMissing {
        /// How many lines are missing.
        count: u64,
        /// Whether they came at once; otherwise the metadata database could not be reached.
        too_fast: bool,
    },
    /// The server stopped during the run; another start of it found out what it came to.
    Settled {
        /// The final state.
        state: RunStatus,
    },
    /// The run has ended.
    #[serde(rename_all = "camelCase")]
    Ended {
        /// The final state.
        state: RunStatus,
        /// Why it is no success.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
        /// The same for programs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<FailureCode>,
        /// What the tool, the server or the storage said, word for word.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        technical_details: Option<String>,
    },
}

/// Digests, by algorithm, in lower-case hexadecimal. Named, since generators of clients stumble over a map within one of several events.
#[cfg(feature = "openapi")]
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "it is there to be described")]
struct Digests(std::collections::BTreeMap<String, String>);

/// How much an event matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Everything is as it should be.
    Info,
    /// Somebody should look at it.
    Warning,
    /// Something is missing for it.
    Error,
}

impl Level {
    /// Returns the level as run logs name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl RunEvent {
    /// Returns how much it matters.
    pub fn level(&self) -> Level {
        match self {
            Self::Unreachable { .. } | Self::Failed { .. } | Self::DroppedOut { .. } | Self::NotRestored { .. } => {
                Level::Error
            }
            Self::NotEncrypted
            | Self::Silent { .. }
            | Self::MayNotFit { .. }
            | Self::Warning { .. }
            | Self::Settling { .. }
            | Self::Committing { .. }
            | Self::TooLateToCancel
            | Self::Restored { fully_checked: false, .. }
            | Self::Leftover { .. }
            | Self::SlotLeftOut { .. }
            | Self::LinesMissing { .. } => Level::Warning,
            Self::Ended { error, .. } => error.as_ref().map_or(Level::Info, |_| Level::Error),
            Self::Settled { state } => {
                if state.is_success() {
                    Level::Info
                } else {
                    Level::Error
                }
            }
            _ => Level::Info,
        }
    }

    /// Returns what a tool, a server or a storage said word for word, where something failed.
    pub fn technical_details(&self) -> Option<&str> {
        match self {
            Self::Unreachable { technical_details, .. }
            | Self::Failed { technical_details, .. }
            | Self::DroppedOut { technical_details, .. }
            | Self::Ended { technical_details, .. } => technical_details.as_deref(),
            _ => None,
        }
    }

    /// Returns the event with its free text changed: what tools, servers and storages said.
    #[must_use]
    pub fn with_words(mut self, change: &dyn Fn(&str) -> String) -> Self {
        let each = |text: &mut String| *text = change(text);
        match &mut self {
            Self::Unreachable { error, technical_details, .. }
            | Self::Failed { error, technical_details, .. }
            | Self::DroppedOut { error, technical_details, .. } => {
                each(error);
                technical_details.iter_mut().for_each(each);
            }
            Self::CopyStreamed { error } => each(error),
            Self::Warning { warning, .. } => {
                each(&mut warning.warning.message);
                warning.warning.cure.iter_mut().for_each(each);
            }
            Self::NotRestored { object } => {
                each(&mut object.object);
                each(&mut object.error);
                object.cure.iter_mut().for_each(each);
            }
            Self::Ended { error, technical_details, .. } => error.iter_mut().chain(technical_details).for_each(each),
            Self::Restored { target, rows, .. } => {
                each(target);
                rows.iter_mut().filter_map(|rows| rows.note.as_mut()).for_each(each);
            }
            Self::Restoring { target, .. } => each(target),
            Self::PuttingInPlace { target, .. } | Self::InPlace { target } => each(target),
            _ => {}
        }
        self
    }
}

//! What happens during a run, and how it went.

use std::time::Duration;

use adapter::destination::{How, Usage};
use domain::Warning;
use domain::outcome::RunState;
use domain::rows::RowTotals;
use domain::run::{FailureCode, RunEvent};
use domain::sidecar::Sidecar;
use domain::size::human;

use super::NamedDestination;

/// What happens, as it happens.
pub enum Event<'a> {
    /// A database's turn.
    Started {
        /// Its name.
        database: &'a str,
    },
    /// The database has given nothing for a while.
    Silent {
        /// The database's name.
        database: &'a str,
        /// For how long.
        since: Duration,
        /// After how long the dump fails.
        limit: Duration,
    },
    /// A destination has less room left than the last backup of this database took. Its warning is in the report, too.
    MayNotFit {
        /// The database's name.
        database: &'a str,
        /// The destination's name.
        destination: &'a str,
        /// Bytes of the last backup.
        last_size: u64,
        /// The room there is.
        usage: Usage,
        /// The same as the report will list it.
        warning: &'a Warning,
    },
    /// The dump is whole; its copies are being published.
    Dumped {
        /// The database's name.
        database: &'a str,
        /// Bytes of the dump.
        size: u64,
    },
    /// The dump lacks something, or something could not be checked.
    Warned {
        /// The database's name.
        database: &'a str,
        /// What it is.
        warning: &'a Warning,
    },
    /// There is no dump, and so there are no copies.
    Failed {
        /// The database's name.
        database: &'a str,
        /// Why.
        failure: &'a Failure,
    },
    /// The run is to stop, but a copy was already sent: the destination has not told yet whether it was published.
    Settling {
        /// The database's name.
        database: &'a str,
        /// The destination's name.
        destination: &'a str,
    },
    /// A destination gets no copy of this database. The others go on.
    DroppedOut {
        /// The database's name.
        database: &'a str,
        /// The destination.
        place: &'a NamedDestination,
        /// Why.
        failure: &'a Failure,
    },
    /// A copy is complete and verified.
    Copied {
        /// The database's name.
        database: &'a str,
        /// The copy.
        copy: &'a CopyReport,
        /// Its result.
        stored: &'a Stored,
    },
}

impl Event<'_> {
    /// Returns the event as it is stored and told. `words` says why something failed, in the words of the program that asks;
    /// `acknowledged` are the warnings that do not count.
    pub fn to_data(&self, words: &dyn Fn(&Failure) -> String, acknowledged: &[String]) -> RunEvent {
        match *self {
            Self::Started { database } => RunEvent::Started { database: database.to_owned() },
            Self::Silent { database, since, limit } => RunEvent::Silent {
                database: Some(database.to_owned()),
                seconds: since.as_secs(),
                limit: limit.as_secs(),
            },
            Self::MayNotFit { database, destination, last_size, usage, .. } => RunEvent::MayNotFit {
                database: database.to_owned(),
                destination: destination.to_owned(),
                last_size,
                used: usage.used,
                allowed: usage.allowed,
                free: usage.free(),
            },
            Self::Dumped { database, size } => RunEvent::Dumped { database: database.to_owned(), size },
            Self::Warned { database, warning } => {
                RunEvent::Warning { database: Some(database.to_owned()), warning: warning.listed(acknowledged) }
            }
            Self::Failed { database, failure } => {
                let technical_details = failure.technical_details().map(str::to_owned);
                let (database, error, code) = (database.to_owned(), words(failure), Some(failure.code()));
                RunEvent::Failed { database, error, code, technical_details }
            }
            Self::Settling { database, destination } => {
                RunEvent::Settling { database: Some(database.to_owned()), destination: destination.to_owned() }
            }
            Self::DroppedOut { database, place, failure } => RunEvent::DroppedOut {
                database: database.to_owned(),
                destination: place.name.clone(),
                error: words(failure),
                code: Some(failure.code()),
                technical_details: failure.technical_details().map(str::to_owned),
            },
            Self::Copied { database, copy, stored } => RunEvent::Copied {
                database: database.to_owned(),
                destination: copy.destination.clone(),
                path: stored.path.clone(),
                id: stored.sidecar.id.clone(),
                size: stored.sidecar.size,
                checksum: stored.sidecar.checksum.clone(),
                checked_by: stored.proved.to_string(),
            },
        }
    }
}

/// How a run went.
#[derive(Debug)]
pub struct RunReport {
    /// The run's id.
    pub run_id: String,
    /// Its end.
    pub state: RunState,
    /// What concerns no database in particular: databases that were left out.
    pub warnings: Vec<Warning>,
    /// Per database.
    pub databases: Vec<DatabaseReport>,
}

/// How one database went.
#[derive(Debug)]
pub struct DatabaseReport {
    /// Its name.
    pub database: String,
    /// Why there is no dump at all; the copies are empty then.
    pub failure: Option<Failure>,
    /// Rows that were dumped, if they are known.
    pub rows: Option<RowTotals>,
    /// What the dump lacks, and what could not be checked.
    pub warnings: Vec<Warning>,
    /// Per destination.
    pub copies: Vec<CopyReport>,
}

/// How one copy went.
#[derive(Debug)]
pub struct CopyReport {
    /// The destination's id: two can have the same name.
    pub destination_id: String,
    /// The destination's name.
    pub destination: String,
    /// What is there, or why it is not.
    pub result: Result<Stored, Failure>,
}

/// A copy that is provably whole.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Its path at the destination.
    pub path: String,
    /// What its sidecar says.
    pub sidecar: Sidecar,
    /// How it was proved that the destination holds it.
    pub proved: How,
}

/// Why something is missing.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The database or its tool.
    #[error(transparent)]
    Source(#[from] sources::Error),
    /// The destination.
    #[error(transparent)]
    Destination(adapter::Error),
    /// The stages between.
    #[error(transparent)]
    Pipeline(#[from] pipeline::EncodeError),
    /// The backup is there and whole, its sidecar is not.
    #[error("the backup itself is whole at {path}, but its sidecar could not be written: {cause}")]
    Sidecar {
        /// Where the backup is.
        path: String,
        /// Why there is no sidecar.
        cause: adapter::Error,
    },
    /// The last backup would not fit, and the destination's setting is to stop then.
    #[error(
        "no room for this backup: the last one was {}, and {} is free ({usage}). Free space there or enlarge it, then run again",
        human(*.last_size), human(.usage.free().unwrap_or_default())
    )]
    WouldNotFit {
        /// Bytes of the last backup.
        last_size: u64,
        /// The room there is.
        usage: Usage,
    },
    /// The database gave nothing for too long.
    #[error(
        "the dump has stalled: {0}. Look at what the database server is doing (locks, load, a dead connection), then run again"
    )]
    Stalled(#[from] crate::Stalled),
    /// The dump ended early because every other upload had failed, too.
    #[error("the dump was stopped")]
    NoDump,
    /// Somebody stopped the run.
    #[error("cancelled: nothing was left behind")]
    Cancelled,
    /// A part of this program broke down.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Failure {
    /// Returns why, for programs.
    pub fn code(&self) -> FailureCode {
        match self {
            Self::Source(error) | Self::Destination(error) => error.kind().failure_code(),
            Self::Pipeline(_) | Self::Internal(_) => FailureCode::Internal,
            Self::Sidecar { .. } => FailureCode::SidecarFailed,
            Self::WouldNotFit { .. } => FailureCode::Full,
            Self::Stalled(_) => FailureCode::Stalled,
            Self::NoDump => FailureCode::Stopped,
            Self::Cancelled => FailureCode::Cancelled,
        }
    }

    /// Returns what the tool, the server or the storage said, word for word.
    pub fn technical_details(&self) -> Option<&str> {
        match self {
            Self::Source(error) | Self::Destination(error) | Self::Sidecar { cause: error, .. } => error.detail_text(),
            _ => None,
        }
    }
}

//! What a run is to do, and what it came to. All of it is data: it is stored, sent to browsers, and can go to another machine.

mod event;
mod failure;
mod plan;
mod progress;
mod result;
mod spec;
mod words;

use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use event::{Level, RunEvent};
pub use failure::FailureCode;
pub use plan::{
    BackupPlan, CopyPlan, DestinationSecret, PlannedDestination, PlannedSource, PlannedTarget, ProfileSecret,
    PutInPlacePlan, RestorePlan, SecretRef, SourceSecret,
};
pub use progress::{DestinationProgress, DestinationState, RunProgress};
pub use result::{
    BackupResult, CopiedTo, CopyResult, DatabaseResult, FailedObject, MissingCopy, RestoreResult, RetryOption,
    RunResult, Stage, StoredCopy,
};
pub use spec::{BackupSpec, CopySpec, PutInPlaceSpec, RestoreSpec, RunSpec, SPEC_VERSION};

/// What kind of work a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum RunKind {
    /// A job's databases go to its destinations.
    Backup,
    /// A backup comes back into a database, or a kept one into its place.
    Restore,
    /// A stored backup goes from one destination to another.
    Copy,
}

impl RunKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Backup, Self::Restore, Self::Copy];

    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Restore => "restore",
            Self::Copy => "copy",
        }
    }
}

impl FromStr for RunKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| format!("'{text}' is not a kind of run"))
    }
}

/// What caused a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum Cause {
    /// A user.
    Manual,
    /// A program with an API token.
    Api,
    /// The job's schedule.
    Schedule,
    /// An interruption of an earlier run.
    Retry,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Manual, Self::Api, Self::Schedule, Self::Retry];

    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Api => "api",
            Self::Schedule => "schedule",
            Self::Retry => "retry",
        }
    }

    /// Returns whether a user or a program is waiting for the run.
    pub fn is_scheduled(self) -> bool {
        matches!(self, Self::Schedule | Self::Retry)
    }
}

impl FromStr for Cause {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|cause| cause.as_str() == text);
        found.ok_or_else(|| format!("'{text}' is not a cause of a run"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_and_cause_has_one_word_and_an_unknown_one_is_an_error() {
        for kind in RunKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        for cause in Cause::ALL {
            assert_eq!(cause.as_str().parse(), Ok(cause));
            assert_eq!(serde_json::to_value(cause).unwrap(), cause.as_str());
        }
        assert!("drill".parse::<RunKind>().is_err() && "moon".parse::<Cause>().is_err());
    }
}

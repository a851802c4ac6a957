//! What happens during a run, in words: the same ones in its log, in the web UI and in the terminal.

use std::fmt;

use super::{FailedObject, FailureCode, RunEvent};
use crate::outcome::RunStatus;
use crate::size::human;

impl fmt::Display for RunEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotEncrypted => f.write_str("Not encrypted: anyone with access to the destination can read the backup"),
            Self::Unreachable { destination, error, .. } => about(f, destination, error),
            Self::Started { database } => write!(f, "Backing up {database}"),
            Self::Silent { database: Some(database), seconds, limit } => write!(
                f,
                "{database}: the database has sent nothing for {}. After {} the dump fails",
                time(*seconds),
                time(*limit)
            ),
            Self::Silent { database: None, seconds, limit } => {
                write!(f, "The target has done nothing for {}. After {} the restore fails", time(*seconds), time(*limit))
            }
            Self::MayNotFit { destination, last_size, free, .. } => write!(
                f,
                "{destination}: the backup may not fit. The last one was {}, and {} is free",
                human(*last_size),
                human(free.unwrap_or_default())
            ),
            Self::Dumped { database, size } => write!(f, "Dump of {database} complete: {}", human(*size)),
            Self::Warning { database: Some(database), warning } => write!(f, "{database}: {}", warning.warning),
            Self::Warning { database: None, warning } => write!(f, "{}", warning.warning),
            Self::Failed { database, error, .. } => write!(f, "{database} was not backed up: {error}"),
            Self::DroppedOut { database, destination, error, .. } => {
                write!(f, "{database}: ")?;
                about(f, destination, error)
            }
            Self::Settling { database, destination } => {
                let what = database.as_ref().map_or("the copy".to_owned(), |database| format!("the backup of {database}"));
                write!(f, "Stopping, but {what} was already sent. Waiting for {destination} to report whether it was published")
            }
            Self::Copied { database, destination, path, size, checked_by, .. } => {
                write!(f, "{database} is at {destination}: {path} ({}), checked by {checked_by}", human(size.stored))
            }
            Self::Restoring { path, target } => write!(f, "Restoring {path} into {target}"),
            Self::Committing { seconds, limit } => write!(
                f,
                "Everything is loaded. The target has been committing for {}. Waiting up to {}",
                time(*seconds),
                time(*limit)
            ),
            Self::TooLateToCancel => f.write_str(
                "Too late to cancel: the target is committing. Waiting to learn whether the restore is complete",
            ),
            Self::Restored { target, size, checks, rows, .. } => {
                write!(f, "Restored {} into {target}. {checks}", human(*size))?;
                rows.iter().try_for_each(|rows| write!(f, ". {rows}"))
            }
            Self::NotRestored { object: FailedObject { object, error, cure } } => {
                write!(f, "{object} was not restored: {error}")?;
                cure.iter().try_for_each(|cure| write!(f, ". {cure}"))
            }
            Self::PuttingInPlace { kept, target } => write!(f, "Putting {kept} in place of {target}"),
            Self::InPlace { target } => write!(f, "{target} is in place"),
            Self::Copying { path, from, to } => write!(f, "Copying {path} from {from} to {to}"),
            Self::CopyStreamed { error } => {
                write!(f, "Not copied inside the storage, but downloaded and uploaded: {error}")
            }
            Self::CopyDone { destination, size, checked_by, inside } => {
                write!(f, "{} copied to {destination}", human(*size))?;
                inside.iter().try_for_each(|storage| write!(f, " inside {storage}"))?;
                write!(f, ", checked by {checked_by}")
            }
            Self::AlreadyThere { destination } => write!(f, "{destination} holds it already, with the same content"),
            Self::Leftover { name } => {
                write!(f, "Could not remove {name}, part of an interrupted upload. Delete it by hand")
            }
            Self::BegunAgain { run_id } => write!(f, "Started again because run {run_id} was interrupted"),
            Self::SlotLeftOut { slot } => write!(f, "Skipped the scheduled run of {slot}: this run had not ended"),
            Self::LinesMissing { count, too_fast: true } => {
                write!(f, "{count} lines of this log are missing: too many came at once")
            }
            Self::LinesMissing { count, too_fast: false } => write!(
                f,
                "{count} lines are missing here: the metadata database could not be reached. They are in the server's own log"
            ),
            Self::Settled { state } => f.write_str(match state {
                RunStatus::Partial => {
                    "Partial: the server stopped during this run. The copies that it had published are complete and listed"
                }
                RunStatus::SucceededWithWarnings => {
                    "Succeeded with warnings: the server stopped after the last copy was published and verified"
                }
                state if state.is_success() => {
                    "Succeeded: the server stopped after the last copy was published and verified"
                }
                _ => "Interrupted: the server stopped during this run. Unfinished copies do not count as backups",
            }),
            Self::Ended { state: RunStatus::Cancelled, error: Some(error), code: Some(FailureCode::OutcomeUnknown), .. } => {
                write!(f, "Cancelled. {error}")
            }
            Self::Ended { state: RunStatus::Cancelled, .. } => f.write_str("Cancelled. No partial files were left behind"),
            Self::Ended { state, error: Some(error), .. } => write!(f, "{}: {error}", ended(*state)),
            Self::Ended { state, error: None, .. } => f.write_str(ended(*state)),
        }
    }
}

/// What is the matter with a destination; many an error names it already.
fn about(f: &mut fmt::Formatter<'_>, name: &str, error: &str) -> fmt::Result {
    if error.starts_with(name) { f.write_str(error) } else { write!(f, "{name}: {error}") }
}

/// `30 min`, `45 s`.
fn time(seconds: u64) -> String {
    if seconds >= 120 { format!("{} min", seconds / 60) } else { format!("{seconds} s") }
}

fn ended(state: RunStatus) -> &'static str {
    match state {
        RunStatus::Queued => "Queued",
        RunStatus::Running => "Running",
        RunStatus::Succeeded => "Succeeded",
        RunStatus::SucceededWithWarnings => "Succeeded with warnings",
        RunStatus::Partial => "Partial",
        RunStatus::Failed => "Failed",
        RunStatus::Interrupted => "Interrupted",
        RunStatus::Cancelled => "Cancelled",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Level;
    use super::*;

    #[test]
    fn an_event_reads_the_same_wherever_it_is_told() {
        let read = |event| serde_json::from_value::<RunEvent>(event).unwrap();
        let dropped =
            read(json!({"event": "droppedOut", "database": "shop", "destination": "Offsite", "error": "no room"}));
        assert_eq!((dropped.to_string().as_str(), dropped.level()), ("shop: Offsite: no room", Level::Error));
        let named =
            read(json!({"event": "unreachable", "destination": "Offsite", "error": "Offsite is not authorized"}));
        assert_eq!(named.to_string(), "Offsite is not authorized");
        let silent = read(json!({"event": "silent", "database": "shop", "seconds": 90, "limit": 1800}));
        assert_eq!(silent.to_string(), "shop: the database has sent nothing for 90 s. After 30 min the dump fails");
        let restore = read(json!({"event": "silent", "seconds": 90, "limit": 1800}));
        assert_eq!(restore.to_string(), "The target has done nothing for 90 s. After 30 min the restore fails");
        let ended = read(json!({"event": "ended", "state": "failed", "error": "no room"}));
        assert_eq!((ended.to_string().as_str(), ended.level()), ("Failed: no room", Level::Error));
        let warning =
            read(json!({"event": "warning", "warning": {"code": "x", "message": "left out", "cure": "Drop it"}}));
        assert_eq!((warning.to_string().as_str(), warning.level()), ("left out. Drop it", Level::Warning));
    }

    #[test]
    fn an_event_of_an_unknown_kind_is_an_error() {
        assert!(serde_json::from_value::<RunEvent>(json!({"event": "teleported"})).is_err());
    }

    #[test]
    fn what_others_said_can_be_redacted_before_it_is_stored() {
        let error = "password 'x' refused".to_owned();
        let event = RunEvent::Failed {
            database: "shop".to_owned(),
            error,
            code: None,
            technical_details: Some("role 'x'".to_owned()),
        };
        let redacted = event.with_words(&|text| text.replace("'x'", "***"));
        assert_eq!(redacted.to_string(), "shop was not backed up: password *** refused");
        assert_eq!(redacted.technical_details(), Some("role ***"));
    }
}

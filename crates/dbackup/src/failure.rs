//! How a command ends.

use std::process::ExitCode;

use adapter::{Authorization, Kind};
use domain::RunState;
use sources::WayOn;

/// A command did what it could.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All of it.
    Succeeded,
    /// A part of it; the rest was reported.
    Partial,
    /// None of it; that was reported.
    Failed,
    /// Nothing was done, and there is something to do: a dry run.
    Changes,
}

impl Outcome {
    /// 0, 3, 1 or 2.
    pub(crate) fn exit_code(self) -> ExitCode {
        match self {
            Self::Succeeded => ExitCode::SUCCESS,
            Self::Partial => ExitCode::from(3),
            Self::Failed => ExitCode::FAILURE,
            Self::Changes => ExitCode::from(2),
        }
    }
}

impl From<RunState> for Outcome {
    fn from(state: RunState) -> Self {
        match state {
            RunState::Succeeded | RunState::SucceededWithWarnings => Self::Succeeded,
            RunState::Partial => Self::Partial,
            RunState::Failed => Self::Failed,
        }
    }
}

/// A command could not do anything, and says why.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It was asked in a way that cannot be meant.
    Usage(String),
    /// It failed.
    Failed(String),
}

impl Failure {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into())
    }

    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::Failed(message.into())
    }

    /// 2 or 1.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Failed(_) => ExitCode::FAILURE,
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Usage(message) | Self::Failed(message)) = self;
        f.write_str(message)
    }
}

/// Returns what a person has to run in this program when a storage wants a new authorization.
fn log_in() -> String {
    let registry = destinations::registry();
    let authorized = registry.manifests().filter(|manifest| manifest.authorization.is_some());
    let commands: Vec<String> = authorized.map(|manifest| format!("dbackup {} login", manifest.id)).collect();
    format!("Run: {}", commands.join(" or "))
}

impl From<adapter::Error> for Failure {
    fn from(error: adapter::Error) -> Self {
        match error.kind() {
            Kind::Invalid => Self::Usage(error.to_string()),
            _ => {
                let words = with_way_on(describe(&error), WayOn::after(&error));
                Self::Failed(with_details(words, error.detail_text()))
            }
        }
    }
}

/// What a restore can be tried again with, as options of this program.
fn way_on_in_words(way_on: WayOn<'_>) -> String {
    match way_on {
        WayOn::Overwrite => "Restore into another database, or replace this one with --overwrite".to_owned(),
        WayOn::ContinueOnError => "Fix the cause, or load everything else with --on-error continue".to_owned(),
        WayOn::PutInPlace(kept) => {
            format!("Then run dbackup restore --put-in-place '{kept}' with the same --target")
        }
    }
}

fn with_way_on(words: String, way_on: Option<WayOn<'_>>) -> String {
    let end = if words.ends_with('.') { "" } else { "." };
    way_on.map(|way_on| format!("{words}{end} {}", way_on_in_words(way_on))).unwrap_or(words)
}

impl From<runner::OpenError> for Failure {
    fn from(error: runner::OpenError) -> Self {
        match error {
            runner::OpenError::Destination(error) => error.into(),
            runner::OpenError::Source(error) => error.into(),
            error => {
                let words = with_way_on(error.to_string(), error.way_on());
                Self::Failed(with_details(words, error.technical_details()))
            }
        }
    }
}

impl From<runner::CopyError> for Failure {
    fn from(error: runner::CopyError) -> Self {
        match error {
            runner::CopyError::Source(error) | runner::CopyError::Destination(error) => error.into(),
            error => Self::Failed(with_details(error.to_string(), error.technical_details())),
        }
    }
}

impl From<runner::DeleteError> for Failure {
    fn from(error: runner::DeleteError) -> Self {
        match error {
            runner::DeleteError::Destination(error) => error.into(),
            error @ runner::DeleteError::NotABackup(_) => Self::Usage(error.to_string()),
            error @ (runner::DeleteError::Locked(_) | runner::DeleteError::Unreadable { .. }) => {
                Self::Failed(error.to_string())
            }
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Adds what a tool, a server or a storage said word for word, as a last line.
pub(crate) fn with_details(words: String, details: Option<&str>) -> String {
    details.map(|details| format!("{words}\nDetails: {}", details.trim())).unwrap_or(words)
}

/// Why a copy is missing, with what to run against it.
pub(crate) fn describe_copy(failure: &runner::backup::Failure) -> String {
    match failure {
        runner::backup::Failure::Destination(error) => describe(error),
        failure => failure.to_string(),
    }
}

fn describe(error: &adapter::Error) -> String {
    match error.kind() {
        Kind::Unauthorized(Authorization::AppNotRecognized) => error.to_string(),
        Kind::Unauthorized(_) => format!("{}. {}", error.to_string().trim_end_matches('.'), log_in()),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_raw_words_of_a_server_are_the_last_line() {
        let error = sources::Error::failed("could not read orders", "a page is damaged").detail("ERROR:  XX001\n");
        let failure = Failure::from(error).to_string();
        assert_eq!(failure, "could not read orders: a page is damaged\nDetails: ERROR:  XX001");
    }

    #[test]
    fn a_restore_that_failed_names_the_option_to_go_on_with() {
        let object = || sources::Error::new(Kind::Object, "could not restore", "no f()");
        let kept = sources::Error::new(Kind::Kept { name: "shop__x".into() }, "'shop' could not be replaced", "busy");
        let leftover = runner::OpenError::Leftover {
            cause: Box::new(runner::OpenError::Source(object())),
            leftover: sources::Error::holds_data("x"),
        };
        for (failure, option) in [
            (Failure::from(sources::Error::holds_data("database 'shop'")), "--overwrite"),
            (object().into(), "--on-error continue"),
            (leftover.into(), "--on-error continue"),
            (runner::OpenError::Source(kept).into(), "--put-in-place 'shop__x'"),
        ] {
            let words = failure.to_string();
            assert!(words.contains(option) && !words.contains(".."), "{words}");
        }
    }
}

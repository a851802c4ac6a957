//! How a run ended.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The end of a run, by the success contract: a warning never hides in a success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// Every database is complete and verified at every destination.
    Succeeded,
    /// The same, but something was left out or could not be checked, and the result names it.
    #[serde(rename = "succeededWithWarnings")]
    SucceededWithWarnings,
    /// At least one copy is provably whole and at least one is missing.
    Partial,
    /// Nothing that can be relied on was made.
    Failed,
}

impl RunState {
    /// Returns the state of a run whose copies (one per database and destination) came out like this; `warned` says whether any
    /// warning was given that nobody has acknowledged. A run without copies failed.
    pub fn of(copies: impl IntoIterator<Item = bool>, warned: bool) -> Self {
        let (mut good, mut bad) = (false, false);
        for whole in copies {
            if whole {
                good = true;
            } else {
                bad = true;
            }
        }
        match (good, bad) {
            (true, false) if warned => Self::SucceededWithWarnings,
            (true, false) => Self::Succeeded,
            (true, true) => Self::Partial,
            (false, _) => Self::Failed,
        }
    }
}

/// How far a run of a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// It waits for its turn.
    Queued,
    /// It is going on.
    Running,
    /// See [`RunState::Succeeded`].
    Succeeded,
    /// See [`RunState::SucceededWithWarnings`].
    #[serde(rename = "succeededWithWarnings")]
    SucceededWithWarnings,
    /// See [`RunState::Partial`].
    Partial,
    /// See [`RunState::Failed`].
    Failed,
    /// Somebody stopped it.
    Cancelled,
    /// The server stopped in the middle of it.
    Interrupted,
}

impl RunStatus {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::Running,
        Self::Succeeded,
        Self::SucceededWithWarnings,
        Self::Partial,
        Self::Failed,
        Self::Cancelled,
        Self::Interrupted,
    ];

    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::SucceededWithWarnings => "succeededWithWarnings",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }

    /// Returns whether every copy is complete and verified, with or without warnings.
    pub fn is_success(self) -> bool {
        matches!(self, Self::Succeeded | Self::SucceededWithWarnings)
    }

    /// Whether nothing more will happen to it.
    pub fn is_finished(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

impl From<RunState> for RunStatus {
    fn from(state: RunState) -> Self {
        match state {
            RunState::Succeeded => Self::Succeeded,
            RunState::SucceededWithWarnings => Self::SucceededWithWarnings,
            RunState::Partial => Self::Partial,
            RunState::Failed => Self::Failed,
        }
    }
}

impl FromStr for RunStatus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| format!("'{text}' is not a state of a run"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_one_word() {
        for status in RunStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
        assert!("going".parse::<RunStatus>().is_err());
    }

    #[test]
    fn only_all_is_success() {
        assert_eq!(RunState::of([true, true], false), RunState::Succeeded);
        assert_eq!(RunState::of([true, false], false), RunState::Partial);
        assert_eq!(RunState::of([false], false), RunState::Failed);
        assert_eq!(RunState::of([], false), RunState::Failed);
    }

    #[test]
    fn a_warning_never_hides_in_a_success_and_never_hides_a_failure() {
        assert_eq!(RunState::of([true, true], true), RunState::SucceededWithWarnings);
        assert_eq!(RunState::of([true, false], true), RunState::Partial);
        assert_eq!(RunState::of([false], true), RunState::Failed);
    }
}

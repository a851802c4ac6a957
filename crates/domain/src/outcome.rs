//! How a run ended.

use serde::{Deserialize, Serialize};

/// The end of a run, by the success contract: a warning never hides in a success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// Every database is provably whole at every destination.
    Succeeded,
    /// At least one copy is provably whole and at least one is missing.
    Partial,
    /// Nothing that can be relied on was made.
    Failed,
}

impl RunState {
    /// The state of a run whose copies (one per database and destination) came out like this. A run that made none failed.
    pub fn of(copies: impl IntoIterator<Item = bool>) -> Self {
        let (mut good, mut bad) = (false, false);
        for whole in copies {
            if whole {
                good = true;
            } else {
                bad = true;
            }
        }
        match (good, bad) {
            (true, false) => Self::Succeeded,
            (true, true) => Self::Partial,
            (false, _) => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_all_is_success() {
        assert_eq!(RunState::of([true, true]), RunState::Succeeded);
        assert_eq!(RunState::of([true, false]), RunState::Partial);
        assert_eq!(RunState::of([false]), RunState::Failed);
        assert_eq!(RunState::of([]), RunState::Failed);
    }
}

//! What watchers of runs are told.

use catalog::Run;
use domain::run::{RunProgress, RunResult};

/// Something that happened to a run.
#[derive(Debug, Clone)]
pub(crate) enum LiveEvent {
    /// It has something to say, which is stored.
    Line { run_id: String },
    /// It has got further; with the result so far, if there is news.
    Progress { run_id: String, progress: RunProgress, result: Option<Box<RunResult>> },
    /// It began or ended.
    State(Box<Run>),
}

impl LiveEvent {
    /// Whose it is.
    pub(crate) fn run_id(&self) -> &str {
        match self {
            Self::Line { run_id } | Self::Progress { run_id, .. } => run_id,
            Self::State(run) => &run.id,
        }
    }
}

//! The log of a run: stored, told to watchers, and repeated in the server's own log.

use catalog::NewLogLine;

use super::live::LiveEvent;
use crate::app::App;
use crate::redaction::redact;

/// Longer lines are cut: tools can be very talkative.
const LONGEST: usize = 8 * 1024;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Info,
    Warning,
    Error,
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl App {
    /// Adds a line to a run's log.
    pub(crate) async fn log(&self, run_id: &str, level: Level, message: &str) {
        // Tools say what they like: nothing in it acts on a terminal, or on the lines around it.
        let mut message = domain::text::lines(&redact(message));
        if message.len() > LONGEST {
            let end = (0..=LONGEST).rev().find(|&end| message.is_char_boundary(end)).unwrap_or(0);
            message.truncate(end);
            message.push_str(" [cut]");
        }
        match level {
            Level::Info => tracing::info!(run_id, "{message}"),
            Level::Warning => tracing::warn!(run_id, "{message}"),
            Level::Error => tracing::error!(run_id, "{message}"),
        }
        let line = NewLogLine { level: level.as_str(), message: &message };
        match self.catalog.add_log_line(run_id, line, self.now()).await {
            Ok(_) => self.runs.tell(LiveEvent::Line { run_id: run_id.to_owned() }),
            Err(error) => tracing::error!(%error, run_id, "could not store a line of the run's log"),
        }
    }
}

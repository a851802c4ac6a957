//! The log of a run: stored, told to watchers, and repeated in the server's own log.

use std::sync::Arc;
use std::time::Duration;

use catalog::NewLogLine;
use domain::run::{Level, RunEvent};

use super::Active;
use super::live::LiveEvent;
use super::unstored::Line;
use crate::app::App;
use crate::redaction::redact;

/// Longer lines are cut: tools can be very talkative.
const LONGEST: usize = 8 * 1024;

/// Maximum time that a run waits for a line to be stored.
const STORE_TIMEOUT: Duration = Duration::from_secs(2);
/// The same once it is to stop, or the server is: a run says several lines at its end.
const STOPPED_STORE_TIMEOUT: Duration = Duration::from_millis(500);

impl App {
    /// Adds what happened to a run's log.
    pub(crate) async fn log(&self, run_id: &str, event: RunEvent) {
        let event = event.with_words(&bounded);
        let message = in_words(&event);
        match event.level() {
            Level::Info => tracing::info!(run_id, "{message}"),
            Level::Warning => tracing::warn!(run_id, "{message}"),
            Level::Error => tracing::error!(run_id, "{message}"),
        }
        let line = Line { event, at: self.now() };
        match self.runs.active(run_id) {
            Some(active) => {
                active.unstored.add(line);
                self.store_log(run_id, &active).await;
            }
            None => {
                self.store_line(run_id, &line).await;
            }
        }
    }

    /// Stores the lines of a run that wait, in order, as far as the metadata database takes them. One that does not answer holds up
    /// neither the run for long nor its end: the lines are stored by a task of its own.
    pub(super) async fn store_log(&self, run_id: &str, active: &Active) {
        let (app, id, unstored) = (self.clone(), run_id.to_owned(), Arc::clone(&active.unstored));
        let storing = tokio::spawn(async move {
            let _turn = unstored.storing.lock().await;
            while let Some(line) = unstored.next() {
                if !app.store_line(&id, &line).await {
                    return;
                }
                unstored.stored();
            }
        });
        let limit = if active.cancel.is_cancelled() { STOPPED_STORE_TIMEOUT } else { STORE_TIMEOUT };
        let waited = async {
            tokio::select! {
                () = tokio::time::sleep(limit) => {}
                () = self.runs.draining.cancelled() => tokio::time::sleep(STOPPED_STORE_TIMEOUT).await,
            }
        };
        tokio::select! {
            _ = storing => {}
            () = waited => {}
        }
    }

    async fn store_line(&self, run_id: &str, line: &Line) -> bool {
        let new = NewLogLine { event: &line.event, message: &in_words(&line.event) };
        match self.catalog.add_log_line(run_id, new, line.at).await {
            Ok(_) => self.runs.tell(LiveEvent::Line { run_id: run_id.to_owned() }),
            Err(error) => {
                tracing::error!(%error, run_id, "could not store a line of the run's log");
                return false;
            }
        }
        true
    }
}

/// Returns an event in the words of the log. Names and paths are data as they are, in events as in results, for the same readers; in words
/// they are redacted like everything else, since words also go to the server's own log.
fn in_words(event: &RunEvent) -> String {
    bounded(&event.to_string())
}

/// Redacts and cuts a text. Tools say what they like: nothing in it acts on a terminal, or on the lines around it.
fn bounded(text: &str) -> String {
    let mut text = domain::text::lines(&redact(text));
    if text.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        text.truncate(end);
        text.push_str(" [cut]");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_looks_like_a_secret_is_data_and_in_words_as_safe_as_anything_else() {
        crate::redaction::register("hunter2-hunter2");
        let name = "x password=hunter2-hunter2";
        let error = format!("{name}: refused, {}", "x".repeat(2 * LONGEST));
        let event = RunEvent::Failed { database: name.to_owned(), error, code: None, technical_details: None }
            .with_words(&bounded);
        let RunEvent::Failed { database, error, .. } = &event else { panic!("{event:?}") };
        assert_eq!(database, name, "as in the run's result");
        assert!(!error.contains("hunter2") && error.len() < LONGEST + 100, "{error}");
        let words = in_words(&event);
        assert!(!words.contains("hunter2") && words.len() < LONGEST + 100, "{words}");
    }
}

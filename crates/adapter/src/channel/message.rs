//! What is told.

use domain::notification::Severity;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Maximum length of [`Ping::log_end`] in bytes. Healthchecks.io stores 100 kB of a ping's body, its self-hosted version 10 kB by
/// default; both cut off the end: <https://healthchecks.io/docs/attaching_logs/>.
pub const MAX_LOG_END: usize = 10_000;

/// A message to people, or to a service that alerts them. It holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// Identifies the message; the same when it is sent again. Letters, digits and hyphens.
    pub id: String,
    /// The event's stable code: `backup.failed`.
    pub event: String,
    /// How bad it is.
    pub severity: Severity,
    /// Whether the cause persists.
    pub state: State,
    /// Identifies the cause: a message that resolves it has the same key as those that told of it.
    pub dedup_key: String,
    /// What happened, as one line.
    pub title: String,
    /// The body, a paragraph per item.
    pub text: Vec<String>,
    /// Details, in the order in which they are shown.
    pub facts: Vec<Fact>,
    /// The address of the page in dbackup, if the server knows its own.
    pub link: Option<String>,
    /// When it happened.
    pub at: Timestamp,
    /// The name of the dbackup server.
    pub server: String,
    /// What a monitor of runs is told; `None` unless the message is about a run.
    pub ping: Option<Ping>,
}

/// Whether the cause of a message persists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// It persists, or the message is about an event that has no end.
    Firing,
    /// It is gone.
    Resolved,
}

impl State {
    /// Returns its stable identifier.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// A detail of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fact {
    /// Its label: `Job`.
    pub label: String,
    /// Its value: `Nightly`.
    pub value: String,
}

/// A sign of life of a run, for services that alert when it stays out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ping {
    /// What the run did.
    pub signal: Signal,
    /// The run's id, a UUID, which ties its start to its end.
    pub run: String,
    /// The end of the run's log. Channels send its last [`MAX_LOG_END`] bytes.
    pub log_end: String,
}

/// What a run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Signal {
    /// It has started.
    Start,
    /// It has succeeded.
    Success,
    /// It has failed.
    Fail,
}

/// Returns a text as one line of at most `max` characters: line breaks and other control characters become spaces, and what is cut off
/// is marked by an ellipsis.
pub fn one_line(text: &str, max: usize) -> String {
    let is_break = |character: char| character.is_control() || matches!(character, '\u{2028}' | '\u{2029}');
    let words = text.split(|character: char| is_break(character) || character == ' ').filter(|word| !word.is_empty());
    let line =
        words.fold(String::new(), |line, word| if line.is_empty() { word.to_owned() } else { line + " " + word });
    match line.char_indices().nth(max) {
        None => line,
        Some(_) => line.chars().take(max.saturating_sub(1)).chain(['…']).collect(),
    }
}

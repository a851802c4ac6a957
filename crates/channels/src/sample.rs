//! A message that templates are tried with.

use adapter::channel::{Message, Severity, State};
use jiff::Timestamp;

/// Returns a message in which every text is a letter.
pub(crate) fn message() -> Message {
    let letter = || "a".to_owned();
    Message {
        id: letter(),
        event: letter(),
        severity: Severity::Info,
        state: State::Firing,
        dedup_key: letter(),
        title: letter(),
        text: vec![letter()],
        facts: Vec::new(),
        link: None,
        at: Timestamp::UNIX_EPOCH,
        server: letter(),
        ping: None,
    }
}

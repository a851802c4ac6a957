//! What a person or a script sees. Results go to standard output; notes, errors and progress to standard error.

mod live;
mod progress;
mod remarks;
mod table;

use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use domain::run::{Level, RunEvent};
use domain::text::lines;
use serde_json::Value;

use crate::failure::Failure;

pub(crate) use progress::{Direction, ProgressDisplay, RemoteProgress};
pub(crate) use table::{Table, moment};

/// The first error of standard output.
static FAILURE: Mutex<Option<std::io::Error>> = Mutex::new(None);

/// A line of the result. Nothing in it acts on a terminal.
pub(crate) fn line(text: &str) {
    write(format!("{}\n", lines(text)).as_bytes());
}

/// A part of a result that is a file. On a terminal, nothing in it acts.
pub(crate) fn raw(piece: &[u8]) {
    if std::io::stdout().is_terminal() {
        write(lines(&String::from_utf8_lossy(piece)).as_bytes());
    } else {
        write(piece);
    }
}

/// Clears the terminal for the next round of a list; elsewhere, begins a new paragraph. Returns whether anybody still reads.
pub(crate) fn clear() -> bool {
    let mut stdout = std::io::stdout().lock();
    let text = if stdout.is_terminal() { "\x1b[H\x1b[2J" } else { "\n" };
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).is_ok()
}

/// Whether states have colours on standard output (<https://no-color.org>).
fn is_coloured() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    std::io::stdout().is_terminal() && !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

fn write(text: &[u8]) {
    let written = std::io::stdout().lock().write_all(text);
    // A reader that closed the pipe has read what it wanted; the exit code still tells the rest.
    if let Err(error) = written
        && error.kind() != ErrorKind::BrokenPipe
    {
        FAILURE.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }
}

/// Returns why a part of the result could not be written to standard output, if it could not.
pub(crate) fn failure() -> Option<Failure> {
    let error = FAILURE.lock().unwrap_or_else(PoisonError::into_inner).take()?;
    Some(Failure::failed(format!("could not write the result to standard output: {error}")))
}

/// An object of `--json` output.
pub(crate) fn json(object: &Value) {
    line(&object.to_string());
}

/// A remark, in which nothing acts on a terminal. A standard error that nobody reads delays it by a second once, and stops nothing.
pub(crate) fn note(text: &str) {
    live::write_above(&lines(text));
}

/// Something that happened during a run.
pub(crate) fn event(event: &RunEvent) {
    let mark = if event.level() == Level::Warning { "Warning: " } else { "" };
    note(&format!("{mark}{}", printable(&event.to_string())));
}

/// What went wrong.
pub(crate) fn error(text: &str) {
    note(&format!("dbackup: {text}"));
}

/// Whether a person watches.
pub(crate) fn is_watched() -> bool {
    std::io::stderr().is_terminal()
}

/// Makes a foreign text safe for one line of a terminal: what would act instead of being shown becomes visible.
pub(crate) fn printable(text: &str) -> String {
    domain::text::one_line(text)
}

//! What a person or a script sees. Results go to standard output; notes, errors and progress to standard error.

mod progress;

use std::io::{IsTerminal, Write};

use serde_json::Value;

pub(crate) use progress::ProgressDisplay;

/// A line of the result.
pub(crate) fn line(text: &str) {
    write_line(&mut std::io::stdout().lock(), text);
}

/// An object of `--json` output.
pub(crate) fn json(object: &Value) {
    line(&object.to_string());
}

/// A remark.
pub(crate) fn note(text: &str) {
    // A live progress line may stand there.
    let clear = if is_watched() { "\r\x1b[K" } else { "" };
    write_line(&mut std::io::stderr().lock(), &format!("{clear}{text}"));
}

/// What went wrong.
pub(crate) fn error(text: &str) {
    note(&format!("dbackup: {text}"));
}

/// Whether a person watches.
pub(crate) fn is_watched() -> bool {
    std::io::stderr().is_terminal()
}

/// Makes a foreign text safe for a terminal: control characters become visible.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .flat_map(
            |character| if character.is_control() { character.escape_default().collect() } else { vec![character] },
        )
        .collect()
}

fn write_line(target: &mut dyn Write, text: &str) {
    // Whoever closed the pipe does not want to read any more; the exit code still tells.
    let _ = writeln!(target, "{text}");
}

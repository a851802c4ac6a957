//! The lines at the end of a terminal that are written anew as a command gets on.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::remarks;

/// How many such lines stand there. Held while anything is written, so that no remark comes between them.
static SHOWN: Mutex<usize> = Mutex::new(0);

/// Writes lines in place of the ones that stand there. None removes those.
pub(super) fn show(lines: &[String]) {
    let mut shown = lock();
    remarks::write(format!("{}{}", clear(*shown), lines.join("\n")));
    *shown = lines.len();
}

/// Writes a remark above, in place of the lines. They come back with the next [`show`].
pub(super) fn write_above(text: &str) {
    let mut shown = lock();
    remarks::write(format!("{}{text}\n", clear(*shown)));
    *shown = 0;
}

/// What removes so many lines, of which the last has no line break.
fn clear(lines: usize) -> String {
    match lines {
        0 => String::new(),
        1 => "\r\x1b[J".to_owned(),
        lines => format!("\r\x1b[{}A\x1b[J", lines - 1),
    }
}

fn lock() -> MutexGuard<'static, usize> {
    SHOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_lines_that_stand_there_are_removed_and_none_above() {
        assert_eq!([0, 1, 3].map(clear), ["", "\r\x1b[J", "\r\x1b[2A\x1b[J"]);
    }
}

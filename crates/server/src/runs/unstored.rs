//! Lines of a run's log that are not stored yet, because the metadata database is away.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use domain::run::RunEvent;
use jiff::Timestamp;

/// Maximum lines that wait; further ones are counted.
const MAX_WAITING: usize = 1000;

/// A line that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) event: RunEvent,
    pub(super) at: Timestamp,
}

/// The lines of a run that wait, and the turn to store them.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    lines: Mutex<Unstored>,
    /// Held while lines are stored, so that they keep their order. Adding one never waits for it.
    pub(super) storing: tokio::sync::Mutex<()>,
}

impl Waiting {
    pub(super) fn add(&self, line: Line) {
        self.lock().add(line);
    }

    /// Returns the line that has to be stored next.
    pub(super) fn next(&self) -> Option<Line> {
        self.lock().next()
    }

    /// Notes that the line that came next is stored.
    pub(super) fn stored(&self) {
        self.lock().stored();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Unstored> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lines that wait, in order.
#[derive(Debug, Default)]
struct Unstored {
    lines: VecDeque<Line>,
    left_out: u64,
    /// When the last line was left out.
    last: Option<Timestamp>,
}

impl Unstored {
    fn add(&mut self, line: Line) {
        if self.lines.len() < MAX_WAITING {
            self.lines.push_back(line);
        } else {
            self.left_out += 1;
            self.last = Some(line.at);
        }
    }

    fn next(&self) -> Option<Line> {
        let left_out = || {
            let event = RunEvent::LinesMissing { count: self.left_out, too_fast: false };
            self.last.map(|at| Line { event, at })
        };
        self.lines.front().cloned().or_else(left_out)
    }

    /// Forgets the line that [`Self::next`] returned, once it is stored.
    pub(super) fn stored(&mut self) {
        if self.lines.pop_front().is_none() {
            (self.left_out, self.last) = (0, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: usize) -> Line {
        let at = Timestamp::from_second(i64::try_from(number).unwrap()).unwrap();
        Line { event: RunEvent::Started { database: number.to_string() }, at }
    }

    #[test]
    fn lines_wait_in_order_and_what_is_left_out_is_counted() {
        let mut unstored = Unstored::default();
        (0..MAX_WAITING + 7).for_each(|number| unstored.add(line(number)));
        for number in 0..MAX_WAITING {
            // Asked twice, as long as it cannot be stored.
            assert_eq!(unstored.next(), Some(line(number)));
            assert_eq!(unstored.next(), Some(line(number)));
            unstored.stored();
        }
        let told = unstored.next().unwrap();
        assert_eq!(told.event, RunEvent::LinesMissing { count: 7, too_fast: false });
        assert_eq!(told.at, line(MAX_WAITING + 6).at);
        unstored.stored();
        assert_eq!(unstored.next(), None);
        unstored.add(line(5));
        assert_eq!(unstored.next(), Some(line(5)));
    }
}

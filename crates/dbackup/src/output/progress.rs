//! Progress while a command works: live lines on a terminal, plain lines now and then elsewhere, objects for scripts. After a line of
//! the whole comes one per destination.

use std::time::Duration;

use domain::run::{DestinationProgress, RunProgress};
use domain::size::human;
use pipeline::Progress;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{is_watched, json as print_json, live, note, printable};

/// Maximum characters of a destination's name in its line, and of its error: a live line must not wrap.
const MAX_NAME: usize = 24;
const MAX_ERROR: usize = 40;

/// Shows progress until it is dropped.
pub(crate) struct ProgressDisplay {
    task: JoinHandle<()>,
    live: bool,
}

/// What the numbers mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Out of the database.
    Backup,
    /// Back into it.
    Restore,
    /// From one destination to another.
    Copy,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Live,
    Lines,
    Json,
}

impl Style {
    fn of(as_json: bool) -> Self {
        match (as_json, is_watched()) {
            (true, _) => Self::Json,
            (false, true) => Self::Live,
            (false, false) => Self::Lines,
        }
    }

    /// How often progress is shown.
    fn period(self) -> Duration {
        match self {
            Self::Live => Duration::from_millis(200),
            Self::Lines => Duration::from_secs(10),
            Self::Json => Duration::from_secs(1),
        }
    }
}

impl ProgressDisplay {
    /// Starts to show a backup's progress.
    pub(crate) fn backup(progress: &Progress, as_json: bool) -> Self {
        Self::start(progress, Direction::Backup, as_json)
    }

    /// Starts to show a copy's progress.
    pub(crate) fn copy(progress: &Progress) -> Self {
        Self::start(progress, Direction::Copy, false)
    }

    /// Starts to show a restore's progress.
    pub(crate) fn restore(progress: &Progress, as_json: bool) -> Self {
        Self::start(progress, Direction::Restore, as_json)
    }

    fn start(progress: &Progress, direction: Direction, as_json: bool) -> Self {
        let style = Style::of(as_json);
        let task = tokio::spawn(show(progress.clone(), direction, style));
        Self { task, live: style == Style::Live }
    }
}

impl Drop for ProgressDisplay {
    fn drop(&mut self) {
        self.task.abort();
        if self.live {
            live::show(&[]);
        }
    }
}

/// Shows the progress of a run on a server, as its events come.
pub(crate) struct RemoteProgress {
    direction: Direction,
    style: Style,
    /// What was shown last, and when.
    last: Option<(RunProgress, Instant)>,
}

impl RemoteProgress {
    /// Of a run of that kind.
    pub(crate) fn new(direction: Direction) -> Self {
        Self { direction, style: Style::of(false), last: None }
    }

    /// Shows how far the run is now, unless that was shown a moment ago.
    pub(crate) fn show(&mut self, now: RunProgress) {
        let at = Instant::now();
        let rate = match &self.last {
            Some((_, before)) if at - *before < self.style.period() => return,
            Some((last, _)) if self.style == Style::Lines && *last == now => return,
            Some((last, before)) => rate(last, &now, at - *before),
            None => 0,
        };
        write(self.style, &lines(self.direction, &now, rate));
        self.last = Some((now, at));
    }
}

impl Drop for RemoteProgress {
    fn drop(&mut self) {
        if self.style == Style::Live {
            live::show(&[]);
        }
    }
}

async fn show(progress: Progress, direction: Direction, style: Style) {
    let started = Instant::now();
    let mut ticks = interval(style.period());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = progress.snapshot().with_words(&str::to_owned);
    let mut last_at = started;
    loop {
        ticks.tick().await;
        let (now, at) = (progress.snapshot().with_words(&str::to_owned), Instant::now());
        let rate = rate(&last, &now, at - last_at);
        match style {
            Style::Live => write(style, &lines(direction, &now, rate)),
            Style::Lines if now != last => write(style, &lines(direction, &now, rate)),
            Style::Json if now != last => print_json(&json!({
                "event": "progress", "dumped": now.dumped_bytes, "stored": now.stored_bytes, "sent": now.sent_bytes,
                "destinations": now.destinations, "bytesPerSecond": rate, "seconds": (at - started).as_secs_f64(),
            })),
            Style::Lines | Style::Json => {}
        }
        (last, last_at) = (now, at);
    }
}

fn write(style: Style, lines: &[String]) {
    if style == Style::Live { live::show(lines) } else { lines.iter().for_each(|line| note(line)) }
}

/// Bytes per second. A destination that drops out makes no speed.
fn rate(last: &RunProgress, now: &RunProgress, time: Duration) -> u64 {
    let moved = now.sent_bytes.saturating_sub(last.sent_bytes);
    if time.is_zero() { 0 } else { (moved as f64 / time.as_secs_f64()) as u64 }
}

/// A line of the whole, and one per destination.
fn lines(direction: Direction, now: &RunProgress, rate: u64) -> Vec<String> {
    let rate = human(rate);
    let [dumped, stored, sent] = [now.dumped_bytes, now.stored_bytes, now.sent_bytes].map(human);
    let whole = match direction {
        Direction::Backup => format!("{dumped} dumped, {stored} stored, {sent} sent, {rate}/s"),
        Direction::Copy => format!("{stored} read, {sent} copied, {rate}/s"),
        Direction::Restore => format!("{sent} read, {dumped} restored, {rate}/s"),
    };
    let each = now.destinations.iter().map(|destination| line(destination, now.stored_bytes));
    std::iter::once(whole).chain(each).collect()
}

/// How far a destination is, of what has left the pipeline so far.
fn line(destination: &DestinationProgress, stored: u64) -> String {
    let DestinationProgress { name, acknowledged_bytes, state, error, .. } = destination;
    let (name, state) = (cut(name, MAX_NAME), state.as_str());
    match error {
        Some(error) => format!("  {name}  {state}: {}", cut(error, MAX_ERROR)),
        None => format!("  {name}  {} of {}  {state}", human(*acknowledged_bytes), human(stored)),
    }
}

fn cut(text: &str, most: usize) -> String {
    let text = printable(text);
    match text.char_indices().nth(most) {
        None => text,
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use domain::run::DestinationState;

    use super::*;

    #[test]
    fn each_destination_has_a_line_of_its_own_that_does_not_wrap() {
        let destination = |name: &str, acknowledged_bytes, state, error: Option<&str>| DestinationProgress {
            id: name.to_owned(),
            name: name.to_owned(),
            acknowledged_bytes,
            state,
            error: error.map(ToOwned::to_owned),
        };
        let disk = destination("Disk", 2048, DestinationState::Uploading, None);
        let dropbox = destination(&"Dropbox".repeat(20), 1024, DestinationState::Failed, Some(&"no room ".repeat(20)));
        let destinations = vec![disk, dropbox];
        let now = RunProgress { dumped_bytes: 4096, stored_bytes: 3072, sent_bytes: 2048, destinations };
        let lines = lines(Direction::Backup, &now, 1024);
        assert_eq!(lines[0], "4.0 KiB dumped, 3.0 KiB stored, 2.0 KiB sent, 1.0 KiB/s");
        assert_eq!(lines[1], "  Disk  2.0 KiB of 3.0 KiB  uploading");
        assert!(lines[2].contains("failed: no room"), "{}", lines[2]);
        assert!(lines.iter().all(|line| line.chars().count() < 80), "{lines:?}");
    }
}

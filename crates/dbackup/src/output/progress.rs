//! Progress while a command works: one live line on a terminal, a plain line now and then elsewhere, objects for scripts.

use std::time::Duration;

use domain::size::human;
use pipeline::Progress;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{is_watched, json as print_json, note, remarks};

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
        let style = match (as_json, is_watched()) {
            (true, _) => Style::Json,
            (false, true) => Style::Live,
            (false, false) => Style::Lines,
        };
        let task = tokio::spawn(show(progress.clone(), direction, style));
        Self { task, live: style == Style::Live }
    }
}

impl Drop for ProgressDisplay {
    fn drop(&mut self) {
        self.task.abort();
        if self.live {
            rewrite("");
        }
    }
}

async fn show(progress: Progress, direction: Direction, style: Style) {
    let period = match style {
        Style::Live => Duration::from_millis(200),
        Style::Lines => Duration::from_secs(10),
        Style::Json => Duration::from_secs(1),
    };
    let started = Instant::now();
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = progress.snapshot();
    let mut last_at = started;
    loop {
        ticks.tick().await;
        let (now, at) = (progress.snapshot(), Instant::now());
        let seconds = (at - last_at).as_secs_f64();
        let moved = now.sent.saturating_sub(last.sent);
        let rate = if seconds > 0.0 { moved as f64 / seconds } else { 0.0 };
        match style {
            Style::Live => rewrite(&sentence(direction, now, rate)),
            Style::Lines if now != last => note(&sentence(direction, now, rate)),
            Style::Json if now != last => print_json(&json!({
                "event": "progress", "dumped": now.dumped, "stored": now.stored, "sent": now.sent,
                "bytesPerSecond": rate as u64, "seconds": (at - started).as_secs_f64(),
            })),
            Style::Lines | Style::Json => {}
        }
        (last, last_at) = (now, at);
    }
}

fn sentence(direction: Direction, now: pipeline::progress::Snapshot, rate: f64) -> String {
    let rate = human(rate as u64);
    match direction {
        Direction::Backup => {
            format!("{} dumped, {} stored, {} sent, {rate}/s", human(now.dumped), human(now.stored), human(now.sent))
        }
        Direction::Copy => format!("{} copied, {rate}/s", human(now.sent)),
        Direction::Restore => format!("{} read, {} restored, {rate}/s", human(now.sent), human(now.dumped)),
    }
}

fn rewrite(text: &str) {
    remarks::write(format!("\r\x1b[K{text}"));
}
